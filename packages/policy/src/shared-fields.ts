import { err, ok, type Result } from '@xebec/core';
import type { AttributeBag, CompiledExpression, ReferenceTracker, TypedValue } from '@xebec/expressions';
import { FieldRow } from './field-row.ts';

/** A map of expressions, such as the dimensions of a metric. */
export interface FieldMap {
  /** Fails with one line that names the entry. */
  evaluate(bag: AttributeBag, tracker: ReferenceTracker | undefined): Result<ReadonlyMap<string, TypedValue>, string>;
}

/**
 * Evaluates its entries once per bag: the instances of one policy that have the same entries share one of these, and get the same map
 * back, by which adapters may know it again.
 */
class SharedMap implements FieldMap {
  readonly #names: readonly string[];
  readonly #expressions: readonly CompiledExpression[];
  #bag: AttributeBag | undefined;
  #result: Result<ReadonlyMap<string, TypedValue>, string> | undefined;

  constructor(entries: ReadonlyMap<string, CompiledExpression>) {
    this.#names = [...entries.keys()];
    this.#expressions = [...entries.values()];
  }
  evaluate(bag: AttributeBag, tracker: ReferenceTracker | undefined): Result<ReadonlyMap<string, TypedValue>, string> {
    // Whoever tracks wants to hear of every read.
    if (tracker !== undefined) return this.#run(bag, tracker);
    if (this.#result === undefined || this.#bag !== bag) {
      this.#bag = bag;
      this.#result = this.#run(bag, undefined);
    }
    return this.#result;
  }
  #run(bag: AttributeBag, tracker: ReferenceTracker | undefined): Result<ReadonlyMap<string, TypedValue>, string> {
    const expressions = this.#expressions;
    const row: TypedValue[] = [];
    for (let i = 0; i < expressions.length; i++) {
      const expression = expressions[i];
      if (expression === undefined) continue;
      const result = expression.evaluate(bag, tracker);
      if (!result.ok) return err(`${this.#names[i] ?? ''}: ${result.error.message}`);
      row.push({ type: expression.type, value: result.value });
    }
    return ok(new FieldRow(this.#names, row));
  }
}

/** The maps of one policy: equal ones are one. */
export class SharedFields {
  readonly #maps = new Map<string, SharedMap>();

  /** `language` tells expressions apart that are written alike. */
  map(entries: ReadonlyMap<string, CompiledExpression>, language: string): FieldMap {
    const key = JSON.stringify([language, [...entries].map(([entry, { text }]) => [entry, text])]);
    let shared = this.#maps.get(key);
    if (shared === undefined) {
      shared = new SharedMap(entries);
      this.#maps.set(key, shared);
    }
    return shared;
  }
}
