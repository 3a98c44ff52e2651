import type { ReferencedAttributes } from '@xebec/protos/istio/mixer/v1/mixer';
import type { AttributeSet } from './attribute.ts';
import { type References, readReferences } from './references.ts';

interface Pattern<C, V> {
  readonly references: References<C>;
  readonly entries: Map<string, V>;
}

const maxPatterns = 64;
const maxEntries = 10_000;
/** Of keys: each entry has one, and headers of callers may be in it. */
const maxKeyCharacters = 4 * 1024 * 1024;

/** Values by what the attributes that decide them are, for answers that say which these are. Bounded: the oldest goes first. */
export class ReferenceCache<C, V> {
  readonly #patterns = new Map<string, Pattern<C, V>>();
  #entries = 0;
  #characters = 0;

  get size(): number {
    return this.#entries;
  }
  /** The first value for this call that `accept` takes; what it refuses is forgotten. */
  find(set: AttributeSet<C>, call: C, accept: (value: V) => boolean): V | undefined {
    for (const pattern of this.#patterns.values()) {
      const key = pattern.references.keyOf(set, call);
      const value = key === undefined ? undefined : pattern.entries.get(key);
      if (key === undefined || value === undefined) continue;
      if (accept(value)) return value;
      this.#forget(pattern, key);
    }
    return undefined;
  }
  /** Keeps what `make` returns for this call, unless there is something already; false when the answer says nothing of use. */
  put(set: AttributeSet<C>, call: C, message: ReferencedAttributes | undefined, make: () => V): boolean {
    const references = message === undefined ? undefined : readReferences<C>(message);
    const key = references?.keyOf(set, call);
    if (references === undefined || key === undefined) return false;
    let pattern = this.#patterns.get(references.signature);
    if (pattern === undefined) {
      if (this.#patterns.size >= maxPatterns) this.clear();
      pattern = { references, entries: new Map() };
      this.#patterns.set(references.signature, pattern);
    }
    this.#forget(pattern, key);
    while (this.#entries >= maxEntries || this.#characters + key.length > maxKeyCharacters) if (!this.#forgetOldest(pattern)) break;
    pattern.entries.set(key, make());
    this.#entries++;
    this.#characters += key.length;
    return true;
  }
  clear(): void {
    this.#patterns.clear();
    this.#entries = 0;
    this.#characters = 0;
  }
  #forget(pattern: Pattern<C, V>, key: string): void {
    if (!pattern.entries.delete(key)) return;
    this.#entries--;
    this.#characters -= key.length;
  }
  /** Of the pattern that grows, or where that has none, of any. */
  #forgetOldest(growing: Pattern<C, V>): boolean {
    for (const pattern of [growing, ...this.#patterns.values()]) {
      const oldest = pattern.entries.keys().next();
      if (oldest.done === true) continue;
      this.#forget(pattern, oldest.value);
      return true;
    }
    return false;
  }
}
