/** `failed`: nobody could be asked, so the fail policy decides. `unasked`: the question was refused for another reason. */
export type QuotaResult = 'granted' | 'exhausted' | 'failed' | 'unasked';

/** Somebody who waits for an amount of a quota. */
export interface QuotaWaiter {
  readonly amount: number;
  done(result: QuotaResult): void;
}

/** Prefetched amounts serve no longer than this, milliseconds: a window may have ended meanwhile. */
const maxHoldMs = 500;
/** Calls that wait for one quota at one time. */
const maxWaiting = 10_000;

/**
 * One cell of a quota as this proxy knows it. Calls that come while Mixer is being asked wait and are asked for together, so that a
 * busy proxy asks once per round trip and never holds an amount that nobody waits for, unless `prefetch` is set.
 */
export class QuotaPool {
  readonly #prefetch: number;
  /** By which attributes the cell is told from others; undefined until Mixer has said. */
  signature: string | undefined;
  #held = 0;
  #heldUntilMs = 0;
  #waiting: QuotaWaiter[] = [];
  #asking = false;

  constructor(prefetch: number) {
    this.#prefetch = prefetch;
  }
  /** Takes from what was prefetched. */
  take(amount: number, nowMs: number): boolean {
    if (this.#held < amount || nowMs >= this.#heldUntilMs) return false;
    this.#held -= amount;
    return true;
  }
  /** False when too many wait. */
  wait(waiter: QuotaWaiter): boolean {
    if (this.#waiting.length >= maxWaiting) return false;
    this.#waiting.push(waiter);
    return true;
  }
  get mustAsk(): boolean {
    return !this.#asking && this.#waiting.length > 0;
  }
  /** All that wait now, in one question; `settle` takes its answer. */
  ask(): {
    readonly amount: number;
    readonly bestEffort: boolean;
    settle(granted: number | 'failed' | 'unasked', validMs: number, nowMs: number): void;
  } {
    const batch = this.#waiting;
    this.#waiting = [];
    this.#asking = true;
    const demand = batch.reduce((sum, { amount }) => sum + amount, 0);
    return {
      amount: demand + this.#prefetch,
      bestEffort: batch.length > 1 || this.#prefetch > 0,
      settle: (granted, validMs, nowMs) => {
        this.#asking = false;
        let left = typeof granted === 'number' ? granted : 0;
        for (const waiter of batch) {
          const enough = left >= waiter.amount;
          if (enough) left -= waiter.amount;
          waiter.done(typeof granted === 'number' ? (enough ? 'granted' : 'exhausted') : granted);
        }
        if (this.#prefetch === 0 || left <= 0) return;
        this.#held = Math.min(left, this.#prefetch);
        this.#heldUntilMs = nowMs + Math.min(validMs, maxHoldMs);
      },
    };
  }
}
