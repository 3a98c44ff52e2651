import { beforeEach, describe, expect, it } from 'vitest';
import { PodDirectory } from './pod-directory.ts';

const meta = (name: string, owner?: object) => ({
  name,
  namespace: 'default',
  ...(owner === undefined
    ? {}
    : {
        ownerReferences: [
          { kind: 'Other', name: 'not-it', apiVersion: 'v1' },
          { controller: true, ...owner },
        ],
      }),
});
const pod = (name: string, ip: string, owner?: object, over: { spec?: object; status?: object; labels?: object } = {}) => ({
  metadata: { ...meta(name, owner), labels: over.labels ?? { app: name } },
  spec: { serviceAccountName: 'sa', containers: [{ name: 'main', ports: [{ containerPort: 80 }, {}] }], ...over.spec },
  status: { podIP: ip, hostIP: '192.168.0.1', phase: 'Running', ...over.status },
});

let directory: PodDirectory;
beforeEach(() => {
  directory = new PodDirectory();
});
const workload = (name: string) => {
  const facts = directory.byUid(`kubernetes://${name}.default`);
  return [facts?.workloadName, facts?.owner];
};

describe('a directory of pods', () => {
  it('names the outermost controller, and follows it as it becomes known', () => {
    directory.upsertPod(pod('a', '10.0.0.1', { kind: 'ReplicaSet', name: 'web-5d4', apiVersion: 'apps/v1' }));
    expect(workload('a')).toEqual(['web-5d4', 'kubernetes://apis/apps/v1/namespaces/default/replicasets/web-5d4']);
    directory.setControllers('ReplicaSet', [{ metadata: meta('web-5d4', { kind: 'Deployment', name: 'web', apiVersion: 'apps/v1' }) }]);
    expect(workload('a')).toEqual(['web', 'kubernetes://apis/apps/v1/namespaces/default/deployments/web']);
    directory.upsertController('ReplicaSet', { metadata: meta('web-5d4', { kind: 'Rollout', name: 'r', apiVersion: 'argoproj.io/v1' }) });
    expect(workload('a')).toEqual(['r', 'kubernetes://apis/argoproj.io/v1/namespaces/default/rollouts/r']);
    directory.deleteController('ReplicaSet', { metadata: meta('web-5d4') });
    expect(workload('a')[0]).toBe('web-5d4');
  });
  it('knows Jobs of CronJobs, other controllers and bare pods', () => {
    directory.upsertPod(pod('j', '', { kind: 'Job', name: 'nightly-123', apiVersion: 'batch/v1' }));
    directory.upsertController('Job', { metadata: meta('nightly-123', { kind: 'CronJob', name: 'nightly', apiVersion: 'batch/v1' }) });
    directory.upsertPod(pod('s', '', { kind: 'StatefulSet', name: 'db', apiVersion: 'apps/v1' }));
    directory.upsertPod(pod('b', ''));
    expect(workload('j')).toEqual(['nightly', 'kubernetes://apis/batch/v1/namespaces/default/cronjobs/nightly']);
    expect(workload('s')[0]).toBe('db');
    expect(workload('b')).toEqual(['b', 'kubernetes://apis/v1/namespaces/default/pods/b']);
  });
  it("guesses a Deployment by the pod's hash where ReplicaSets are not known", () => {
    const owner = { kind: 'ReplicaSet', name: 'web-5d4', apiVersion: 'apps/v1' };
    directory.upsertPod(pod('a', '10.0.0.1', owner, { labels: { 'pod-template-hash': '5d4' } }));
    expect(workload('a')).toEqual(['web', 'kubernetes://apis/apps/v1/namespaces/default/deployments/web']);
  });
  it('finds by address what has it alone and now', () => {
    directory.setPods([
      pod('a', '10.0.0.1'),
      pod('ended', '10.0.0.1', undefined, { status: { phase: 'Succeeded' } }),
      pod('node', '192.168.0.1', undefined, { spec: { hostNetwork: true } }),
      pod('x', '10.0.0.2'),
      pod('y', '10.0.0.2'),
    ]);
    expect(['10.0.0.1', '192.168.0.1', '10.0.0.2', '10.0.0.3'].map((ip) => directory.byIp(ip)?.name)).toEqual([
      'a',
      undefined,
      undefined,
      undefined,
    ]);
    directory.deletePod(pod('y', '10.0.0.2'));
    expect(directory.byIp('10.0.0.2')?.name).toBe('x');
    directory.upsertPod(pod('x', '10.0.0.9'));
    expect([directory.byIp('10.0.0.2'), directory.byIp('10.0.0.9')?.name]).toEqual([undefined, 'x']);
    expect(directory.byIp('10.0.0.1')).toMatchObject({ serviceAccount: 'sa', containers: [{ name: 'main', ports: [80] }] });
    directory.setPods([]);
    expect([directory.size, directory.byIp('10.0.0.1')]).toEqual([0, undefined]);
  });
  it('survives objects of any shape', () => {
    for (const object of [{}, { metadata: null }, { metadata: { name: 'n', labels: 3 }, spec: { containers: 'x' }, status: [] }]) {
      directory.upsertPod(object);
      directory.upsertController('Job', object);
    }
    expect(directory.byUid('kubernetes://n.')).toMatchObject({ name: 'n', containers: [] });
  });
});
