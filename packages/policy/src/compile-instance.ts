import type { DescMessage } from '@bufbuild/protobuf';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { err, nearest, ok, type Result, type Violation } from '@xebec/core';
import {
  type AttributeBag,
  type CompiledExpression,
  type ExpressionProblem,
  expressionProblemText,
  type ReferenceTracker,
  type TypedValue,
  type ValueType,
  type Vocabulary,
} from '@xebec/expressions';
import type { InstanceSpec } from '@xebec/schemas';
import type { InstanceValue } from './adapter.ts';
import { type Binding, compileBindings } from './attribute-bindings.ts';
import { compileIn, type ExpressionLanguage } from './language.ts';
import { compileMessage } from './out-of-process/compile-message.ts';
import { type Extensions, findExtension, noExtensions } from './out-of-process/extensions.ts';
import type { InferredTypes } from './out-of-process/inferred-types.ts';
import { quotedText } from './out-of-process/literals.ts';
import { type FieldMap, SharedFields } from './shared-fields.ts';
import { type TemplateDefinition, templates } from './template.ts';

export interface CompiledInstance {
  /** `name.namespace`. */
  readonly name: string;
  /** Of the object: `instance`, or an older one. */
  readonly kind?: string;
  readonly template: TemplateDefinition;
  /** What an attribute generator's outputs become; of other templates none. */
  readonly bindings: readonly Binding[];
  /** What the expressions of fields that take any type were found to be. */
  readonly inferred: InferredTypes;
  /** Fails with one line when an expression has no value. */
  build(bag: AttributeBag, tracker?: ReferenceTracker): Result<InstanceValue, string>;
}

export interface InstanceOptions {
  /** Of the object: `instance`, or an older one. */
  readonly kind?: string;
  /** Release 1.4's expressions unless the object's annotation says otherwise. */
  readonly language?: ExpressionLanguage;
  /** Of the policy: what instances have in common is evaluated once. */
  readonly shared?: SharedFields;
  /** Where `template` may be defined besides Mixer itself. */
  readonly extensions?: Pick<Extensions, 'templates'>;
}

type Field = { readonly key: string } & ({ readonly one: CompiledExpression } | { readonly map: FieldMap });

/** Compiles an instance object: its params are expressions, checked against the attribute vocabulary. */
export function compileInstance(
  name: string,
  spec: InstanceSpec,
  vocabulary: Vocabulary,
  { kind = 'instance', language = 'CEXL', shared = new SharedFields(), extensions = noExtensions }: InstanceOptions = {},
): Result<CompiledInstance> {
  const found = templateOf(spec, name.slice(name.lastIndexOf('.') + 1), extensions);
  if (found === undefined) return err([unknownTemplate(spec, [...templates.keys(), ...extensions.templates.keys()])]);
  const { template, message } = found;
  const violations: Violation[] = [];
  const fields: Field[] = [];
  const compile = (path: string, text: unknown, type?: ValueType): CompiledExpression | undefined => {
    const compiled = compileIn(language, sourceText(text, spec, type), vocabulary, type);
    if (compiled.ok) return compiled.value;
    violations.push(toViolation(path, compiled.error));
    return undefined;
  };
  const given = new Set<string>();
  const inferred = new Map<string, ValueType | InferredTypes>();
  const read = (raw: Readonly<Record<string, unknown>>, prefix: string): void => {
    for (const [written, value] of Object.entries(raw)) {
      const path = `spec.params.${prefix}${written}`;
      const key = fieldName(template, `${prefix}${written}`);
      const definition = key === undefined ? undefined : template.fields[key];
      // Empty is absent, as protobuf has it.
      if (definition?.shape === 'value' && (value === '' || value === null)) continue;
      if (key !== undefined) given.add(key);
      if (definition === undefined || key === undefined) {
        if (isGroup(template, `${prefix}${written}.`) && isRecord(value)) read(value, `${prefix}${written}.`);
        else violations.push(unknownField(template, path, `${prefix}${written}`));
      } else if (definition.shape === 'value') {
        const one = compile(path, value, definition.type);
        if (one !== undefined) fields.push({ key, one });
        if (one !== undefined && definition.type === undefined) inferred.set(key, one.type);
      } else if (typeof value === 'string' && definition.type === 'STRING') {
        const one = compile(path, value, 'STRING_MAP');
        if (one !== undefined) fields.push({ key, one });
      } else if (!isRecord(value)) {
        violations.push({ path, message: 'must be a map of expressions' });
      } else {
        const entries = new Map<string, CompiledExpression>();
        for (const [entry, text] of Object.entries(value)) {
          const compiled = compile(`${path}.${entry}`, text, definition.type);
          if (compiled !== undefined) entries.set(entry, compiled);
        }
        fields.push({ key, map: shared.map(entries, language) });
        if (definition.type === undefined) inferred.set(key, new Map([...entries].map(([entry, { type }]) => [entry, type])));
      }
    }
  };
  const violation = (one: Violation): void => void violations.push(one);
  const whole = message === undefined ? undefined : compileMessage(message, spec.params ?? {}, 'spec.params', { compile, violation });
  if (whole === undefined) read(spec.params ?? {}, '');
  for (const [key, { required }] of Object.entries(template.fields)) {
    if (required === true && !given.has(key)) violations.push({ path: `spec.params.${key}`, message: 'required field is missing' });
  }
  const bindings = compileBindings(template, spec.attributeBindings ?? {}, vocabulary, language);
  if (!bindings.ok) violations.push(...bindings.error);
  if (violations.length > 0 || !bindings.ok) return err(violations);
  const instance = { name, kind, template: template.name };
  const compiled = { name, kind, template, bindings: bindings.value };
  if (whole === undefined) return ok({ ...compiled, inferred, build: (bag, tracker) => build(instance, fields, bag, tracker) });
  return ok({
    ...compiled,
    inferred: whole.inferred,
    build: (bag, tracker) => {
      const writer = new BinaryWriter();
      const failure = whole.write(writer, bag, tracker);
      return failure === undefined ? ok({ ...instance, fields: {}, message: writer.finish() }) : err(`instance ${name}: ${failure}`);
    },
  });
}

export function toViolation(path: string, problem: ExpressionProblem): Violation {
  const { suggestion } = problem;
  return { path, message: expressionProblemText(problem), ...(suggestion === undefined ? {} : { suggestion }) };
}

/** `message`: of a template that Mixer was not built with. */
function templateOf(
  { compiledTemplate, template: named }: InstanceSpec,
  namespace: string,
  extensions: Pick<Extensions, 'templates'>,
): { readonly template: TemplateDefinition; readonly message?: DescMessage } | undefined {
  const service = compiledTemplate === undefined && named !== undefined ? findExtension(extensions.templates, named, namespace) : undefined;
  const builtIn = templates.get(compiledTemplate ?? service?.template.name ?? named ?? '');
  if (service !== undefined && builtIn !== service.template) return { template: service.template, message: service.instance };
  return builtIn === undefined ? undefined : { template: builtIn };
}

function unknownTemplate({ compiledTemplate, template }: InstanceSpec, known: readonly string[]): Violation {
  const path = compiledTemplate === undefined ? 'spec.template' : 'spec.compiledTemplate';
  const name = compiledTemplate ?? template ?? '';
  if (name === '') return { path: 'spec.compiledTemplate', message: `required field is missing; it is one of ${known.join(', ')}` };
  const suggestion = nearest(name, known);
  const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
  return { path, message: `unknown template "${name}"${hint}`, ...(suggestion === undefined ? {} : { suggestion }) };
}

function unknownField(template: TemplateDefinition, path: string, key: string): Violation {
  const suggestion = nearest(key, Object.keys(template.fields));
  const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
  return {
    path,
    message: `template ${template.name} has no field "${key}"${hint}`,
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}

/** The template's own spelling of a field: protobuf's JSON takes `api_version` for `apiVersion`, and the other way round. */
function fieldName({ fields }: TemplateDefinition, written: string): string | undefined {
  if (Object.hasOwn(fields, written)) return written;
  const camel = written.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  if (Object.hasOwn(fields, camel)) return camel;
  const snake = written.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.hasOwn(fields, snake) ? snake : undefined;
}

const isGroup = ({ fields }: TemplateDefinition, prefix: string): boolean => Object.keys(fields).some((key) => key.startsWith(prefix));

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * YAML makes `value: 1` a number and `flag: true` a boolean; as expressions they are their own text. As in release 1.4 instances that name
 * their template by `template` may quote text either way, and where any type goes their numbers are doubles.
 */
function sourceText(value: unknown, { compiledTemplate }: InstanceSpec, type: ValueType | undefined): string {
  if (compiledTemplate !== undefined) return typeof value === 'string' ? value : JSON.stringify(value ?? null);
  if (typeof value === 'string') return value.startsWith("'") ? JSON.stringify(quotedText(value) ?? value) : value;
  return typeof value === 'number' && type === undefined && Number.isInteger(value) ? value.toFixed(1) : JSON.stringify(value ?? null);
}

function build(
  instance: Pick<InstanceValue, 'name' | 'kind' | 'template'>,
  fields: readonly Field[],
  bag: AttributeBag,
  tracker: ReferenceTracker | undefined,
): Result<InstanceValue, string> {
  const values: Record<string, TypedValue | ReadonlyMap<string, TypedValue>> = {};
  for (const field of fields) {
    if ('one' in field) {
      const result = field.one.evaluate(bag, tracker);
      if (!result.ok) return err(`instance ${instance.name}: ${field.key}: ${result.error.message}`);
      values[field.key] = { type: field.one.type, value: result.value };
    } else {
      const result = field.map.evaluate(bag, tracker);
      if (!result.ok) return err(`instance ${instance.name}: ${field.key}.${result.error}`);
      values[field.key] = result.value;
    }
  }
  return ok({ ...instance, fields: values });
}
