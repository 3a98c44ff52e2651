import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MeshSize {
  readonly services: number;
  readonly virtualServices: number;
  readonly destinationRules: number;
}

const NAMESPACE = 'default';

/** Name of service `index`. */
export function serviceName(index: number): string {
  return `svc-${index}`;
}

/** Address of endpoint `copy` of service `index`: what the workload's proxy has too. */
export function endpointAddress(index: number, copy: number): string {
  const number = index * 2 + copy;
  return `10.${8 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
}

/** Writes a mesh of one namespace: services with two endpoints each, VirtualServices and DestinationRules for the first of them. */
export function writeMesh(folder: string, size: MeshSize): void {
  const all = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));
  writeObjects(folder, 'services', all(size.services, service));
  writeObjects(
    folder,
    'endpoints',
    all(size.services - 1, (index) => endpoints(index + 1)),
  );
  writeObjects(
    folder,
    'virtual-services',
    all(size.virtualServices - 1, (index) => virtualService(index + 1, 0)),
  );
  writeObjects(folder, 'destination-rules', all(size.destinationRules, destinationRule));
  changeEndpoints(folder, 0);
  changeVirtualService(folder, 0);
}

/** Writes the endpoints of service 0, the second of which is another for each round. */
export function changeEndpoints(folder: string, round: number): void {
  writeObjects(folder, 'endpoints-of-first', [endpoints(0, `10.200.0.${(round % 250) + 1}`)]);
}

/** Writes the VirtualService of service 0 with another weight for each round. */
export function changeVirtualService(folder: string, round: number): void {
  writeObjects(folder, 'virtual-service-of-first', [virtualService(0, round)]);
}

/** A List in JSON, which is YAML too and quicker to read. */
function writeObjects(folder: string, name: string, items: readonly object[]): void {
  writeFileSync(join(folder, `${name}.yaml`), items.map((item) => JSON.stringify(item)).join('\n---\n'));
}

function metadata(name: string, labels: Record<string, string> = {}) {
  return { name, namespace: NAMESPACE, labels, creationTimestamp: '2026-01-01T00:00:00Z' };
}

function service(index: number): object {
  const name = serviceName(index);
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(name),
    spec: {
      type: 'ClusterIP',
      clusterIP: `10.${96 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`,
      selector: { app: name },
      ports: [{ name: 'http', port: 8080, targetPort: 8080 }],
    },
  };
}

function endpoints(index: number, second = endpointAddress(index, 1)): object {
  const name = serviceName(index);
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: metadata(`${name}-slice`, { 'kubernetes.io/service-name': name }),
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: [endpointAddress(index, 0), second].map((address) => ({ addresses: [address], conditions: { ready: true } })),
  };
}

function virtualService(index: number, round: number): object {
  const name = serviceName(index);
  const share = 50 + (round % 50);
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: metadata(name),
    spec: {
      hosts: [name],
      http: [
        { match: [{ uri: { prefix: '/v2' } }], route: [{ destination: { host: name, subset: 'v2' } }], timeout: '5s' },
        {
          route: [
            { destination: { host: name, subset: 'v1' }, weight: share },
            { destination: { host: name, subset: 'v2' }, weight: 100 - share },
          ],
        },
      ],
    },
  };
}

function destinationRule(index: number): object {
  const name = serviceName(index);
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: metadata(name),
    spec: {
      host: name,
      trafficPolicy: { connectionPool: { http: { http2MaxRequests: 1000 } }, outlierDetection: { consecutive5xxErrors: 5 } },
      subsets: [
        { name: 'v1', labels: { version: 'v1' } },
        { name: 'v2', labels: { version: 'v2' } },
      ],
    },
  };
}
