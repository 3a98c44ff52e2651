import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuOf } from '../proxy/contenders.ts';
import { end, nodeFlags, own } from '../src/child-process.ts';
import { freePort } from '../src/free-ports.ts';

const root = resolve(import.meta.dirname, '../..');
/** Cores: Mixer alone on the first, clients on the second. */
const SERVER_CORE = '0';
const CLIENT_CORE = '1';
const READY_DEADLINE_MS = 30_000;
/** Calls before those that count: Mixer's code is compiled by then, however busy the machine is. */
const WARM_UP_CALLS = { Check: 20_000, Report: 1_000 };
const LEAST_CALLS = { Check: 10_000, Report: 500 };
const DEADLINE_MS = 300_000;

/** A real xebec-mixer with a directory of configuration. */
export class RunningMixer {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #http: number;
  readonly #port: number;

  private constructor(child: ChildProcess, folder: string, http: number, port: number) {
    this.#child = child;
    this.#folder = folder;
    this.#http = http;
    this.#port = port;
  }
  /** `XEBEC_NODE_FLAGS` gives its Node more flags. */
  static async start(files: Readonly<Record<string, string>>): Promise<RunningMixer> {
    const folder = mkdtempSync(join(tmpdir(), 'xebec-bench-'));
    const http = await freePort();
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const addresses = ['--grpc-addr', '127.0.0.1:0', '--http-addr', `127.0.0.1:${http}`, '--prometheus-addr', '127.0.0.1:0'];
    const command = [process.execPath, ...nodeFlags(), join(root, 'apps/mixer/bin/xebec-mixer.ts'), '--config-dir', folder, ...addresses];
    const child = own(spawn('taskset', ['-c', SERVER_CORE, ...command], { stdio: ['ignore', 'ignore', 'pipe'] }));
    return new RunningMixer(child, folder, http, await portOf(child));
  }
  /** Mixer's CPU, microseconds, for each call of this method while one client sends the same framed request again and again. */
  async cpuPerCall(method: 'Check' | 'Report', request: Buffer, seconds: number): Promise<number> {
    const file = join(this.#folder, 'request.bin');
    writeFileSync(file, request);
    const headers = ['content-type: application/grpc', 'te: trailers'].flatMap((header) => ['-H', header]);
    const url = `http://127.0.0.1:${this.#port}/istio.mixer.v1.Mixer/${method}`;
    const command = ['-c', CLIENT_CORE, 'h2load', '-D', '600', '-c', '4', '-m', '4', '-d', file, ...headers, url];
    const load = own(spawn('taskset', command, { stdio: ['ignore', 'ignore', 'inherit'] }));
    try {
      await this.#reach(method, (await this.#calls(method)) + WARM_UP_CALLS[method]);
      const [calls, cpu] = [await this.#calls(method), this.#cpuUs()];
      await sleep(seconds * 1000);
      await this.#reach(method, calls + LEAST_CALLS[method]);
      const [more, spent] = [(await this.#calls(method)) - calls, this.#cpuUs() - cpu];
      if (more === 0) throw new Error(`mixer answered no ${method}`);
      return spent / more;
    } finally {
      await end(load);
    }
  }
  async close(): Promise<void> {
    await end(this.#child);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #reach(method: string, calls: number): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    while ((await this.#calls(method)) < calls) {
      if (performance.now() > deadline) throw new Error(`mixer did not answer ${calls} calls of ${method} in ${DEADLINE_MS / 1000} s`);
      await sleep(250);
    }
  }
  async #calls(method: string): Promise<number> {
    const metrics = await (await fetch(`http://127.0.0.1:${this.#http}/metrics`)).text();
    const refused = new RegExp(`^mixer_requests_total\\{method="${method}",code="(?!0")`, 'm').exec(metrics);
    if (refused !== null) throw new Error(`mixer refused a ${method}`);
    return Number(new RegExp(`^mixer_requests_total\\{method="${method}",code="0"\\} (\\d+)`, 'm').exec(metrics)?.[1] ?? 0);
  }
  #cpuUs(): number {
    const { userUs, sysUs } = cpuOf(this.#child.pid ?? 0);
    return userUs + sysUs;
  }
}

/** The gRPC port that the log tells once the configuration is in force; the rest of the log is read and dropped. */
function portOf(child: ChildProcess): Promise<number> {
  return new Promise((done, failed) => {
    let log = '';
    const late = setTimeout(() => failed(new Error(`mixer is not ready; it printed:\n${log}`)), READY_DEADLINE_MS);
    child.once('exit', () => failed(new Error(`mixer ended; it printed:\n${log}`)));
    child.stderr?.on('data', (chunk: Buffer) => {
      if (log.length > 100_000) return;
      log += chunk.toString('utf8');
      const port = /"grpcAddr":"[^"]*:(\d+)"/.exec(log)?.[1];
      const problems = /"problems":(\d+),"msg":"policy in force"/.exec(log)?.[1];
      // The HTTP server, which is asked for the counts, listens last.
      if (port === undefined || problems === undefined || !log.includes('"msg":"started"')) return;
      clearTimeout(late);
      if (problems === '0') done(Number(port));
      else failed(new Error(`mixer found problems in its configuration:\n${log}`));
    });
  });
}
