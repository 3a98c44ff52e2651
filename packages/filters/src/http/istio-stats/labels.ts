import { responseFlagsText, type StreamInfo } from '@xebec/telemetry';
import { type HeaderList, header } from '@xebec/wire';
import { clusterService } from '../../peer/cluster-service.ts';
import { downstreamPeerKey, peerFromEndpoint, peerInState, upstreamPeerKey, type WorkloadPeer } from '../../peer/workload-peer.ts';

/** Labels in the order in which Istio's metrics show them. */
export type Labels = Record<string, string>;

/** Who reports: a client's sidecar or a gateway, a server's sidecar, or a proxy in front of a set of workloads. */
export type Reporter = 'source' | 'destination' | 'waypoint';

export interface LabelOptions {
  readonly reporter: Reporter;
  /** The workload of this proxy. */
  readonly own: WorkloadPeer;
  /** Its service account, empty when unknown. */
  readonly serviceAccount: string;
  /** Takes destination_service from the Host header when the cluster does not say which service it is. */
  readonly hostFallback: boolean;
}

const unknown = (value: string | undefined) => (value === undefined || value === '' ? 'unknown' : value);

interface Service {
  readonly host: string;
  readonly name: string;
  readonly namespace: string;
}

/** Clusters that stand for no service: metrics name them as they are. */
const namedClusters = new Set([
  'BlackHoleCluster',
  'PassthroughCluster',
  'InboundPassthroughCluster',
  'InboundPassthroughClusterIpv4',
  'InboundPassthroughClusterIpv6',
]);

/** Empty texts where neither the cluster nor the Host header says. */
function serviceOf(info: StreamInfo, authority: string | undefined, options: LabelOptions): Service {
  const host = options.hostFallback ? (authority ?? '') : '';
  const fallback = { host, name: host, namespace: '' };
  if (info.routeName === 'block_all') return { ...fallback, name: 'BlackHoleCluster' };
  if (info.routeName === 'allow_any') return { ...fallback, name: 'PassthroughCluster' };
  if (namedClusters.has(info.upstreamCluster)) return { ...fallback, name: info.upstreamCluster };
  const told = clusterService(info);
  if (told === undefined) return fallback;
  const { host: named = host, namespace = '' } = told;
  return { host: named, name: told.name ?? named.split('.', 1)[0] ?? '', namespace };
}

/** The certificate speaks for the namespace; what a peer says of itself counts where there is none. */
function namespaceOf(principal: string | undefined, peer: WorkloadPeer | undefined): string {
  return /\/ns\/([^/]+)/.exec(principal ?? '')?.[1] ?? peer?.namespace ?? '';
}

function sourceLabels(peer: WorkloadPeer | undefined, namespace: string, principal: string | undefined): Labels {
  return {
    source_workload: unknown(peer?.workload),
    source_canonical_service: unknown(peer?.canonicalService),
    source_canonical_revision: peer?.canonicalRevision || 'latest',
    source_workload_namespace: unknown(namespace),
    source_principal: unknown(principal),
    source_app: unknown(peer?.app),
    source_version: unknown(peer?.version),
    source_cluster: unknown(peer?.cluster),
  };
}

function destinationLabels(
  peer: WorkloadPeer | undefined,
  namespace: string,
  principal: string | undefined,
  service: Service,
  revision: string,
): Labels {
  return {
    destination_workload: unknown(peer?.workload),
    destination_workload_namespace: unknown(namespace),
    destination_principal: unknown(principal),
    destination_app: unknown(peer?.app),
    destination_version: unknown(peer?.version),
    destination_service: unknown(service.host),
    destination_canonical_service: unknown(peer?.canonicalService),
    destination_canonical_revision: peer?.canonicalRevision || revision,
    destination_service_name: unknown(service.name),
    destination_service_namespace: unknown(service.namespace),
    destination_cluster: unknown(peer?.cluster),
  };
}

/** Who calls whom: the labels that all metrics have, and whether the connection is mutually authenticated, as far as this end knows. */
export interface EndLabels {
  readonly ends: Labels;
  readonly policy: 'mutual_tls' | 'none' | 'unknown';
}

/** Labels of a connection's or request's ends. `authority` is undefined for TCP. */
export function endLabels(info: StreamInfo, authority: string | undefined, options: LabelOptions): EndLabels {
  const { own, reporter } = options;
  const service = serviceOf(info, authority, options);
  if (reporter === 'source') return clientLabels(info, service, options);
  const { tls } = info.connection;
  const client = peerInState(info.filterState, downstreamPeerKey);
  const clientUri = tls?.peer?.uriSans[0];
  const localUri = tls?.localUriSan;
  const source = sourceLabels(client, namespaceOf(clientUri, client), clientUri);
  const policy = clientUri === undefined || localUri === undefined || localUri === '' ? 'none' : 'mutual_tls';
  if (reporter === 'waypoint') {
    const server = peerInState(info.filterState, upstreamPeerKey) ?? peerFromEndpoint(info.upstreamHostMetadata);
    const destination = destinationLabels(server, server?.namespace ?? '', info.upstreamPeer?.uriSans[0], service, 'unknown');
    return { ends: { reporter, ...source, ...destination }, policy };
  }
  // A server knows itself: what the cluster does not say is this workload's.
  const destination = destinationLabels(
    own,
    own.namespace,
    localUri,
    { host: service.host || own.canonicalService, name: service.name || own.canonicalService, namespace: own.namespace },
    'latest',
  );
  return { ends: { reporter, ...source, ...destination }, policy };
}

function clientLabels(info: StreamInfo, service: Service, options: LabelOptions): EndLabels {
  const { own, reporter } = options;
  const server = peerInState(info.filterState, upstreamPeerKey) ?? peerFromEndpoint(info.upstreamHostMetadata);
  const serverUri = info.upstreamPeer?.uriSans[0];
  const namespace = namespaceOf(serverUri, server);
  const source = sourceLabels(
    own,
    own.namespace,
    info.upstreamConnection?.localCertificate?.uriSans[0] ?? ownPrincipal(options, serverUri),
  );
  const named = { ...service, namespace: service.namespace || namespace };
  return { ends: { reporter, ...source, ...destinationLabels(server, namespace, serverUri, named, 'latest') }, policy: 'unknown' };
}

/** `spiffe://trust/ns/x/sa/y` of this proxy by the trust domain of its peer, where the handshake's certificate is not at hand. */
function ownPrincipal({ own, serviceAccount }: LabelOptions, peerUri: string | undefined): string | undefined {
  const match = /^(spiffe:\/\/[^/]+)\//.exec(peerUri ?? '');
  return match === null || serviceAccount === '' || own.namespace === ''
    ? undefined
    : `${match[1]}/ns/${own.namespace}/sa/${serviceAccount}`;
}

/** All labels of `istio_requests_total`. `grpcStatus` is undefined for what is not gRPC. */
export function requestLabels(info: StreamInfo, { ends, policy }: EndLabels, grpc: boolean, grpcStatus: string | undefined): Labels {
  return {
    ...ends,
    request_protocol: grpc ? 'grpc' : 'http',
    response_code: String(info.responseCode),
    grpc_response_status: grpc ? (grpcStatus ?? '') : '',
    response_flags: responseFlagsText(info.responseFlags),
    connection_security_policy: policy,
  };
}

/** All labels of the metrics of TCP connections. */
export function connectionLabels(info: StreamInfo, options: LabelOptions): Labels {
  const { ends, policy } = endLabels(info, undefined, options);
  return { ...ends, request_protocol: 'tcp', response_flags: responseFlagsText(info.responseFlags), connection_security_policy: policy };
}

export function grpcStatusOf(headers: HeaderList | undefined): string | undefined {
  return headers === undefined ? undefined : header(headers, 'grpc-status');
}
