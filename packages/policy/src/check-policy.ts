import { nearest, type Violation } from '@xebec/core';
import { extendVocabulary, standardVocabulary, type Vocabulary } from '@xebec/expressions';
import type { AttributeManifestSpec, ConfigObject, Findings, HandlerSpec, InstanceSpec, RuleSpec } from '@xebec/schemas';
import type { AdapterSignature } from './adapter.ts';
import { type CompiledInstance, compileInstance } from './compile-instance.ts';
import { type CompiledHandler, compileRule } from './compile-rule.ts';
import { languageOf, languageProblem } from './language.ts';

const GROUP = 'config.istio.io/';

/** What an object of Mixer's is checked against. */
export interface PolicyContext {
  readonly vocabulary: Vocabulary;
  readonly adapters: ReadonlyMap<string, AdapterSignature>;
  /** By `name.namespace`. */
  readonly handlers: ReadonlyMap<string, CompiledHandler>;
  readonly instances: ReadonlyMap<string, CompiledInstance>;
}

export const isPolicyObject = ({ apiVersion }: { readonly apiVersion: string }): boolean => apiVersion.startsWith(GROUP);

/** The context that these objects make together; what is wrong in them is left out. */
export function policyContext(objects: readonly ConfigObject[], adapters: ReadonlyMap<string, AdapterSignature>): PolicyContext {
  const own = objects.filter(isPolicyObject);
  const of = (kind: string) => own.filter((object) => object.kind === kind);
  let vocabulary: Vocabulary = standardVocabulary;
  for (const object of of('attributemanifest')) {
    const extended = extendVocabulary(vocabulary, (object.spec as AttributeManifestSpec).attributes); // decoded by its kind
    if (extended.ok) vocabulary = extended.value;
  }
  const handlers = new Map<string, CompiledHandler>();
  for (const object of of('handler')) {
    const { compiledAdapter = '' } = object.spec as HandlerSpec; // decoded by its kind
    const adapter = adapters.get(compiledAdapter);
    if (adapter !== undefined) handlers.set(qualified(object), stub(qualified(object), adapter));
  }
  const instances = new Map<string, CompiledInstance>();
  for (const object of of('instance')) {
    const compiled = compileInstance(qualified(object), object.spec as InstanceSpec, vocabulary, { language: languageOf(object) });
    if (compiled.ok) instances.set(compiled.value.name, compiled.value);
  }
  return { vocabulary, adapters, handlers, instances };
}

/**
 * What admission says of a handler, instance, rule or attribute manifest whose shape has been checked. References to what is not there are
 * warnings, and so are attributes whose first word no known attribute has: what they mean may be applied next.
 */
export function checkPolicyObject(object: ConfigObject, context: PolicyContext): Findings {
  const { vocabulary, handlers, instances } = context;
  const language = languageOf(object);
  const warnings: Violation[] = [];
  const violations = ((): readonly Violation[] => {
    // Specs were decoded by their kinds.
    switch (object.kind) {
      case 'attributemanifest':
        return errorsOf(extendVocabulary(standardVocabulary, (object.spec as AttributeManifestSpec).attributes));
      case 'handler':
        return handlerErrors(object.spec as HandlerSpec, context);
      case 'instance':
        return errorsOf(compileInstance(qualified(object), object.spec as InstanceSpec, vocabulary, { language }));
      case 'rule': {
        const onMissing = (violation: Violation) => void warnings.push(violation);
        const scope = { vocabulary, handlers, instances, language, onMissing };
        return errorsOf(compileRule(qualified(object), object.metadata.namespace, object.spec as RuleSpec, scope));
      }
      default:
        return [];
    }
  })();
  const known = new Set([...vocabulary.keys()].map(firstWord));
  const errors: Violation[] = [];
  for (const violation of violations) {
    if (isForeign(violation, known)) {
      const message = `${violation.message.split(';')[0] ?? ''}; an attributemanifest must define it, or else this object has no effect`;
      warnings.push({ path: violation.path, message });
    } else errors.push(violation);
  }
  const problem = languageProblem(object);
  if (problem !== undefined) warnings.push(problem);
  return { errors, warnings };
}

function errorsOf(result: { readonly ok: true } | { readonly ok: false; readonly error: readonly Violation[] }): readonly Violation[] {
  return result.ok ? [] : result.error;
}

/** Why a handler names no adapter that runs inside Mixer; undefined when it does, or when its adapter runs elsewhere. */
export function adapterProblem(
  { compiledAdapter, adapter, connection }: HandlerSpec,
  adapters: ReadonlyMap<string, AdapterSignature>,
): Violation | undefined {
  if (compiledAdapter === undefined && adapter !== undefined && (connection !== undefined || adapter.includes('.'))) return undefined;
  const name = compiledAdapter ?? adapter ?? '';
  if (adapters.has(name)) {
    if (connection === undefined) return undefined;
    return {
      path: 'spec.connection',
      message: `adapter ${name} runs inside Mixer; a connection is for those that run elsewhere (spec.adapter)`,
    };
  }
  const path = compiledAdapter === undefined && adapter !== undefined ? 'spec.adapter' : 'spec.compiledAdapter';
  const known = [...adapters.keys()].join(', ');
  if (name === '') return { path, message: `required field is missing; it is one of ${known}` };
  const suggestion = nearest(name, adapters.keys());
  if (suggestion === undefined) return { path, message: `unknown adapter "${name}"; it is one of ${known}` };
  return { path, message: `unknown adapter "${name}"; did you mean "${suggestion}"?`, suggestion };
}

function handlerErrors(spec: HandlerSpec, { adapters }: PolicyContext): readonly Violation[] {
  const problem = adapterProblem(spec, adapters);
  if (problem !== undefined) return [problem];
  const adapter = adapters.get(spec.compiledAdapter ?? spec.adapter ?? '');
  return adapter === undefined ? [] : adapter.check(spec.params);
}

/** An attribute of which nothing is known, and which no spelling of a known one explains. */
function isForeign({ message }: Violation, known: ReadonlySet<string>): boolean {
  const name = /^column \d+: unknown attribute "([^"]+)"/.exec(message)?.[1];
  return name?.includes('.') === true && nearest(firstWord(name), known) === undefined;
}

const firstWord = (name: string): string => name.split('.')[0] ?? '';
const qualified = ({ metadata }: ConfigObject): string => `${metadata.name}.${metadata.namespace}`;

/** A handler that nobody will call. */
function stub(name: string, adapter: AdapterSignature): CompiledHandler {
  return { name, adapter: adapter.name, templates: adapter.templates, handler: { close: () => undefined } };
}
