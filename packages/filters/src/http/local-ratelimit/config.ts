import { compileHeaderMutation, fractionOf } from '@xebec/matching';
import { type LocalRateLimit, LocalRateLimitSchema } from '@xebec/protos/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit';
import { decodeConfig } from '../../decode.ts';
import type { FilterContext, FilterStatus, HttpFilterCallbacks, HttpFilterDefinition } from '../../http-filter.ts';
import { TokenBucket } from '../../token-bucket.ts';

const name = 'envoy.filters.http.local_ratelimit';

/** A route's limit is decoded with the route, and gets its bucket from the filter that has the clock. */
function compileLimit(config: LocalRateLimit, context: FilterContext) {
  const scope = context.stats.scope(`http_local_rate_limit.${config.statPrefix}`);
  const counters = {
    enabled: scope.counter('enabled'),
    enforced: scope.counter('enforced'),
    rateLimited: scope.counter('rate_limited'),
    ok: scope.counter('ok'),
  };
  // Both shares default to nothing: a limit that says neither does not limit.
  const enabled = config.filterEnabled === undefined ? 0 : fractionOf(config.filterEnabled.defaultValue);
  const enforced = config.filterEnforced === undefined ? 0 : fractionOf(config.filterEnforced.defaultValue);
  const bucket = config.tokenBucket === undefined ? undefined : new TokenBucket(config.tokenBucket, context.clock);
  const responseHeaders = compileHeaderMutation({ add: config.responseHeadersToAdd, remove: [] });
  const requestHeaders = compileHeaderMutation({ add: config.requestHeadersToAddWhenNotEnforced, remove: [] });
  const status = config.status?.code ?? 429;
  if (config.descriptors.length > 0)
    context.logger.warn({ filter: name }, 'descriptors are ignored: the default token bucket limits all requests');

  return (callbacks: HttpFilterCallbacks): FilterStatus => {
    if (context.random.next() >= enabled) return 'continue';
    counters.enabled.add(1);
    if (bucket === undefined || bucket.take()) {
      counters.ok.add(1);
      return 'continue';
    }
    counters.rateLimited.add(1);
    const { info, request } = callbacks;
    if (context.random.next() >= enforced) {
      requestHeaders?.(request, { info, request });
      return 'continue';
    }
    counters.enforced.add(1);
    const head = { headers: [] as string[] };
    responseHeaders?.(head, { info, request });
    callbacks.sendLocalReply({
      status: status < 400 ? 429 : status,
      body: 'local_rate_limited',
      details: 'local_rate_limited',
      flag: 'RL',
      headers: head.headers,
      ...(config.rateLimitedAsResourceExhausted ? { grpcStatus: 8 } : {}),
    });
    return 'stop';
  };
}

export const localRateLimitDefinition: HttpFilterDefinition = {
  name,
  typeNames: [LocalRateLimitSchema.typeName],
  compile(bytes, _, context) {
    const limit = compileLimit(decodeConfig(LocalRateLimitSchema, bytes), context);
    const byRoute = new WeakMap<LocalRateLimit, typeof limit>();
    return {
      create: (callbacks) => ({
        onRequestHead() {
          const override = callbacks.perRouteConfig(context.filterName) as LocalRateLimit | undefined; // what compilePerRoute below returned
          if (override === undefined) return limit(callbacks);
          const known = byRoute.get(override) ?? compileLimit(override, context);
          byRoute.set(override, known);
          return known(callbacks);
        },
      }),
    };
  },
  compilePerRoute: (bytes) => decodeConfig(LocalRateLimitSchema, bytes),
};
