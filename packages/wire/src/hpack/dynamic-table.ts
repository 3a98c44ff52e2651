/** Overhead of an entry (RFC 7541 section 4.1). */
const entryOverhead = 32;

export function entrySize(name: string, value: string): number {
  return name.length + value.length + entryOverhead;
}

/** The dynamic table (RFC 7541 section 2.3.2): newest entry first, oldest evicted. */
export class DynamicTable {
  /** Name and value in turn, oldest first; `#start` is the first that still counts. */
  #entries: string[] = [];
  #start = 0;
  #size = 0;
  #maxSize: number;
  /** Called with each entry that goes, and the number of its insertion. */
  readonly #onEvict: ((name: string, value: string) => void) | undefined;
  /** How many entries have ever been added. */
  insertions = 0;
  /** Counts everything that may have changed the table. */
  changes = 0;

  constructor(maxSize: number, onEvict?: (name: string, value: string) => void) {
    this.#maxSize = maxSize;
    this.#onEvict = onEvict;
  }
  get length(): number {
    return (this.#entries.length - this.#start) / 2;
  }
  get maxSize(): number {
    return this.#maxSize;
  }
  /** 0 is the newest entry. */
  name(index: number): string | undefined {
    return index < this.length ? this.#entries[this.#entries.length - 2 - 2 * index] : undefined;
  }
  value(index: number): string | undefined {
    return index < this.length ? this.#entries[this.#entries.length - 1 - 2 * index] : undefined;
  }
  add(name: string, value: string): void {
    const size = entrySize(name, value);
    this.changes++;
    this.#evictTo(this.#maxSize - size);
    if (size > this.#maxSize) return;
    this.#entries.push(name, value);
    this.#size += size;
    this.insertions++;
  }
  resize(maxSize: number): void {
    this.#maxSize = maxSize;
    this.changes++;
    this.#evictTo(maxSize);
  }
  #evictTo(size: number): void {
    while (this.#size > size && this.length > 0) {
      const name = this.#entries[this.#start] as string;
      const value = this.#entries[this.#start + 1] as string;
      // What is gone must not be held until the array is cut.
      this.#entries[this.#start] = '';
      this.#entries[this.#start + 1] = '';
      this.#start += 2;
      this.#size -= entrySize(name, value);
      this.#onEvict?.(name, value);
    }
    if (this.#start > 256 && this.#start * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#start);
      this.#start = 0;
    }
  }
}
