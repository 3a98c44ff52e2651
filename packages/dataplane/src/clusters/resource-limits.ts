import type { CircuitBreakers } from '@xebec/protos/envoy/config/cluster/v3/circuit_breaker';
import { RoutingPriority } from '@xebec/protos/envoy/config/core/v3/base';
import type { Gauge, StatsScope } from '@xebec/telemetry';

/** One limited resource of a cluster (envoy.config.cluster.v3.CircuitBreakers.Thresholds). */
export class Resource {
  active = 0;
  readonly max: number;
  readonly #open: Gauge;

  constructor(max: number, open: Gauge) {
    this.max = max;
    this.#open = open;
  }
  get canTake(): boolean {
    return this.active < this.max;
  }
  take(): void {
    this.active++;
    if (this.active === this.max) this.#open.set(1);
  }
  release(): void {
    if (this.active === this.max) this.#open.set(0);
    this.active--;
  }
}

/** What a cluster allows at once, for one routing priority. */
export interface ResourceLimits {
  readonly connections: Resource;
  readonly pendingRequests: Resource;
  readonly requests: Resource;
  readonly retries: Resource;
  /** Retry budget: the larger of a share of active requests and a minimum; undefined means `retries` counts. */
  readonly retryBudget: { readonly share: number; readonly minimum: number } | undefined;
}

/** Compiles the thresholds of a priority; what is not set is Envoy's 1024, 1024, 1024 and 3. */
export function compileLimits(breakers: CircuitBreakers | undefined, priority: 'default' | 'high', stats: StatsScope): ResourceLimits {
  const wanted = priority === 'high' ? RoutingPriority.HIGH : RoutingPriority.DEFAULT;
  const thresholds = breakers?.thresholds.find((candidate) => candidate.priority === wanted);
  const scope = stats.scope(`circuit_breakers.${priority}`);
  const budget = thresholds?.retryBudget;
  return {
    connections: new Resource(thresholds?.maxConnections ?? 1024, scope.gauge('cx_open')),
    pendingRequests: new Resource(thresholds?.maxPendingRequests ?? 1024, scope.gauge('rq_pending_open')),
    requests: new Resource(thresholds?.maxRequests ?? 1024, scope.gauge('rq_open')),
    retries: new Resource(thresholds?.maxRetries ?? 3, scope.gauge('rq_retry_open')),
    retryBudget:
      budget === undefined ? undefined : { share: (budget.budgetPercent?.value ?? 20) / 100, minimum: budget.minRetryConcurrency ?? 3 },
  };
}

/** Whether one more retry may run now. */
export function canRetry(limits: ResourceLimits): boolean {
  if (limits.retryBudget === undefined) return limits.retries.canTake;
  const { share, minimum } = limits.retryBudget;
  return limits.retries.active < Math.max(minimum, share * (limits.requests.active + limits.pendingRequests.active));
}
