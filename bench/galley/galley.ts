/**
 * How long galley takes to read, validate and distribute a mesh's configuration, and how soon one change reaches a sink.
 *
 * `npm run bench -- galley [directory] [api-server] [--objects N] [--changes N] [-o json]`
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { freePort } from '../src/free-ports.ts';
import { summarize } from '../src/stats.ts';
import { openApiServerOrigin } from './api-server-origin.ts';
import { benchObjects, changeFirstFile, writeFiles } from './objects.ts';
import { startGalley, startSink } from './processes.ts';

const LIMITS = { allS: 10, peakMb: 1_000, changeMs: 50 };

interface Origin {
  /** Flags that make galley read it. */
  readonly flags: readonly string[];
  change(round: number): Promise<void> | void;
  close(): Promise<void> | void;
}

interface Figures {
  readonly origin: string;
  readonly objects: number;
  /** From the start of the process to the last object at the sink. */
  readonly allS: number;
  /** CPU of galley meanwhile. */
  readonly cpuS: number;
  readonly peakMb: number;
  readonly changeMedianMs: number;
  readonly changeP90Ms: number;
  readonly changeMaxMs: number;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      objects: { type: 'string', default: '20000' },
      changes: { type: 'string', default: '30' },
      output: { type: 'string', short: 'o', default: 'table' },
    },
  });
  const [count, changes] = [Number(values.objects), Number(values.changes)];
  if (!(count >= 100) || !(changes >= 1)) throw new Error('--objects is a number from 100, --changes one from 1');
  const names = positionals.length === 0 ? ['directory', 'api-server'] : positionals;
  const figures: Figures[] = [];
  for (const name of names) figures.push(await measure(name, count, changes));
  if (values.output === 'json') console.log(JSON.stringify({ limits: LIMITS, load: loadavg()[0], figures }, undefined, 2));
  else report(figures);
  return figures.every(holds) ? 0 : 1;
}

async function openOrigin(name: string, folder: string, count: number): Promise<Origin> {
  const objects = benchObjects(count);
  if (name === 'api-server') return await openApiServerOrigin(folder, objects);
  if (name !== 'directory') throw new Error(`no origin ${name}; there are directory, api-server`);
  writeFiles(folder, objects);
  return { flags: ['--config-dir', folder], change: (round) => changeFirstFile(folder, objects, round), close: () => undefined };
}

async function measure(name: string, count: number, changes: number): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), 'xebec-bench-galley-'));
  const origin = await openOrigin(name, folder, count);
  const port = await freePort();
  const sink = startSink(port);
  const startedAt = Date.now();
  const galley = await startGalley(port, origin.flags);
  try {
    const all = await sink.next(({ objects }) => objects >= count, `${count} objects`);
    const cpuS = galley.cpuS();
    const waits: number[] = [];
    let { first } = all;
    for (let round = 1; round <= changes; round++) {
      const changedAt = Date.now();
      await origin.change(round);
      const reached = await sink.next((report) => report.first !== first, 'a change');
      waits.push(reached.at - changedAt);
      first = reached.first;
    }
    const { median, p90, max } = summarize(waits);
    return {
      origin: name,
      objects: count,
      allS: (all.at - startedAt) / 1_000,
      cpuS,
      peakMb: galley.peakMb(),
      changeMedianMs: median,
      changeP90Ms: p90,
      changeMaxMs: max,
    };
  } catch (error) {
    throw new Error(`galley printed:\n${galley.log()}`, { cause: error });
  } finally {
    await Promise.all([sink.stop(), galley.stop()]);
    await origin.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function holds({ allS, peakMb, changeMedianMs }: Figures): boolean {
  return allS <= LIMITS.allS && peakMb <= LIMITS.peakMb && changeMedianMs <= LIMITS.changeMs;
}

function report(figures: readonly Figures[]): void {
  const [load = 0] = loadavg();
  for (const one of figures) {
    const line = (name: string, value: string, limit?: string) =>
      console.log(`  ${name.padEnd(42)}${value.padStart(12)}${limit === undefined ? '' : `   limit ${limit}`}`);
    console.log(
      `\n${one.objects} objects from ${one.origin === 'directory' ? 'a directory' : 'an API server'}: ${holds(one) ? 'holds' : 'MISSED'}`,
    );
    line('start of process to last object at sink', `${one.allS.toFixed(2)} s`, `${LIMITS.allS} s`);
    line('CPU of galley meanwhile', `${one.cpuS.toFixed(2)} s`);
    line('memory at its peak (VmHWM)', `${one.peakMb.toFixed(0)} MB`, `${LIMITS.peakMb} MB`);
    line('one change to the sink, median', `${one.changeMedianMs} ms`, `${LIMITS.changeMs} ms`);
    line('one change to the sink, p90 and most', `${one.changeP90Ms}, ${one.changeMaxMs} ms`);
  }
  console.log(`\nload of this machine over the last minute: ${load.toFixed(1)}; galley had core 0 to itself only where nothing else runs`);
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(error);
  return 2;
});
