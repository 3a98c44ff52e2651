import type { Dependency } from './node.ts';

/** A value from outside that may be another in each revision. */
export class Input<T> implements Dependency {
  readonly #revisions: { readonly revision: number };
  readonly #read: () => T;
  readonly #same: (a: T, b: T) => boolean;
  readonly reads: readonly Dependency[] = [];
  changedAt: number;
  mark = 0;
  #verifiedAt: number;
  #value: T;

  constructor(revisions: { readonly revision: number }, read: () => T, same: (a: T, b: T) => boolean) {
    this.#revisions = revisions;
    this.#read = read;
    this.#same = same;
    this.#value = read();
    this.changedAt = revisions.revision;
    this.#verifiedAt = revisions.revision;
  }
  get value(): T {
    return this.#value;
  }
  refresh(): void {
    const { revision } = this.#revisions;
    if (this.#verifiedAt === revision) return;
    const value = this.#read();
    if (!this.#same(this.#value, value)) {
      this.#value = value;
      this.changedAt = revision;
    }
    this.#verifiedAt = revision;
  }
}
