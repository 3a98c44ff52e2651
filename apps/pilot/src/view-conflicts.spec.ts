import { create } from '@bufbuild/protobuf';
import { createSnapshot, type MeshProxy, type MeshSnapshot, proxyFromNode } from '@xebec/model';
import { NodeSchema } from '@xebec/protos/envoy/config/core/v3/base';
import { expect, it } from 'vitest';
import { objectsOf } from './testing/pilot-fixture.ts';
import { viewConflicts } from './view-conflicts.ts';

const entry = (name: string, namespace: string, port: string, more = '') => `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  hosts: [${name}.example]
  exportTo: ['.']
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 3306, name: p, protocol: ${port}}]
  endpoints: [{address: ${more === '' ? '10.2.0.9' : more}}]
---
`;
const mesh = (...entries: string[]): MeshSnapshot =>
  createSnapshot({ version: '1', mesh: {}, services: [], endpoints: new Map(), config: objectsOf(entries.join('')) });

function sidecar(name: string, namespace: string): MeshProxy {
  const id = `sidecar~10.0.0.1~${name}.${namespace}~${namespace}.svc.cluster.local`;
  const proxy = proxyFromNode(create(NodeSchema, { id, metadata: { NAMESPACE: namespace } }));
  if (!proxy.ok) throw new Error(proxy.error);
  return proxy.value;
}
const count = (snapshot: MeshSnapshot, ...proxies: MeshProxy[]) =>
  viewConflicts(
    proxies.map((proxy) => ({ snapshot, proxy })),
    new WeakMap(),
  );

it('counts a listener that TCP services share only where a sidecar sees them both', () => {
  const apart = mesh(entry('one', 'a', 'TCP'), entry('two', 'b', 'TCP'));
  expect(count(apart, sidecar('x', 'a'), sidecar('y', 'b'))).toEqual({ outboundTcp: 0, inbound: 0 });
  const together = mesh(entry('one', 'a', 'TCP'), entry('two', 'a', 'TCP'));
  expect(count(together, sidecar('x', 'a'), sidecar('x2', 'a'), sidecar('y', 'b')).outboundTcp).toBe(1);
  expect(count(together, sidecar('y', 'b')).outboundTcp).toBe(0);
});

it.each(['HTTP', 'TLS'])('knows that %s services are told apart on one listener', (protocol) => {
  expect(count(mesh(entry('one', 'a', protocol), entry('two', 'a', protocol)), sidecar('x', 'a')).outboundTcp).toBe(0);
});

it('counts sidecars whose port services describe by different protocols', () => {
  const differing = mesh(entry('one', 'a', 'TCP', '10.0.0.1'), entry('two', 'a', 'HTTP', '10.0.0.1'));
  expect(count(differing, sidecar('x', 'a')).inbound).toBe(1);
  const same = mesh(entry('one', 'a', 'HTTP', '10.0.0.1'), entry('two', 'a', 'HTTP', '10.0.0.1'));
  expect(count(same, sidecar('x', 'a')).inbound).toBe(0);
});
