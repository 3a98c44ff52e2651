import { errorText } from '@xebec/core';
import { compileValueExpression, type FormatContext } from '@xebec/telemetry';
import type { FilterContext } from '../../http-filter.ts';

type Compute = (context: FormatContext) => string | number | boolean | undefined;

/** The expressions of a metrics filter's configuration, each once; streams have them all computed together. */
export class TagExpressions {
  readonly #context: FilterContext;
  readonly #computes: Compute[] = [];
  readonly #indices = new Map<string, number>();

  constructor(context: FilterContext) {
    this.#context = context;
  }
  get size(): number {
    return this.#computes.length;
  }
  /** Where the expression's value stands among all; undefined, and a line in the log, when it cannot be read. */
  add(source: string): number | undefined {
    const known = this.#indices.get(source);
    if (known !== undefined) return known;
    try {
      const index = this.#computes.push(compileValueExpression(source, { node: this.#context.node })) - 1;
      this.#indices.set(source, index);
      return index;
    } catch (error) {
      this.#context.logger.warn({ expression: source }, `expression of a metric cannot be read: ${errorText(error)}`);
      return undefined;
    }
  }
  /** All values as labels show them; what cannot be computed is `unknown`. */
  values(context: FormatContext): readonly string[] {
    return this.#computes.map((compute) => String(compute(context) ?? 'unknown'));
  }
}

export const noValues: readonly string[] = [];
