import { parseIp, type TypedValue } from '@xebec/expressions';
import { describe, expect, it } from 'vitest';
import { configured, testEnvironment } from '../test-environment.ts';
import { kubernetesenv } from './adapter.ts';
import type { WorkloadFacts } from './workload-directory.ts';

const reviews: WorkloadFacts = {
  uid: 'kubernetes://reviews-v1-abc.default',
  name: 'reviews-v1-abc',
  namespace: 'default',
  ip: '10.0.0.7',
  hostIp: '192.168.0.1',
  labels: { app: 'reviews', version: 'v1' },
  serviceAccount: 'bookinfo-reviews',
  workloadName: 'reviews-v1',
  owner: 'kubernetes://apis/apps/v1/namespaces/default/deployments/reviews-v1',
  containers: [
    { name: 'reviews', ports: [9080, 9081] },
    { name: 'istio-proxy', ports: [15090] },
  ],
};
const ratings: WorkloadFacts = { ...reviews, uid: 'kubernetes://ratings.default', name: 'ratings', ip: '10.0.0.8', labels: {}, hostIp: '' };

const text = (value: string): TypedValue => ({ type: 'STRING', value });
const ip = (value: string): TypedValue => ({ type: 'IP_ADDRESS', value: parseIp(value) ?? new Uint8Array() });

async function generated(fields: Record<string, TypedValue>): Promise<Record<string, unknown>> {
  const pods = [reviews, ratings];
  const workloads = {
    byUid: (uid: string) => pods.find((pod) => pod.uid === uid),
    byIp: (address: string) => pods.find((pod) => pod.ip === address),
  };
  const handler = configured(kubernetesenv, { cache_refresh_duration: '5m' }, testEnvironment({ workloads }).environment);
  const output = await handler.generate?.({ name: 'attributes.istio-system', template: 'kubernetes', fields });
  return Object.fromEntries(Object.entries(output ?? {}).map(([name, { value }]) => [name, value]));
}

describe('kubernetesenv', () => {
  it('says all of both ends', async () => {
    const output = await generated({
      source_uid: text(''),
      source_ip: ip('10.0.0.8'),
      destination_uid: text('kubernetes://reviews-v1-abc.default'),
      destination_port: { type: 'INT64', value: 9081n },
    });
    expect(output).toEqual({
      source_pod_uid: 'kubernetes://ratings.default',
      source_pod_name: 'ratings',
      source_namespace: 'default',
      source_service_account_name: 'bookinfo-reviews',
      source_workload_uid: 'istio://default/workloads/reviews-v1',
      source_workload_name: 'reviews-v1',
      source_workload_namespace: 'default',
      source_owner: 'kubernetes://apis/apps/v1/namespaces/default/deployments/reviews-v1',
      source_pod_ip: Uint8Array.of(10, 0, 0, 8),
      destination_pod_uid: 'kubernetes://reviews-v1-abc.default',
      destination_pod_name: 'reviews-v1-abc',
      destination_namespace: 'default',
      destination_service_account_name: 'bookinfo-reviews',
      destination_workload_uid: 'istio://default/workloads/reviews-v1',
      destination_workload_name: 'reviews-v1',
      destination_workload_namespace: 'default',
      destination_owner: 'kubernetes://apis/apps/v1/namespaces/default/deployments/reviews-v1',
      destination_pod_ip: Uint8Array.of(10, 0, 0, 7),
      destination_host_ip: Uint8Array.of(192, 168, 0, 1),
      destination_labels: new Map([
        ['app', 'reviews'],
        ['version', 'v1'],
      ]),
      destination_container_name: 'reviews',
    });
  });
  it.each([
    ['reviews-v1-abc.default', 'reviews-v1-abc'],
    ['default/reviews-v1-abc', 'reviews-v1-abc'],
    ['10.0.0.8', 'ratings'],
    ['kubernetes://gone.default', undefined],
  ])('finds a source by uid %s', async (uid, name) => {
    // An address does not stand in for a uid that is not known.
    expect((await generated({ source_uid: text(uid), source_ip: ip('10.0.0.7') }))['source_pod_name']).toBe(name);
  });
  it('finds nobody by the unspecified address, and no container by a port that none has', async () => {
    expect(await generated({ source_ip: ip('0.0.0.0'), destination_ip: ip('::') })).toEqual({});
    expect(await generated({ destination_ip: ip('10.0.0.7'), destination_port: { type: 'INT64', value: 1n } })).not.toHaveProperty(
      'destination_container_name',
    );
  });
});
