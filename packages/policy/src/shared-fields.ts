import { err, ok, type Result } from '@xebec/core';
import type { AttributeBag, CompiledExpression, ReferenceTracker, TypedValue } from '@xebec/expressions';

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
  readonly #entries: readonly (readonly [string, CompiledExpression])[];
  #bag: AttributeBag | undefined;
  #result: Result<ReadonlyMap<string, TypedValue>, string> | undefined;

  constructor(entries: ReadonlyMap<string, CompiledExpression>) {
    this.#entries = [...entries];
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
    const values = new Map<string, TypedValue>();
    for (const [entry, expression] of this.#entries) {
      const result = expression.evaluate(bag, tracker);
      if (!result.ok) return err(`${entry}: ${result.error.message}`);
      values.set(entry, { type: expression.type, value: result.value });
    }
    return ok(values);
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
