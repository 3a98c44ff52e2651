import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { Endpoint, MeshSnapshot, Service } from '@xebec/model';
import type { CircuitBreakers_Thresholds } from '@xebec/protos/envoy/config/cluster/v3/circuit_breaker';
import {
  type Cluster,
  Cluster_DiscoveryType as DiscoveryType,
  Cluster_LbPolicy as LbPolicy,
} from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { HealthStatus } from '@xebec/protos/envoy/config/core/v3/health_check';
import type { LbEndpoint } from '@xebec/protos/envoy/config/endpoint/v3/endpoint_components';
import { type UpstreamTlsContext, UpstreamTlsContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import type { Generated } from '@xebec/translate';
import { parseOutboundCluster } from '@xebec/translate';
import type { Alternative, Journey, Place } from './explanation.ts';
import { originsOfMetadata } from './origins.ts';
import type { ProxyResources } from './proxy-resources.ts';
import { shortened } from './route-step.ts';

const NO_LIMIT = 0xff_ff_ff_ff;

/** Where a proxy sends a request, and how. */
export interface Upstream {
  /** The endpoint of the mesh that stands behind the chosen address; undefined outside of the mesh. */
  readonly endpoint: Endpoint | undefined;
  readonly address: string;
  readonly port: number;
  /** Undefined: plain text. */
  readonly tls: UpstreamTlsContext | undefined;
}

/** Cluster, endpoint and transport; undefined when there is nobody to send to. */
export function chooseUpstream(
  snapshot: MeshSnapshot,
  resources: ProxyResources,
  clusterName: string,
  original: { readonly address: string; readonly port: number },
  journey: Journey,
  place: Place,
): Upstream | undefined {
  const generated = resources.cluster(clusterName);
  if (generated === undefined) {
    journey.add({ place, topic: 'cluster', decision: `${clusterName} does not exist at this proxy` });
    return undefined;
  }
  const cluster = generated.message;
  describeCluster(snapshot, generated, journey, place);
  if (discovery(cluster) === DiscoveryType.ORIGINAL_DST) {
    journey.add({ place, topic: 'endpoint', decision: `${original.address}:${original.port}, the address that was called` });
    return { endpoint: undefined, ...original, tls: undefined };
  }
  const chosen = chooseEndpoint(snapshot, resources, cluster, journey, place);
  if (chosen === undefined) return undefined;
  const { address, port, lbEndpoint } = chosen;
  const endpoint = endpointAt(snapshot, serviceOf(snapshot, clusterName), address, port);
  const tls = transport(cluster, lbEndpoint, journey, place, generated);
  return { endpoint, address, port, tls };
}

function discovery(cluster: Cluster): DiscoveryType | undefined {
  return cluster.clusterDiscoveryType.case === 'type' ? cluster.clusterDiscoveryType.value : undefined;
}

function describeCluster(
  snapshot: MeshSnapshot,
  { message: cluster, provenance }: Generated<Cluster>,
  journey: Journey,
  place: Place,
): void {
  const type = discovery(cluster);
  const limits = cluster.circuitBreakers?.thresholds[0];
  const details = [
    `found by ${type === undefined ? 'an extension' : DiscoveryType[type]}, balanced by ${LbPolicy[cluster.lbPolicy]}`,
    ...(limits === undefined ? [] : limitsText(limits)),
    ...(cluster.outlierDetection === undefined ? [] : ['outlier detection is on']),
  ];
  const named = originsOfMetadata(snapshot, cluster.metadata);
  journey.add({ place, topic: 'cluster', decision: cluster.name, details, origins: named.length > 0 ? named : provenance });
}

/** Only what is limited: none of them is by default. */
function limitsText(limits: CircuitBreakers_Thresholds): string[] {
  const named: readonly [string, number | undefined][] = [
    ['connections', limits.maxConnections],
    ['waiting requests', limits.maxPendingRequests],
    ['requests', limits.maxRequests],
    ['retries', limits.maxRetries],
  ];
  return named.flatMap(([name, value]) => (value === undefined || value === NO_LIMIT ? [] : [`at most ${value} ${name}`]));
}

interface Chosen {
  readonly address: string;
  readonly port: number;
  readonly lbEndpoint: LbEndpoint;
}

/** The first usable endpoint of the best priority stands for all that share it; the others are named. */
function chooseEndpoint(
  snapshot: MeshSnapshot,
  resources: ProxyResources,
  cluster: Cluster,
  journey: Journey,
  place: Place,
): Chosen | undefined {
  const groups = [...(resources.assignment(cluster)?.endpoints ?? [])].sort((a, b) => a.priority - b.priority);
  const usable: (Chosen & { readonly priority: number })[] = [];
  const passedOver: Alternative[] = [];
  for (const { lbEndpoints, priority } of groups) {
    for (const lbEndpoint of lbEndpoints) {
      const at = addressOf(lbEndpoint);
      if (at === undefined) continue;
      const sick = lbEndpoint.healthStatus !== HealthStatus.UNKNOWN && lbEndpoint.healthStatus !== HealthStatus.HEALTHY;
      if (sick)
        passedOver.push({
          what: `${at.address}:${at.port}`,
          because: `it is ${HealthStatus[lbEndpoint.healthStatus].toLowerCase()}`,
          origins: [],
        });
      else usable.push({ ...at, lbEndpoint, priority });
    }
  }
  passedOver.push(...otherSubsets(snapshot, cluster.name, usable));
  const [first] = usable;
  if (first === undefined) {
    journey.add({ place, topic: 'endpoint', decision: `${cluster.name} has no endpoint that can be used`, passedOver });
    return undefined;
  }
  const equals = usable.filter(({ priority }) => priority === first.priority);
  for (const { address, port } of usable.filter(({ priority }) => priority > first.priority))
    passedOver.push({ what: `${address}:${port}`, because: 'its locality comes later (failover)', origins: [] });
  const others = equals.length - 1;
  journey.add({
    place,
    topic: 'endpoint',
    decision: `${first.address}:${first.port}${others === 0 ? '' : `, or one of ${others} like it`}`,
    details: others === 0 ? [] : [`they share the load: ${shortened(equals.map(({ address, port }) => `${address}:${port}`))}`],
    passedOver,
  });
  return first;
}

function addressOf({ hostIdentifier }: LbEndpoint): { address: string; port: number } | undefined {
  const address = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined;
  if (address?.case !== 'socketAddress') return undefined;
  const { portSpecifier } = address.value;
  return { address: address.value.address, port: portSpecifier.case === 'portValue' ? portSpecifier.value : 0 };
}

function serviceOf(snapshot: MeshSnapshot, clusterName: string): Service | undefined {
  const parts = parseOutboundCluster(clusterName);
  return parts === undefined ? undefined : snapshot.servicesByHostname(parts.hostname)[0];
}

/** Endpoints of the service whose labels are not the subset's. */
function otherSubsets(snapshot: MeshSnapshot, clusterName: string, usable: readonly Chosen[]): Alternative[] {
  const parts = parseOutboundCluster(clusterName);
  const service = serviceOf(snapshot, clusterName);
  if (parts === undefined || service === undefined || parts.subset === '') return [];
  const name = service.ports.find(({ number }) => number === parts.port)?.name ?? '';
  return snapshot
    .endpoints(service, name)
    .filter(({ address, port }) => !usable.some((one) => one.address === address && one.port === port))
    .map(({ address, port, labels }) => ({
      what: `${address}:${port}`,
      because: `not of subset ${parts.subset}: labels ${shortened(
        Object.entries(labels).map(([key, value]) => `${key}=${value}`),
        3,
      )}`,
      origins: [],
    }));
}

function endpointAt(snapshot: MeshSnapshot, service: Service | undefined, address: string, port: number): Endpoint | undefined {
  const all = service === undefined ? [] : snapshot.allEndpoints(service);
  return all.find((endpoint) => endpoint.address === address && endpoint.port === port) ?? snapshot.endpointsAt(address)[0]?.endpoint;
}

/** The transport of one endpoint: the socket that fits its metadata, else the cluster's own, else plain text. */
function transport(
  cluster: Cluster,
  lbEndpoint: LbEndpoint,
  journey: Journey,
  place: Place,
  generated: Generated<Cluster>,
): UpstreamTlsContext | undefined {
  const metadata = lbEndpoint.metadata?.filterMetadata['envoy.transport_socket_match'] ?? {};
  const matching = cluster.transportSocketMatches.find(({ match }) =>
    Object.entries(match ?? {}).every(([key, value]) => metadata[key] === value),
  );
  const socket = matching === undefined ? cluster.transportSocket : matching.transportSocket;
  const config = socket?.configType.case === 'typedConfig' ? socket.configType.value : undefined;
  const tls = config === undefined ? undefined : anyUnpack(config, UpstreamTlsContextSchema);
  const because =
    cluster.transportSocketMatches.length > 0
      ? metadata.tlsMode === 'istio'
        ? 'its proxy takes mTLS (auto mTLS)'
        : 'no proxy of the mesh stands before it'
      : socket === undefined
        ? 'the cluster sets no TLS'
        : 'the DestinationRule says so';
  if (tls === undefined) {
    journey.add({ place, topic: 'transport', decision: `plain text to ${cluster.name}: ${because}` });
    return undefined;
  }
  const validation = tls.commonTlsContext?.validationContextType;
  const context =
    validation?.case === 'combinedValidationContext'
      ? validation.value.defaultValidationContext
      : validation?.case === 'validationContext'
        ? validation.value
        : undefined;
  const names = (context?.matchSubjectAltNames ?? []).map(({ matchPattern }) =>
    typeof matchPattern.value === 'string' ? matchPattern.value : '…',
  );
  const details = [
    ...(tls.sni === '' ? [] : [`server name ${tls.sni}`]),
    ...(names.length === 0 ? [] : [`the peer must be ${shortened(names, 4)}`]),
    ...(tls.commonTlsContext?.alpnProtocols.length ? [`ALPN ${tls.commonTlsContext.alpnProtocols.join(' ')}`] : []),
  ];
  const mutual =
    (tls.commonTlsContext?.tlsCertificateSdsSecretConfigs.length ?? 0) > 0 || (tls.commonTlsContext?.tlsCertificates.length ?? 0) > 0;
  journey.add({
    place,
    topic: 'transport',
    decision: `${mutual ? 'mTLS' : 'TLS'}: ${because}`,
    details,
    origins: because.includes('DestinationRule') ? generated.provenance : [],
  });
  return tls;
}
