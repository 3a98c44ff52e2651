import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const VERSION = '0.3.2';

/** The interpreter of a virtual environment with Python's `spiffe`, made once in the cache of the user. */
export async function pythonWithSpiffe(): Promise<string> {
  const home = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'xebec-ci', `spiffe-${VERSION}`);
  const python = join(home, 'bin/python');
  if (!existsSync(join(home, 'ready'))) {
    await run('python3', ['-m', 'venv', home]);
    await run(join(home, 'bin/pip'), ['install', '-q', `spiffe==${VERSION}`], { timeout: 240_000 });
    await run('touch', [join(home, 'ready')]);
  }
  return python;
}

/** One command of workload.py: what it printed. `wrapper` goes before it, such as `unshare -n`. */
export async function askAsWorkload(
  python: string,
  socket: string,
  command: readonly string[],
  wrapper: readonly string[] = [],
): Promise<Record<string, unknown>> {
  const [program = python, ...args] = [...wrapper, python, join(import.meta.dirname, 'workload.py'), socket, ...command];
  const { stdout } = await run(program, args, { timeout: 60_000 });
  const value: unknown = JSON.parse(stdout);
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}
