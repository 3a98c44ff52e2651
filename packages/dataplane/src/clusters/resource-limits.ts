import { type CircuitBreaker, createCircuitBreaker, type RetryBudget, withinRetryBudget } from '@xebec/balancing';
import type { CircuitBreakers } from '@xebec/protos/envoy/config/cluster/v3/circuit_breaker';
import { RoutingPriority } from '@xebec/protos/envoy/config/core/v3/base';
import type { Gauge, StatsScope } from '@xebec/telemetry';
import type { SharedCounters } from '../runtime/shared-counter.ts';

/** What a cluster allows at once, for one routing priority. */
export interface ResourceLimits extends CircuitBreaker {
  /** Counts instead of `retries` when it is there. */
  readonly retryBudget: RetryBudget | undefined;
}

/** Compiles the thresholds of a priority (envoy.config.cluster.v3.CircuitBreakers); what is not set is Envoy's default. */
export function compileLimits(
  breakers: CircuitBreakers | undefined,
  priority: 'default' | 'high',
  stats: StatsScope,
  shared?: { readonly clusterName: string; readonly counters: SharedCounters },
): ResourceLimits {
  const wanted = priority === 'high' ? RoutingPriority.HIGH : RoutingPriority.DEFAULT;
  const thresholds = breakers?.thresholds.find((candidate) => candidate.priority === wanted);
  const scope = stats.scope(`circuit_breakers.${priority}`);
  const gauges = {
    connections: scope.gauge('cx_open'),
    pendingRequests: scope.gauge('rq_pending_open'),
    requests: scope.gauge('rq_open'),
    retries: scope.gauge('rq_retry_open'),
  };
  const remaining = thresholds?.trackRemaining === true ? remainingGauges(scope) : undefined;
  const { maxConnections, maxPendingRequests, maxRequests, maxRetries } = thresholds ?? {};
  const budget = thresholds?.retryBudget;
  const { value: percent } = budget?.budgetPercent ?? {};
  return {
    ...createCircuitBreaker(
      {
        ...(maxConnections === undefined ? {} : { maxConnections }),
        ...(maxPendingRequests === undefined ? {} : { maxPendingRequests }),
        ...(maxRequests === undefined ? {} : { maxRequests }),
        ...(maxRetries === undefined ? {} : { maxRetries }),
      },
      (resource, open) => gauges[resource].set(open ? 1 : 0),
      remaining === undefined ? undefined : (resource, left) => remaining[resource].set(left),
      shared === undefined ? undefined : (resource) => shared.counters(`${shared.clusterName}.${priority}.${resource}`),
    ),
    retryBudget:
      budget === undefined
        ? undefined
        : {
            ...(percent === undefined ? {} : { percent }),
            ...(budget.minRetryConcurrency === undefined ? {} : { minConcurrency: budget.minRetryConcurrency }),
          },
  };
}

/** What is left of each limit, shown only with `track_remaining`. */
function remainingGauges(scope: StatsScope): Record<keyof CircuitBreaker, Gauge> {
  return {
    connections: scope.gauge('remaining_cx'),
    pendingRequests: scope.gauge('remaining_pending'),
    requests: scope.gauge('remaining_rq'),
    retries: scope.gauge('remaining_retries'),
  };
}

/** Whether one more retry may run now. */
export function canRetry(limits: ResourceLimits): boolean {
  return limits.retryBudget === undefined ? !limits.retries.open : withinRetryBudget(limits, limits.retryBudget);
}
