/** A host's share of good answers in the last whole interval. */
export interface HostRate<H> {
  readonly host: H;
  /** Percent. */
  readonly rate: number;
  readonly volume: number;
}

export interface SuccessRateLimits {
  readonly minimumHosts: number;
  readonly requestVolume: number;
  /** Thousandths. */
  readonly stdevFactor: number;
}

export interface RateThreshold {
  readonly average: number;
  /** Hosts below it stand out. */
  readonly threshold: number;
}

/** The threshold of `mean - factor · stdev` over hosts with enough requests; undefined when too few have. */
export function successRateThreshold<H>(rates: readonly HostRate<H>[], limits: SuccessRateLimits): RateThreshold | undefined {
  const valid = rates.filter(({ volume }) => volume >= limits.requestVolume);
  if (valid.length === 0 || valid.length < limits.minimumHosts) return undefined;
  let sum = 0;
  for (const { rate } of valid) sum += rate;
  const average = sum / valid.length;
  let squares = 0;
  for (const { rate } of valid) squares += (rate - average) ** 2;
  return { average, threshold: average - (limits.stdevFactor / 1000) * Math.sqrt(squares / valid.length) };
}

/** Counts of the running interval and of the one before. */
export class RateWindow {
  #good = 0;
  #all = 0;
  #lastGood = 0;
  #lastAll = 0;

  record(good: boolean): void {
    this.#all++;
    if (good) this.#good++;
  }
  /** The running interval is over. */
  turn(): void {
    this.#lastGood = this.#good;
    this.#lastAll = this.#all;
    this.#good = 0;
    this.#all = 0;
  }
  get volume(): number {
    return this.#lastAll;
  }
  /** Percent; undefined without requests. */
  get rate(): number | undefined {
    return this.#lastAll === 0 ? undefined : (100 * this.#lastGood) / this.#lastAll;
  }
}
