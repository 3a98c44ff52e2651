import { type CelInput, celEnv, isCelError, parse, plan } from '@bufbuild/cel';
import { err, ok, type Result } from '@xebec/core';
import { RE2JS } from 're2js';
import type { CompiledExpression, EvaluationFailure } from '../compile.ts';
import { MAX_EXPRESSION_LENGTH } from '../parser.ts';
import type { ExpressionProblem } from '../problem.ts';
import type { ReferenceTracker } from '../references.ts';
import type { AttributeBag, Value, ValueType } from '../value.ts';
import type { Vocabulary } from '../vocabulary.ts';
import { type AttributeUse, CelProblem, resolveAttributes } from './cel-attributes.ts';
import { celFunctions } from './cel-functions.ts';
import { typeOf } from './cel-types.ts';
import { fromCel, toCel } from './cel-values.ts';

const environment = celEnv({ funcs: [...celFunctions], re2: { compile: (pattern) => matcher(pattern) } });

function matcher(pattern: string): { test(text: string): boolean } {
  const compiled = RE2JS.compile(pattern);
  return { test: (text) => compiled.matcher(text).find() };
}

/**
 * Compiles an expression of the Common Expression Language over the same attributes as CEXL, with release 1.4's functions and its macros
 * `conditional` and `pick`. Names and functions must be known, and types are checked where they are plain to see; the rest shows when it is
 * evaluated. An attribute that is absent counts as empty unless `has` or `pick` asks.
 */
export function compileCel(text: string, vocabulary: Vocabulary, expected?: ValueType): Result<CompiledExpression, ExpressionProblem> {
  if (text.length > MAX_EXPRESSION_LENGTH)
    return err({ column: MAX_EXPRESSION_LENGTH, message: `the expression has more than ${MAX_EXPRESSION_LENGTH} characters` });
  try {
    const { expr, sourceInfo } = parse(text);
    if (expr === undefined) return err({ column: 1, message: 'the expression is empty' });
    const column = (id: bigint): number => (sourceInfo?.positions[String(id)] ?? 0) + 1;
    const uses = resolveAttributes(expr, vocabulary, column);
    const type = typeOf(expr, uses, column);
    if (expected !== undefined && type !== undefined && type !== expected && !(type === 'STRING' && isText(expected)))
      return err({ column: 1, message: `the expression is of type ${type}, but ${expected} is expected here` });
    return ok(new CelExpression(text, expected ?? type ?? 'STRING', plan(environment, expr), uses));
  } catch (error) {
    if (error instanceof CelProblem) return err(error.problem);
    return err(parseProblem(error));
  }
}

/** Types whose values are text in their normal form. */
const isText = (type: ValueType): boolean => type === 'EMAIL_ADDRESS' || type === 'URI' || type === 'DNS_NAME';

function parseProblem(error: unknown): ExpressionProblem {
  const text = error instanceof Error ? error.message : String(error);
  const [, column = '1', rest = text] = /^(?:syntax error: )?<input>:\d+:(\d+): (.*)$/s.exec(text) ?? [];
  return { column: Number(column), message: rest };
}

class CelExpression implements CompiledExpression {
  readonly text: string;
  readonly type: ValueType;
  readonly #run: (context: Record<string, CelInput>) => unknown;
  readonly #uses: readonly AttributeUse[];

  constructor(text: string, type: ValueType, run: (context: Record<string, CelInput>) => unknown, uses: readonly AttributeUse[]) {
    this.text = text;
    this.type = type;
    this.#run = run;
    this.#uses = uses;
  }
  evaluate(bag: AttributeBag, tracker?: ReferenceTracker): Result<Value, EvaluationFailure> {
    const context: Record<string, CelInput> = {};
    for (const { variable, presence, name, type, keys } of this.#uses) {
      const attribute = bag.get(name);
      if (tracker !== undefined) record(tracker, name, keys, bag);
      context[variable] = toCel(type, attribute);
      context[presence] = attribute !== undefined;
    }
    const result = this.#run(context);
    if (isCelError(result)) return err({ message: result.message });
    const value = fromCel(this.type, result);
    return value === undefined ? err({ message: `the value is no ${this.type}` }) : ok(value);
  }
}

/** Entries alone where only they are read, so that answers stay cacheable. What is not evaluated after all is named too: that is safe. */
function record(tracker: ReferenceTracker, name: string, keys: ReadonlySet<string> | undefined, bag: AttributeBag): void {
  const attribute = bag.get(name);
  if (keys === undefined || attribute === undefined) {
    tracker.record(name, undefined, attribute !== undefined);
    return;
  }
  for (const key of keys) tracker.record(name, key, attribute?.form === 'stringMap' && attribute.value.has(key));
}
