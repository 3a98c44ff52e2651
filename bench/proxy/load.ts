import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { own } from '../src/child-process.ts';
import { loadCore } from './contenders.ts';

export interface LoadShape {
  readonly protocol: 'http1' | 'http2';
  readonly tls?: boolean;
  readonly connections: number;
  /** Requests in flight on each connection. */
  readonly streams: number;
  readonly path: string;
  readonly headers?: readonly string[];
  /** A file that each request carries as its body. */
  readonly bodyFile?: string;
}

export interface LoadOutcome {
  readonly requests: number;
  readonly failed: number;
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/**
 * Runs h2load for a while on the load's core. With `perSecond`, at that rate over `rateConnections`, which all ask in the same moment: on one
 * connection requests come evenly. Without, as fast as it goes.
 */
export async function runLoad(
  shape: LoadShape,
  port: number,
  seconds: number,
  folder: string,
  perSecond?: number,
  rateConnections = 10,
): Promise<LoadOutcome> {
  const log = join(folder, 'h2load.log');
  rmSync(log, { force: true });
  const connections = perSecond === undefined ? shape.connections : rateConnections;
  const args = [
    ...['-c', loadCore, 'h2load', '-t', '1', '-c', String(connections), '-D', `${Math.round(seconds * 1000)}ms`, `--log-file=${log}`],
    ...(shape.protocol === 'http1' ? ['--h1'] : ['-m', String(shape.streams)]),
    ...(perSecond === undefined ? [] : ['--rps', String(perSecond / connections)]),
    ...(shape.bodyFile === undefined ? [] : ['-d', shape.bodyFile]),
    ...(shape.headers ?? []).flatMap((header) => ['-H', header]),
    `${shape.tls === true ? 'https' : 'http'}://127.0.0.1:${port}${shape.path}`,
  ];
  const child = own(spawn('taskset', args, { stdio: ['ignore', 'pipe', 'pipe'] }));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (output += String(bytes)));
  try {
    await once(child, 'exit');
  } catch (cause) {
    throw new Error('h2load does not start: install nghttp2-client', { cause });
  }
  const counts = /([0-9]+) done, ([0-9]+) succeeded, ([0-9]+) failed/.exec(output);
  if (counts === null || Number(counts[2]) === 0) throw new Error(`h2load had no answer:\n${output}`);
  const times: number[] = [];
  for (const line of readFileSync(log, 'utf8').split('\n')) if (line !== '') times.push(Number(line.slice(line.lastIndexOf('\t') + 1)));
  times.sort((a, b) => a - b);
  const at = (quantile: number) => times[Math.min(times.length - 1, Math.floor(quantile * times.length))] ?? Number.NaN;
  const requests = Number(counts[1]);
  const ok = Number(/([0-9]+) 2xx/.exec(output)?.[1]);
  return { requests, failed: requests - ok, perSecond: requests / seconds, p50Us: at(0.5), p99Us: at(0.99) };
}
