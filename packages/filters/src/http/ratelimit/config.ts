import { XebecError } from '@xebec/core';
import { compileHeaderMutation, optionalDurationMs } from '@xebec/matching';
import {
  RateLimit_XRateLimitHeadersRFCVersion as HeadersVersion,
  RateLimitPerRouteSchema,
  RateLimitSchema,
  RateLimitPerRoute_VhRateLimitsOptions as VirtualHostOption,
} from '@xebec/protos/envoy/extensions/filters/http/ratelimit/v3/rate_limit';
import { decodeConfig } from '../../decode.ts';
import { compileGrpcService } from '../../grpc-service.ts';
import type { HttpFilterDefinition } from '../../http-filter.ts';
import { compilePolicies } from '../../ratelimit/policy.ts';
import { shareNow } from '../../runtime-share.ts';
import { type RateLimitConfig, RateLimitFilter, type RateLimitPerRoute } from './filter.ts';

const name = 'envoy.filters.http.ratelimit';

/** Envoy's limit for a call that names none, milliseconds. */
const DEFAULT_TIMEOUT_MS = 20;

export const rateLimitDefinition: HttpFilterDefinition = {
  name,
  typeNames: [RateLimitSchema.typeName, RateLimitPerRouteSchema.typeName],
  compile(bytes, _, context) {
    const proto = decodeConfig(RateLimitSchema, bytes);
    if (proto.domain === '') throw new XebecError('E_FILTER_CONFIG', `${name}: domain must not be empty`);
    if (proto.rateLimits.length > 0)
      throw new XebecError(
        'E_FILTER_CONFIG',
        `${name}: rate_limits of the filter are not supported; put them into routes or virtual hosts`,
      );
    const target = compileGrpcService(proto.rateLimitService?.grpcService, `${name}: rate_limit_service.grpc_service`, DEFAULT_TIMEOUT_MS);
    const limited = proto.rateLimitedStatus?.code ?? 0;
    const error = proto.statusOnError?.code ?? 0;
    const prefix = proto.statPrefix === '' ? 'ratelimit' : `ratelimit.${proto.statPrefix}`;
    const byCluster = new Map<string, ReturnType<RateLimitConfig['stats']>>();
    const enabled = shareNow(proto.filterEnabled, context, 1);
    const enforced = shareNow(proto.filterEnforced, context, 1);
    const config: RateLimitConfig = {
      context,
      // The filter's own timeout counts, not the gRPC service's.
      service: { ...target, timeoutMs: optionalDurationMs(proto.timeout) ?? DEFAULT_TIMEOUT_MS },
      domain: proto.domain,
      stage: proto.stage,
      requestType: proto.requestType === 'internal' || proto.requestType === 'external' ? proto.requestType : 'both',
      failureModeDeny: proto.failureModeDeny,
      limitHeaders: proto.enableXRatelimitHeaders === HeadersVersion.DRAFT_VERSION_03,
      limitedHeader: !proto.disableXEnvoyRatelimitedHeader,
      resourceExhausted: proto.rateLimitedAsResourceExhausted,
      limitedStatus: limited < 400 ? 429 : limited,
      errorStatus: error < 400 ? 500 : error,
      responseHeaders: compileHeaderMutation({ add: proto.responseHeadersToAdd, remove: [] }),
      get enabled() {
        return enabled();
      },
      get enforced() {
        return enforced();
      },
      stats(cluster) {
        const known = byCluster.get(cluster);
        if (known !== undefined) return known;
        const scope = context.stats.scope(`cluster.${cluster}`);
        const counter = (what: string) => scope.counter(`${prefix}.${what}`);
        const made = {
          ok: counter('ok'),
          error: counter('error'),
          overLimit: counter('over_limit'),
          failureModeAllowed: counter('failure_mode_allowed'),
        };
        byCluster.set(cluster, made);
        return made;
      },
    };
    return { create: (callbacks) => new RateLimitFilter(config, callbacks) };
  },
  compilePerRoute(bytes): RateLimitPerRoute {
    const proto = decodeConfig(RateLimitPerRouteSchema, bytes);
    compilePolicies(proto.rateLimits);
    return {
      virtualHost: virtualHostOptions[proto.vhRateLimits],
      rateLimits: proto.rateLimits,
      domain: proto.domain,
    };
  },
};

const virtualHostOptions: Record<VirtualHostOption, RateLimitPerRoute['virtualHost']> = {
  [VirtualHostOption.OVERRIDE]: 'override',
  [VirtualHostOption.INCLUDE]: 'include',
  [VirtualHostOption.IGNORE]: 'ignore',
};
