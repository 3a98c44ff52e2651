import { errorText } from '@xebec/core';
import type { HeaderMutation } from '@xebec/matching';
import type { RateLimit } from '@xebec/protos/envoy/config/route/v3/route_components';
import type { Counter } from '@xebec/telemetry';
import { type HeaderList, header } from '@xebec/wire';
import type { FilterContext, FilterStatus, HttpFilter, HttpFilterCallbacks, RouteView } from '../../http-filter.ts';
import type { RequestFacts } from '../../ratelimit/actions.ts';
import type { Descriptor } from '../../ratelimit/descriptor.ts';
import { limitHeaders } from '../../ratelimit/limit-headers.ts';
import { compilePolicies, type RateLimitPolicy } from '../../ratelimit/policy.ts';
import { askService, type ServiceOptions, type Verdict } from './service.ts';

export interface RateLimitConfig {
  readonly context: FilterContext;
  readonly service: ServiceOptions;
  readonly domain: string;
  readonly stage: number;
  readonly requestType: 'internal' | 'external' | 'both';
  readonly failureModeDeny: boolean;
  readonly limitHeaders: boolean;
  readonly limitedHeader: boolean;
  readonly resourceExhausted: boolean;
  readonly limitedStatus: number;
  readonly errorStatus: number;
  /** Headers of a 429, from the configuration. */
  readonly responseHeaders: HeaderMutation | undefined;
  /** Shares of requests, 0 to 1. */
  readonly enabled: number;
  readonly enforced: number;
  stats(cluster: string): Readonly<Record<'ok' | 'error' | 'overLimit' | 'failureModeAllowed', Counter>>;
}

/** `RateLimitPerRoute`, decoded. */
export interface RateLimitPerRoute {
  readonly virtualHost: 'override' | 'include' | 'ignore';
  /** In place of the route's own, when there are any. */
  readonly rateLimits: readonly RateLimit[];
  readonly domain: string;
}

/** Asks a Rate Limit Service about each request that a route's policies describe. */
export class RateLimitFilter implements HttpFilter {
  readonly #config: RateLimitConfig;
  readonly #callbacks: HttpFilterCallbacks;
  #state: 'idle' | 'asking' | 'done' = 'idle';
  #atEnd: readonly RateLimitPolicy[] = [];
  #domain: string;
  #responseHeaders: HeaderList = [];

  constructor(config: RateLimitConfig, callbacks: HttpFilterCallbacks) {
    this.#config = config;
    this.#callbacks = callbacks;
    this.#domain = config.domain;
  }
  onRequestHead(): FilterStatus {
    const config = this.#config;
    const { request } = this.#callbacks;
    const route = this.#callbacks.route();
    const action = route?.compiled?.action;
    if (route === undefined || action?.kind !== 'forward') return 'continue';
    if (config.enabled < 1 && config.context.random.next() >= config.enabled) return 'continue';
    if (config.requestType !== 'both') {
      const internal = header(request.headers, 'x-envoy-internal') === 'true';
      if (internal !== (config.requestType === 'internal')) return 'continue';
    }
    const policies = this.#policies(route);
    if (policies.length === 0) return 'continue';
    this.#atEnd = policies.filter(({ onStreamDone }) => onStreamDone);
    const descriptors = this.#describe(
      policies.filter(({ onStreamDone }) => !onStreamDone),
      route,
    );
    if (descriptors.length === 0) return 'continue';
    this.#state = 'asking';
    const cluster = route.clusterName ?? '';
    askService(config.context.upstream, config.service, this.#domain, descriptors, 0)
      .then(
        (verdict) => this.#answered(verdict, cluster),
        (error: unknown) => this.#failed(error, cluster),
      )
      .catch((error: unknown) => config.context.logger.error({ error: errorText(error) }, 'handling a rate limit answer failed'));
    return 'stop';
  }
  onResponseHead(head: { headers: HeaderList }): FilterStatus {
    if (this.#responseHeaders.length > 0) head.headers.push(...this.#responseHeaders);
    return 'continue';
  }
  onComplete(): void {
    this.#state = 'done';
    if (this.#atEnd.length === 0) return;
    const route = this.#callbacks.route();
    const descriptors = route === undefined ? [] : this.#describe(this.#atEnd, route);
    if (descriptors.length === 0) return;
    const { context, service } = this.#config;
    askService(context.upstream, service, this.#domain, descriptors, 0).catch((error: unknown) =>
      context.logger.debug({ error: errorText(error) }, 'the rate limit service did not take the count of a finished stream'),
    );
  }
  /** Of the route, and of its virtual host where the configuration says so; those of this filter's stage. */
  #policies(route: RouteView): readonly RateLimitPolicy[] {
    const { compiled } = route;
    if (compiled === undefined || compiled.action.kind !== 'forward') return [];
    const perRoute = this.#callbacks.perRouteConfig(this.#config.context.filterName) as RateLimitPerRoute | undefined; // of compilePerRoute
    if (perRoute !== undefined && perRoute.domain !== '') this.#domain = perRoute.domain;
    const { stage } = this.#config;
    const staged = (list: readonly RateLimit[]) => compilePolicies(list).filter((policy) => policy.stage === stage);
    if (perRoute !== undefined && perRoute.rateLimits.length > 0) return staged(perRoute.rateLimits);
    const { rateLimits, includeVirtualHostRateLimits } = compiled.action;
    const own = staged(rateLimits);
    const option = includeVirtualHostRateLimits ? 'include' : (perRoute?.virtualHost ?? 'override');
    const ofHost = compiled.virtualHost.rateLimits;
    if (ofHost.length === 0 || option === 'ignore' || (option === 'override' && rateLimits.length > 0)) return own;
    return [...own, ...staged(ofHost)];
  }
  #describe(policies: readonly RateLimitPolicy[], route: RouteView): Descriptor[] {
    const { info, request } = this.#callbacks;
    const facts: RequestFacts = { info, request, route, localCluster: this.#config.context.node.cluster };
    return policies.map((policy) => policy.descriptor(facts)).filter((descriptor) => descriptor !== undefined);
  }
  #answered(verdict: Verdict, cluster: string): void {
    if (this.#state !== 'asking') return;
    this.#state = 'done';
    const config = this.#config;
    const { info, request } = this.#callbacks;
    const stats = config.stats(cluster);
    (verdict.overLimit ? stats.overLimit : stats.ok).add(1);
    if (verdict.metadata !== undefined) {
      const name = 'envoy.filters.http.ratelimit';
      info.dynamicMetadata.set(name, { ...info.dynamicMetadata.get(name), ...verdict.metadata });
    }
    this.#responseHeaders = [...verdict.responseHeaders, ...(config.limitHeaders ? limitHeaders(verdict.limits) : [])];
    const enforced = config.enforced >= 1 || config.context.random.next() < config.enforced;
    if (!verdict.overLimit || !enforced) {
      request.headers.push(...verdict.requestHeaders);
      this.#callbacks.continueRequest(this);
      return;
    }
    const head = { headers: this.#responseHeaders };
    this.#responseHeaders = [];
    if (config.limitedHeader) head.headers.push('x-envoy-ratelimited', 'true');
    config.responseHeaders?.(head, { info, request });
    this.#callbacks.sendLocalReply({
      status: config.limitedStatus,
      body: verdict.body,
      details: 'request_rate_limited',
      flag: 'RL',
      headers: head.headers,
      ...(config.resourceExhausted ? { grpcStatus: 8 } : {}),
    });
  }
  #failed(error: unknown, cluster: string): void {
    if (this.#state !== 'asking') return;
    this.#state = 'done';
    const config = this.#config;
    const stats = config.stats(cluster);
    stats.error.add(1);
    config.context.logger.debug({ error: errorText(error) }, 'the rate limit service did not answer');
    if (!config.failureModeDeny) {
      stats.failureModeAllowed.add(1);
      this.#callbacks.continueRequest(this);
      return;
    }
    this.#callbacks.sendLocalReply({ status: config.errorStatus, body: '', details: 'rate_limiter_error', flag: 'RLSE' });
  }
}
