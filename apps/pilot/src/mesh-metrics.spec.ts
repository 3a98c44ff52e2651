import { CLUSTER_TYPE } from '@xebec/xds';
import { afterEach, expect, it } from 'vitest';
import { AdsClient, objectsOf, REVIEWS, sidecarNode, startPilot } from './testing/pilot-fixture.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const CONFLICTS = `${REVIEWS}---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: again, namespace: default}
spec:
  hosts: [reviews.default.svc.cluster.local]
  http: [{route: [{destination: {host: reviews.default.svc.cluster.local}}]}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: one, namespace: default}
spec: {host: reviews.default.svc.cluster.local, subsets: [{name: v1}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: two, namespace: default}
spec: {host: reviews.default.svc.cluster.local, subsets: [{name: v1}, {name: v2}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: empty, namespace: elsewhere}
spec:
  hosts: [reviews.default.svc.cluster.local]
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}]
`;

it('counts what Istio counts, from the mesh as it is', async () => {
  const mesh = await startPilot(objectsOf(CONFLICTS));
  cleanups.push(() => mesh.close());
  const proxy = new AdsClient(mesh.port, sidecarNode('a', { ISTIO_VERSION: '1.32.0' }), 'sotw');
  cleanups.push(() => proxy.close());
  proxy.send(CLUSTER_TYPE);
  const { nonce } = await proxy.next();
  proxy.send(CLUSTER_TYPE, { nonce, error: 'bad cluster' });
  const read = async () => {
    const text = await mesh.registry.metrics();
    return (name: string) => text.split('\n').find((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`));
  };
  await expect
    .poll(async () => (await read())('pilot_xds_cds_reject'))
    .toBe(`pilot_xds_cds_reject{node="${sidecarNode('a').id}",err="bad cluster"} 1`);
  const value = await read();
  expect(value('pilot_xds')).toBe('pilot_xds{version="1.32.0"} 1');
  expect(value('pilot_total_xds_rejects')).toBe('pilot_total_xds_rejects{type="cds"} 1');
  expect(
    [
      'pilot_services',
      'pilot_virt_services',
      'pilot_vservice_dup_domain',
      'pilot_destrule_subsets',
      'pilot_duplicate_envoy_clusters',
      'pilot_eds_no_instances',
      'pilot_no_ip',
      'pilot_endpoint_not_ready',
    ].map((name) => value(name)),
  ).toEqual([
    'pilot_services 2',
    'pilot_virt_services 2',
    'pilot_vservice_dup_domain 1',
    'pilot_destrule_subsets 1',
    'pilot_duplicate_envoy_clusters 1',
    'pilot_eds_no_instances 1',
    'pilot_no_ip 1',
    'pilot_endpoint_not_ready 0',
  ]);
});
