import { err, nearest, ok, type Result, type Violation } from '@xebec/core';
import {
  type AttributeBag,
  type CompiledExpression,
  compileExpression,
  type ExpressionProblem,
  expressionProblemText,
  type ReferenceTracker,
  type TypedValue,
  type ValueType,
  type Vocabulary,
} from '@xebec/expressions';
import type { InstanceSpec } from '@xebec/schemas';
import type { InstanceValue } from './adapter.ts';
import { type TemplateDefinition, templates } from './template.ts';

export interface CompiledInstance {
  /** `name.namespace`. */
  readonly name: string;
  readonly template: TemplateDefinition;
  /** Fails with one line when an expression has no value. */
  build(bag: AttributeBag, tracker?: ReferenceTracker): Result<InstanceValue, string>;
}

type Field = CompiledExpression | ReadonlyMap<string, CompiledExpression>;

/** Compiles an instance object: its params are expressions, checked against the attribute vocabulary. */
export function compileInstance(name: string, spec: InstanceSpec, vocabulary: Vocabulary): Result<CompiledInstance> {
  const templateName = spec.compiledTemplate ?? spec.template ?? '';
  const template = templates.get(templateName);
  if (template === undefined) {
    const suggestion = nearest(templateName, templates.keys());
    const message =
      templateName === ''
        ? `required field is missing; it is one of ${[...templates.keys()].join(', ')}`
        : `unknown template "${templateName}"${suggestion === undefined ? '' : `; did you mean "${suggestion}"?`}`;
    return err([{ path: 'spec.compiledTemplate', message }]);
  }
  const violations: Violation[] = [];
  const fields = new Map<string, Field>();
  const expression = (path: string, text: unknown, type?: ValueType): CompiledExpression | undefined => {
    const compiled = compileExpression(sourceText(text), vocabulary, type);
    if (compiled.ok) return compiled.value;
    violations.push(toViolation(path, compiled.error));
    return undefined;
  };
  for (const [key, raw] of Object.entries(spec.params ?? {})) {
    const path = `spec.params.${key}`;
    const definition = template.fields[key];
    if (definition === undefined) {
      const suggestion = nearest(key, Object.keys(template.fields));
      const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
      violations.push({ path, message: `template ${template.name} has no field "${key}"${hint}` });
    } else if (definition.shape === 'value') {
      const compiled = expression(path, raw, definition.type);
      if (compiled !== undefined) fields.set(key, compiled);
    } else if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
      violations.push({ path, message: 'must be a map of expressions' });
    } else {
      const entries = new Map<string, CompiledExpression>();
      for (const [entry, text] of Object.entries(raw)) {
        const compiled = expression(`${path}.${entry}`, text);
        if (compiled !== undefined) entries.set(entry, compiled);
      }
      fields.set(key, entries);
    }
  }
  for (const [key, { required }] of Object.entries(template.fields)) {
    if (required === true && spec.params?.[key] === undefined)
      violations.push({ path: `spec.params.${key}`, message: 'required field is missing' });
  }
  return violations.length > 0
    ? err(violations)
    : ok({ name, template, build: (bag, tracker) => build(name, template, fields, bag, tracker) });
}

export function toViolation(path: string, problem: ExpressionProblem): Violation {
  const { suggestion } = problem;
  return { path, message: expressionProblemText(problem), ...(suggestion === undefined ? {} : { suggestion }) };
}

/** YAML makes `value: 1` a number and `flag: true` a boolean; as expressions they are their own text. */
function sourceText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null);
}

function build(
  name: string,
  template: TemplateDefinition,
  fields: ReadonlyMap<string, Field>,
  bag: AttributeBag,
  tracker: ReferenceTracker | undefined,
): Result<InstanceValue, string> {
  const values: Record<string, TypedValue | ReadonlyMap<string, TypedValue>> = {};
  for (const [key, field] of fields) {
    if (!(field instanceof Map)) {
      const one = field as CompiledExpression; // the other half of the union
      const result = one.evaluate(bag, tracker);
      if (!result.ok) return err(`instance ${name}: ${key}: ${result.error.message}`);
      values[key] = { type: one.type, value: result.value };
      continue;
    }
    const entries = new Map<string, TypedValue>();
    for (const [entry, expression] of field) {
      const result = expression.evaluate(bag, tracker);
      if (!result.ok) return err(`instance ${name}: ${key}.${entry}: ${result.error.message}`);
      entries.set(entry, { type: expression.type, value: result.value });
    }
    values[key] = entries;
  }
  return ok({ name, template: template.name, fields: values });
}
