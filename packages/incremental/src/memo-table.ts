import { type Engine, isSubject } from './engine.ts';
import type { Dependency } from './node.ts';

/** A pure function whose results are kept. */
export interface Definition<D, A extends readonly unknown[], R> {
  readonly name: string;
  readonly compute: (database: D, ...args: A) => R;
  readonly same: (a: R, b: R) => boolean;
}

/** Entries that read the same fields of their subject, by the values that they found there. */
interface Shape<E> {
  readonly paths: readonly string[];
  readonly entries: Map<string, E>;
}

/** What is kept for a list of arguments, one level an argument. */
interface Branch<E> {
  readonly next: Map<unknown, Branch<E>>;
  readonly shapes: Shape<E>[];
}

/** Stands for the subject among arguments: an entry may serve many. */
const SUBJECT = Symbol('subject');

/** The kept results of one query over one database. */
export class MemoTable<D, A extends readonly unknown[], R> {
  readonly engine: Engine;
  readonly #definition: Definition<D, A, R>;
  readonly #database: D;
  readonly #root: Branch<MemoEntry<D, A, R>> = { next: new Map(), shapes: [] };
  #size = 0;

  constructor(engine: Engine, database: D, definition: Definition<D, A, R>) {
    this.engine = engine;
    this.#database = database;
    this.#definition = definition;
  }
  get size(): number {
    return this.#size;
  }
  get(args: A): R {
    let branch = this.#root;
    for (const arg of args) branch = childOf(branch, this.#keyOfArgument(arg));
    this.#find(branch)?.refresh();
    // Computed again, it may have read other fields and so have made room for another.
    const entry = this.#find(branch) ?? this.compute(branch, args);
    this.engine.note(entry, entry.shape.paths);
    return entry.value;
  }
  same(a: R, b: R): boolean {
    return this.#definition.same(a, b);
  }
  /** Computes a result and keeps it; when it belongs where `before` is, that one is brought up to date instead. */
  compute(branch: Branch<MemoEntry<D, A, R>>, args: A, before?: MemoEntry<D, A, R>): MemoEntry<D, A, R> {
    const { name, compute } = this.#definition;
    const { value, reads, paths } = this.engine.record(name, () => compute(this.#database, ...args));
    const shape = shapeOf(branch, paths);
    if (before !== undefined && shape === before.shape) {
      before.update(value, reads);
      return before;
    }
    before?.end();
    const entry = new MemoEntry(this, branch, shape, args.map(withoutSubject), value, reads);
    const key = this.#keyOfPaths(shape.paths);
    if (!shape.entries.has(key)) this.#size++;
    shape.entries.set(key, entry);
    return entry;
  }
  computeAgain(entry: MemoEntry<D, A, R>): void {
    const tracked = this.engine.subject?.tracked;
    // The arguments are those of the first computation in their order, with the subject of now in the place of the one of then.
    const args = entry.args.map((arg) => (arg === SUBJECT ? tracked : arg)) as unknown as A;
    this.compute(entry.branch, args, entry);
  }
  /** Takes out an entry that found other fields to read, under whichever subject it was computed again. */
  remove(entry: MemoEntry<D, A, R>): void {
    const key = this.#keyOfPaths(entry.shape.paths);
    if (entry.shape.entries.get(key) === entry && entry.shape.entries.delete(key)) this.#size--;
  }
  sweep(mark: number): void {
    this.#sweep(this.#root, mark);
  }

  #keyOfArgument(arg: unknown): unknown {
    if (!isSubject(arg)) return arg;
    if (arg !== this.engine.subject?.tracked) throw new Error(`${this.#definition.name} was asked about a subject that is not observed`);
    return SUBJECT;
  }
  #find(branch: Branch<MemoEntry<D, A, R>>): MemoEntry<D, A, R> | undefined {
    for (const shape of branch.shapes) {
      const entry = shape.entries.get(this.#keyOfPaths(shape.paths));
      if (entry !== undefined) return entry;
    }
    return undefined;
  }
  #keyOfPaths(paths: readonly string[]): string {
    return paths.length === 0 ? '' : (this.engine.subject?.fields.keyOf(paths) ?? '');
  }
  /** Returns whether nothing is left of the branch. */
  #sweep(branch: Branch<MemoEntry<D, A, R>>, mark: number): boolean {
    for (const [arg, next] of branch.next) if (this.#sweep(next, mark)) branch.next.delete(arg);
    for (const { entries } of branch.shapes) {
      for (const [key, entry] of entries) {
        if (entry.mark === mark) continue;
        entries.delete(key);
        this.#size--;
      }
    }
    const used = branch.shapes.filter(({ entries }) => entries.size > 0);
    branch.shapes.splice(0, branch.shapes.length, ...used);
    return branch.next.size === 0 && used.length === 0;
  }
}

function withoutSubject(arg: unknown): unknown {
  return isSubject(arg) ? SUBJECT : arg;
}

function childOf<E>(branch: Branch<E>, arg: unknown): Branch<E> {
  let next = branch.next.get(arg);
  if (next === undefined) {
    next = { next: new Map(), shapes: [] };
    branch.next.set(arg, next);
  }
  return next;
}

function shapeOf<E>(branch: Branch<E>, paths: readonly string[]): Shape<E> {
  const known = branch.shapes.find((shape) => shape.paths.length === paths.length && shape.paths.every((path, i) => path === paths[i]));
  if (known !== undefined) return known;
  const shape: Shape<E> = { paths, entries: new Map() };
  branch.shapes.push(shape);
  return shape;
}

/** One kept result, and what it was made from. */
class MemoEntry<D, A extends readonly unknown[], R> implements Dependency {
  readonly #table: MemoTable<D, A, R>;
  readonly branch: Branch<MemoEntry<D, A, R>>;
  readonly shape: Shape<MemoEntry<D, A, R>>;
  readonly args: readonly unknown[];
  mark = 0;
  #value: R;
  #reads: readonly Dependency[];
  #changedAt: number;
  #verifiedAt: number;
  #ended = false;

  constructor(
    table: MemoTable<D, A, R>,
    branch: Branch<MemoEntry<D, A, R>>,
    shape: Shape<MemoEntry<D, A, R>>,
    args: readonly unknown[],
    value: R,
    reads: readonly Dependency[],
  ) {
    this.#table = table;
    this.branch = branch;
    this.shape = shape;
    this.args = args;
    this.#value = value;
    this.#reads = reads;
    this.#changedAt = table.engine.revision;
    this.#verifiedAt = table.engine.revision;
  }
  get value(): R {
    return this.#value;
  }
  get reads(): readonly Dependency[] {
    return this.#reads;
  }
  get changedAt(): number {
    return this.#changedAt;
  }
  refresh(): void {
    const { revision } = this.#table.engine;
    if (this.#ended || this.#verifiedAt === revision) return;
    for (const read of this.#reads) {
      read.refresh();
      if (read.changedAt > this.#verifiedAt) {
        this.#table.computeAgain(this);
        return;
      }
    }
    this.#verifiedAt = revision;
  }
  /** A new result, of which nobody needs to know when it is the same as before. */
  update(value: R, reads: readonly Dependency[]): void {
    const { revision } = this.#table.engine;
    if (!this.#table.same(this.#value, value)) {
      this.#value = value;
      this.#changedAt = revision;
    }
    this.#reads = reads;
    this.#verifiedAt = revision;
  }
  /** Whoever used it must look again. */
  end(): void {
    this.#table.remove(this);
    this.#ended = true;
    this.#changedAt = this.#table.engine.revision;
  }
}
