export { envoyExtensionTypes } from './envoy-extension-types.ts';
export { type FilterSupport, filterSupport, knownFilterTypes } from './filter-support.ts';
export { upstreamAlpnByVersionKey } from './http/alpn/config.ts';
export { grpcMessagesKey } from './http/grpc-stats/config.ts';
export { healthCheckKey } from './http/health-check/filter.ts';
export {
  type FilterContext,
  type FilterStatus,
  type FilterUpstream,
  type HttpCallOptions,
  type HttpFilter,
  type HttpFilterCallbacks,
  type HttpFilterDefinition,
  type HttpFilterFactory,
  type LocalReply,
  type NodeInfo,
  passiveFilter,
  type RouteView,
} from './http-filter.ts';
export { upstreamExchangeProtocol } from './network/metadata-exchange/config.ts';
export { type ExchangeParts, exchangeParts, PeerExchange } from './network/metadata-exchange/exchange.ts';
export {
  type NetworkFilter,
  type NetworkFilterCallbacks,
  type NetworkFilterDefinition,
  type NetworkFilterFactory,
  tcpProxyClusterKey,
  upstreamAlpnKey,
} from './network-filter.ts';
export {
  downstreamPeerKey,
  peerFromEndpoint,
  peerFromMetadata,
  peerInState,
  upstreamPeerKey,
  type WorkloadPeer,
} from './peer/workload-peer.ts';
export type { BucketCell, ProcessState } from './process-state.ts';
export { httpFilterDefinitions, networkFilterDefinitions } from './registry.ts';
export { type ResolvedConfig, resolveTypedConfig, typeNameOf } from './typed-struct.ts';
