/**
 * Envoy and xebec-proxy on one bootstrap in one run: CPU by request, throughput, latency and memory, as ratios beside their limits.
 *
 * `npm run bench -- proxy [scenario…] [--seconds N] [--rounds N] [-o json]`
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { findEnvoy } from './contenders.ts';
import { type Measured, measure } from './measure.ts';
import { type Rig, startRig } from './rig.ts';
import { scenarios } from './scenarios.ts';

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '3' },
      rounds: { type: 'string', default: '3' },
      output: { type: 'string', short: 'o', default: 'table' },
    },
  });
  const pace = { seconds: Number(values.seconds), rounds: Number(values.rounds) };
  if (!(pace.seconds >= 1) || !(pace.rounds >= 1)) throw new Error('--seconds and --rounds are numbers from 1');
  if (!existsSync('/proc/self/stat')) throw new Error('CPU times come from /proc: run it on Linux');
  findEnvoy();
  const rig = await startRig();
  try {
    return await run(rig, positionals, pace, values.output === 'json');
  } finally {
    rig.close();
  }
}

async function run(rig: Rig, wanted: readonly string[], pace: { seconds: number; rounds: number }, json: boolean): Promise<number> {
  const all = scenarios(rig.files);
  const unknown = wanted.filter((name) => all.every((scenario) => scenario.name !== name));
  if (unknown.length > 0) throw new Error(`no scenario ${unknown.join(', ')}; there are: ${all.map(({ name }) => name).join(', ')}`);
  let missed = 0;
  for (const scenario of all) {
    if (wanted.length > 0 && !wanted.includes(scenario.name)) continue;
    const measured = await measure(scenario, rig, pace);
    if (json) console.log(JSON.stringify({ benchmark: 'proxy', ...measured }));
    else print(measured);
    missed += measured.verdicts.filter(({ holds }) => !holds).length;
  }
  return missed === 0 ? 0 : 1;
}

function print({ scenario, title, envoy, xebec, verdicts, note }: Measured): void {
  const text = (value: number | undefined) => (value ?? Number.NaN).toFixed(value !== undefined && value < 1000 ? 1 : 0).padStart(11);
  console.log(`\n${scenario}: ${title}`);
  console.log(`  ${''.padEnd(20)}${'envoy'.padStart(11)}${'xebec'.padStart(11)}${'ratio'.padStart(11)}`);
  for (const [name, value] of Object.entries(envoy)) {
    const ours = xebec[name] ?? Number.NaN;
    console.log(`  ${name.padEnd(20)}${text(value)}${text(ours)}${value > 0 ? (ours / value).toFixed(2).padStart(11) : ''}`);
  }
  for (const { what, value, limit, holds } of verdicts) {
    console.log(`  ${holds ? 'holds ' : 'MISSED'} ${what}: ${value < 100 ? value.toFixed(2) : value.toFixed(0)}, limit ${limit}`);
  }
  if (note !== undefined) console.log(`  ${note}`);
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`proxy: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
