import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../apiserver/object.ts';
import { planDeployment, resolveCount } from './deployment.ts';
import { planJob } from './job.ts';
import { replicasOf } from './pods.ts';
import { planReplicaSet } from './replica-set.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');

function deployment(image: string, replicas = 4): KubeObject {
  const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image }] } };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd', namespace: 'n', uid: 'u', generation: 1 },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'a' } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
      template,
    },
  };
}

function settle(set: KubeObject, replicas = replicasOf(set), available = replicas): KubeObject {
  return {
    ...set,
    spec: { ...(set['spec'] as object), replicas },
    status: { replicas, readyReplicas: available, availableReplicas: available },
  };
}

describe('planDeployment', () => {
  it('rolls to the new template within surge and unavailability, to the end', () => {
    const first = planDeployment(deployment('1'), [], NOW).create;
    if (first === undefined) throw new Error('no replica set');
    let sets = [settle(first)];
    const wanted = deployment('2');
    for (let round = 0; round < 20; round++) {
      const plan = planDeployment(wanted, sets, NOW);
      if (plan.create !== undefined) sets.push(settle(plan.create));
      sets = sets.map((set) => settle(set, plan.scale.find((step) => step.set === set)?.replicas ?? replicasOf(set)));
      const total = sets.reduce((sum, set) => sum + replicasOf(set), 0);
      expect(total).toBeLessThanOrEqual(5);
      expect(total).toBeGreaterThanOrEqual(3);
    }
    expect(sets.map(replicasOf)).toEqual([0, 4]);
    expect(planDeployment(wanted, sets, NOW).status['conditions']).toContainEqual(
      expect.objectContaining({ type: 'Progressing', reason: 'NewReplicaSetAvailable' }),
    );
  });

  it('does not take old pods away while new ones fail', () => {
    const first = planDeployment(deployment('1'), [], NOW).create;
    const second = planDeployment(deployment('2'), [], NOW).create;
    if (first === undefined || second === undefined) throw new Error('no replica set');
    const plan = planDeployment(deployment('2'), [settle(first, 3), settle(second, 2, 0)], NOW);
    expect(plan.scale).toEqual([]);
  });

  it.each([
    ['25%', 4, true, 1],
    ['25%', 1, true, 1],
    ['25%', 1, false, 0],
    [2, 9, true, 2],
  ] as const)('resolves %s of %i', (value, total, up, count) => expect(resolveCount(value, total, up)).toBe(count));
});

const pod = (name: string, phase: string, ready = false): KubeObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, creationTimestamp: '2026-01-01T00:00:00Z', resourceVersion: '1' },
  spec: { nodeName: 'n' },
  status: { phase, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: '2025-12-31T23:59:55Z' }] },
});

describe('planReplicaSet', () => {
  const set = (replicas: number, minReadySeconds = 0): KubeObject => ({
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: { name: 's' },
    spec: { replicas, minReadySeconds },
  });
  it('replaces failed pods', () => expect(planReplicaSet(set(2), [pod('a', 'Running', true), pod('b', 'Failed')], NOW).create).toBe(1));
  it('gives up pods that are not ready first', () => {
    const { remove } = planReplicaSet(set(1), [pod('a', 'Running', true), pod('b', 'Running'), pod('c', 'Pending')], NOW);
    expect(remove.map(({ metadata }) => metadata.name)).toEqual(['c', 'b']);
  });
  it('waits for minReadySeconds', () => {
    const plan = planReplicaSet(set(1, 30), [pod('a', 'Running', true)], NOW);
    expect([plan.status['availableReplicas'], plan.againInMs]).toEqual([undefined, 25_000]);
  });
});

describe('planJob', () => {
  const job = (spec: object, status = {}): KubeObject => ({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'j' },
    spec: { parallelism: 1, completions: 1, backoffLimit: 1, ...spec },
    status,
  });
  it('starts, completes, fails and waits for its time to live', () => {
    expect(planJob(job({}), [], NOW).create).toBe(1);
    expect(planJob(job({}), [pod('a', 'Succeeded')], NOW).finished).toBe('Complete');
    expect(planJob(job({}), [pod('a', 'Failed'), pod('b', 'Failed')], NOW).finished).toBe('Failed');
    const retry = planJob(job({}), [pod('a', 'Failed')], NOW);
    expect([retry.create, retry.againInMs]).toEqual([0, 10_000]);
    const done = job(
      { ttlSecondsAfterFinished: 5 },
      { conditions: [{ type: 'Complete', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }] },
    );
    expect(planJob(done, [], NOW).againInMs).toBe(5000);
  });
});
