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
