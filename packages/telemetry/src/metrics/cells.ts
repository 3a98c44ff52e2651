import type { Counter, Gauge, Histogram } from '../stats.ts';
import type { HistogramBin, HistogramData } from './histogram.ts';
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
  /** Changes with every use that tells something. */
  get activity(): number {
    return this.value;
  }
  /** Gives the memory back; the cell must not be used afterwards. */
  release(): void {
    this.#values.release(this.index, 1);
  }
}

/**
 * A histogram's values: sum, count, zeros, then for each power of ten the index of a block of 90 counts, one for each pair of
 * first digits (10 to 99); 0 where nothing has fallen into that power yet. Most histograms have one or two blocks.
 */
const decadesAt = 3;
const highestExponent = 13;
const headLength = decadesAt + highestExponent + 1;
const blockLength = 90;
const highest = 10 ** (highestExponent + 1) - 1;

export class BucketCell implements Counter, Gauge, Histogram {
  readonly #values: Values;
  readonly index: number;
  constructor(values: Values) {
    this.#values = values;
    this.index = values.allocate(headLength);
  }
  /** Whole numbers, as Envoy's histograms have them: a fraction is cut off. */
  record(recorded: number): void {
    const { index } = this;
    const value = Math.floor(recorded);
    const slot = this.#slot(value);
    const { data, state } = this.#values;
    data[index] = (data[index] ?? 0) + value;
    data[index + 1] = (data[index + 1] ?? 0) + 1;
    data[slot] = (data[slot] ?? 0) + 1;
    state[index] = added;
  }
  /** Adds what another histogram holds. */
  merge(other: HistogramData): void {
    for (const { lower, width, count } of other.bins) {
      const slot = this.#slot(lower + width / 2);
      const { data } = this.#values;
      data[slot] = (data[slot] ?? 0) + count;
    }
    const { data, state } = this.#values;
    data[this.index] = (data[this.index] ?? 0) + other.sum;
    data[this.index + 1] = (data[this.index + 1] ?? 0) + other.count;
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
  get activity(): number {
    return this.#values.data[this.index + 1] ?? 0;
  }
  release(): void {
    for (let exponent = 0; exponent <= highestExponent; exponent++) {
      const block = this.#values.data[this.index + decadesAt + exponent] ?? 0;
      if (block !== 0) this.#values.release(block, blockLength);
    }
    this.#values.release(this.index, headLength);
  }
  /** Where the count of a value's bin lies; its block is made when it is first needed, which may move the memory. */
  #slot(value: number): number {
    const { index } = this;
    if (!(value >= 1)) return index + 2;
    let exponent = 0;
    let digits = value < 10 ? value * 10 : Math.min(value, highest);
    if (value >= 10) {
      exponent = 1;
      for (; digits >= 100; digits /= 10) exponent++;
    }
    const pointer = index + decadesAt + exponent;
    let block = this.#values.data[pointer] ?? 0;
    if (block === 0) {
      block = this.#values.allocate(blockLength);
      this.#values.data[pointer] = block;
    }
    return block + Math.floor(digits) - 10;
  }
}

/** Reads the histogram that lies at `index`. */
export function readHistogram(data: Float64Array, index: number): HistogramData {
  const bins: HistogramBin[] = [];
  const zeros = data[index + 2] ?? 0;
  if (zeros > 0) bins.push({ lower: 0, width: 0, count: zeros });
  for (let exponent = 0; exponent <= highestExponent; exponent++) {
    const block = data[index + decadesAt + exponent] ?? 0;
    // A block that is newer than the reader's view of the memory is read the next time.
    if (block === 0 || block + blockLength > data.length) continue;
    for (let i = 0; i < blockLength; i++) {
      const count = data[block + i] ?? 0;
      if (count > 0) bins.push({ lower: scaled(i + 10, exponent - 1), width: scaled(1, exponent - 1), count });
    }
  }
  return { bins, sum: data[index] ?? 0, count: data[index + 1] ?? 0 };
}

/** Divided rather than multiplied by a fraction: 11 / 10 is 1.1, 11 * 0.1 is not. */
const scaled = (digits: number, exponent: number): number => (exponent < 0 ? digits / 10 ** -exponent : digits * 10 ** exponent);
