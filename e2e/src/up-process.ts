import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

export interface UpProcess {
  readonly process: ChildProcess;
  /** Milliseconds from spawn to the line `ready`. */
  readonly readyAfterMs: number;
  /** Everything printed so far. */
  output(): string;
  /** SIGINT, as Ctrl-C sends it; resolves with the exit code when everything has stopped. */
  stop(): Promise<number | null>;
}

/** `xebec up` in `folder`; resolves when it prints `ready`, rejects with its output when it ends or takes too long. */
export async function startUp(folder: string, args: readonly string[], timeoutMs = 120_000): Promise<UpProcess> {
  const started = performance.now();
  const child = spawn(join(root, 'node_modules/.bin/node'), [join(root, 'apps/cli/bin/xebec.ts'), 'up', ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const readyAfterMs = await new Promise<number>((done, reject) => {
    const timer = setTimeout(() => fail(`not ready after ${timeoutMs} ms`), timeoutMs);
    const fail = (reason: string) => {
      clearTimeout(timer);
      child.kill('SIGINT');
      reject(new Error(`xebec up: ${reason}; it printed:\n${output}`));
    };
    const onData = (chunk: Buffer) => {
      output += chunk.toString('utf8');
      if (!/^ready$/m.test(output)) return;
      clearTimeout(timer);
      done(performance.now() - started);
    };
    child.stdout.on('data', onData);
    child.stderr.on('data', onData);
    child.once('exit', (code) => fail(`ended with code ${code}`));
    child.once('error', (error) => fail(error.message));
  });
  child.removeAllListeners('exit');
  return {
    process: child,
    readyAfterMs,
    output: () => output,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      child.kill('SIGINT');
      const [code] = await once(child, 'exit');
      return typeof code === 'number' ? code : null;
    },
  };
}
