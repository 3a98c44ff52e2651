import type { Clock } from '@xebec/core';

/** Tokens that come at a steady rate, as many as one second's worth at once. */
export class StreamRate {
  readonly #perSecond: number;
  readonly #clock: Clock;
  #tokens: number;
  #at: number;

  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#tokens = Math.max(1, perSecond);
    this.#at = clock.monotonic();
  }
  /** Takes the next one, perhaps ahead of its time: milliseconds until then. Undefined, and none taken, when that is beyond `maxMs`. */
  take(maxMs: number): number | undefined {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(Math.max(1, this.#perSecond), this.#tokens + ((now - this.#at) / 1_000) * this.#perSecond);
    this.#at = now;
    const waitMs = Math.max(0, ((1 - this.#tokens) / this.#perSecond) * 1_000);
    if (waitMs > maxMs) return undefined;
    this.#tokens--;
    return waitMs;
  }
}
