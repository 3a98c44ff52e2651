import { describe, expect, it } from 'vitest';
import { placedProxy } from './placed-proxy.ts';
import { proxyFromNode } from './proxy-from-node.ts';
import type { Workload } from './workload.ts';

const node = {
  id: 'sidecar~10.0.0.1~web-1.default~default.svc.cluster.local',
  extensions: [],
  locality: { region: 'said', zone: '', subZone: '' },
  metadata: { NAMESPACE: 'default', INSTANCE_IPS: '10.0.0.1' },
};

function workload(namespace: string, region: string): Workload {
  return {
    name: 'web-1',
    namespace,
    address: '10.0.0.1',
    labels: {},
    serviceAccount: 'web',
    workloadName: 'web',
    locality: { region, zone: region === '' ? '' : 'z1', subzone: '' },
    weight: 1,
    tlsMode: 'istio',
    network: '',
    ports: {},
  };
}

function regionOf(known: Workload | undefined): string {
  const proxy = proxyFromNode(node);
  if (!proxy.ok) throw new Error(proxy.error);
  return placedProxy({ workloadAt: (address) => (address === '10.0.0.1' ? known : undefined) }, proxy.value).locality.region;
}

describe('placedProxy', () => {
  it('takes the place that the registry knows', () => expect(regionOf(workload('default', 'r1'))).toBe('r1'));
  it('keeps what the proxy says where the registry knows no workload', () => expect(regionOf(undefined)).toBe('said'));
  it('keeps it where the workload has no place', () => expect(regionOf(workload('default', ''))).toBe('said'));
  it('does not take the place of a workload in another namespace', () => expect(regionOf(workload('other', 'r1'))).toBe('said'));
});
