import { Input } from './input.ts';
import { type Dependency, Frame } from './node.ts';
import type { Subject } from './subject.ts';

/** A value with what it was made from; holding it keeps all of that from being swept. */
export interface Observed<T> {
  readonly value: T;
  readonly reads: readonly Dependency[];
}

export interface EngineStats {
  /** How often each query was computed since the start. */
  readonly computed: ReadonlyMap<string, number>;
  /** Memo entries and inputs that are held now. */
  readonly entries: number;
}

/** A place where memo entries or inputs are kept. */
export interface Table {
  readonly size: number;
  /** Drops what does not carry the mark. */
  sweep(mark: number): void;
}

/** Entries are few at first; below this nobody looks for garbage. */
const FIRST_SWEEP = 10_000;

/**
 * Revisions, and the record of who read what. An input is read through `input`; a derived value is a `query`. While a query is computed
 * everything it reads is noted. In a new revision it is checked before it is used: its reads are brought up to date in the order in which
 * they were made, and only when one of them has another value is it computed again. A result that equals the old one stops the wave there.
 *
 * A subject is an argument of which only the fields that were read count (`trackSubject`), so that one memo entry serves all subjects
 * that are alike in these.
 */
export class Engine {
  readonly #tables: Table[] = [];
  readonly #computed = new Map<string, number>();
  readonly #facts = new Map<string, (raw: object) => unknown>();
  #revision = 1;
  #frame: Frame | undefined;
  #subject: { readonly tracked: object; readonly fields: Subject } | undefined;
  #mark = 0;
  #sweepAbove = FIRST_SWEEP;

  get revision(): number {
    return this.#revision;
  }
  /** @internal The subject for which things are computed now: as it is passed on, and its fields. */
  get subject(): { readonly tracked: object; readonly fields: Subject } | undefined {
    return this.#subject;
  }
  get stats(): EngineStats {
    return { computed: this.#computed, entries: this.#tables.reduce((sum, table) => sum + table.size, 0) };
  }
  /** Inputs may differ from now on. */
  advance(): void {
    if (this.#frame !== undefined) throw new Error('the inputs cannot change while something is computed from them');
    this.#revision++;
  }
  /**
   * Makes a reader of inputs, which are told apart by `keyOf`. Within one revision `read` must keep giving the same; in the next it is
   * asked again, and what is `same` as before counts as unchanged and keeps its identity.
   */
  input<A extends readonly unknown[], T>(
    read: (...args: A) => T,
    keyOf: (...args: A) => unknown,
    same: (a: T, b: T) => boolean = Object.is,
  ): (...args: A) => T {
    const inputs = new Map<unknown, Input<T>>();
    this.register({
      get size() {
        return inputs.size;
      },
      sweep: (mark) => {
        for (const [key, input] of inputs) if (input.mark !== mark) inputs.delete(key);
      },
    });
    return (...args) => {
      const key = keyOf(...args);
      let input = inputs.get(key);
      if (input === undefined) {
        input = new Input(this, () => read(...args), same);
        inputs.set(key, input);
      } else input.refresh();
      this.#frame?.read(input);
      return input.value;
    };
  }
  /** Computes something for a subject from queries and inputs. The result is not kept, but what it was made from is told. */
  observe<T>(subject: object | undefined, compute: () => T): Observed<T> {
    const [frame, before] = [this.#frame, this.#subject];
    const own = new Frame();
    this.#frame = own;
    this.#subject = subject === undefined ? undefined : { tracked: subject, fields: fieldsOf(subject) };
    try {
      return { value: compute(), reads: [...own.reads] };
    } finally {
      this.#frame = frame;
      this.#subject = before;
    }
  }
  /**
   * Drops all that none of `roots` was made from, when enough has gathered to be worth it: each sweep waits until twice as much is held as
   * the last one left. Returns whether it looked.
   */
  collect(roots: () => Iterable<Observed<unknown>>, force = false): boolean {
    if (!force && this.stats.entries < this.#sweepAbove) return false;
    const mark = ++this.#mark;
    const pending: Dependency[] = [];
    for (const root of roots()) pending.push(...root.reads);
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (next.mark === mark) continue;
      next.mark = mark;
      for (const read of next.reads) if (read.mark !== mark) pending.push(read);
    }
    for (const table of this.#tables) table.sweep(mark);
    this.#sweepAbove = Math.max(FIRST_SWEEP, this.stats.entries * 2);
    return true;
  }

  /** @internal */
  register(table: Table): void {
    this.#tables.push(table);
  }
  /** @internal Runs a computation and gives what it read. */
  record<T>(
    name: string,
    compute: () => T,
  ): { readonly value: T; readonly reads: readonly Dependency[]; readonly paths: readonly string[] } {
    this.#computed.set(name, (this.#computed.get(name) ?? 0) + 1);
    const before = this.#frame;
    const frame = new Frame();
    this.#frame = frame;
    try {
      const value = compute();
      return { value, reads: [...frame.reads], paths: [...frame.paths] };
    } finally {
      this.#frame = before;
    }
  }
  /** @internal Notes that the running computation used a derived value, and with it the fields of the subject that this had read. */
  note(dependency: Dependency, paths: readonly string[]): void {
    const frame = this.#frame;
    if (frame === undefined) return;
    frame.read(dependency);
    for (const path of paths) frame.paths.add(path);
  }
  /** @internal What a fact says of a subject. */
  factNamed(name: string): ((raw: object) => unknown) | undefined {
    return this.#facts.get(name);
  }
  /** @internal Finds a fact about a subject, which is noted instead of the fields that it is made from. */
  noteFact(subject: Subject, name: string, compute: (raw: object) => unknown): unknown {
    const known = this.#facts.get(name);
    if (known === undefined) this.#facts.set(name, compute);
    else if (known !== compute) throw new Error(`there are two facts named "${name}"`);
    this.notePath(subject, `!${name}`);
    return compute(subject.raw);
  }
  /** @internal Notes that a field of the subject was read. */
  notePath(subject: Subject, path: string): void {
    if (this.#frame === undefined) return;
    if (subject !== this.#subject?.fields)
      throw new Error(`a computation read "${path}" of a subject that it was not given: a memo kept one`);
    this.#frame.paths.add(path);
  }
}

const subjects = new WeakMap<object, Subject>();

/** @internal Tells which object stands for a subject. */
export function registerSubject(tracked: object, subject: Subject): void {
  subjects.set(tracked, subject);
}

/** @internal */
export function fieldsOfSubject(value: object): Subject | undefined {
  return subjects.get(value);
}

/** @internal */
export function isSubject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && subjects.has(value);
}

function fieldsOf(tracked: object): Subject {
  const subject = subjects.get(tracked);
  if (subject === undefined) throw new Error('only what trackSubject has given can be a subject');
  return subject;
}
