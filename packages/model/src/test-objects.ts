import type { ConfigObject } from '@xebec/schemas';
import { defaultMeshConfig } from '@xebec/schemas';
import type { MeshProxy } from './proxy.ts';
import type { Endpoint, Service } from './service.ts';
import { createSnapshot, type MeshSnapshot, type SnapshotInput } from './snapshot.ts';

/** Short forms for specs. */
export function config<Spec>(kind: string, name: string, namespace: string, spec: Spec, created = ''): ConfigObject<Spec> {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind,
    metadata: {
      name,
      namespace,
      labels: {},
      annotations: {},
      creationTimestamp: created,
      resourceVersion: '',
      uid: '',
      generation: 0,
    },
    spec,
  };
}

export function service(hostname: string, over: Partial<Service> = {}): Service {
  const [name = '', namespace = ''] = hostname.split('.');
  return {
    hostname,
    name,
    namespace,
    registry: 'kubernetes',
    addresses: ['10.96.0.1'],
    ports: [{ name: 'http', number: 80, protocol: 'http', targetPort: 8080 }],
    resolution: 'client-side',
    meshExternal: false,
    headless: false,
    exportTo: [],
    labels: {},
    creationTimestamp: '',
    subjectAltNames: [],
    ...over,
  };
}

export function endpoint(address: string, over: Partial<Endpoint> = {}): Endpoint {
  return {
    address,
    port: 8080,
    servicePortName: 'http',
    labels: {},
    namespace: 'a',
    serviceAccount: 'default',
    workloadName: 'w',
    locality: { region: '', zone: '', subzone: '' },
    weight: 1,
    health: 'healthy',
    tlsMode: 'istio',
    network: '',
    ...over,
  };
}

export function proxy(namespace: string, labels: Record<string, string> = {}, over: Partial<MeshProxy> = {}): MeshProxy {
  return {
    id: '',
    type: 'sidecar',
    name: 'p',
    namespace,
    addresses: ['10.0.0.1'],
    domain: `${namespace}.svc.cluster.local`,
    labels,
    annotations: {},
    serviceAccount: 'default',
    clusterId: 'Kubernetes',
    meshId: '',
    network: '',
    locality: { region: '', zone: '', subzone: '' },
    interceptionMode: 'REDIRECT',
    appAddress: '127.0.0.1',
    extensions: new Set(),
    cluster: '',
    flavour: 'envoy',
    metadata: {},
    ...over,
  };
}

export function snapshot(input: Partial<SnapshotInput>): MeshSnapshot {
  return createSnapshot({ version: '1', mesh: { ...defaultMeshConfig }, services: [], endpoints: new Map(), config: [], ...input });
}
