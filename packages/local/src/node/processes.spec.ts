import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { removePods } from '../up/leftovers.ts';
import { newContainerState, type PodState, readPodState, writePodState } from './pod-state.ts';
import { isAlive, processesBelow, signalProcess, startTimeOf } from './processes.ts';

let directory: string;
const children: ChildProcess[] = [];

async function sleeper(env: Record<string, string> = {}): Promise<{ child: ChildProcess; pid: number; startTime: string }> {
  const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore', env: { PATH: process.env['PATH'] ?? '', ...env } });
  children.push(child);
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  return { child, pid, startTime: startTimeOf(pid) ?? '' };
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pods-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

describe('process identity', () => {
  it('is pid and start time: a recycled pid is another process, and is not signalled', async () => {
    const { child, pid, startTime } = await sleeper();
    expect(isAlive({ pid, startTime })).toBe(true);
    expect(isAlive({ pid, startTime: '1' })).toBe(false);
    expect(signalProcess({ pid, startTime: '1' }, 'SIGKILL')).toBe(false);
    expect(isAlive({ pid, startTime })).toBe(true);
    const exited = once(child, 'exit');
    expect(signalProcess({ pid, startTime }, 'SIGKILL')).toBe(true);
    await exited;
    expect(isAlive({ pid, startTime })).toBe(false);
    expect(startTimeOf(pid)).toBeUndefined();
  });

  it('is found by the container root in the environment, in that folder alone', async () => {
    const { pid } = await sleeper({ XEBEC_ROOT: join(directory, 'uid/containers/app') });
    await sleeper({ XEBEC_ROOT: `${directory}-other/uid` });
    expect(processesBelow(directory).map((id) => id.pid)).toEqual([pid]);
  });
});

describe('pod state', () => {
  const state: PodState = { uid: 'u', namespace: 'n', name: 'p', index: 10, captured: true, init: {}, containers: {} };

  it('reads back what was written, and counts a torn file as none', () => {
    writePodState(join(directory, 'u'), { ...state, containers: { app: newContainerState() } });
    expect(readPodState(join(directory, 'u'))).toEqual({
      ...state,
      containers: { app: { restartCount: 0, ready: false, started: false } },
    });
    writeFileSync(join(directory, 'u/state.json'), '{"uid":"u","na');
    expect(readPodState(join(directory, 'u'))).toBeUndefined();
    expect(readPodState(join(directory, 'none'))).toBeUndefined();
  });

  it('lets leftovers be ended: recorded processes, those nobody recorded, and no process that has the pid by now', async () => {
    const pods = join(directory, 'pods');
    const recorded = await sleeper();
    const stray = await sleeper({ XEBEC_ROOT: join(pods, 'u/containers/app') });
    const stranger = await sleeper();
    writePodState(join(pods, 'u'), {
      ...state,
      containers: {
        app: { ...newContainerState(), process: { pid: recorded.pid, startTime: recorded.startTime } },
        old: { ...newContainerState(), process: { pid: stranger.pid, startTime: '1' } },
      },
    });
    mkdirSync(join(pods, 'empty'));
    expect(await removePods(pods, 1000)).toBe(2);
    expect(isAlive(recorded)).toBe(false);
    expect(isAlive(stray)).toBe(false);
    expect(isAlive(stranger)).toBe(true);
    expect(readPodState(join(pods, 'u'))).toBeUndefined();
  });
});
