/** Time as a value that is passed in, so that tests own it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Milliseconds from an arbitrary origin; never goes back. */
  monotonic(): number;
  /** Calls `fn` once after `delayMs`; the returned function cancels. */
  setTimeout(fn: () => void, delayMs: number): () => void;
  /** A timer that alone keeps no process running; where it is absent `setTimeout` stands in. */
  setBackgroundTimeout?(fn: () => void, delayMs: number): void;
}

/** Node's timers take no more, and fire at once when given more: protobuf durations reach 10,000 years. */
const longestTimerMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (fn, delayMs) => {
    let timer = setTimeout(later, Math.min(delayMs, longestTimerMs));
    let leftMs = delayMs;
    function later(): void {
      leftMs -= longestTimerMs;
      if (leftMs <= 0) fn();
      else timer = setTimeout(later, Math.min(leftMs, longestTimerMs));
    }
    return () => clearTimeout(timer);
  },
  setBackgroundTimeout: (fn, delayMs) => {
    setTimeout(fn, Math.min(delayMs, longestTimerMs)).unref();
  },
};

/** A clock that moves only by `advance`; timers fire in order of their time. */
export class VirtualClock implements Clock {
  #now: number;
  #sequence = 0;
  #timers: { at: number; order: number; fn: () => void }[] = [];

  constructor(startMs = 0) {
    this.#now = startMs;
  }
  now(): number {
    return this.#now;
  }
  monotonic(): number {
    return this.#now;
  }
  setTimeout(fn: () => void, delayMs: number): () => void {
    const timer = { at: this.#now + Math.max(0, delayMs), order: this.#sequence++, fn };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }
  /** How many timers wait: tests assert that nothing is left running. */
  get pending(): number {
    return this.#timers.length;
  }
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = next.at;
      next.fn();
    }
    this.#now = end;
  }
}
