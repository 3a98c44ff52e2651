import { alpnDefinition } from './http/alpn/config.ts';
import { corsDefinition } from './http/cors/config.ts';
import { faultDefinition } from './http/fault/config.ts';
import { grpcStatsDefinition } from './http/grpc-stats/config.ts';
import { istioStatsDefinition } from './http/istio-stats/config.ts';
import { metadataExchangeDefinition } from './http/metadata-exchange/config.ts';
import { mixerDefinition } from './http/mixer/config.ts';
import { rbacDefinition } from './http/rbac/config.ts';
import type { HttpFilterDefinition } from './http-filter.ts';
import type { NetworkFilterDefinition } from './network-filter.ts';

/** Every HTTP filter that Xebec executes, but the router, which is the data plane's own. */
export const httpFilterDefinitions: readonly HttpFilterDefinition[] = [
  alpnDefinition,
  corsDefinition,
  faultDefinition,
  grpcStatsDefinition,
  istioStatsDefinition,
  metadataExchangeDefinition,
  mixerDefinition,
  rbacDefinition,
];

/** Every network filter that Xebec executes, but HTTP connection manager and TCP proxy. */
export const networkFilterDefinitions: readonly NetworkFilterDefinition[] = [];
