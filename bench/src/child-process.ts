import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';

const END_DEADLINE_MS = 10_000;
const owned = new Set<ChildProcess>();
let watching = false;

/** Sees to it that a child does not outlive this process, however that ends short of SIGKILL. */
export function own<Child extends ChildProcess>(child: Child): Child {
  owned.add(child);
  child.once('exit', () => owned.delete(child));
  if (!watching) {
    watching = true;
    process.once('exit', () => {
      for (const left of owned) left.kill('SIGKILL');
    });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => void Promise.all([...owned].map(end)).then(() => process.exit(128 + constants.signals[signal])));
  }
  return child;
}

/** Asks first: a profile that `XEBEC_NODE_FLAGS` ordered is written at the end. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  const impatient = setTimeout(() => child.kill('SIGKILL'), END_DEADLINE_MS);
  await exit;
  clearTimeout(impatient);
}

/** Flags for Node from `XEBEC_NODE_FLAGS`, to try one without editing anything. */
export function nodeFlags(): string[] {
  return (process.env['XEBEC_NODE_FLAGS'] ?? '').split(' ').filter((flag) => flag !== '');
}
