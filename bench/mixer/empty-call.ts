import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadCore, proxyCore } from '../proxy/contenders.ts';
import { own } from '../src/child-process.ts';
import { cpuTimeUs } from './cpu-time.ts';
import type { BenchPart } from './part.ts';
import { framedCheck } from './requests.ts';

const WARM_UP_CALLS = 20_000;
const CALLS_PER_SECOND = 4_000;

let server: ChildProcess | undefined;

async function lineOf({ stdout }: ChildProcess): Promise<number> {
  if (stdout === null) throw new Error('no output to read');
  const [bytes]: Buffer[] = await once(stdout, 'data');
  return Number(String(bytes));
}

async function send(port: number, calls: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'xebec-bench-'));
  const file = join(folder, 'request.bin');
  writeFileSync(file, framedCheck());
  const headers = ['content-type: application/grpc', 'te: trailers'].flatMap((header) => ['-H', header]);
  const url = `http://127.0.0.1:${port}/istio.mixer.v1.Mixer/Check`;
  const args = ['-c', loadCore, 'h2load', '-n', String(calls), '-c', '4', '-m', '4', '-d', file, ...headers, url];
  await once(own(spawn('taskset', args, { stdio: ['ignore', 'ignore', 'inherit'] })), 'exit');
  rmSync(folder, { recursive: true, force: true });
}

let port = 0;

/** The same request to a server of the same library that does nothing: what of `check` is not Mixer's. */
export const emptyCall: BenchPart = {
  name: 'empty-call',
  what: 'CPU of a gRPC server of the same library that answers the same request with nothing: the floor of check',
  unit: 'us',
  limit: 100,
  async measure({ seconds }) {
    if (server === undefined) {
      const command = ['-c', proxyCore, process.execPath, join(import.meta.dirname, 'empty-server.ts')];
      server = own(spawn('taskset', command, { stdio: ['pipe', 'pipe', 'inherit'] }));
      port = await lineOf(server);
      await send(port, WARM_UP_CALLS);
    }
    const running = server;
    const { pid = 0 } = running;
    const answered = async () => {
      running.stdin?.write('\n');
      return await lineOf(running);
    };
    const [before, cpu] = [await answered(), cpuTimeUs(pid)];
    await send(port, CALLS_PER_SECOND * seconds);
    const spent = cpuTimeUs(pid) - cpu;
    return spent / ((await answered()) - before);
  },
  async close() {
    if (server === undefined) return;
    const exit = once(server, 'exit');
    server.kill('SIGKILL');
    await exit;
    server = undefined;
  },
};
