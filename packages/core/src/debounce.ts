import type { Clock } from './clock.ts';

export interface DebounceOptions {
  /** Runs when nothing came for this long... */
  readonly quietMs: number;
  /** ...but never later than this after the first trigger. */
  readonly maxMs: number;
}

/** Gathers bursts of triggers into one call of `run`. */
export class Debounce {
  readonly #options: DebounceOptions;
  readonly #clock: Clock;
  readonly #run: () => void;
  #firstAt: number | undefined;
  #cancel: (() => void) | undefined;

  constructor(options: DebounceOptions, clock: Clock, run: () => void) {
    this.#options = options;
    this.#clock = clock;
    this.#run = run;
  }
  trigger(): void {
    const now = this.#clock.monotonic();
    this.#firstAt ??= now;
    this.#cancel?.();
    const wait = Math.min(this.#options.quietMs, this.#firstAt + this.#options.maxMs - now);
    this.#cancel = this.#clock.setTimeout(() => this.flush(), Math.max(0, wait));
  }
  /** Runs now if anything was triggered. */
  flush(): void {
    if (this.#firstAt === undefined) return;
    this.close();
    this.#run();
  }
  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#firstAt = undefined;
  }
}
