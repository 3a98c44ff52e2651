import { err, nearest, ok, type Result, type Violation } from '@xebec/core';
import { type CompiledExpression, compileExpression, type Vocabulary } from '@xebec/expressions';
import type { RuleSpec } from '@xebec/schemas';
import type { Handler } from './adapter.ts';
import { type CompiledInstance, toViolation } from './compile-instance.ts';

export interface CompiledHandler {
  /** `name.namespace`. */
  readonly name: string;
  readonly adapter: string;
  readonly templates: readonly string[];
  readonly handler: Handler;
}

export interface CompiledAction {
  readonly handler: CompiledHandler;
  readonly instances: readonly CompiledInstance[];
}

export interface CompiledHeaderOperation {
  readonly name: string;
  readonly operation: 'REPLACE' | 'REMOVE' | 'APPEND';
  readonly values: readonly CompiledExpression[];
}

export interface CompiledRule {
  /** `name.namespace`. */
  readonly name: string;
  readonly namespace: string;
  /** Undefined: always. */
  readonly match: CompiledExpression | undefined;
  readonly actions: readonly CompiledAction[];
  readonly requestHeaders: readonly CompiledHeaderOperation[];
  readonly responseHeaders: readonly CompiledHeaderOperation[];
}

export interface RuleScope {
  readonly vocabulary: Vocabulary;
  /** By `name.namespace`. */
  readonly handlers: ReadonlyMap<string, CompiledHandler>;
  readonly instances: ReadonlyMap<string, CompiledInstance>;
}

/** `name`, `name.namespace` or `name.kind.namespace` as `name.namespace`; `name.kind` too, where that kind is the one meant. */
export function resolveReference(reference: string, kind: string, namespace: string): string {
  const parts = reference.split('.');
  const [name = '', second = namespace, third] = parts;
  if (third !== undefined) return `${name}.${third}`;
  return `${name}.${second === kind ? namespace : second}`;
}

export function compileRule(name: string, namespace: string, spec: RuleSpec, scope: RuleScope): Result<CompiledRule> {
  const violations: Violation[] = [];
  let match: CompiledExpression | undefined;
  if (spec.match !== undefined && spec.match.trim() !== '') {
    const compiled = compileExpression(spec.match, scope.vocabulary, 'BOOL');
    if (compiled.ok) match = compiled.value;
    else violations.push(toViolation('spec.match', compiled.error));
  }
  const actions: CompiledAction[] = [];
  for (const [i, action] of (spec.actions ?? []).entries()) {
    const path = `spec.actions[${i}]`;
    const handler = find(scope.handlers, action.handler, 'handler', namespace, `${path}.handler`, violations);
    const instances: CompiledInstance[] = [];
    for (const [j, reference] of (action.instances ?? []).entries()) {
      const at = `${path}.instances[${j}]`;
      const instance = find(scope.instances, reference, 'instance', namespace, at, violations);
      if (instance === undefined || handler === undefined) continue;
      const template = instance.template.name;
      if (handler.templates.includes(template)) instances.push(instance);
      else violations.push({ path: at, message: `adapter ${handler.adapter} takes ${handler.templates.join(', ')}, not ${template}` });
    }
    if (handler !== undefined) actions.push({ handler, instances });
  }
  const requestHeaders = headerOperations('requestHeaderOperations', spec, scope.vocabulary, violations);
  const responseHeaders = headerOperations('responseHeaderOperations', spec, scope.vocabulary, violations);
  return violations.length > 0 ? err(violations) : ok({ name, namespace, match, actions, requestHeaders, responseHeaders });
}

function find<T>(known: ReadonlyMap<string, T>, reference: string, kind: string, namespace: string, path: string, violations: Violation[]) {
  const name = resolveReference(reference, kind, namespace);
  // Instances are named by their template too: `requestcount.metric.istio-system` and `requestcount.metric`.
  const [first = '', second] = reference.split('.');
  const found = known.get(name) ?? (second !== undefined && kind === 'instance' ? known.get(`${first}.${namespace}`) : undefined);
  if (found === undefined) {
    const suggestion = nearest(name, known.keys());
    const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
    violations.push({ path, message: `there is no usable ${kind} "${name}"${hint}`, ...(suggestion === undefined ? {} : { suggestion }) });
  }
  return found;
}

function headerOperations(
  key: 'requestHeaderOperations' | 'responseHeaderOperations',
  spec: RuleSpec,
  vocabulary: Vocabulary,
  violations: Violation[],
): CompiledHeaderOperation[] {
  return (spec[key] ?? []).map(({ name, operation = 'REPLACE', values = [] }, i) => ({
    name,
    operation,
    values: values.flatMap((text, j) => {
      const compiled = compileExpression(text, vocabulary, 'STRING');
      if (!compiled.ok) violations.push(toViolation(`spec.${key}[${i}].values[${j}]`, compiled.error));
      return compiled.ok ? [compiled.value] : [];
    }),
  }));
}
