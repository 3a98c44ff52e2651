import { err, nearest, ok, type Result, type Violation } from '@xebec/core';
import {
  type AttributeBag,
  type AttributeValue,
  type CompiledExpression,
  expressionProblemText,
  type TypedValue,
  toAttributeValue,
  type Vocabulary,
} from '@xebec/expressions';
import { compileIn, type ExpressionLanguage } from './language.ts';
import type { TemplateDefinition } from './template.ts';

/** One attribute that an attribute generator's outputs make. */
export interface Binding {
  readonly attribute: string;
  /** Reads the request's attributes, and outputs as `$out.<name>`. */
  readonly expression: CompiledExpression;
}

/** Compiles `attributeBindings`: each value must have the type of the attribute that it becomes. */
export function compileBindings(
  template: TemplateDefinition,
  bindings: Readonly<Record<string, string>>,
  vocabulary: Vocabulary,
  language: ExpressionLanguage,
): Result<readonly Binding[]> {
  const names = Object.keys(bindings);
  if (template.outputs === undefined) {
    if (names.length === 0) return ok([]);
    return err([{ path: 'spec.attributeBindings', message: `template ${template.name} has no outputs that could become attributes` }]);
  }
  const scope = new Map(vocabulary);
  for (const [output, type] of Object.entries(template.outputs)) scope.set(`$out.${output}`, type);
  const violations: Violation[] = [];
  const compiled: Binding[] = [];
  for (const [attribute, text] of Object.entries(bindings)) {
    const path = `spec.attributeBindings["${attribute}"]`;
    const type = vocabulary.get(attribute);
    if (type === undefined) {
      const suggestion = nearest(attribute, vocabulary.keys());
      const hint = suggestion === undefined ? '; add it to an attributemanifest' : `; did you mean "${suggestion}"?`;
      violations.push({ path, message: `unknown attribute "${attribute}"${hint}`, ...(suggestion === undefined ? {} : { suggestion }) });
      continue;
    }
    const expression = compileIn(language, text, scope, type);
    if (expression.ok) compiled.push({ attribute, expression: expression.value });
    else violations.push({ path, message: expressionProblemText(expression.error) });
  }
  return violations.length > 0 ? err(violations) : ok(compiled);
}

export type Outputs = Readonly<Record<string, TypedValue>>;

/** The attributes that the bindings make of outputs. A binding without a value leaves its attribute as it was, and `failed` hears why. */
export function bindOutputs(
  bindings: readonly Binding[],
  outputs: Outputs,
  bag: AttributeBag,
  failed: (message: string) => void,
): ReadonlyMap<string, AttributeValue> {
  const scope = withOutputs(bag, '$out.', outputs);
  const made = new Map<string, AttributeValue>();
  for (const { attribute, expression } of bindings) {
    const result = expression.evaluate(scope);
    if (result.ok) made.set(attribute, toAttributeValue({ type: expression.type, value: result.value }));
    else failed(`attribute ${attribute}: ${result.error.message}`);
  }
  return made;
}

/** A bag in which outputs stand as attributes whose names start with `prefix`. */
export function withOutputs(bag: AttributeBag, prefix: string, outputs: Outputs): AttributeBag {
  const scope = new Map(bag);
  for (const [name, value] of Object.entries(outputs)) scope.set(`${prefix}${name}`, toAttributeValue(value));
  return scope;
}
