import type { SharedCounter, SharedCounters } from './shared-counter.ts';

/** Reads a number of the runtime; undefined when the key is not there. */
export type RuntimeNumber = (key: string) => number | undefined;

/** Which limit a connection would pass. */
export type LimitReached = 'listener' | 'global';

export interface ConnectionLimitsOptions {
  readonly counters: SharedCounters;
  readonly runtime: RuntimeNumber;
  /** Of the overload manager's resource monitor; it wins over the runtime. */
  readonly globalMax: number | undefined;
}

/**
 * Limits of downstream connections (Envoy's "Limiting active connections"): `envoy.resource_limits.listener.<name>.connection_limit`
 * for a listener, the overload manager or `overload.global_downstream_max_connections` for all of them.
 */
export class ConnectionLimits {
  readonly #options: ConnectionLimitsOptions;
  readonly #global: SharedCounter;
  readonly #listeners = new Map<string, SharedCounter>();

  constructor(options: ConnectionLimitsOptions) {
    this.#options = options;
    this.#global = options.counters('downstream connections');
  }
  /** Connections of all threads. */
  get active(): number {
    return this.#global.value;
  }
  /** Counts a new connection, or says which limit forbids it. */
  tryAcquire(listener: string): LimitReached | undefined {
    const { runtime, globalMax } = this.#options;
    const count = this.#counter(listener);
    const max = runtime(`envoy.resource_limits.listener.${listener}.connection_limit`);
    if (max !== undefined && count.value >= max) return 'listener';
    const all = globalMax ?? runtime('overload.global_downstream_max_connections');
    if (all !== undefined && this.#global.value >= all) return 'global';
    count.add(1);
    this.#global.add(1);
    return undefined;
  }
  release(listener: string): void {
    this.#counter(listener).add(-1);
    this.#global.add(-1);
  }
  #counter(listener: string): SharedCounter {
    let counter = this.#listeners.get(listener);
    if (counter === undefined) {
      counter = this.#options.counters(`connections of listener ${listener}`);
      this.#listeners.set(listener, counter);
    }
    return counter;
  }
}
