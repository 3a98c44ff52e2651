import { type Endpoint, protocolOfPort, type Resolution, type Service, type ServicePort, spiffeId } from '@xebec/model';
import type { KubernetesService, KubernetesServicePort } from './objects.ts';

const DISTRIBUTION_ANNOTATION = 'networking.istio.io/traffic-distribution';
const CANONICAL_ACCOUNTS_ANNOTATION = 'alpha.istio.io/canonical-serviceaccounts';
const ACCOUNTS_ANNOTATION = 'alpha.istio.io/kubernetes-serviceaccounts';
const EXPORT_TO_ANNOTATION = 'networking.istio.io/exportTo';

/**
 * The mesh's service for a Kubernetes Service. `domain` is the cluster's DNS domain; the annotations of its namespace say how near
 * endpoints must be where the service itself does not.
 */
export function toService(raw: KubernetesService, domain: string, namespaceAnnotations: Readonly<Record<string, string>> = {}): Service {
  const { metadata = {}, spec = {} } = raw;
  const name = metadata.name ?? '';
  const namespace = metadata.namespace ?? 'default';
  const external = isExternalName(raw);
  const addresses = (spec.clusterIPs ?? [spec.clusterIP ?? '']).filter((address) => address !== '' && address !== 'None');
  const outside = outsideAddresses(raw);
  const headless = !external && spec.clusterIP === 'None';
  const resolution: Resolution = external ? 'dns' : headless ? 'passthrough' : 'client-side';
  return {
    hostname: `${name}.${namespace}.svc.${domain}`,
    name,
    namespace,
    registry: 'kubernetes',
    addresses: external || headless ? [] : addresses,
    ports: (spec.ports ?? []).map(toServicePort),
    resolution,
    meshExternal: external,
    headless,
    exportTo: listOf(metadata.annotations?.[EXPORT_TO_ANNOTATION]),
    ...(spec.selector === undefined || spec.selector === null ? {} : { selector: spec.selector }),
    ...(external ? { aliasOf: spec.externalName ?? '' } : {}),
    ...trafficDistribution(
      spec.trafficDistribution,
      metadata.annotations?.[DISTRIBUTION_ANNOTATION],
      namespaceAnnotations[DISTRIBUTION_ANNOTATION],
    ),
    ...(outside.length === 0 ? {} : { external: { addresses: outside } }),
    ...(spec.internalTrafficPolicy === 'Local' ? { nodeLocal: true } : {}),
    labels: metadata.labels ?? {},
    creationTimestamp: metadata.creationTimestamp ?? '',
    subjectAltNames: listOf(metadata.annotations?.[CANONICAL_ACCOUNTS_ANNOTATION]),
  };
}

/** The service with the accounts that an annotation adds to those of its endpoints, as names that certificates carry. */
export function withAccounts(service: Service, raw: KubernetesService, trustDomain: string): Service {
  const accounts = listOf(raw.metadata?.annotations?.[ACCOUNTS_ANNOTATION]);
  if (accounts.length === 0) return service;
  const names = accounts.map((account) => spiffeId(trustDomain, service.namespace, account));
  return { ...service, subjectAltNames: [...service.subjectAltNames, ...names] };
}

/**
 * `PreferClose` is the older name of the same zone. A field that says something else leaves the word to the annotations; an annotation
 * that says something else ends the search. Annotations are read in any case.
 */
function trafficDistribution(
  field: string | undefined,
  ...annotations: readonly (string | undefined)[]
): Pick<Service, 'trafficDistribution'> {
  const annotated = annotations.find((annotation) => annotation !== undefined && annotation !== '')?.toLowerCase();
  const distribution = DISTRIBUTIONS.get(field?.toLowerCase() ?? '') ?? DISTRIBUTIONS.get(annotated ?? '');
  return distribution === undefined ? {} : { trafficDistribution: distribution };
}

const DISTRIBUTIONS: ReadonlyMap<string, 'zone' | 'node'> = new Map([
  ['preferclose', 'zone'],
  ['prefersamezone', 'zone'],
  ['prefersamenode', 'node'],
]);

/** Where a service is reached from outside of its cluster: its load balancer, and addresses that somebody routes to it. */
function outsideAddresses({ spec = {}, status }: KubernetesService): string[] {
  const balanced = spec.type === 'LoadBalancer' ? (status?.loadBalancer?.ingress ?? []) : [];
  return [...balanced.flatMap(({ ip, hostname }) => ip || hostname || []), ...(spec.externalIPs ?? [])];
}

export function isExternalName(raw: KubernetesService): boolean {
  return raw.spec?.type === 'ExternalName' && (raw.spec.externalName ?? '') !== '';
}

/** The one endpoint of each port of an ExternalName service: the name it stands for. */
export function externalNameEndpoints(raw: KubernetesService, service: Service): readonly Endpoint[] {
  const address = raw.spec?.externalName ?? '';
  return service.ports.map((port) => ({
    address,
    port: typeof port.targetPort === 'number' ? port.targetPort : port.number,
    servicePortName: port.name,
    labels: service.labels,
    namespace: service.namespace,
    serviceAccount: '',
    workloadName: service.name,
    locality: { region: '', zone: '', subzone: '' },
    weight: 1,
    health: 'healthy',
    tlsMode: 'disabled',
    network: '',
  }));
}

function toServicePort(port: KubernetesServicePort): ServicePort {
  const number = port.port ?? 0;
  const transport = port.protocol === 'UDP' || port.protocol === 'SCTP' ? port.protocol : 'TCP';
  return {
    name: port.name ?? '',
    number,
    protocol: protocolOfPort({
      number,
      transport,
      ...(port.name === undefined ? {} : { name: port.name }),
      ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
    }),
    ...(port.targetPort === undefined ? {} : { targetPort: port.targetPort }),
  };
}

function listOf(annotation: string | undefined): readonly string[] {
  return (annotation ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}
