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

function pod(name: string, ip: string, labels: Record<string, string> = {}, phase = 'Running') {
  return change('Pod', name, {
    metadata: {
      labels: { app: 'reviews', 'pod-template-hash': 'abc', ...labels },
      ownerReferences: [{ kind: 'ReplicaSet', name: 'reviews-v1-abc', controller: true }],
    },
    spec: { serviceAccountName: 'bookinfo-reviews', nodeName: 'n1' },
    status: { podIP: ip, phase, conditions: [{ type: 'Ready', status: 'True' }] },
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

describe('KubernetesRegistry endpoints', () => {
  const addresses = (registry: KubernetesRegistry) =>
    registry
      .endpoints()
      .get(KEY)
      ?.map(({ address, serviceAccount }) => `${address} ${serviceAccount}`);
  const named = (name: string, part: object) => ({ ...part, metadata: { name, labels: { 'kubernetes.io/service-name': 'reviews' } } });

  it('announces an endpoint only when its pod is known, and no longer when that has failed or gone', () => {
    const registry = new KubernetesRegistry('cluster.local');
    registry.apply([service, slice([{ ip: '10.0.0.1', pod: 'p1' }])]);
    expect(addresses(registry)).toBeUndefined();
    expect(registry.apply([pod('p1', '10.0.0.1')]).endpoints).toEqual(new Set([KEY]));
    expect(addresses(registry)).toEqual(['10.0.0.1 bookinfo-reviews']);
    registry.apply([pod('p1', '10.0.0.1', {}, 'Failed')]);
    expect(addresses(registry)).toEqual([]);
    registry.apply([pod('p1', '10.0.0.1')]);
    registry.apply([change('Pod', 'p1', undefined)]);
    expect(addresses(registry)).toEqual([]);
  });
  it('finds a ready pod behind an address that was listed by hand, in any order, and takes others as they are', () => {
    const listed = change('EndpointSlice', 'hand', {
      ...named('hand', {}),
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 1 }],
      endpoints: [{ addresses: ['10.0.0.1', '192.0.2.1'] }],
    });
    for (const order of [
      [service, listed, pod('p1', '10.0.0.1')],
      [pod('p1', '10.0.0.1'), listed, service],
    ]) {
      const registry = new KubernetesRegistry('cluster.local');
      for (const one of order) registry.apply([one]);
      expect(addresses(registry)).toEqual(['10.0.0.1 bookinfo-reviews', '192.0.2.1 ']);
      registry.apply([pod('p1', '10.0.0.9')]);
      expect(addresses(registry)).toEqual(['10.0.0.1 ', '192.0.2.1 ']);
    }
  });
  it('believes what is ready where slices disagree, and reads no names', () => {
    const registry = new KubernetesRegistry('cluster.local');
    const part = (name: string, ready: boolean, addressType = 'IPv4') =>
      change('EndpointSlice', name, {
        ...named(name, {}),
        addressType,
        ports: [{ name: 'http', port: 9080 }],
        endpoints: [{ addresses: ['10.0.0.7'], conditions: { ready } }],
      });
    registry.apply([service, part('a', false), part('b', true), part('c', true, 'FQDN')]);
    expect(registry.endpoints().get(KEY)).toMatchObject([{ address: '10.0.0.7', health: 'healthy' }]);
    registry.apply([change('EndpointSlice', 'b', undefined)]);
    expect(registry.endpoints().get(KEY)).toMatchObject([{ health: 'unhealthy' }]);
  });
  it('moves endpoints when a node changes its zone, and nothing when only its status does', () => {
    const registry = new KubernetesRegistry('cluster.local');
    registry.apply([service, slice([{ ip: '10.0.0.1', pod: 'p1' }]), pod('p1', '10.0.0.1'), node]);
    const again = (labels: object, status: object) => registry.apply([change('Node', 'n1', { metadata: { labels }, status })]);
    const labels = { 'topology.kubernetes.io/region': 'eu', 'topology.kubernetes.io/zone': 'eu-1' };
    expect(again(labels, { heartbeat: 2 })).toEqual({ full: false, workloads: false, endpoints: new Set() });
    expect(again({ ...labels, 'topology.kubernetes.io/zone': 'eu-2' }, {}).endpoints).toEqual(new Set([KEY]));
    expect(registry.endpoints().get(KEY)).toMatchObject([
      { nodeName: 'n1', labels: { 'topology.kubernetes.io/zone': 'eu-2', 'topology.istio.io/cluster': 'Kubernetes' } },
    ]);
  });
});

describe('KubernetesRegistry view', () => {
  const namespace = (labels: object) => change('Namespace', 'default', { metadata: { labels } });
  const mesh = { discoverySelectors: [{ matchLabels: { mesh: 'on' } }] };

  it('shows what is in chosen namespaces, as they come into and fall out of the choice', () => {
    const registry = new KubernetesRegistry('cluster.local');
    registry.apply([service, pod('p1', '10.0.0.1'), namespace({})]);
    expect(registry.view(mesh, [])).toMatchObject({ services: [], workloads: [] });
    expect(registry.apply([namespace({ mesh: 'on' })]).full).toBe(true);
    expect(registry.view(mesh, [])).toMatchObject({ services: [{ name: 'reviews' }], workloads: [{ name: 'p1' }] });
    registry.apply([namespace({ mesh: 'off' })]);
    expect(registry.view(mesh, [])).toMatchObject({ services: [], workloads: [] });
    expect(registry.view({}, [])).toMatchObject({ services: [{ name: 'reviews' }] });
  });
  it('keeps what Ingresses make the same objects until an Ingress changes', () => {
    const registry = new KubernetesRegistry('cluster.local');
    const ingress = (host: string) =>
      change('Ingress', 'i', {
        spec: {
          ingressClassName: 'istio',
          rules: [
            {
              host,
              http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'reviews', port: { number: 9080 } } } }] },
            },
          ],
        },
      });
    registry.apply([
      service,
      { kind: 'IngressClass', namespace: '', name: 'istio', raw: { spec: { controller: 'istio.io/ingress-controller' } } },
      ingress('a.example'),
    ]);
    const before = registry.view({}, []).config;
    expect(before.map(({ kind }) => kind)).toEqual(['Gateway', 'VirtualService']);
    expect(registry.apply([ingress('a.example')]).full).toBe(false);
    const same = registry.view({}, []).config;
    expect(same.every((object, index) => object === before[index])).toBe(true);
    expect(registry.apply([ingress('b.example')]).full).toBe(true);
    const after = registry.view({}, []).config;
    expect(after[0]).toBe(before[0]);
    expect(after[1]).toMatchObject({ spec: { hosts: ['b.example'] } });
  });
  it('reads annotations of the namespace and of accounts', () => {
    const registry = new KubernetesRegistry('cluster.local');
    const annotated = { ...(service.raw as { metadata: object }) };
    registry.apply([
      change('Service', 'reviews', {
        ...annotated,
        metadata: { ...annotated.metadata, annotations: { 'alpha.istio.io/kubernetes-serviceaccounts': 'old' } },
      }),
      change('Namespace', 'default', { metadata: { annotations: { 'networking.istio.io/traffic-distribution': 'preferclose' } } }),
    ]);
    expect(registry.view({ trustDomain: 'td' }, []).services).toMatchObject([
      { trafficDistribution: 'zone', subjectAltNames: ['spiffe://td/ns/default/sa/old'] },
    ]);
  });
});
