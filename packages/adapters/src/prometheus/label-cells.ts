import { formatValue, type TypedValue } from '@xebec/expressions';

/** A number, or the numbers of a distribution, of one label combination. */
export interface Series {
  /** By label name; the object stays the same, by which prom-client remembers its text. */
  readonly labels: Readonly<Record<string, string>>;
  /** Of counters and gauges. */
  value: number;
  /** Of distributions: values at most each bound and above the one before, and above all in the last. */
  readonly counts: Float64Array | undefined;
  count: number;
  sum: number;
}

export type Dimensions = ReadonlyMap<string, TypedValue>;

/** Label texts of the dimensions that were seen last: the instances of one request have theirs in common. */
interface LastSeen {
  dimensions: Dimensions | undefined;
  key: string;
}

/**
 * The series of one metric, found by the values of its labels. `texts` is what metrics with the same label names share: a request's labels
 * are put together once, however many metrics it adds to.
 */
export class SeriesTable {
  readonly #labelNames: readonly string[];
  readonly #bounds: readonly number[] | undefined;
  readonly #series = new Map<string, Series>();
  readonly #limit: number;
  readonly #last: LastSeen;

  /** `bounds` of distributions alone. */
  constructor(labelNames: readonly string[], bounds: readonly number[] | undefined, limit: number, last: LastSeen) {
    this.#labelNames = labelNames;
    this.#bounds = bounds;
    this.#limit = limit;
    this.#last = last;
  }
  /** Undefined when it would be one too many. */
  find(dimensions: Dimensions | undefined): Series | undefined {
    const last = this.#last;
    if (dimensions === undefined || last.dimensions !== dimensions) {
      last.key = this.#key(dimensions);
      last.dimensions = dimensions;
    }
    return this.#series.get(last.key) ?? this.#create(last.key, dimensions);
  }
  all(): Iterable<Series> {
    return this.#series.values();
  }

  #key(dimensions: Dimensions | undefined): string {
    if (dimensions === undefined) return '';
    let key = '';
    // Lengths keep values apart that hold the separator.
    for (const name of this.#labelNames) {
      const text = labelText(dimensions.get(name));
      key += `${text.length}:${text}`;
    }
    return key;
  }
  #create(key: string, dimensions: Dimensions | undefined): Series | undefined {
    if (this.#series.size >= this.#limit) return undefined;
    const labels = Object.fromEntries(this.#labelNames.map((name) => [name, labelText(dimensions?.get(name))]));
    const counts = this.#bounds === undefined ? undefined : new Float64Array(this.#bounds.length + 1);
    const series: Series = { labels, value: 0, counts, count: 0, sum: 0 };
    this.#series.set(key, series);
    return series;
  }
}

function labelText(typed: TypedValue | undefined): string {
  if (typed === undefined) return '';
  return typeof typed.value === 'string' ? typed.value : formatValue(typed);
}

/** What tables with the same label names share, by those names. */
export class LabelTexts {
  readonly #byNames = new Map<string, LastSeen>();

  of(labelNames: readonly string[]): LastSeen {
    const key = labelNames.join(',');
    let last = this.#byNames.get(key);
    if (last === undefined) {
      last = { dimensions: undefined, key: '' };
      this.#byNames.set(key, last);
    }
    return last;
  }
}
