import { existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BRIDGE, bridgeOwner } from '../node/netns-network.ts';
import { type PodState, readPodState } from '../node/pod-state.ts';
import { isAlive, killGroupRemains, type ProcessId, processesBelow, run, signalProcess } from '../node/processes.ts';
import { runningUp } from './up-state.ts';

const STRAY_ROUNDS = 5;

/** Waits until none of the processes lives; true when that happened within the time. */
export async function untilGone(ids: readonly ProcessId[], timeoutMs: number): Promise<boolean> {
  const end = Date.now() + timeoutMs;
  while (ids.some(isAlive)) {
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}

/** Ends processes with SIGTERM, and with SIGKILL those that are left after `graceMs`. */
export async function endProcesses(ids: readonly ProcessId[], graceMs: number, group = true): Promise<void> {
  const alive = ids.filter((id) => signalProcess(id, 'SIGTERM', group));
  if (await untilGone(alive, graceMs)) return;
  for (const id of alive) signalProcess(id, 'SIGKILL', group);
  await untilGone(alive, 2000);
}

/**
 * Ends every pod that a node agent's state directory knows, and removes what the network needed. The agent must not run.
 * Works on what is recorded alone, so that it also cleans up after a `kill -9` of everything.
 */
export async function removePods(podsDirectory: string, graceMs: number): Promise<number> {
  const states: PodState[] = existsSync(podsDirectory)
    ? readdirSync(podsDirectory).flatMap((uid) => readPodState(join(podsDirectory, uid)) ?? [])
    : [];
  const processes = states.flatMap((state) =>
    [...Object.values(state.containers), ...Object.values(state.init)].flatMap((container) => container.process ?? []),
  );
  await endProcesses(processes, graceMs);
  for (const id of processes) killGroupRemains(id);
  const sandboxes = states.flatMap((state) => state.network?.sandbox ?? []);
  for (const sandbox of sandboxes) signalProcess(sandbox, 'SIGKILL');
  await untilGone(sandboxes, 2000);
  const unrecorded = await endStrays(podsDirectory);
  rmSync(podsDirectory, { recursive: true, force: true });
  return states.length + unrecorded;
}

/** Ends what the agent started without recording it, because it was killed between the two; forks make it more than one round. */
async function endStrays(podsDirectory: string): Promise<number> {
  let count = 0;
  for (let round = 0; round < STRAY_ROUNDS; round++) {
    const strays = processesBelow(podsDirectory);
    if (strays.length === 0) break;
    count += strays.length;
    for (const stray of strays) signalProcess(stray, 'SIGKILL', false);
    await untilGone(strays, 2000);
  }
  return count;
}

/** Removes the bridge that this mesh, or one that was killed, left. Another mesh's bridge stays as long as that mesh runs. */
export async function removeBridge(nodeDirectory: string): Promise<void> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return;
  const owner = await bridgeOwner();
  if (owner === undefined || (owner !== '' && owner !== nodeDirectory && runningUp(dirname(owner)) !== undefined)) return;
  // Nobody recorded, as for a path too long for an alias: in use as long as pods hang on it.
  if (owner === '' && (await run('ip', ['-o', 'link', 'show', 'master', BRIDGE])).stdout.trim() !== '') return;
  await run('ip', ['link', 'del', BRIDGE]);
}
