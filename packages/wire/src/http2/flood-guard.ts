/**
 * A leaky bucket for frames that cost this side something and their sender nothing. It drains by `limit` each second when there
 * is a clock, and by one for every useful frame.
 */
export class FloodGuard {
  readonly #limit: number;
  readonly #now: (() => number) | undefined;
  #level = 0;
  #lastMs = 0;

  constructor(limit: number, now: (() => number) | undefined) {
    this.#limit = limit;
    this.#now = now;
  }
  /** Counts one frame; true when there were too many. */
  hit(): boolean {
    if (this.#now !== undefined) {
      const nowMs = this.#now();
      this.#level = Math.max(0, this.#level - ((nowMs - this.#lastMs) / 1000) * this.#limit);
      this.#lastMs = nowMs;
    }
    return ++this.#level > this.#limit;
  }
  relieve(): void {
    if (this.#level > 0) this.#level--;
  }
}
