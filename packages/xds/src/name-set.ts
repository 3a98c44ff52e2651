import type { ResourceMap } from './resource.ts';
import { LayeredResources } from './resource-layer.ts';

/** What stands for every name, in a request. */
export const WILDCARD = '*';

/**
 * Names that a proxy asks for. It never changes, so that all streams which ask for the same hold the same one: a thousand proxies name the
 * same thousand clusters.
 */
export class NameSet implements Iterable<string> {
  readonly #names: ReadonlySet<string>;
  /** As they came in a request. */
  readonly list: readonly string[];
  readonly wildcard: boolean;
  /** The last set that was made from this one; the next stream makes the same change. */
  #next: { readonly change: string; readonly set: NameSet } | undefined;
  #gap: { readonly view: WeakRef<LayeredResources>; readonly missing: readonly string[] } | undefined;
  #difference: { readonly before: WeakRef<NameSet>; readonly added: readonly string[]; readonly removed: readonly string[] } | undefined;

  private constructor(list: readonly string[]) {
    this.list = list;
    const names = new Set(list);
    this.wildcard = names.delete(WILDCARD);
    this.#names = names;
  }
  /** The names of a request; the same array always gives the same set. `intern` gives the string that others hold for a name. */
  static of(names: readonly string[], intern: (name: string) => string = (name) => name): NameSet {
    if (names.length === 0) return NO_NAMES;
    let known = sets.get(names);
    if (known === undefined) {
      known = new NameSet(names.map(intern));
      sets.set(names, known);
    }
    return known;
  }
  get size(): number {
    return this.#names.size;
  }
  has(name: string): boolean {
    return this.#names.has(name);
  }
  [Symbol.iterator](): Iterator<string> {
    return this.#names[Symbol.iterator]();
  }
  /** As a set that nobody may change. */
  get names(): ReadonlySet<string> {
    return this.#names;
  }
  /** Whether a request names the same in the same order. */
  cameAs(names: readonly string[]): boolean {
    if (sets.get(names) === this) return true;
    return names.length === this.list.length && names.every((name, index) => name === this.list[index]);
  }
  with(names: readonly string[]): NameSet {
    const added = names.filter((name) => !this.#names.has(name));
    return added.length === 0 ? this : this.#changed(`+${JSON.stringify(added)}`, () => [...this.list, ...added]);
  }
  without(names: readonly string[]): NameSet {
    const removed = new Set(names.filter((name) => this.#names.has(name)));
    return removed.size === 0
      ? this
      : this.#changed(`-${JSON.stringify([...removed])}`, () => this.list.filter((name) => !removed.has(name)));
  }
  /** How it differs from another. */
  since(before: NameSet): { readonly added: readonly string[]; readonly removed: readonly string[] } {
    if (before === this) return { added: [], removed: [] };
    if (this.#difference?.before.deref() === before) return this.#difference;
    const difference = {
      before: new WeakRef(before),
      added: [...this.#names].filter((name) => !before.has(name)),
      removed: [...before].filter((name) => !this.#names.has(name)),
    };
    this.#difference = difference;
    return difference;
  }
  /** The names that `view` does not have, where it has none beside these; undefined where it has more. */
  covers(view: ResourceMap): { readonly missing: readonly string[] } | undefined {
    if (!(view instanceof LayeredResources)) return undefined;
    let missing = this.#gap?.view.deref() === view ? this.#gap.missing : undefined;
    if (missing === undefined) {
      missing = [...this.#names].filter((name) => !view.has(name));
      this.#gap = { view: new WeakRef(view), missing };
    }
    return this.size - missing.length === view.size ? { missing } : undefined;
  }

  #changed(change: string, list: () => readonly string[]): NameSet {
    if (this.#next?.change !== change) this.#next = { change, set: new NameSet(list()) };
    return this.#next.set;
  }
}

const sets = new WeakMap<readonly string[], NameSet>();
/** Nothing is asked for by name. */
export const NO_NAMES = NameSet.of(['']).without(['']);
