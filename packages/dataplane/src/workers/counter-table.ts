import type { SharedCounter, SharedCounters } from '../runtime/shared-counter.ts';

/** Where each shared counter lies: plain data for a worker. */
export interface CounterTable {
  readonly blocks: readonly SharedArrayBuffer[];
  readonly names: readonly string[];
}

const namesPerBlock = 1024;

/**
 * Counters of all threads. Each has one number per thread, which only that thread writes, and is their sum: threads never wait
 * for each other, and what a dead thread still held can be given back. Two threads may pass a limit together by one each.
 */
export class CounterOwner {
  readonly #threads: number;
  readonly #blocks: SharedArrayBuffer[] = [];
  readonly #names: string[] = [];
  readonly #indexes = new Map<string, number>();
  readonly #onAdded: (table: CounterTable) => void;

  /** `threads` with the main thread, which is the last; `onAdded` tells workers of a new counter before they can need it. */
  constructor(threads: number, onAdded: (table: CounterTable) => void) {
    this.#threads = threads;
    this.#onAdded = onAdded;
  }
  get table(): CounterTable {
    return { blocks: this.#blocks, names: this.#names };
  }
  readonly counters: SharedCounters = (name) => {
    let index = this.#indexes.get(name);
    if (index === undefined) {
      index = this.#names.length;
      this.#indexes.set(name, index);
      this.#names.push(name);
      if (index % namesPerBlock === 0) this.#blocks.push(new SharedArrayBuffer(4 * namesPerBlock * this.#threads));
      this.#onAdded({ blocks: this.#blocks, names: this.#names });
    }
    return new TableCounter(this.#blocks, index, this.#threads, this.#threads - 1);
  };
  /** A thread is gone: what it held is free. */
  release(thread: number): void {
    for (let index = 0; index < this.#names.length; index++) {
      const counter = new TableCounter(this.#blocks, index, this.#threads, thread);
      counter.clear();
    }
  }
}

/** A worker's side. Names that the main thread does not know are this thread's alone. */
export class CounterReader {
  #table: CounterTable;
  readonly #threads: number;
  readonly #thread: number;
  readonly #indexes = new Map<string, number>();
  readonly #fallback: SharedCounters;

  constructor(table: CounterTable, threads: number, thread: number, fallback: SharedCounters) {
    this.#table = table;
    this.#threads = threads;
    this.#thread = thread;
    this.#fallback = fallback;
    this.apply(table);
  }
  apply(table: CounterTable): void {
    this.#table = table;
    for (let index = this.#indexes.size; index < table.names.length; index++) this.#indexes.set(table.names[index] ?? '', index);
  }
  readonly counters: SharedCounters = (name) => {
    const index = this.#indexes.get(name);
    return index === undefined ? this.#fallback(name) : new TableCounter(this.#table.blocks, index, this.#threads, this.#thread);
  };
}

class TableCounter implements SharedCounter {
  readonly #cells: Int32Array;
  readonly #own: number;

  constructor(blocks: readonly SharedArrayBuffer[], index: number, threads: number, thread: number) {
    const block = blocks[Math.floor(index / namesPerBlock)] ?? new SharedArrayBuffer(4 * namesPerBlock * threads);
    this.#cells = new Int32Array(block, 4 * threads * (index % namesPerBlock), threads);
    this.#own = thread;
  }
  get value(): number {
    let sum = 0;
    for (let i = 0; i < this.#cells.length; i++) sum += Atomics.load(this.#cells, i);
    return sum;
  }
  add(n: number): void {
    Atomics.store(this.#cells, this.#own, (this.#cells[this.#own] ?? 0) + n);
  }
  clear(): void {
    Atomics.store(this.#cells, this.#own, 0);
  }
}
