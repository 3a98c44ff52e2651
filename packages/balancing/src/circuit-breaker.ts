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

/** Counts one resource against its limit; `onOpen` tells when the limit is reached and when there is room again. */
export class ResourceCounter {
  #used = 0;
  readonly #max: number;
  readonly #onOpen: ((open: boolean) => void) | undefined;
  readonly #onUse: ((remaining: number) => void) | undefined;

  constructor(max: number, onOpen?: (open: boolean) => void, onUse?: (remaining: number) => void) {
    this.#max = max;
    this.#onOpen = onOpen;
    this.#onUse = onUse;
    onUse?.(max);
  }
  get used(): number {
    return this.#used;
  }
  get max(): number {
    return this.#max;
  }
  /** Nothing more is allowed: Envoy's `*_open` gauge. */
  get open(): boolean {
    return this.#used >= this.#max;
  }
  tryAcquire(): boolean {
    if (this.open) return false;
    this.acquire();
    return true;
  }
  /** Takes one whatever the limit says: for what must go on, as the only connection of a pool. */
  acquire(): void {
    this.#used++;
    if (this.#used === this.#max) this.#onOpen?.(true);
    this.#onUse?.(Math.max(0, this.#max - this.#used));
  }
  release(): void {
    if (this.#used === 0) return;
    if (this.#used === this.#max) this.#onOpen?.(false);
    this.#used--;
    this.#onUse?.(Math.max(0, this.#max - this.#used));
  }
}

/** The resources of one cluster at one routing priority. */
export interface CircuitBreaker {
  readonly connections: ResourceCounter;
  readonly pendingRequests: ResourceCounter;
  readonly requests: ResourceCounter;
  readonly retries: ResourceCounter;
}

export function createCircuitBreaker(
  limits: Partial<CircuitBreakerLimits> = {},
  onOpen?: (resource: keyof CircuitBreaker, open: boolean) => void,
  onUse?: (resource: keyof CircuitBreaker, remaining: number) => void,
): CircuitBreaker {
  const all = { ...defaultCircuitBreakerLimits, ...limits };
  const counter = (resource: keyof CircuitBreaker, max: number) =>
    new ResourceCounter(
      max,
      (open) => onOpen?.(resource, open),
      onUse === undefined ? undefined : (remaining) => onUse(resource, remaining),
    );
  return {
    connections: counter('connections', all.maxConnections),
    pendingRequests: counter('pendingRequests', all.maxPendingRequests),
    requests: counter('requests', all.maxRequests),
    retries: counter('retries', all.maxRetries),
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
