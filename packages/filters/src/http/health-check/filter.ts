import { setHeader } from '@xebec/wire';
import type { FilterContext, HttpFilter, HttpFilterCallbacks, LocalReply } from '../../http-filter.ts';

/** `filterState` key that marks health checks: `not_health_check_filter` leaves them out of logs. */
export const healthCheckKey = 'envoy.filters.http.health_check';

export interface HealthCheckConfig {
  readonly context: FilterContext;
  readonly passThrough: boolean;
  /** How long an upstream's answer stands for others; 0 asks it each time. */
  readonly cacheMs: number;
  readonly minimums: readonly { readonly cluster: string; readonly percent: number }[];
  /** The upstream's last answer; a status of 0 is none. */
  readonly cache: { status: number; until: number };
}

type Verdict = Pick<LocalReply, 'status' | 'details'>;

/** A request that asks whether this proxy, or the application behind it, is well. */
export function createHealthCheckFilter(config: HealthCheckConfig, callbacks: HttpFilterCallbacks): HttpFilter {
  const { context, cache } = config;
  let answered = false;
  return {
    onRequestHead() {
      callbacks.info.filterState.set(healthCheckKey, true);
      const verdict = decide(config);
      if (verdict === undefined) return 'continue';
      answered = true;
      callbacks.sendLocalReply({ ...verdict, body: '', ...(verdict.status === 200 ? {} : { flag: 'LH' as const }) });
      return 'stop';
    },
    onResponseHead(head) {
      if (!answered && config.cacheMs > 0) {
        cache.status = head.status;
        cache.until = context.clock.monotonic() + config.cacheMs;
      }
      setHeader(head.headers, 'x-envoy-upstream-healthchecked-cluster', context.node.cluster);
      if (context.upstream.serverHealthy?.() === false) setHeader(head.headers, 'x-envoy-immediate-health-check-fail', 'true');
      return 'continue';
    },
  };
}

/** All other requests tell callers when this proxy was failed by hand. */
export function createHealthMark(context: FilterContext): HttpFilter {
  return {
    onResponseHead(head) {
      if (context.upstream.serverHealthy?.() === false) setHeader(head.headers, 'x-envoy-immediate-health-check-fail', 'true');
      return 'continue';
    },
  };
}

/** Undefined asks the upstream. */
function decide({ context, passThrough, cacheMs, cache, minimums }: HealthCheckConfig): Verdict | undefined {
  const { upstream, clock } = context;
  if (upstream.serverHealthy?.() === false) return { status: 503, details: 'health_check_failed' };
  if (passThrough) {
    if (cacheMs === 0 || cache.status === 0 || clock.monotonic() >= cache.until) return undefined;
    return { status: cache.status, details: 'health_check_cached' };
  }
  for (const { cluster, percent } of minimums) {
    const health = upstream.clusterHealth?.(cluster);
    if (health === undefined) return { status: 503, details: 'health_check_failed_no_cluster_found' };
    if (health.total === 0) {
      if (percent > 0) return { status: 503, details: 'health_check_failed_cluster_empty' };
    } else if (100 * health.healthy < health.total * percent) return { status: 503, details: 'health_check_failed_cluster_unhealthy' };
  }
  return { status: 200, details: minimums.length === 0 ? 'health_check_ok' : 'health_check_ok_cluster_healthy' };
}
