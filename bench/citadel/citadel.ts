/**
 * How many certificates citadel signs: in process, over gRPC with connections kept, and with a new TLS connection for each.
 *
 * `npm run bench -- citadel [scenario…] [--seconds N] [--rounds N] [-o json]`
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { own } from '../src/child-process.ts';
import { summarize } from '../src/stats.ts';
import { SCENARIOS, type Scenario, type ScenarioName } from './limits.ts';
import { type Measured, measureServer, type RunningCitadel, SERVER_CORE, startCitadel } from './server.ts';

/** Measured when nothing else ran. */
const QUIET_RAW_US = 90;

interface Row {
  readonly scenario: Scenario;
  readonly perSecond: number;
  readonly cpuUs: number;
  /** What one core gives when nobody disturbs it: a second over the CPU that one certificate takes. */
  readonly perCpuSecond: number;
  readonly rawUs: number | undefined;
  readonly holds: boolean;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '3' },
      output: { type: 'string', short: 'o', default: 'table' },
    },
  });
  const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)];
  if (!(seconds >= 1) || !(rounds >= 1)) throw new Error('--seconds and --rounds are numbers from 1');
  const unknown = positionals.find((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown !== undefined) throw new Error(`no scenario ${unknown}; there are ${SCENARIOS.map(({ name }) => name).join(', ')}`);
  const wanted = SCENARIOS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const folder = mkdtempSync(join(tmpdir(), 'xebec-bench-'));
  const citadel = wanted.some(({ name }) => name !== 'in-process') ? await startCitadel(folder) : undefined;
  try {
    const rows: Row[] = [];
    for (const scenario of wanted) rows.push(await measure(scenario, citadel, seconds, rounds));
    report(rows, values.output === 'json');
    if (values.output !== 'json') reportNoise(rows);
    return rows.every(({ holds }) => holds) ? 0 : 1;
  } finally {
    await citadel?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(
  scenario: Scenario & { readonly name: ScenarioName },
  citadel: RunningCitadel | undefined,
  seconds: number,
  rounds: number,
): Promise<Row> {
  const measured: Measured[] = [];
  for (let round = 0; round < rounds; round++) measured.push(await once(scenario.name, citadel, seconds));
  const perSecond = summarize(measured.map((one) => one.perSecond)).median;
  const cpuUs = summarize(measured.map((one) => one.cpuUs)).median;
  const perCpuSecond = 1e6 / cpuUs;
  const rawUs = measured.find((one) => one.rawUs !== undefined)?.rawUs;
  return { scenario, perSecond, cpuUs, perCpuSecond, rawUs, holds: perCpuSecond >= (scenario.limit ?? 0) };
}

async function once(name: ScenarioName, citadel: RunningCitadel | undefined, seconds: number): Promise<Measured> {
  if (name === 'in-process') {
    const args = ['-c', SERVER_CORE, process.execPath, join(import.meta.dirname, 'in-process.ts'), String(seconds)];
    const running = promisify(execFile)('taskset', args);
    own(running.child);
    return JSON.parse((await running).stdout);
  }
  if (citadel === undefined) throw new Error('citadel does not run');
  return measureServer(citadel, { mutual: !name.endsWith('-token'), reconnect: name.startsWith('connect') }, seconds);
}

function report(rows: readonly Row[], json: boolean): void {
  if (json) {
    console.log(JSON.stringify({ benchmark: 'citadel', rows }));
    return;
  }
  console.log(`\n${''.padEnd(16)}${'per second'.padStart(12)}${'CPU, us'.padStart(10)}${'per CPU-s'.padStart(11)}${'istiod'.padStart(8)}`);
  for (const { scenario, perSecond, cpuUs, perCpuSecond, holds } of rows) {
    const figures = [perSecond.toFixed(0).padStart(12), cpuUs.toFixed(0).padStart(10), perCpuSecond.toFixed(0).padStart(11)];
    const verdict = `${scenario.limit === undefined ? 'no limit' : `${holds ? 'holds' : 'MISSED'} limit ${scenario.limit}`}: ${scenario.what}`;
    console.log(`${scenario.name.padEnd(16)}${figures.join('')}${String(scenario.istiod ?? '').padStart(8)}  ${verdict}`);
  }
}

function reportNoise(rows: readonly Row[]): void {
  const rawUs = rows.find((row) => row.rawUs !== undefined)?.rawUs;
  if (rawUs === undefined) return;
  console.log(
    `\nOne P-256 key read, one signature made and verified: ${rawUs.toFixed(0)} us of CPU; ${QUIET_RAW_US} where the limits were set.`,
  );
  if (rawUs > QUIET_RAW_US * 1.15) console.log('Others disturb this machine: CPU for each certificate is more than it is on a quiet one.');
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`citadel: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
