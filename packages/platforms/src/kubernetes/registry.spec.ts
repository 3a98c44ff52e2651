import { describe, expect, it } from 'vitest';
import { KubernetesRegistry, type RegistryChange } from './registry.ts';

function change(kind: string, name: string, raw: object | undefined): RegistryChange {
  const namespace = kind === 'Node' || kind === 'Namespace' ? '' : 'default';
  const whole =
    raw === undefined ? undefined : { ...raw, metadata: { name, namespace, ...('metadata' in raw ? (raw.metadata as object) : {}) } };
  return { kind, namespace, name, raw: whole };
}

const service = change('Service', 'reviews', {
  metadata: { creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: {
    clusterIP: '10.96.0.5',
    selector: { app: 'reviews' },
    ports: [
      { name: 'http', port: 9080, targetPort: 9080 },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ],
  },
});
const node = change('Node', 'n1', {
  metadata: { labels: { 'topology.kubernetes.io/region': 'eu', 'topology.kubernetes.io/zone': 'eu-1' } },
});

function pod(name: string, ip: string, labels: Record<string, string> = {}) {
  return change('Pod', name, {
    metadata: {
      labels: { app: 'reviews', 'pod-template-hash': 'abc', ...labels },
      ownerReferences: [{ kind: 'ReplicaSet', name: 'reviews-v1-abc', controller: true }],
    },
    spec: { serviceAccountName: 'bookinfo-reviews', nodeName: 'n1' },
    status: { podIP: ip, phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  });
}

function slice(endpoints: { ip: string; pod: string; conditions?: object }[]) {
  return change('EndpointSlice', 'reviews-1', {
    metadata: { labels: { 'kubernetes.io/service-name': 'reviews' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 9080, protocol: 'TCP' }],
    endpoints: endpoints.map(({ ip, pod: name, conditions }) => ({
      addresses: [ip],
      conditions: conditions ?? { ready: true },
      targetRef: { kind: 'Pod', name, namespace: 'default' },
    })),
  });
}

const KEY = 'default/reviews.default.svc.cluster.local';

describe('KubernetesRegistry', () => {
  it('makes services and endpoints with identity, workload and locality, whatever comes first', () => {
    const changes = [
      service,
      slice([{ ip: '10.0.0.1', pod: 'p1' }]),
      pod('p1', '10.0.0.1', { 'security.istio.io/tlsMode': 'istio' }),
      node,
    ];
    for (const order of [changes, [...changes].reverse()]) {
      const registry = new KubernetesRegistry('cluster.local');
      for (const one of order) registry.apply([one]);
      expect(registry.services()).toMatchObject([
        {
          hostname: 'reviews.default.svc.cluster.local',
          addresses: ['10.96.0.5'],
          resolution: 'client-side',
          ports: [
            { name: 'http', number: 9080, protocol: 'http', targetPort: 9080 },
            { name: 'dns', protocol: 'udp' },
          ],
        },
      ]);
      expect(registry.endpoints().get(KEY)).toMatchObject([
        {
          address: '10.0.0.1',
          port: 9080,
          servicePortName: 'http',
          serviceAccount: 'bookinfo-reviews',
          workloadName: 'reviews-v1',
          tlsMode: 'istio',
          health: 'healthy',
          locality: { region: 'eu', zone: 'eu-1', subzone: '' },
        },
      ]);
      expect(registry.workloads()).toMatchObject([{ name: 'p1', address: '10.0.0.1', workloadName: 'reviews-v1' }]);
    }
  });

  it('tells endpoints that changed from everything else', () => {
    const registry = new KubernetesRegistry('cluster.local');
    expect(registry.apply([service])).toMatchObject({ full: true });
    expect(registry.apply([service])).toEqual({ full: false, workloads: false, endpoints: new Set() });
    expect(registry.apply([pod('p1', '10.0.0.1')])).toEqual({ full: false, workloads: true, endpoints: new Set() });
    expect(registry.apply([slice([{ ip: '10.0.0.1', pod: 'p1' }])])).toEqual({ full: false, workloads: false, endpoints: new Set([KEY]) });
    expect(registry.apply([slice([{ ip: '10.0.0.1', pod: 'p1' }])])).toEqual({ full: false, workloads: false, endpoints: new Set() });
    expect(registry.apply([change('Service', 'reviews', undefined)])).toMatchObject({ full: true });
    expect(registry.endpoints().size).toBe(0);
  });

  it('reads readiness: not ready is unhealthy, ending but serving drains, ended is gone', () => {
    const registry = new KubernetesRegistry('cluster.local');
    const endpoints = [
      { ip: '1', pod: 'a', conditions: {} },
      { ip: '2', pod: 'b', conditions: { ready: false } },
      { ip: '3', pod: 'c', conditions: { ready: false, serving: true, terminating: true } },
      { ip: '4', pod: 'd', conditions: { ready: false, serving: false, terminating: true } },
    ];
    registry.apply([service, slice(endpoints), ...endpoints.map((endpoint) => pod(endpoint.pod, endpoint.ip))]);
    expect(
      registry
        .endpoints()
        .get(KEY)
        ?.map(({ address, health }) => `${address} ${health}`),
    ).toEqual(['1 healthy', '2 unhealthy', '3 draining']);
  });

  it('makes headless services pass through and ExternalName services resolve the other name', () => {
    const registry = new KubernetesRegistry('cluster.local');
    registry.apply([
      change('Service', 'headless', { spec: { clusterIP: 'None', ports: [{ port: 80 }] } }),
      change('Service', 'outside', { spec: { type: 'ExternalName', externalName: 'example.com', ports: [{ port: 443, name: 'https' }] } }),
    ]);
    expect(registry.services()).toMatchObject([
      { name: 'headless', headless: true, resolution: 'passthrough', addresses: [] },
      { name: 'outside', resolution: 'dns', meshExternal: true },
    ]);
    expect(registry.endpoints().get('default/outside.default.svc.cluster.local')).toMatchObject([{ address: 'example.com', port: 443 }]);
  });
});
