import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';

/** Objects a file, as teams keep them: what belongs to a service together. */
const OBJECTS_PER_FILE = 20;
const NAMESPACES = 100;

export interface BenchObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Of ten objects: four VirtualServices, three DestinationRules, one each of ServiceEntry, AuthorizationPolicy and Sidecar. */
export function benchObjects(count: number): readonly BenchObject[] {
  return Array.from({ length: count }, (_, index) => object(index, 0));
}

/** Object `index`, whose content is another for each round; index 0 is a VirtualService. */
export function object(index: number, round: number): BenchObject {
  const service = `svc-${Math.floor(index / 10)}-${index % 10}`;
  const host = `${service}.ns-${index % NAMESPACES}.svc.cluster.local`;
  const make = (apiVersion: string, kind: string, spec: Readonly<Record<string, unknown>>): BenchObject => ({
    apiVersion,
    kind,
    metadata: { name: service, namespace: `ns-${index % NAMESPACES}`, labels: { app: service, team: `team-${index % 17}` } },
    spec,
  });
  const shape = index % 10;
  if (shape < 4) return make('networking.istio.io/v1', 'VirtualService', virtualService(host, service, round));
  if (shape < 7) return make('networking.istio.io/v1', 'DestinationRule', destinationRule(host));
  if (shape === 7)
    return make('networking.istio.io/v1', 'ServiceEntry', {
      hosts: [`${service}.example.com`],
      location: 'MESH_EXTERNAL',
      resolution: 'DNS',
      ports: [{ number: 443, name: 'https', protocol: 'HTTPS' }],
    });
  if (shape === 8)
    return make('security.istio.io/v1', 'AuthorizationPolicy', {
      selector: { matchLabels: { app: service } },
      action: 'ALLOW',
      rules: [
        {
          from: [{ source: { principals: ['cluster.local/ns/default/sa/productpage', 'cluster.local/ns/default/sa/gateway'] } }],
          to: [{ operation: { methods: ['GET', 'POST'], paths: ['/api/*'], ports: ['8080'] } }],
          when: [{ key: 'request.headers[x-team]', values: ['checkout'] }],
        },
      ],
    });
  return make('networking.istio.io/v1', 'Sidecar', {
    workloadSelector: { labels: { app: service } },
    egress: [{ hosts: ['./*', 'istio-system/*'] }],
  });
}

function virtualService(host: string, service: string, round: number): Readonly<Record<string, unknown>> {
  const share = 50 + (round % 50);
  return {
    hosts: [host],
    http: [
      {
        match: [{ headers: { 'end-user': { exact: 'jason' } }, uri: { prefix: '/v2' } }],
        route: [{ destination: { host, subset: 'v2', port: { number: 8080 } } }],
        timeout: '5s',
        retries: { attempts: 3, perTryTimeout: '2s', retryOn: '5xx,connect-failure' },
      },
      {
        name: `${service}-main`,
        route: [
          { destination: { host, subset: 'v1' }, weight: share },
          { destination: { host, subset: 'v2' }, weight: 100 - share },
        ],
      },
    ],
  };
}

function destinationRule(host: string): Readonly<Record<string, unknown>> {
  return {
    host,
    trafficPolicy: {
      connectionPool: { http: { http2MaxRequests: 1000, maxRequestsPerConnection: 10 }, tcp: { maxConnections: 100 } },
      outlierDetection: { consecutive5xxErrors: 5, interval: '10s', baseEjectionTime: '30s' },
    },
    subsets: [
      { name: 'v1', labels: { version: 'v1' } },
      { name: 'v2', labels: { version: 'v2' } },
    ],
  };
}

/** Writes them as YAML, in block style as people write it, a folder for each thousand files. */
export function writeFiles(folder: string, objects: readonly BenchObject[]): void {
  for (let at = 0; at < objects.length; at += OBJECTS_PER_FILE) {
    const file = fileOf(folder, at);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, yamlOf(objects.slice(at, at + OBJECTS_PER_FILE)));
  }
}

/** Writes the first file again, with another object 0 for each round. */
export function changeFirstFile(folder: string, objects: readonly BenchObject[], round: number): void {
  writeFileSync(fileOf(folder, 0), yamlOf([object(0, round), ...objects.slice(1, OBJECTS_PER_FILE)]));
}

function fileOf(folder: string, index: number): string {
  const number = Math.floor(index / OBJECTS_PER_FILE);
  return join(folder, `part-${Math.floor(number / 1_000)}`, `file-${number}.yaml`);
}

function yamlOf(objects: readonly BenchObject[]): string {
  return objects.map((one) => stringify(one)).join('---\n');
}
