/** Something with the id of a stream. */
interface WithId {
  readonly id: number;
}

const firstSize = 8;

/**
 * The open streams of a connection by id: open addressing, nothing left behind by what was removed. A `Map` makes a new table every
 * few removals, and old tables that have reached the old generation keep all that followed them alive until a full collection.
 */
export class StreamTable<Stream extends WithId> {
  #slots: (Stream | undefined)[] = [];
  #mask = -1;
  #size = 0;

  get size(): number {
    return this.#size;
  }
  get(id: number): Stream | undefined {
    if (this.#size === 0) return undefined;
    const slots = this.#slots;
    for (let at = (id >> 1) & this.#mask; ; at = (at + 1) & this.#mask) {
      const stream = slots[at];
      if (stream === undefined || stream.id === id) return stream;
    }
  }
  /** `stream` must not be in the table. */
  add(stream: Stream): void {
    if (this.#size * 2 > this.#mask) this.#grow();
    this.#place(stream);
    this.#size++;
  }
  delete(id: number): boolean {
    if (this.#size === 0) return false;
    const slots = this.#slots;
    const mask = this.#mask;
    let hole = (id >> 1) & mask;
    for (; slots[hole]?.id !== id; hole = (hole + 1) & mask) if (slots[hole] === undefined) return false;
    this.#size--;
    // What was pushed past its place by the removed one moves back.
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const stream = slots[at];
      if (stream === undefined) break;
      const home = (stream.id >> 1) & mask;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      slots[hole] = stream;
      hole = at;
    }
    slots[hole] = undefined;
    return true;
  }
  /** A copy, to be walked while streams come and go. */
  all(): Stream[] {
    const found: Stream[] = [];
    for (const stream of this.#slots) if (stream !== undefined) found.push(stream);
    return found;
  }
  #place(stream: Stream): void {
    let at = (stream.id >> 1) & this.#mask;
    while (this.#slots[at] !== undefined) at = (at + 1) & this.#mask;
    this.#slots[at] = stream;
  }
  #grow(): void {
    const streams = this.all();
    const size = Math.max(firstSize, 2 * this.#slots.length);
    this.#slots = new Array<Stream | undefined>(size).fill(undefined);
    this.#mask = size - 1;
    for (const stream of streams) this.#place(stream);
  }
}
