import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, type ProcessId } from '../node/processes.ts';

/** What `xebec up` leaves for `xebec down` and the next `xebec up`: `up.json` in the state directory. */
export interface UpState {
  readonly supervisor: ProcessId;
  readonly apiPort: number;
  readonly children: Readonly<Record<string, ProcessId>>;
}

export function readUpState(directory: string): UpState | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(directory, 'up.json'), 'utf8'));
    // Written by this program alone; a torn file counts as none.
    return typeof value === 'object' && value !== null && 'supervisor' in value ? (value as UpState) : undefined;
  } catch {
    return undefined;
  }
}

/** The state of an `up` that runs in the directory right now. */
export function runningUp(directory: string): UpState | undefined {
  const state = readUpState(directory);
  return state !== undefined && isAlive(state.supervisor) ? state : undefined;
}

export function writeUpState(directory: string, state: UpState): void {
  mkdirSync(directory, { recursive: true });
  const temporary = join(directory, 'up.json.new');
  writeFileSync(temporary, JSON.stringify(state), { mode: 0o600 });
  renameSync(temporary, join(directory, 'up.json'));
}

export function removeUpState(directory: string): void {
  rmSync(join(directory, 'up.json'), { force: true });
}
