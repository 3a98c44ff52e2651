import { err, nearest, ok, type Result, type Violation } from '@xebec/core';
import type { CompiledExpression, ValueType, Vocabulary } from '@xebec/expressions';
import type { RuleSpec } from '@xebec/schemas';
import type { Handler } from './adapter.ts';
import { type CompiledInstance, toViolation } from './compile-instance.ts';
import { compileIn, type ExpressionLanguage } from './language.ts';
import { compileSampling, type Sampler } from './sampling.ts';

export interface CompiledHandler {
  /** `name.namespace`. */
  readonly name: string;
  readonly adapter: string;
  readonly templates: readonly string[];
  readonly handler: Handler;
}

export interface CompiledAction {
  /** By which header operations name its outputs; empty: none. */
  readonly name: string;
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
  /** Which reports its actions get; undefined: all. */
  readonly sampler: Sampler | undefined;
}

export interface RuleScope {
  readonly vocabulary: Vocabulary;
  /** By `referenceName`. */
  readonly handlers: ReadonlyMap<string, CompiledHandler>;
  readonly instances: ReadonlyMap<string, CompiledInstance>;
  readonly language?: ExpressionLanguage;
  /**
   * Hears of actions, instances and header operations that are of no use; the rule does without them, as in release 1.4. They are
   * violations otherwise.
   */
  readonly onOmitted?: (violation: Violation) => void;
  /** Hears of those among them whose reference names what is not there. */
  readonly onMissing?: (violation: Violation) => void;
}

/** `name`, `name.namespace` or `name.kind.namespace` as `name.namespace`; `name.kind` too, where that kind is the one meant. */
export function resolveReference(reference: string, kind: string, namespace: string): string {
  const parts = reference.split('.');
  const [name = '', second = namespace, third] = parts;
  if (third !== undefined) return `${name}.${third}`;
  return `${name}.${second === kind ? namespace : second}`;
}

export function compileRule(name: string, namespace: string, spec: RuleSpec, scope: RuleScope): Result<CompiledRule> {
  const { language = 'CEXL', vocabulary } = scope;
  const violations: Violation[] = [];
  const omit = scope.onOmitted ?? ((violation: Violation) => void violations.push(violation));
  const missing = scope.onMissing ?? omit;
  let match: CompiledExpression | undefined;
  if (spec.match !== undefined && spec.match.trim() !== '') {
    const compiled = compileIn(language, spec.match, vocabulary, 'BOOL');
    if (compiled.ok) match = compiled.value;
    else violations.push(toViolation('spec.match', compiled.error));
  }
  const actions: CompiledAction[] = [];
  for (const [i, action] of (spec.actions ?? []).entries()) {
    const path = `spec.actions[${i}]`;
    const handler = find(scope.handlers, action.handler, 'handler', ({ adapter }) => adapter, namespace, `${path}.handler`, missing);
    const instances: CompiledInstance[] = [];
    for (const [j, reference] of (action.instances ?? []).entries()) {
      const at = `${path}.instances[${j}]`;
      const instance = find(scope.instances, reference, 'instance', ({ template }) => template.name, namespace, at, missing);
      if (instance === undefined || handler === undefined) continue;
      const template = instance.template.name;
      if (!handler.templates.includes(template))
        omit({ path: at, message: `adapter ${handler.adapter} takes ${handler.templates.join(', ')}, not ${template}` });
      else if (instances.includes(instance)) omit({ path: at, message: `instance ${instance.name} is here twice` });
      else instances.push(instance);
    }
    if (handler !== undefined) actions.push({ name: action.name ?? '', handler, instances });
  }
  const withOutputs = outputVocabulary(vocabulary, actions);
  const unusable: Violation[] = [];
  const requestHeaders = headerOperations('requestHeaderOperations', spec, withOutputs, language, unusable);
  const responseHeaders = headerOperations('responseHeaderOperations', spec, withOutputs, language, unusable);
  for (const violation of unusable) omit(violation);
  const sampling = compileSampling(spec.sampling, vocabulary);
  if (!sampling.ok) violations.push(...sampling.error);
  if (violations.length > 0 || !sampling.ok) return err(violations);
  // Some of the operations without the others might say what nobody meant.
  const headers = unusable.length > 0 ? { requestHeaders: [], responseHeaders: [] } : { requestHeaders, responseHeaders };
  return ok({ name, namespace, match, actions, ...headers, sampler: sampling.value });
}

/** What header operations may name besides attributes: `<action name>.output.<output>`. */
function outputVocabulary(vocabulary: Vocabulary, actions: readonly CompiledAction[]): Vocabulary {
  const outputs = actions.flatMap(({ name, instances }) =>
    name === ''
      ? []
      : instances.flatMap(({ template }) =>
          Object.entries(template.outputs ?? {}).map(([output, type]): [string, ValueType] => [`${name}.output.${output}`, type]),
        ),
  );
  return outputs.length === 0 ? vocabulary : new Map([...vocabulary, ...outputs]);
}

/**
 * By every name that release 1.4 takes: `n`, `n.namespace`, `n.kind.namespace`, `n.kind`. An older kind comes first; then the kind may also be
 * the adapter or template of a `handler` or `instance`.
 */
function find<T>(
  known: ReadonlyMap<string, T>,
  reference: string,
  kind: string,
  kindOf: (value: T) => string,
  namespace: string,
  path: string,
  missing: (violation: Violation) => void,
): T | undefined {
  const [first = '', second, third] = reference.split('.');
  const name = resolveReference(reference, kind, namespace);
  const written = second === undefined ? undefined : known.get(`${first}.${second}.${third ?? namespace}`);
  const direct = third === undefined || second === kind ? known.get(name) : undefined;
  const ofKind = known.get(`${first}.${third ?? namespace}`);
  const found = written ?? direct ?? (ofKind !== undefined && kindOf(ofKind) === second ? ofKind : undefined);
  if (found === undefined) {
    const suffix = name.slice(name.indexOf('.'));
    const names = [...known.keys()].flatMap((key) => (key.endsWith(suffix) ? [key.slice(0, -suffix.length)] : []));
    const near = nearest(first, names);
    const suggestion = near === undefined ? undefined : `${near}${suffix}`;
    const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
    missing({ path, message: `there is no usable ${kind} "${name}"${hint}`, ...(suggestion === undefined ? {} : { suggestion }) });
  }
  return found;
}

function headerOperations(
  key: 'requestHeaderOperations' | 'responseHeaderOperations',
  spec: RuleSpec,
  vocabulary: Vocabulary,
  language: ExpressionLanguage,
  violations: Violation[],
): CompiledHeaderOperation[] {
  return (spec[key] ?? []).map(({ name, operation = 'REPLACE', values = [] }, i) => ({
    name,
    operation,
    values: values.flatMap((text, j) => {
      const compiled = compileIn(language, text, vocabulary, 'STRING');
      if (!compiled.ok) violations.push(toViolation(`spec.${key}[${i}].values[${j}]`, compiled.error));
      return compiled.ok ? [compiled.value] : [];
    }),
  }));
}
