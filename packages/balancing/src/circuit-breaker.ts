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
    // A limit of zero is reached by the first that goes on all the same.
    if (this.#used === Math.max(1, this.#max)) this.#onOpen?.(true);
    this.#onUse?.(Math.max(0, this.#max - this.#used));
  }
  /** Says again how things stand, where other threads count too. */
  tell(): void {}
  release(): void {
    if (this.#used === 0) return;
    if (this.#used === this.#max && this.#max > 0) this.#onOpen?.(false);
    this.#used--;
    this.#onUse?.(Math.max(0, this.#max - this.#used));
  }
}

/** A number that all threads of the process count together. */
export interface ProcessCounter {
  readonly value: number;
  add(n: number): void;
}

/** A counter whose limit holds for all threads together: `used` is everybody's, `release` gives back what this thread took. */
class ProcessResourceCounter extends ResourceCounter {
  readonly #total: ProcessCounter;
  readonly #tell: ((open: boolean) => void) | undefined;
  readonly #use: ((remaining: number) => void) | undefined;
  #own = 0;
  #told = false;

  constructor(max: number, total: ProcessCounter, onOpen?: (open: boolean) => void, onUse?: (remaining: number) => void) {
    super(max);
    this.#total = total;
    this.#tell = onOpen;
    this.#use = onUse;
  }
  override get used(): number {
    return this.#total.value;
  }
  override get open(): boolean {
    return this.#total.value >= this.max;
  }
  override acquire(): void {
    this.#own++;
    this.#total.add(1);
    this.#changed();
  }
  override release(): void {
    if (this.#own === 0) return;
    this.#own--;
    this.#total.add(-1);
    this.#changed();
  }
  override tell(): void {
    this.#told = !this.open;
    this.#changed();
  }
  #changed(): void {
    const { open } = this;
    if (open !== this.#told) {
      this.#told = open;
      this.#tell?.(open);
    }
    this.#use?.(Math.max(0, this.max - this.used));
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
  total?: (resource: keyof CircuitBreaker) => ProcessCounter,
): CircuitBreaker {
  const all = { ...defaultCircuitBreakerLimits, ...limits };
  const counter = (resource: keyof CircuitBreaker, max: number): ResourceCounter => {
    const open = (isOpen: boolean): void => onOpen?.(resource, isOpen);
    const use = onUse === undefined ? undefined : (remaining: number): void => onUse(resource, remaining);
    return total === undefined ? new ResourceCounter(max, open, use) : new ProcessResourceCounter(max, total(resource), open, use);
  };
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
