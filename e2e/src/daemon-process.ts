import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** A running daemon or peer, with what it wrote. */
export interface RunningProcess {
  readonly child: ChildProcess;
  output(): string;
  /** Sends a signal and waits for the end; resolves with the exit code, null after a signal that nothing caught. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export function startProcess(
  command: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string } = {},
): RunningProcess {
  const { cwd } = options;
  const env = { ...process.env, ...options.env };
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env, ...(cwd === undefined ? {} : { cwd }) });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output = (output + chunk).slice(-200_000)));
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  return {
    child,
    output: () => output,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return await ended;
    },
  };
}

/** Starts one of Xebec's daemons from its sources. */
export function startDaemon(app: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): RunningProcess {
  return startProcess(process.execPath, [join(ROOT, `apps/${app}/bin/xebec-${app}.ts`), ...args], { env });
}

/** Polls until `probe` gives a value; what it throws counts as "not yet" and is shown when time is up. */
export async function eventually<T>(what: string, probe: () => Promise<T | undefined> | T | undefined, deadlineMs = 20_000): Promise<T> {
  const end = Date.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`waited ${deadlineMs} ms for ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}

/** The path of a peer's binary from the environment; a peer that is missing fails the suite. */
export function requiredPeer(variable: string): string {
  const path = process.env[variable];
  if (path === undefined || path === '') throw new Error(`set ${variable} to the path of the binary: this suite needs the real peer`);
  return path;
}
