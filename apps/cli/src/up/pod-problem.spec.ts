import { describe, expect, it } from 'vitest';
import { type ContainerView, type DeploymentView, isDeployed, type PodView, podProblem } from './pod-problem.ts';

const labels = { app: 'a' };
const deployment: DeploymentView = {
  metadata: { namespace: 'n', name: 'd', generation: 2 },
  spec: { replicas: 1, selector: { matchLabels: labels } },
  status: { readyReplicas: 1, observedGeneration: 2 },
};
const pod = (ready: boolean, containers: readonly ContainerView[] = [], metadata: Partial<PodView['metadata']> = {}): PodView => ({
  metadata: { namespace: 'n', name: 'p', uid: 'u', labels, ...metadata },
  status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }], containerStatuses: containers },
});
const container = (fields: Partial<ContainerView>): ContainerView => ({ name: 'c', ready: false, restartCount: 0, ...fields });
const log = (name: string) => `last line of ${name}`;

describe('isDeployed', () => {
  it('wants the pods themselves ready, not only a count from before', () => {
    expect(isDeployed(deployment, [pod(true)])).toBe(true);
    expect(isDeployed(deployment, [pod(false)])).toBe(false);
    expect(isDeployed(deployment, [])).toBe(false);
    expect(isDeployed(deployment, [pod(true, [], { deletionTimestamp: '2026-01-01T00:00:00Z' })])).toBe(false);
    expect(isDeployed(deployment, [pod(true, [], { labels: { app: 'b' } })])).toBe(false);
  });
  it('wants the newest template observed', () => {
    expect(isDeployed({ ...deployment, status: { readyReplicas: 1, observedGeneration: 1 } }, [pod(true)])).toBe(false);
  });
});

describe('podProblem', () => {
  const crashed = container({
    restartCount: 3,
    state: { waiting: { reason: 'CrashLoopBackOff' } },
    lastState: { terminated: { exitCode: 1 } },
  });
  it.each([
    [
      'ErrImagePull',
      container({ state: { waiting: { reason: 'ErrImagePull', message: 'no\nimage' } } }),
      'container c: ErrImagePull: no image',
    ],
    ['a crash', crashed, 'container c ended with code 1, 3 restarts: last line of c'],
    ['no readiness', container({}), 'container c is not ready: Unhealthy: probe failed'],
    ['a start that waits', container({ state: { waiting: { reason: 'PodInitializing' } } }), 'Unhealthy: probe failed'],
  ])('tells of %s in one line', (_name, status, expected) => {
    const events = [
      {
        type: 'Warning',
        reason: 'Unhealthy',
        message: 'probe failed',
        lastTimestamp: '2026-01-01T00:00:02Z',
        involvedObject: { uid: 'u' },
      },
      { type: 'Warning', reason: 'Older', message: 'x', lastTimestamp: '2026-01-01T00:00:01Z', involvedObject: { uid: 'u' } },
      { type: 'Warning', reason: 'Foreign', message: 'x', lastTimestamp: '2026-01-01T00:00:09Z', involvedObject: { uid: 'w' } },
    ];
    expect(podProblem(pod(false, [status]), events, log)).toBe(expected);
  });
  it('has an answer where nothing is known', () => {
    expect(podProblem(pod(false), [], log)).toBe('has not started');
  });
});
