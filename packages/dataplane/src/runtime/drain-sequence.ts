import type { Clock, Random } from '@xebec/core';

export type DrainStrategy = 'gradual' | 'immediate';

export interface DrainOptions {
  /** How long a drain takes; Envoy's `--drain-time-s`, 600 s. */
  readonly drainTimeMs: number;
  readonly strategy: DrainStrategy;
}

export const envoyDrain: DrainOptions = { drainTimeMs: 600_000, strategy: 'gradual' };

/** Asked at each response: whether its connection ends with it. */
export type DrainDecision = () => boolean;

/**
 * One drain as Envoy's DrainManager does it: connections end with a response, all at once (immediate) or with a probability that
 * grows from 0 to 1 over the drain time (gradual), so that clients do not all come back in the same moment.
 */
export class DrainSequence {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #options: DrainOptions;
  #startMs: number | undefined;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, random: Random, options: DrainOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#options = options;
  }
  get started(): boolean {
    return this.#startMs !== undefined;
  }
  /** Begins, once; `onEnd` is called when the drain time is over. */
  start(onEnd: () => void): void {
    if (this.#startMs !== undefined) return;
    this.#startMs = this.#clock.monotonic();
    this.#cancel = this.#clock.setTimeout(onEnd, this.#options.drainTimeMs);
  }
  readonly shouldClose: DrainDecision = () => {
    if (this.#startMs === undefined) return false;
    if (this.#options.strategy === 'immediate') return true;
    const elapsedMs = this.#clock.monotonic() - this.#startMs;
    const { drainTimeMs } = this.#options;
    // In whole seconds, as Envoy counts: nothing ends in the first one.
    return elapsedMs >= drainTimeMs || Math.floor(elapsedMs / 1000) > Math.floor((this.#random.next() * drainTimeMs) / 1000);
  };
  close(): void {
    this.#cancel?.();
  }
}
