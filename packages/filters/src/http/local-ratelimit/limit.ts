import { XebecError } from '@xebec/core';
import { compileHeaderMutation, type HeaderMutation } from '@xebec/matching';
import { VhRateLimitsOptions } from '@xebec/protos/envoy/extensions/common/ratelimit/v3/ratelimit';
import type { LocalRateLimit } from '@xebec/protos/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit';
import type { Counter } from '@xebec/telemetry';
import type { FilterContext, RouteView } from '../../http-filter.ts';
import type { RequestFacts } from '../../ratelimit/actions.ts';
import type { Descriptor } from '../../ratelimit/descriptor.ts';
import { LocalLimiter } from '../../ratelimit/local-limiter.ts';
import { compilePolicies, type RateLimitPolicy } from '../../ratelimit/policy.ts';
import { shareNow } from '../../runtime-share.ts';

/** One `LocalRateLimit`, of the filter or of a route, with its buckets. */
export interface Limit {
  readonly counters: Readonly<Record<'enabled' | 'enforced' | 'rateLimited' | 'ok', Counter>>;
  /** Shares of requests, 0 to 1. */
  readonly enabled: number;
  readonly enforced: number;
  readonly responseHeaders: HeaderMutation | undefined;
  readonly requestHeaders: HeaderMutation | undefined;
  readonly status: number;
  readonly limitHeaders: boolean;
  readonly resourceExhausted: boolean;
  /** The buckets for a connection, which are everyone's unless each connection has its own. */
  limiter(connectionId: number): LocalLimiter;
  describe(facts: RequestFacts, route: RouteView | undefined): readonly Descriptor[];
}

/** Connections whose buckets are kept at once when each has its own. */
const MAX_CONNECTIONS = 65_536;
const DEFAULT_DYNAMIC_DESCRIPTORS = 20;

/** `name` is that of the limit's buckets among all of the process. */
export function compileLimit(proto: LocalRateLimit, context: FilterContext, name: string): Limit {
  const scope = context.stats.scope(`${proto.statPrefix}.http_local_rate_limit`);
  const described = new Set<string>();
  for (const { entries } of proto.descriptors) {
    const text = entries.map(({ key, value }) => `${key}=${value}`).join(', ');
    if (described.has(text))
      throw new XebecError(
        'E_FILTER_CONFIG',
        `envoy.filters.http.local_ratelimit: duplicate descriptor in the local rate descriptor: ${text}`,
      );
    described.add(text);
  }
  const options = {
    bucket: proto.tokenBucket,
    descriptors: proto.descriptors,
    alwaysDefault: proto.alwaysConsumeDefaultTokenBucket ?? true,
    maxDynamic: proto.maxDynamicDescriptors ?? DEFAULT_DYNAMIC_DESCRIPTORS,
  };
  // No descriptor here has a shadow mode; Envoy shows the name all the same.
  scope.counter('shadow_mode');
  const { process } = context;
  const cell = process && ((descriptor: string) => process.tokenBucket(`${name} ${descriptor}`));
  const shared = new LocalLimiter({ ...options, cell }, context.clock);
  const byConnection = new Map<number, LocalLimiter>();
  const status = proto.status?.code ?? 0;
  const own = proto.rateLimits.length === 0 ? undefined : compilePolicies(proto.rateLimits);
  const enabled = shareNow(proto.filterEnabled, context, 0);
  const enforced = shareNow(proto.filterEnforced, context, 0);
  return {
    counters: {
      enabled: scope.counter('enabled'),
      enforced: scope.counter('enforced'),
      rateLimited: scope.counter('rate_limited'),
      ok: scope.counter('ok'),
    },
    // Both shares default to nothing: a limit that says neither does not limit.
    get enabled() {
      return enabled();
    },
    get enforced() {
      return enforced();
    },
    responseHeaders: compileHeaderMutation({ add: proto.responseHeadersToAdd, remove: [] }),
    requestHeaders: compileHeaderMutation({ add: proto.requestHeadersToAddWhenNotEnforced, remove: [] }),
    status: status < 400 ? 429 : status,
    limitHeaders: proto.enableXRatelimitHeaders === 1,
    resourceExhausted: proto.rateLimitedAsResourceExhausted,
    limiter(connectionId) {
      if (!proto.localRateLimitPerDownstreamConnection) return shared;
      const known = byConnection.get(connectionId);
      if (known !== undefined) return known;
      if (byConnection.size >= MAX_CONNECTIONS) for (const oldest of byConnection.keys()) if (byConnection.delete(oldest)) break;
      const made = new LocalLimiter(options, context.clock);
      byConnection.set(connectionId, made);
      return made;
    },
    describe(facts, route) {
      if (proto.descriptors.length === 0) return [];
      const found: Descriptor[] = [];
      for (const policy of own ?? policiesOf(proto, route)) {
        const descriptor = policy.descriptor(facts);
        if (descriptor !== undefined) found.push(descriptor);
      }
      return found;
    },
  };
}

/** Of the route and its virtual host, those of the filter's stage. */
function policiesOf(proto: LocalRateLimit, route: RouteView | undefined): readonly RateLimitPolicy[] {
  const compiled = route?.compiled;
  if (compiled === undefined) return [];
  const { action, virtualHost } = compiled;
  const ofRoute = action.kind === 'forward' ? action.rateLimits : [];
  const staged = (policies: readonly RateLimitPolicy[]) => policies.filter(({ stage }) => stage === proto.stage);
  const own = staged(compilePolicies(ofRoute));
  const include = (action.kind === 'forward' && action.includeVirtualHostRateLimits) || proto.vhRateLimits === VhRateLimitsOptions.INCLUDE;
  if (!include && (proto.vhRateLimits === VhRateLimitsOptions.IGNORE || ofRoute.length > 0)) return own;
  return [...own, ...staged(compilePolicies(virtualHost.rateLimits))];
}
