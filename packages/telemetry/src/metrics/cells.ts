import type { Counter, Gauge, Histogram } from '../stats.ts';
import { defaultBuckets, type HistogramData } from './histogram.ts';
import { added, assigned, untouched, type Values } from './values.ts';

/** Counter and gauge in one; `record` is there for `labelled`, whose handles can be any kind. */
export class Cell implements Counter, Gauge, Histogram {
  readonly #values: Values;
  readonly index: number;
  constructor(values: Values) {
    this.#values = values;
    this.index = values.allocate(1);
  }
  add(n: number): void {
    const { data, state } = this.#values;
    data[this.index] = (data[this.index] ?? 0) + n;
    if (state[this.index] === untouched) state[this.index] = added;
  }
  set(value: number): void {
    this.#values.data[this.index] = value;
    this.#values.state[this.index] = assigned;
  }
  record(value: number): void {
    this.add(value);
  }
  reset(): void {
    this.#values.data[this.index] = 0;
  }
  get value(): number {
    return this.#values.data[this.index] ?? 0;
  }
  get used(): boolean {
    return this.#values.state[this.index] !== untouched;
  }
  get assigned(): boolean {
    return this.#values.state[this.index] === assigned;
  }
}

/** A histogram's values: sum, count, then one count per bucket. */
const headLength = 2;
const histogramLength = headLength + defaultBuckets.length + 1;

export class BucketCell implements Counter, Gauge, Histogram {
  readonly #values: Values;
  readonly index: number;
  constructor(values: Values) {
    this.#values = values;
    this.index = values.allocate(histogramLength);
  }
  record(value: number): void {
    let low = 0;
    let high = defaultBuckets.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= (defaultBuckets[middle] ?? 0)) high = middle;
      else low = middle + 1;
    }
    const { data, state } = this.#values;
    const { index } = this;
    data[index] = (data[index] ?? 0) + value;
    data[index + 1] = (data[index + 1] ?? 0) + 1;
    const bucket = index + headLength + low;
    data[bucket] = (data[bucket] ?? 0) + 1;
    state[index] = added;
  }
  /** Adds what another histogram with the same bounds holds. */
  merge(other: HistogramData): void {
    const { data, state } = this.#values;
    const numbers = [other.sum, other.count, ...other.counts];
    for (const [i, number] of numbers.entries()) data[this.index + i] = (data[this.index + i] ?? 0) + number;
    if (other.count > 0) state[this.index] = added;
  }
  add(n: number): void {
    this.record(n);
  }
  set(value: number): void {
    this.record(value);
  }
  get value(): number {
    return this.#values.data[this.index] ?? 0;
  }
  get used(): boolean {
    return this.#values.state[this.index] !== untouched;
  }
  get data(): HistogramData {
    return readHistogram(this.#values.data, this.index);
  }
  reset(): void {
    this.#values.data.fill(0, this.index, this.index + histogramLength);
  }
}

/** Reads the histogram that lies at `index`. */
export function readHistogram(data: Float64Array, index: number): HistogramData {
  return {
    bounds: defaultBuckets,
    counts: [...data.subarray(index + headLength, index + histogramLength)],
    sum: data[index] ?? 0,
    count: data[index + 1] ?? 0,
  };
}
