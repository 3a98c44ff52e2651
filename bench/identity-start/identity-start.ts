/**
 * How long workloads that all start at once wait for their first certificate: `npm run bench -- identity-start [--agents N]
 * [--processes N] [--rounds N] [-o json]`. The agents are whole (sockets, relay, status port, trust stream), but many share a process: a
 * pod brings its own processor along, this machine has two for all of them and the CA.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { type RunningCitadel, startCitadel } from '../citadel/server.ts';
import { own } from '../src/child-process.ts';
import type { AgentsOrder, AgentsResult } from './agents.ts';

/** What the mesh promises, at the 99th percentile. */
const LIMIT_MS = 1000;

interface Round {
  readonly certificateMs: readonly number[];
  readonly servedMs: readonly number[];
  /** CPU that one start took, in the agent's process and in the CA, milliseconds. */
  readonly agentCpuMs: number;
  readonly caCpuMs: number;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      agents: { type: 'string', default: '200' },
      processes: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '3' },
      output: { type: 'string', short: 'o', default: 'table' },
    },
  });
  const [agents, processes, rounds] = [Number(values.agents), Number(values.processes), Number(values.rounds)];
  if (!(agents >= 1 && processes >= 1 && rounds >= 1)) throw new Error('--agents, --processes and --rounds are numbers from 1');
  // A pod's sockets and tokens lie in memory.
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'xebec-start-'));
  const citadel = await startCitadel(folder);
  try {
    const rows = [];
    for (let round = 0; round < rounds; round++) {
      const measured = await startAll(citadel, join(folder, `r${round}`), agents, processes);
      const { agentCpuMs, caCpuMs } = measured;
      rows.push({ certificate: quantiles(measured.certificateMs), served: quantiles(measured.servedMs), agentCpuMs, caCpuMs });
    }
    const p99 = rows.map(({ certificate }) => certificate.p99).toSorted((a, b) => a - b)[Math.floor(rows.length / 2)] ?? Number.NaN;
    const holds = p99 <= LIMIT_MS;
    if (values.output === 'json') console.log(JSON.stringify({ benchmark: 'identity-start', agents, processes, rows, p99, holds }));
    else report(rows, agents, p99, holds);
    return holds ? 0 : 1;
  } finally {
    await citadel.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function startAll(citadel: RunningCitadel, folder: string, agents: number, processes: number): Promise<Round> {
  const each = Math.ceil(agents / processes);
  const parts: Part[] = [];
  for (let index = 0; index < processes; index++) {
    const count = Math.min(each, agents - index * each);
    if (count <= 0) break;
    const { port: caPort, rootPem, token } = citadel;
    parts.push(await startPart({ folder, first: index * each, count, caPort, rootPem, token }));
  }
  const caBefore = citadel.cpuUs();
  for (const { child } of parts) child.stdin?.write('go\n');
  const results: AgentsResult[] = [];
  // Written by agents.ts.
  for (const part of parts) results.push(JSON.parse(await part.line()) as AgentsResult);
  const caCpuMs = (citadel.cpuUs() - caBefore) / 1000 / agents;
  const agentCpuMs = results.reduce((sum, result) => sum + result.cpuMs, 0) / agents;
  for (const { child } of parts) child.stdin?.write('end\n');
  await Promise.all(parts.map(({ ended }) => ended));
  const certificateMs = results.flatMap((result) => result.certificateMs);
  return { certificateMs, servedMs: results.flatMap((result) => result.servedMs), agentCpuMs, caCpuMs };
}

interface Part {
  readonly child: ChildProcess;
  readonly ended: Promise<void>;
  line(): Promise<string>;
}

/** A process that has everything loaded and waits for the word. */
async function startPart(order: AgentsOrder): Promise<Part> {
  const child = own(spawn(process.execPath, [join(import.meta.dirname, 'agents.ts')], { stdio: ['pipe', 'pipe', 'inherit'] }));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => {
    const next = await lines.next();
    if (next.done === true) throw new Error('the process with the agents ended early');
    return next.value;
  };
  child.stdin.write(`${JSON.stringify(order)}\n`);
  await line();
  return { child, ended, line };
}

interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

function quantiles(values: readonly number[]): Quantiles {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

interface Row {
  readonly certificate: Quantiles;
  readonly served: Quantiles;
  readonly agentCpuMs: number;
  readonly caCpuMs: number;
}

function report(rows: readonly Row[], agents: number, p99: number, holds: boolean): void {
  console.log(`\n${agents} agents at once, milliseconds from start`);
  console.log(
    `${''.padEnd(10)}${['p50', 'p99', 'max', 'SDS p50', 'SDS p99', 'agent CPU', 'CA CPU'].map((head) => head.padStart(10)).join('')}`,
  );
  for (const [index, { certificate, served, agentCpuMs, caCpuMs }] of rows.entries()) {
    const figures = [certificate.p50, certificate.p99, certificate.max, served.p50, served.p99];
    const cpu = [agentCpuMs, caCpuMs].map((ms) => ms.toFixed(2).padStart(10)).join('');
    console.log(`round ${index + 1}`.padEnd(10) + figures.map((ms) => ms.toFixed(0).padStart(10)).join('') + cpu);
  }
  console.log(`${holds ? 'holds' : 'MISSED'} limit ${LIMIT_MS} ms: first certificate, p99 of the median round ${p99.toFixed(0)} ms`);
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`identity-start: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 2;
}
