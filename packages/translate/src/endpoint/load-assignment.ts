import { create } from '@bufbuild/protobuf';
import {
  type Endpoint,
  isNarrow,
  type Labels,
  type MeshProxy,
  type MeshSnapshot,
  peerAuthenticationOf,
  type Service,
  type ServicePort,
  selects,
} from '@xebec/model';
import { HealthStatus } from '@xebec/protos/envoy/config/core/v3/health_check';
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import type { ClientTls } from '@xebec/schemas';
import { isIpAddress, listenAddress } from '../envoy/address.ts';
import { type LocalityBalancing, type LocalityGroup, prioritise } from './locality.ts';
import { clusterOf, isClusterLocal, seesNetwork, splitHorizon } from './split-horizon.ts';

/** The endpoints of one port of a service, those with a subset's labels only, by locality. */
export function loadAssignment(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  service: Service,
  port: ServicePort,
  subsetLabels: Labels | undefined,
  clusterName: string,
  balancing?: LocalityBalancing,
  /** What a DestinationRule says of TLS, where it does. */
  tlsMode?: ClientTls['mode'],
): ClusterLoadAssignment {
  const local = isClusterLocal(snapshot, service.hostname);
  const endpoints = snapshot
    .endpoints(service, port.name)
    // Only addresses travel by EDS: for a name, Envoy refuses the whole assignment.
    // One without address may still be reached, by a gateway.
    .filter(
      ({ address }) => service.resolution !== 'client-side' || address === '' || address.startsWith('unix://') || isIpAddress(address),
    )
    // What is about to go is still announced, so that its connections may end.
    .filter((endpoint) => endpoint.health !== 'unhealthy' || balancing?.onlyReady !== true)
    .filter((endpoint) => service.nodeLocal !== true || endpoint.nodeName === proxy.metadata.NODE_NAME)
    .filter((endpoint) => seesNetwork(proxy, endpoint.network))
    .filter((endpoint) => !local || clusterOf(endpoint, snapshot.cluster) === proxy.clusterId)
    .filter((endpoint) => !isNarrow(subsetLabels) || selects(subsetLabels, endpoint.labels));
  // Names are resolved by whoever calls, so that they lead there directly.
  const gateways = service.resolution === 'client-side' || service.resolution === 'passthrough' ? snapshot.networkGateways : [];
  const speaks = (endpoint: Endpoint) => speaksMtls(snapshot, endpoint, tlsMode);
  // The server name of a gateway's cluster goes on to endpoints that speak mesh TLS, and to no others.
  const only = clusterName.startsWith('outbound_.')
    ? (list: readonly Endpoint[]) => list.filter((one) => one.gateway === true || speaks(one))
    : (list: readonly Endpoint[]) => list;
  const reached = (list: readonly Endpoint[]) => only(splitHorizon(list, gateways, proxy, speaks)).filter(({ address }) => address !== '');
  const groups = new Map<string, { locality: Endpoint['locality']; endpoints: Endpoint[] }>();
  for (const endpoint of endpoints) {
    const { region, zone, subzone } = endpoint.locality;
    const key = `${region}/${zone}/${subzone}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { locality: endpoint.locality, endpoints: [endpoint] });
    else group.endpoints.push(endpoint);
  }
  const sorted = [...groups.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, group]) => ({ ...group, endpoints: reached(group.endpoints) }));
  const client = { locality: proxy.locality, labels: proxy.labels, network: String(proxy.metadata.NETWORK ?? '') };
  const placed: readonly LocalityGroup[] = prioritise(sorted, client, balancing ?? { setting: undefined, failover: false });
  return create(ClusterLoadAssignmentSchema, {
    clusterName,
    endpoints: placed.map((group) => ({
      locality: { region: group.locality.region, zone: group.locality.zone, subZone: group.locality.subzone },
      lbEndpoints: group.endpoints.map((endpoint) => lbEndpoint(snapshot, proxy, endpoint, tlsMode)),
      // A locality whose endpoints cannot be reached from here stays, empty; Envoy takes no weight of 0.
      ...(group.weight === 0 ? {} : { loadBalancingWeight: group.weight }),
      priority: group.priority,
    })),
  });
}

function lbEndpoint(snapshot: MeshSnapshot, proxy: MeshProxy, endpoint: Endpoint, tlsMode: ClientTls['mode']) {
  return {
    hostIdentifier: {
      case: 'endpoint' as const,
      value: { address: listenAddress(endpoint.address, endpoint.port) },
    },
    ...(endpoint.health === 'healthy'
      ? {}
      : { healthStatus: endpoint.health === 'draining' ? HealthStatus.DRAINING : HealthStatus.UNHEALTHY }),
    metadata: {
      filterMetadata: {
        ...(endpoint.gateway === true || speaksMtls(snapshot, endpoint, tlsMode)
          ? { 'envoy.transport_socket_match': { tlsMode: 'istio' } }
          : {}),
        istio: { workload: workloadOf(endpoint, proxy.clusterId) },
      },
    },
    loadBalancingWeight: Math.max(1, endpoint.weight),
  };
}

/** A sidecar whose policy is DISABLE takes plain text only, so callers must not start TLS with it; nor with what has no sidecar. */
function speaksMtls(snapshot: MeshSnapshot, endpoint: Endpoint, tlsMode: ClientTls['mode']): boolean {
  if (endpoint.tlsMode !== 'istio') return false;
  if (tlsMode !== undefined) return tlsMode === 'ISTIO_MUTUAL';
  return peerAuthenticationOf(snapshot, endpoint.namespace, endpoint.labels).modeOf(endpoint.port) !== 'DISABLE';
}

/** `workload;namespace;canonical service;canonical revision;cluster`: what telemetry names the peer by. */
function workloadOf(endpoint: Endpoint, clusterId: string): string {
  const labels = endpoint.labels;
  const service = labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels.app ?? endpoint.workloadName;
  const revision = labels['service.istio.io/canonical-revision'] ?? labels['app.kubernetes.io/version'] ?? labels.version ?? '';
  return `${endpoint.workloadName};${endpoint.namespace};${service};${revision};${clusterId}`;
}
