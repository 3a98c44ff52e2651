import { formatValue, type TypedValue } from '@xebec/expressions';
import { FieldRow } from '@xebec/policy';

/** A number, or the numbers of a distribution, of one label combination. */
export interface Series {
  /** Of counters and gauges. */
  value: number;
  /** Of distributions: values at most each bound and above the one before, and above all in the last. */
  readonly counts: Float64Array | undefined;
  count: number;
  sum: number;
  /** When the metric was last looked at before something was added, in milliseconds; see `expire` of the metric. */
  last: number;
}

/** One combination of label values, and the series that metrics with these label names have for it, by the metric's index. */
export interface LabelSet {
  /** The object stays the same, by which prom-client remembers its text. */
  readonly labels: Readonly<Record<string, string>>;
  readonly ids: Int32Array;
  readonly series: (Series | undefined)[];
}

export type Dimensions = ReadonlyMap<string, TypedValue>;

const NO_DIMENSIONS: Dimensions = new Map();

/**
 * The label combinations of all metrics with the same label names. The metrics of one request share their dimensions, so its labels are
 * looked up once, value by value: no text is put together.
 */
export class LabelSets {
  readonly #names: readonly string[];
  /** Values that some combination has, numbered. */
  readonly #ids = new Map<string, number>();
  readonly #byHash = new Map<number, LabelSet[]>();
  #nextId = 0;
  readonly #wanted: Int32Array;
  readonly #used: boolean[] = [];
  #rowNames: readonly string[] | undefined;
  #places: readonly number[] = [];
  #last: { readonly dimensions: Dimensions; readonly set: LabelSet } | undefined;

  constructor(names: readonly string[]) {
    this.#names = names;
    this.#wanted = new Int32Array(names.length);
  }
  /** An index for one more metric. */
  add(): number {
    const free = this.#used.indexOf(false);
    const index = free < 0 ? this.#used.length : free;
    this.#used[index] = true;
    return index;
  }
  /** Drops a metric and its series. */
  remove(index: number): void {
    this.#used[index] = false;
    this.drop(index, () => true);
  }
  /** Drops the series of a metric that `stale` is true of, and values of labels that no series has any more; returns how many. */
  drop(index: number, stale: (series: Series) => boolean): number {
    let dropped = 0;
    for (const set of this.all()) {
      const series = set.series[index];
      if (series === undefined || !stale(series)) continue;
      set.series[index] = undefined;
      dropped++;
    }
    if (dropped > 0) this.#forgetUnused();
    return dropped;
  }
  #forgetUnused(): void {
    const inUse = new Set<number>();
    for (const [hash, sets] of this.#byHash) {
      const kept = sets.filter(({ series }) => series.some((one) => one !== undefined));
      if (kept.length > 0) this.#byHash.set(hash, kept);
      else this.#byHash.delete(hash);
      for (const { ids } of kept) for (const id of ids) inUse.add(id);
    }
    for (const [text, id] of this.#ids) if (!inUse.has(id)) this.#ids.delete(text);
    this.#last = undefined;
  }
  /** Whether no metric is left. */
  get unused(): boolean {
    return !this.#used.includes(true);
  }
  find(given: Dimensions | undefined): LabelSet | undefined {
    const dimensions = given ?? NO_DIMENSIONS;
    const last = this.#last;
    if (last !== undefined && last.dimensions === dimensions) return last.set;
    const wanted = this.#wanted;
    const names = this.#names;
    const row = dimensions instanceof FieldRow ? dimensions.row : undefined;
    const places = dimensions instanceof FieldRow ? this.#placesIn(dimensions.names) : names;
    let hash = 0;
    for (let i = 0; i < names.length; i++) {
      const place = places[i];
      const typed = typeof place === 'number' ? row?.[place] : place === undefined ? undefined : dimensions.get(place);
      const id = this.#ids.get(labelText(typed));
      if (id === undefined) return undefined;
      wanted[i] = id;
      hash = (Math.imul(hash, 31) + id) | 0;
    }
    const set = this.#byHash.get(hash)?.find(({ ids }) => equal(ids, wanted));
    if (set !== undefined) this.#last = { dimensions, set };
    return set;
  }
  /** Where rows of a field have each label's value; -1 where they have none. Handlers see few kinds of rows. */
  #placesIn(names: readonly string[]): readonly number[] {
    if (this.#rowNames !== names) {
      this.#rowNames = names;
      this.#places = this.#names.map((name) => names.indexOf(name));
    }
    return this.#places;
  }
  /** To be called when `find` finds nothing. */
  create(given: Dimensions | undefined): LabelSet {
    const dimensions = given ?? NO_DIMENSIONS;
    const texts = this.#names.map((name) => labelText(dimensions.get(name)));
    const ids = Int32Array.from(texts, (text) => {
      const known = this.#ids.get(text) ?? this.#nextId++;
      this.#ids.set(text, known);
      return known;
    });
    const hash = ids.reduce((sum, id) => (Math.imul(sum, 31) + id) | 0, 0);
    const set: LabelSet = { labels: Object.fromEntries(this.#names.map((name, i) => [name, texts[i] ?? ''])), ids, series: [] };
    const others = this.#byHash.get(hash);
    if (others === undefined) this.#byHash.set(hash, [set]);
    else others.push(set);
    this.#last = { dimensions, set };
    return set;
  }
  *all(): Generator<LabelSet> {
    for (const sets of this.#byHash.values()) yield* sets;
  }
}

function equal(a: Int32Array, b: Int32Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Texts of response codes and the like: a bigint's own is slow to make. */
const SMALL = Array.from({ length: 1_000 }, (_, i) => String(i));

function labelText(typed: TypedValue | undefined): string {
  if (typed === undefined) return '';
  const { value } = typed;
  if (typeof value === 'string') return value;
  return (typed.type === 'INT64' ? SMALL[Number(value)] : undefined) ?? formatValue(typed);
}
