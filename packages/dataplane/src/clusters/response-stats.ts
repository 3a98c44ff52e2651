import type { Counter, Histogram, StatsScope } from '@xebec/telemetry';

/** `upstream_rq_completed`, `_2xx`, `_200` and `_time` of one part of the tree (`external.`, `vhost.<name>.vcluster.<name>.`, …), made as they occur. */
export class ResponseStats {
  readonly #scope: StatsScope;
  readonly #prefix: string;
  readonly #codes = new Map<number, readonly [byClass: Counter, exact: Counter]>();
  #completed: Counter | undefined;
  #time: Histogram | undefined;

  /** `prefix` is empty or ends with a dot. */
  constructor(scope: StatsScope, prefix = '') {
    this.#scope = scope;
    this.#prefix = prefix;
  }
  charge(code: number): void {
    let counters = this.#codes.get(code);
    if (counters === undefined) {
      const name = `${this.#prefix}upstream_rq_`;
      counters = [this.#scope.counter(`${name}${Math.floor(code / 100)}xx`), this.#scope.counter(name + code)];
      this.#codes.set(code, counters);
    }
    counters[0].add(1);
    counters[1].add(1);
    this.#completed ??= this.#scope.counter(`${this.#prefix}upstream_rq_completed`);
    this.#completed.add(1);
  }
  /** Milliseconds from the request's end to the response's. */
  time(ms: number): void {
    this.#time ??= this.#scope.histogram(`${this.#prefix}upstream_rq_time`);
    this.#time.record(ms);
  }
  /** Counts what happens rarely, such as `upstream_rq_retry`. */
  count(name: string): void {
    this.#scope.counter(this.#prefix + name).add(1);
  }
}
