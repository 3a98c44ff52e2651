interface Entry<T> {
  readonly item: T;
  deadline: number;
  readonly order: number;
}

/** Earliest deadline first: an item of weight w comes up w times as often as one of weight 1, evenly spread. */
export class EdfSchedule<T> {
  readonly #heap: Entry<T>[] = [];
  readonly #weightOf: (item: T) => number;
  #now = 0;

  constructor(items: readonly T[], weightOf: (item: T) => number) {
    this.#weightOf = weightOf;
    items.forEach((item, order) => {
      this.#heap.push({ item, deadline: 1 / weightOf(item), order });
      this.#up(this.#heap.length - 1);
    });
  }
  /** The next item; its weight is asked for again for its next turn. */
  next(): T | undefined {
    const first = this.#heap[0];
    if (first === undefined) return undefined;
    this.#now = first.deadline;
    first.deadline = this.#now + 1 / this.#weightOf(first.item);
    this.#down();
    return first.item;
  }
  #before(a: number, b: number): boolean {
    const left = this.#heap[a] as Entry<T>;
    const right = this.#heap[b] as Entry<T>;
    return left.deadline < right.deadline || (left.deadline === right.deadline && left.order < right.order);
  }
  #swap(a: number, b: number): void {
    const held = this.#heap[a] as Entry<T>;
    this.#heap[a] = this.#heap[b] as Entry<T>;
    this.#heap[b] = held;
  }
  #up(from: number): void {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }
  #down(): void {
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < this.#heap.length && this.#before(child, least)) least = child;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }
}
