/** Memory of a set of metrics, as another thread can read it. */
export interface SharedValues {
  readonly data: SharedArrayBuffer;
  readonly state: SharedArrayBuffer;
}

/** What happened to a value so far; merging gauges of several threads goes by it. */
export const untouched = 0;
export const added = 1;
export const assigned = 2;

const initialLength = 1024;

/**
 * Values of all counters, gauges and histograms in one typed array: `add` is an array write. The arrays may lie in shared memory,
 * which one thread writes and another reads: an aligned 64-bit float is never seen half written.
 */
export class Values {
  data: Float64Array;
  state: Uint8Array;
  #length = 0;
  /** Places that were given back, by their size. */
  readonly #free = new Map<number, number[]>();
  readonly #onGrow: ((shared: SharedValues) => void) | undefined;

  /** With `onGrow` the memory is shared; the callback gets it now and after each growth. */
  constructor(onGrow: ((shared: SharedValues) => void) | undefined) {
    this.#onGrow = onGrow;
    this.data = new Float64Array(0);
    this.state = new Uint8Array(0);
    this.#grow(initialLength);
  }
  /** Reserves `size` neighbouring values and returns the first one's index. */
  allocate(size: number): number {
    const free = this.#free.get(size)?.pop();
    if (free !== undefined) return free;
    const index = this.#length;
    this.#length += size;
    if (this.#length > this.data.length) this.#grow(Math.max(this.data.length * 2, this.#length));
    return index;
  }
  /** Takes back what `allocate` gave for this size: nobody may hold the index any more. */
  release(index: number, size: number): void {
    this.data.fill(0, index, index + size);
    this.state.fill(untouched, index, index + size);
    const free = this.#free.get(size);
    if (free === undefined) this.#free.set(size, [index]);
    else free.push(index);
  }
  #grow(length: number): void {
    const { data, state } = this;
    if (this.#onGrow === undefined) {
      this.data = new Float64Array(length);
      this.state = new Uint8Array(length);
    } else {
      const shared = { data: new SharedArrayBuffer(length * 8), state: new SharedArrayBuffer(length) };
      this.data = new Float64Array(shared.data);
      this.state = new Uint8Array(shared.state);
      this.#onGrow(shared);
    }
    this.data.set(data);
    this.state.set(state);
  }
}
