import { isUnavailable } from '@xebec/adapters';
import { type Clock, errorText, type Logger } from '@xebec/core';
import type { CompiledHandler, Handler, Variety } from '@xebec/policy';
import type { DispatchCounts, DispatchMetrics } from './dispatch-metrics.ts';

/** Longest time that an adapter may take for one call: whoever waits here has a request waiting. */
const CALL_LIMIT_MS = 2_000;

/** What became of a call. `unavailable`: nobody answered. */
export type Called<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: string; readonly unavailable?: boolean };

/** Calls adapters, counted, timed and limited; what fails there reaches nobody else. */
export class HandlerCalls {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #metrics: DispatchMetrics;
  readonly #counts = new WeakMap<CompiledHandler, Map<Variety, DispatchCounts>>();

  constructor({ clock, logger, metrics }: { clock: Clock; logger: Logger; metrics: DispatchMetrics }) {
    this.#clock = clock;
    this.#logger = logger;
    this.#metrics = metrics;
  }
  /** A promise only when the adapter answers by one. */
  call<T>(
    handler: CompiledHandler,
    variety: Variety,
    run: (handler: Handler) => T | Promise<T> | undefined,
  ): Called<T> | Promise<Called<T>> {
    const counts = this.#countsOf(handler, variety);
    const started = this.#clock.monotonic();
    counts.calls++;
    try {
      const answer = run(handler.handler);
      if (answer instanceof Promise) return this.#wait(handler, counts, started, answer);
      counts.observe((this.#clock.monotonic() - started) / 1000);
      return answer === undefined
        ? this.#failed(handler, counts, `adapter ${handler.adapter} does not do this`)
        : { ok: true, value: answer };
    } catch (error) {
      return this.#failed(handler, counts, errorText(error), isUnavailable(error));
    }
  }

  #wait<T>(handler: CompiledHandler, counts: DispatchCounts, started: number, answer: Promise<T>): Promise<Called<T>> {
    return new Promise((done) => {
      const end = (called: Called<T>) => {
        cancel();
        counts.observe((this.#clock.monotonic() - started) / 1000);
        done(called);
      };
      const cancel = this.#clock.setTimeout(
        () => end(this.#failed(handler, counts, `no answer within ${CALL_LIMIT_MS} ms`)),
        CALL_LIMIT_MS,
      );
      answer.then(
        (value) => end({ ok: true, value }),
        (error: unknown) => end(this.#failed(handler, counts, errorText(error), isUnavailable(error))),
      );
    });
  }
  #failed<T>({ name, adapter }: CompiledHandler, counts: DispatchCounts, text: string, unavailable = false): Called<T> {
    counts.errors++;
    this.#logger.error({ handler: name, adapter }, `adapter ${adapter} failed: ${text}`);
    return { ok: false, error: `${name}: ${text}`, unavailable };
  }
  #countsOf(handler: CompiledHandler, variety: Variety): DispatchCounts {
    let byVariety = this.#counts.get(handler);
    if (byVariety === undefined) {
      byVariety = new Map();
      this.#counts.set(handler, byVariety);
    }
    let counts = byVariety.get(variety);
    if (counts === undefined) {
      counts = this.#metrics.of(handler.adapter, handler.name, variety);
      byVariety.set(variety, counts);
    }
    return counts;
  }
}
