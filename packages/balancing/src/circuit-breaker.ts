/** Envoy's defaults; Istio's own configuration sets 4294967295 for all. */
export interface CircuitBreakerLimits {
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
}

export const defaultCircuitBreakerLimits: CircuitBreakerLimits = {
  maxConnections: 1024,
  maxPendingRequests: 1024,
  maxRequests: 1024,
  maxRetries: 3,
};

/** Counts one resource against its limit. */
export class ResourceCounter {
  #used = 0;
  #max: number;

  constructor(max: number) {
    this.#max = max;
  }
  get used(): number {
    return this.#used;
  }
  get max(): number {
    return this.#max;
  }
  set max(max: number) {
    this.#max = max;
  }
  /** Nothing more is allowed: Envoy's `*_open` gauge. */
  get open(): boolean {
    return this.#used >= this.#max;
  }
  tryAcquire(): boolean {
    if (this.open) return false;
    this.#used++;
    return true;
  }
  release(): void {
    if (this.#used > 0) this.#used--;
  }
}

/** The resources of one cluster at one routing priority. */
export interface CircuitBreaker {
  readonly connections: ResourceCounter;
  readonly pendingRequests: ResourceCounter;
  readonly requests: ResourceCounter;
  readonly retries: ResourceCounter;
}

export function createCircuitBreaker(limits: Partial<CircuitBreakerLimits> = {}): CircuitBreaker {
  const all = { ...defaultCircuitBreakerLimits, ...limits };
  return {
    connections: new ResourceCounter(all.maxConnections),
    pendingRequests: new ResourceCounter(all.maxPendingRequests),
    requests: new ResourceCounter(all.maxRequests),
    retries: new ResourceCounter(all.maxRetries),
  };
}

export interface RetryBudget {
  /** Percent of active and pending requests that may be retries. 20. */
  readonly percent?: number;
  /** Retries that are always allowed. 3. */
  readonly minConcurrency?: number;
}

/** Whether one more retry is inside the budget, which replaces `maxRetries`. */
export function withinRetryBudget(breaker: CircuitBreaker, budget: RetryBudget): boolean {
  const load = breaker.requests.used + breaker.pendingRequests.used;
  const allowed = Math.max(Math.floor((load * (budget.percent ?? 20)) / 100), budget.minConcurrency ?? 3);
  return breaker.retries.used < allowed;
}
