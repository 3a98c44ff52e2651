import type { ConfigObject } from '@xebec/schemas';
import { object } from './view-mesh.ts';

const NETWORKING = 'networking.istio.io/v1';
const SECURITY = 'security.istio.io/v1';

function meta(name: string, namespace = 'default', more: object = {}) {
  return { name, namespace, creationTimestamp: '2026-01-01T00:00:00Z', ...more };
}

function istio(apiVersion: string, kind: string, name: string, spec: object, namespace?: string): ConfigObject {
  return object({ apiVersion, kind, metadata: meta(name, namespace), spec });
}

/** A service with an HTTP and a TCP port. */
export function service(name: string, variant = 0): ConfigObject {
  const number = Number(name.replaceAll(/\D/g, ''));
  return object({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: meta(name),
    spec: {
      clusterIP: `10.96.0.${number + 1}`,
      selector: { app: name },
      ports: [
        { name: 'http', port: 8080, targetPort: 8080 },
        { name: 'tcp', port: 9000 + number + variant, targetPort: 9000 },
      ],
    },
  });
}

export function endpointSlice(name: string, variant = 0): ConfigObject {
  const number = Number(name.replaceAll(/\D/g, ''));
  return object({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: meta(`${name}-slice`, 'default', { labels: { 'kubernetes.io/service-name': name } }),
    addressType: 'IPv4',
    ports: [
      { name: 'http', port: 8080, protocol: 'TCP' },
      { name: 'tcp', port: 9000, protocol: 'TCP' },
    ],
    endpoints: [`10.0.0.${number + 1}`, `10.0.${variant + 1}.${number + 1}`].map((address, index) => ({
      addresses: [address],
      conditions: { ready: true },
      targetRef: { kind: 'Pod', name: `${name}-${index}`, namespace: 'default' },
    })),
  });
}

export function pod(name: string, variant = 0): ConfigObject {
  const number = Number(name.replaceAll(/\D/g, ''));
  return object({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: meta(`${name}-0`, 'default', { labels: { app: name, version: `v${variant}` } }),
    spec: { serviceAccountName: 'default' },
    status: { podIP: `10.0.0.${number + 1}`, phase: 'Running' },
  });
}

/** One object of each of Istio's kinds about the service `name`; variants differ. */
export const istioObjects: Readonly<Record<string, (name: string, variant?: number) => ConfigObject>> = {
  VirtualService: (name, variant = 0) =>
    istio(NETWORKING, 'VirtualService', name, {
      hosts: [name],
      http: [{ route: [{ destination: { host: name } }], timeout: `${variant + 1}s` }],
    }),
  DestinationRule: (name, variant = 0) =>
    istio(NETWORKING, 'DestinationRule', name, {
      host: name,
      trafficPolicy: { connectionPool: { http: { http2MaxRequests: variant + 1 } } },
      subsets: [{ name: 'v1', labels: { version: 'v1' } }],
    }),
  ServiceEntry: (name, variant = 0) =>
    istio(NETWORKING, 'ServiceEntry', name, {
      hosts: [`${name}.example.com`],
      ports: [{ number: 8080, name: 'http', protocol: 'HTTP' }],
      resolution: 'STATIC',
      location: 'MESH_INTERNAL',
      ...(variant % 2 === 0 ? { endpoints: [{ address: `10.9.0.${variant + 1}` }] } : { workloadSelector: { labels: { app: name } } }),
    }),
  WorkloadEntry: (name, variant = 0) =>
    istio(NETWORKING, 'WorkloadEntry', name, { address: `10.8.0.${variant + 1}`, labels: { app: name }, serviceAccount: 'vm' }),
  Sidecar: (name, variant = 0) =>
    istio(NETWORKING, 'Sidecar', name, {
      workloadSelector: { labels: { app: name } },
      egress: [{ hosts: variant % 2 === 0 ? ['./s1.default.svc.cluster.local'] : ['./*'] }],
    }),
  EnvoyFilter: (name, variant = 0) =>
    istio('networking.istio.io/v1alpha3', 'EnvoyFilter', name, {
      workloadSelector: { labels: { app: name } },
      configPatches: [
        {
          applyTo: 'CLUSTER',
          match: { context: 'SIDECAR_OUTBOUND', cluster: { service: 's1.default.svc.cluster.local' } },
          patch: { operation: 'MERGE', value: { alt_stat_name: `stat-${variant}` } },
        },
      ],
    }),
  Gateway: (name, variant = 0) =>
    istio(NETWORKING, 'Gateway', name, {
      selector: { app: 'gateway' },
      servers: [{ port: { number: 80 + variant, name: 'http', protocol: 'HTTP' }, hosts: [`${name}.example.org`] }],
    }),
  PeerAuthentication: (name, variant = 0) =>
    istio(SECURITY, 'PeerAuthentication', name, {
      selector: { matchLabels: { app: name } },
      mtls: { mode: ['STRICT', 'DISABLE', 'PERMISSIVE'][variant % 3] },
    }),
  RequestAuthentication: (name, variant = 0) =>
    istio(SECURITY, 'RequestAuthentication', name, {
      selector: { matchLabels: { app: name } },
      jwtRules: [{ issuer: `issuer-${variant}`, jwks: '{"keys":[]}' }],
    }),
  AuthorizationPolicy: (name, variant = 0) =>
    istio(SECURITY, 'AuthorizationPolicy', name, {
      selector: { matchLabels: { app: name } },
      rules: [{ to: [{ operation: { methods: [variant % 2 === 0 ? 'GET' : 'POST'] } }] }],
    }),
  Telemetry: (name, variant = 0) =>
    istio('telemetry.istio.io/v1', 'Telemetry', name, {
      selector: { matchLabels: { app: name } },
      accessLogging: [{ disabled: variant % 2 === 0, providers: [{ name: 'envoy' }] }],
    }),
  ProxyConfig: (name, variant = 0) =>
    istio('networking.istio.io/v1beta1', 'ProxyConfig', name, {
      selector: { matchLabels: { app: name } },
      concurrency: variant + 1,
    }),
};
