import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PodNetwork } from './network.ts';
import type { ProcessId } from './processes.ts';

export interface Termination {
  readonly exitCode: number;
  readonly reason: string;
  readonly startedAt: string;
  readonly finishedAt: string;
}

/** What a new agent must know of a container to carry on. Times are RFC 3339. */
export interface ContainerState {
  process?: ProcessId;
  restartCount: number;
  startedAt?: string;
  terminated?: Termination;
  last?: Termination;
  waiting?: { reason: string; message: string };
  ready: boolean;
  started: boolean;
}

/** A pod's state on disk: `state.json` in its directory. */
export interface PodState {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Number of the pod's address. */
  readonly index: number;
  network?: PodNetwork;
  captured: boolean;
  startTime?: string;
  readonly init: Record<string, ContainerState>;
  readonly containers: Record<string, ContainerState>;
}

export function newContainerState(): ContainerState {
  return { restartCount: 0, ready: false, started: false };
}

export function readPodState(directory: string): PodState | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(directory, 'state.json'), 'utf8'));
    // Written by this program alone; a foreign or torn file counts as none.
    return typeof value === 'object' && value !== null && 'uid' in value ? (value as PodState) : undefined;
  } catch {
    return undefined;
  }
}

export function writePodState(directory: string, state: PodState): void {
  mkdirSync(directory, { recursive: true });
  const temporary = join(directory, 'state.json.new');
  writeFileSync(temporary, JSON.stringify(state), { mode: 0o600 });
  renameSync(temporary, join(directory, 'state.json'));
}
