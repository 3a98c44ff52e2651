import { err, ok, type Result } from '@xebec/core';
import type { Endpoint, Labels, MeshProxy, MeshSnapshot } from '@xebec/model';
import { ALPN, METADATA_EXCHANGE, STATS } from '@xebec/translate';

/** A workload found by a name, as the proxy beside it would introduce itself. */
export interface FoundWorkload {
  readonly proxy: MeshProxy;
  /** Whether a proxy stands beside it. */
  readonly sidecar: boolean;
}

/**
 * Finds a workload by what a user would call it: the name of a workload, of a pod, of a service, or the label `app`; with
 * `.namespace` behind it where several namespaces have one. Says in one line what there is when nothing fits.
 */
export function findWorkload(snapshot: MeshSnapshot, text: string): Result<FoundWorkload, string> {
  const dot = text.indexOf('.');
  const name = dot < 0 ? text : text.slice(0, dot);
  const namespace = dot < 0 ? undefined : text.slice(dot + 1);
  const known: { readonly endpoint: Endpoint; readonly service: string }[] = [];
  for (const service of snapshot.services) {
    for (const endpoint of snapshot.allEndpoints(service)) known.push({ endpoint, service: service.name });
  }
  const here = known.filter(({ endpoint }) => namespace === undefined || endpoint.namespace === namespace);
  const byName = here.filter(({ endpoint }) => endpoint.workloadName === name);
  const found = byName.length > 0 ? byName : here.filter(({ endpoint, service }) => service === name || endpoint.labels.app === name);
  const [first] = found;
  if (first === undefined) {
    const names = [...new Set(known.map(({ endpoint }) => `${endpoint.workloadName}.${endpoint.namespace}`))].sort();
    const listed = names.length > 12 ? [...names.slice(0, 12), `${names.length - 12} more`] : names;
    return err(`no workload "${text}"; there are: ${listed.length === 0 ? 'none' : listed.join(', ')}`);
  }
  const namespaces = new Set(found.map(({ endpoint }) => endpoint.namespace));
  if (namespaces.size > 1) return err(`workload "${text}" is in namespaces ${[...namespaces].sort().join(', ')}; write ${name}.NAMESPACE`);
  return ok({ proxy: proxyBeside(first.endpoint, snapshot.domain), sidecar: first.endpoint.tlsMode === 'istio' });
}

/** The sidecar of an endpoint, as it would introduce itself. */
export function proxyBeside(endpoint: Endpoint, domain: string): MeshProxy {
  const { namespace, address } = endpoint;
  const name = endpoint.workloadName === '' ? address : endpoint.workloadName;
  return {
    ...istioProxy,
    id: `sidecar~${address}~${name}.${namespace}~${namespace}.svc.${domain}`,
    type: 'sidecar',
    cluster: `${name}.${namespace}`,
    name,
    namespace,
    addresses: [address],
    domain: `${namespace}.svc.${domain}`,
    labels: endpoint.labels,
    serviceAccount: endpoint.serviceAccount === '' ? 'default' : endpoint.serviceAccount,
    network: endpoint.network,
    locality: endpoint.locality,
    metadata: endpoint.network === '' ? {} : { NETWORK: endpoint.network },
  };
}

/** A gateway's proxy with the labels that Gateways select. */
export function gatewayProxy(name: string, namespace: string, labels: Labels, domain: string): MeshProxy {
  const address = '10.0.0.1';
  return {
    ...istioProxy,
    id: `router~${address}~${name}.${namespace}~${namespace}.svc.${domain}`,
    type: 'router',
    cluster: `${name}.${namespace}`,
    name,
    namespace,
    addresses: [address],
    domain: `${namespace}.svc.${domain}`,
    labels,
    serviceAccount: `${name}-service-account`,
    network: '',
    locality: { region: '', zone: '', subzone: '' },
  };
}

/** What a proxy says of itself that has Istio's filters: one that lists nothing else gets all of Envoy's. */
const istioProxy = {
  annotations: {},
  clusterId: 'Kubernetes',
  meshId: 'cluster.local',
  interceptionMode: 'REDIRECT',
  appAddress: '127.0.0.1',
  extensions: new Set([METADATA_EXCHANGE, ALPN, STATS]),
  flavour: 'envoy',
  metadata: {},
} as const;
