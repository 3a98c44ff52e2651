import { alpnDefinition } from './http/alpn/config.ts';
import { bufferDefinition } from './http/buffer/config.ts';
import { compressorDefinition } from './http/compressor/config.ts';
import { corsDefinition } from './http/cors/config.ts';
import { csrfDefinition } from './http/csrf/config.ts';
import { decompressorDefinition } from './http/decompressor/config.ts';
import { extAuthzDefinition } from './http/ext-authz/config.ts';
import { faultDefinition } from './http/fault/config.ts';
import { grpcHttp1BridgeDefinition } from './http/grpc-http1-bridge/config.ts';
import { grpcStatsDefinition } from './http/grpc-stats/config.ts';
import { grpcWebDefinition } from './http/grpc-web/config.ts';
import { headerMutationDefinition } from './http/header-mutation/config.ts';
import { headerToMetadataDefinition } from './http/header-to-metadata/config.ts';
import { healthCheckDefinition } from './http/health-check/config.ts';
import { istioStatsDefinition } from './http/istio-stats/config.ts';
import { jwtAuthnDefinition } from './http/jwt-authn/config.ts';
import { localRateLimitDefinition } from './http/local-ratelimit/config.ts';
import { metadataExchangeDefinition } from './http/metadata-exchange/config.ts';
import { mixerDefinition } from './http/mixer/config.ts';
import { rateLimitDefinition } from './http/ratelimit/config.ts';
import { rbacDefinition } from './http/rbac/config.ts';
import { setFilterStateDefinition } from './http/set-filter-state/config.ts';
import { setMetadataDefinition } from './http/set-metadata/config.ts';
import { typeScriptDefinition } from './http/typescript/config.ts';
import type { HttpFilterDefinition } from './http-filter.ts';
import { connectionLimitDefinition } from './network/connection-limit/config.ts';
import { directResponseDefinition } from './network/direct-response/config.ts';
import { echoDefinition } from './network/echo/config.ts';
import { networkExtAuthzDefinition } from './network/ext-authz/config.ts';
import { tcpStatsDefinition } from './network/istio-stats/config.ts';
import { networkLocalRateLimitDefinition } from './network/local-ratelimit/config.ts';
import { tcpMetadataExchangeDefinition } from './network/metadata-exchange/config.ts';
import { networkMixerDefinition } from './network/mixer/config.ts';
import { networkRbacDefinition } from './network/rbac/config.ts';
import { sniClusterDefinition } from './network/sni-cluster/config.ts';
import type { NetworkFilterDefinition } from './network-filter.ts';

/** Every HTTP filter that Xebec executes, but the router, which is the data plane's own. */
export const httpFilterDefinitions: readonly HttpFilterDefinition[] = [
  alpnDefinition,
  bufferDefinition,
  corsDefinition,
  extAuthzDefinition,
  faultDefinition,
  grpcStatsDefinition,
  headerMutationDefinition,
  healthCheckDefinition,
  istioStatsDefinition,
  jwtAuthnDefinition,
  localRateLimitDefinition,
  metadataExchangeDefinition,
  mixerDefinition,
  rateLimitDefinition,
  rbacDefinition,
  setMetadataDefinition,
  typeScriptDefinition,
  setFilterStateDefinition,
  headerToMetadataDefinition,
  grpcWebDefinition,
  grpcHttp1BridgeDefinition,
  decompressorDefinition,
  csrfDefinition,
  compressorDefinition,
];

/** Every network filter that Xebec executes, but HTTP connection manager and TCP proxy. */
export const networkFilterDefinitions: readonly NetworkFilterDefinition[] = [
  connectionLimitDefinition,
  directResponseDefinition,
  echoDefinition,
  networkExtAuthzDefinition,
  tcpStatsDefinition,
  networkLocalRateLimitDefinition,
  networkMixerDefinition,
  tcpMetadataExchangeDefinition,
  networkRbacDefinition,
  sniClusterDefinition,
];
