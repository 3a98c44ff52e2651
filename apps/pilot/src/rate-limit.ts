import type { Clock } from '@xebec/core';

/** Tokens that come at a steady rate, as many as one second's worth at once. Turns are given in the order they are asked for. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #maxWaitMs: number;
  readonly #clock: Clock;
  /** When the next token is free, on the monotonic clock; in the past while some are unused. */
  #next = 0;

  /** A turn that is further away than `maxWaitMs` is not given. */
  constructor(perSecond: number, maxWaitMs: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#maxWaitMs = maxWaitMs;
    this.#clock = clock;
    this.#next = clock.monotonic() - 1_000;
  }
  /** Takes a turn and says how long to wait for it; undefined: too long. */
  take(): number | undefined {
    const now = this.#clock.monotonic();
    const turn = Math.max(this.#next, now - 1_000);
    if (turn - now > this.#maxWaitMs) return undefined;
    this.#next = turn + 1_000 / this.#perSecond;
    return Math.max(0, turn - now);
  }
}
