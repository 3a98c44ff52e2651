/** What the suite puts into a cluster: nothing that a controller would touch, so that every API server holds the same. */
export const MESH: readonly object[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { mesh: 'on' } } },
  {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'paper', labels: { 'topology.kubernetes.io/region': 'eu', 'topology.kubernetes.io/zone': 'eu-1' } },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { clusterIP: '10.96.7.7', ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'db', namespace: 'shop' },
    spec: { clusterIP: 'None', ports: [{ name: 'tcp', port: 5432 }] },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'outside', namespace: 'shop' },
    spec: { type: 'ExternalName', externalName: 'example.com', ports: [{ name: 'https', port: 443 }] },
  },
  slice('web', [
    ['10.244.1.1', true],
    ['10.244.1.2', false],
  ]),
  slice('db', [['10.244.1.3', true]]),
];

/** One slice of a service that nothing selects: addresses and whether they are ready. */
export function slice(service: string, addresses: readonly (readonly [string, boolean])[]): object {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${service}-hand`, namespace: 'shop', labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports: [{ name: service === 'db' ? 'tcp' : 'http', port: 8080, protocol: 'TCP' }],
    endpoints: addresses.map(([address, ready]) => ({ addresses: [address], conditions: { ready } })),
  };
}

/** Hosts outside that plain TCP goes to, without addresses of their own. */
export function serviceEntry(name: string, hosts: readonly string[]): object {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'ServiceEntry',
    metadata: { name, namespace: 'shop' },
    spec: { hosts, resolution: 'DNS', ports: [{ number: 443, name: 'tls', protocol: 'TLS' }] },
  };
}
