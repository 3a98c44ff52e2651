import { isGrpcRequest } from '@xebec/matching';
import { responseFlagsText, type StreamInfo } from '@xebec/telemetry';
import { type HeaderList, header } from '@xebec/wire';
import type { NodeInfo } from '../../http-filter.ts';
import {
  downstreamPeerKey,
  peerFromEndpoint,
  peerFromMetadata,
  peerInState,
  upstreamPeerKey,
  type WorkloadPeer,
} from '../../peer/workload-peer.ts';

/** Labels in the order in which Istio's metrics show them. */
export type Labels = Record<string, string>;

export type Reporter = 'source' | 'destination';

export interface LabelOptions {
  readonly reporter: Reporter;
  readonly node: NodeInfo;
  /** Takes destination_service from the Host header when the cluster does not say which service it is. */
  readonly hostFallback: boolean;
}

const unknown = (value: string | undefined) => (value === undefined || value === '' ? 'unknown' : value);

function peerLabels(side: 'source' | 'destination', peer: WorkloadPeer | undefined, principal: string | undefined): Labels {
  return {
    [`${side}_workload`]: unknown(peer?.workload),
    [`${side}_canonical_service`]: unknown(peer?.canonicalService),
    [`${side}_canonical_revision`]: peer === undefined ? 'latest' : unknown(peer.canonicalRevision),
    [`${side}_workload_namespace`]: unknown(peer?.namespace),
    [`${side}_principal`]: unknown(principal),
    [`${side}_app`]: unknown(peer?.app),
    [`${side}_version`]: unknown(peer?.version),
    [`${side}_cluster`]: unknown(peer?.cluster),
  };
}

interface Service {
  readonly host: string;
  readonly name: string;
  readonly namespace: string;
}

function serviceOf(info: StreamInfo, authority: string | undefined, options: LabelOptions, destination: WorkloadPeer | undefined): Service {
  const istio = info.clusterMetadata?.['istio'];
  const services: unknown = typeof istio === 'object' && istio !== null ? Reflect.get(istio, 'services') : undefined;
  const first: unknown = Array.isArray(services) ? services[0] : undefined;
  if (typeof first === 'object' && first !== null) {
    const text = (key: string) => {
      const value: unknown = Reflect.get(first, key);
      return typeof value === 'string' ? value : '';
    };
    return { host: text('host'), name: text('name'), namespace: text('namespace') };
  }
  const host = options.hostFallback && authority !== undefined && authority !== '' ? authority : 'unknown';
  const cluster = info.upstreamCluster;
  if (['PassthroughCluster', 'BlackHoleCluster', 'InboundPassthroughCluster'].includes(cluster)) {
    return { host, name: cluster, namespace: cluster.startsWith('Inbound') ? (destination?.namespace ?? 'unknown') : 'unknown' };
  }
  const name = host.split(':')[0] ?? host;
  return { host, name: name.split('.')[0] ?? name, namespace: destination?.namespace || 'unknown' };
}

/** `spiffe://trust/ns/x/sa/y` of this proxy, by the trust domain of its peer: only the handshake knows the former. */
function ownPrincipal(node: NodeInfo, peerUri: string | undefined): string | undefined {
  const match = /^(spiffe:\/\/[^/]+)\//.exec(peerUri ?? '');
  const account = node.metadata['SERVICE_ACCOUNT'];
  const namespace = node.metadata['NAMESPACE'];
  return match === null || typeof account !== 'string' || typeof namespace !== 'string'
    ? undefined
    : `${match[1]}/ns/${namespace}/sa/${account}`;
}

/** The labels that HTTP and TCP metrics share. */
export function connectionLabels(
  info: StreamInfo,
  authority: string | undefined,
  options: LabelOptions,
): { source: Labels; destination: Labels; policy: string } {
  const own = peerFromMetadata(options.node.metadata);
  if (options.reporter === 'destination') {
    const peer = peerInState(info.filterState, downstreamPeerKey);
    const { tls } = info.connection;
    return {
      source: peerLabels('source', peer, tls?.peer?.uriSans[0]),
      destination: {
        ...peerLabels('destination', own, tls?.peer === undefined ? undefined : tls.localUriSan),
        ...serviceLabels(serviceOf(info, authority, options, own)),
      },
      policy: tls?.peer === undefined ? 'none' : 'mutual_tls',
    };
  }
  const peer = peerInState(info.filterState, upstreamPeerKey) ?? peerFromEndpoint(info.upstreamHostMetadata);
  const peerUri = info.upstreamPeer?.uriSans[0];
  return {
    source: peerLabels('source', own, ownPrincipal(options.node, peerUri)),
    destination: { ...peerLabels('destination', peer, peerUri), ...serviceLabels(serviceOf(info, authority, options, peer)) },
    policy: 'unknown',
  };
}

function serviceLabels(service: Service): Labels {
  return {
    destination_service: unknown(service.host),
    destination_service_name: unknown(service.name),
    destination_service_namespace: unknown(service.namespace),
  };
}

/** All labels of `istio_requests_total`. */
export function requestLabels(
  info: StreamInfo,
  request: { readonly authority: string; readonly headers: readonly string[] },
  grpcStatus: string | undefined,
  options: LabelOptions,
): Labels {
  const { source, destination, policy } = connectionLabels(info, request.authority, options);
  const grpc = isGrpcRequest(request);
  return {
    reporter: options.reporter,
    ...source,
    ...destination,
    request_protocol: grpc ? 'grpc' : 'http',
    response_code: String(info.responseCode),
    grpc_response_status: grpc ? (grpcStatus ?? '') : '',
    response_flags: responseFlagsText(info.responseFlags),
    connection_security_policy: policy,
  };
}

export function grpcStatusOf(headers: HeaderList | undefined): string | undefined {
  return headers === undefined ? undefined : header(headers, 'grpc-status');
}
