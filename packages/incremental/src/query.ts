import type { Engine } from './engine.ts';
import { MemoTable } from './memo-table.ts';

export interface QueryOptions<R> {
  /** Whether a new result says nothing new: then the old one stays, and with it whatever was made from it. */
  readonly same?: (a: R, b: R) => boolean;
}

/** A function of a database, and of arguments that are told apart by identity, whose results are kept. */
export type Query<D extends object, A extends readonly unknown[], R> = (database: D, ...args: A) => R;

const engines = new WeakMap<object, Engine>();

/** Lets queries about `database` record what they read with `engine`: its accessors must read through inputs of that engine. */
export function attach(engine: Engine, database: object): void {
  engines.set(database, engine);
}

/**
 * Turns a pure function into a query. Over a database that is attached to an engine its results are kept as long as what they were made
 * from has not changed. Over any other the database itself must never change, and results are kept as long as it is.
 *
 * The function must take everything from its arguments and from other queries, and its result must not hold a subject or read one later.
 */
export function query<D extends object, A extends readonly unknown[], R>(
  name: string,
  compute: (database: D, ...args: A) => R,
  options: QueryOptions<R> = {},
): Query<D, A, R> {
  const same = options.same ?? Object.is;
  const tables = new WeakMap<D, MemoTable<D, A, R>>();
  const frozen = new WeakMap<D, Branch<R>>();
  return (database, ...args) => {
    const engine = engines.get(database);
    if (engine === undefined) return keep(frozen, database, args, () => compute(database, ...args));
    let table = tables.get(database);
    if (table === undefined) {
      table = new MemoTable(engine, database, { name, compute, same });
      engine.register(table);
      tables.set(database, table);
    }
    return table.get(args);
  };
}

interface Branch<R> {
  readonly next: Map<unknown, Branch<R>>;
  result?: { readonly value: R };
}

function keep<D extends object, R>(results: WeakMap<D, Branch<R>>, database: D, args: readonly unknown[], compute: () => R): R {
  let branch = results.get(database);
  if (branch === undefined) {
    branch = { next: new Map() };
    results.set(database, branch);
  }
  for (const arg of args) {
    let next: Branch<R> | undefined = branch.next.get(arg);
    if (next === undefined) {
      next = { next: new Map() };
      branch.next.set(arg, next);
    }
    branch = next;
  }
  branch.result ??= { value: compute() };
  return branch.result.value;
}
