import { describe, expect, it } from 'vitest';
import { endpoint, service, snapshot } from './test-objects.ts';

const WEB = service('web.default.svc.cluster.local', { ports: [{ name: 'http', number: 80, protocol: 'http' }] });
const at = (address: string, network = '') => endpoint(address, { servicePortName: 'http', network });
const endpoints = new Map([['default/web.default.svc.cluster.local', [at('10.1.0.1'), at('10.2.0.1'), at('10.1.0.2', 'far')]]]);
const networksOf = (input: Parameters<typeof snapshot>[0]) =>
  snapshot({ services: [WEB], endpoints, ...input })
    .endpoints(WEB, 'http')
    .map(({ address, network }) => `${address} ${network}`);

describe('networks', () => {
  it('come from the root namespace, for what has none of its own', () => {
    const namespaces = new Map([['istio-system', { 'topology.istio.io/network': 'here' }]]);
    expect(networksOf({ namespaces })).toEqual(['10.1.0.1 here', '10.2.0.1 here', '10.1.0.2 far']);
  });
  it('come from address blocks and registries that MeshNetworks name', () => {
    const blocks = { networks: { a: { endpoints: [{ fromCidr: '10.1.0.0/16' }] }, b: { endpoints: [{ fromRegistry: 'other' }] } } };
    expect(networksOf({ networks: blocks })).toEqual(['10.1.0.1 a', '10.2.0.1 ', '10.1.0.2 far']);
    expect(networksOf({ networks: blocks, cluster: 'other' })).toEqual(['10.1.0.1 b', '10.2.0.1 b', '10.1.0.2 far']);
  });
  it('keeps endpoints that are as they were', () => {
    const namespaces = new Map([['istio-system', { 'topology.istio.io/network': 'here' }]]);
    const first = snapshot({ services: [WEB], endpoints, namespaces }).endpoints(WEB, 'http');
    const second = snapshot({ services: [WEB], endpoints, namespaces }).endpoints(WEB, 'http');
    expect(second.every((one, index) => one === first[index])).toBe(true);
  });
  it('have gateways: services with their label, services and addresses that MeshNetworks name', () => {
    const gateway = (name: string, labels: Record<string, string>, ports?: Record<number, number>) =>
      service(`${name}.istio-system.svc.cluster.local`, {
        labels,
        ports: [{ name: 'tls', number: 15443, protocol: 'tls' }],
        external: { addresses: ['5.5.5.5', 'lb.example.com'], ...(ports === undefined ? {} : { ports }) },
      });
    const networks = {
      networks: {
        far: { gateways: [{ address: '6.6.6.6', port: 443 }] },
        near: {
          endpoints: [{ fromRegistry: 'Kubernetes' }],
          gateways: [{ registryServiceName: 'named.istio-system.svc.cluster.local', port: 15443 }],
        },
      },
    };
    const services = [
      gateway('labelled', { 'topology.istio.io/network': 'net2' }),
      gateway('elsewhere', { 'topology.istio.io/network': 'net3', 'networking.istio.io/gatewayPort': '15444' }),
      gateway('named', {}, { 15443: 30443 }),
    ];
    expect(snapshot({ services, networks }).networkGateways).toEqual([
      { network: 'net2', cluster: 'Kubernetes', address: '5.5.5.5', port: 15443 },
      { network: 'near', cluster: 'Kubernetes', address: '5.5.5.5', port: 30443 },
      { network: 'far', cluster: '', address: '6.6.6.6', port: 443 },
    ]);
  });
});
