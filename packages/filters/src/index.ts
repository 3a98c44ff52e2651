export type {
  FilterContext,
  FilterStatus,
  FilterUpstream,
  HttpFilter,
  HttpFilterCallbacks,
  HttpFilterDefinition,
  HttpFilterFactory,
  LocalReply,
  NodeInfo,
  RouteView,
} from './http-filter.ts';
export {
  type NetworkFilter,
  type NetworkFilterCallbacks,
  type NetworkFilterDefinition,
  type NetworkFilterFactory,
  tcpProxyClusterKey,
  upstreamAlpnKey,
} from './network-filter.ts';
export { httpFilterDefinitions, networkFilterDefinitions } from './registry.ts';
