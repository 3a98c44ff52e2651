import { nearest, type Violation } from '@xebec/core';
import { extendVocabulary, standardVocabulary, type Vocabulary } from '@xebec/expressions';
import type { AttributeManifestSpec, ConfigObject, Findings, HandlerSpec, InstanceSpec, RuleSpec } from '@xebec/schemas';
import type { AdapterSignature } from './adapter.ts';
import { type CompiledInstance, compileInstance } from './compile-instance.ts';
import { type CompiledHandler, compileRule } from './compile-rule.ts';
import { languageOf, languageProblem } from './language.ts';
import { handlerSpecOf, instanceSpecOf, inWrittenForm, referenceName } from './object-forms.ts';
import { ExtensionReader, type Extensions, findExtension, type RemoteAdapter } from './out-of-process/extensions.ts';
import type { TemplateService } from './out-of-process/template-service.ts';

const GROUP = 'config.istio.io/';

/** What an object of Mixer's is checked against. */
export interface PolicyContext {
  readonly vocabulary: Vocabulary;
  readonly adapters: ReadonlyMap<string, AdapterSignature>;
  /** By `referenceName`. */
  readonly handlers: ReadonlyMap<string, CompiledHandler>;
  readonly instances: ReadonlyMap<string, CompiledInstance>;
  readonly extensions: Extensions;
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
  const extensions = readExtensions(own);
  const handlers = new Map<string, CompiledHandler>();
  for (const object of own) {
    const spec = handlerSpecOf(object);
    if (spec === undefined) continue;
    const adapter =
      remoteAdapterOf(spec, object.metadata.namespace, extensions) ?? adapters.get(spec.compiledAdapter ?? spec.adapter ?? '');
    if (adapter !== undefined) handlers.set(referenceName(object), stub(referenceName(object), adapter));
  }
  const instances = new Map<string, CompiledInstance>();
  for (const object of own) {
    const spec = instanceSpecOf(object);
    if (spec === undefined) continue;
    const compiled = compileInstance(qualified(object), spec, vocabulary, { language: languageOf(object), extensions });
    if (compiled.ok) instances.set(referenceName(object), compiled.value);
  }
  return { vocabulary, adapters, handlers, instances, extensions };
}

const reader = new ExtensionReader();

/** The adapters and templates among these objects; what is wrong in them is left out. */
function readExtensions(objects: readonly ConfigObject[]): Extensions {
  const templates = new Map<string, TemplateService>();
  for (const object of objects) {
    if (object.kind !== 'template') continue;
    const read = reader.template(object);
    if (read.ok) templates.set(qualified(object), read.value);
  }
  const adapters = new Map<string, RemoteAdapter>();
  for (const object of objects) {
    if (object.kind !== 'adapter') continue;
    const read = reader.adapter(object, templates, () => undefined);
    if (read.ok) adapters.set(qualified(object), read.value);
  }
  return { adapters, templates };
}

/** The adapter outside of Mixer that a handler names; `compiledAdapter` never names one. */
export function remoteAdapterOf(
  { adapter, compiledAdapter }: HandlerSpec,
  namespace: string,
  extensions: Pick<Extensions, 'adapters'>,
): RemoteAdapter | undefined {
  if (adapter === undefined || compiledAdapter !== undefined) return undefined;
  return findExtension(extensions.adapters, adapter, namespace);
}

/**
 * What admission says of a handler, instance, rule or attribute manifest whose shape has been checked. References to what is not there are
 * warnings, and so are attributes whose first word no known attribute has: what they mean may be applied next.
 */
export function checkPolicyObject(object: ConfigObject, context: PolicyContext): Findings {
  const { vocabulary, handlers, instances, extensions } = context;
  const language = languageOf(object);
  const warnings: Violation[] = [];
  const handler = handlerSpecOf(object);
  const instance = instanceSpecOf(object);
  const violations = ((): readonly Violation[] => {
    if (handler !== undefined) return handlerErrors(handler, object.metadata.namespace, context, warnings);
    if (instance !== undefined) return instanceErrors(object, instance, context, warnings);
    // Specs were decoded by their kinds.
    switch (object.kind) {
      case 'attributemanifest':
        return errorsOf(extendVocabulary(standardVocabulary, (object.spec as AttributeManifestSpec).attributes));
      case 'template':
        return errorsOf(reader.template(object));
      case 'adapter':
        return errorsOf(reader.adapter(object, extensions.templates, (violation) => void warnings.push(violation)));
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
  for (const violation of inWrittenForm(object, violations)) {
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
  if (isElsewhere({ compiledAdapter, adapter, connection })) return undefined;
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

/** Whether a handler says that its adapter runs outside of Mixer. */
const isElsewhere = ({ compiledAdapter, adapter, connection }: HandlerSpec): boolean =>
  compiledAdapter === undefined && adapter !== undefined && (connection !== undefined || adapter.includes('.'));

/** What is wrong with a handler whose adapter runs outside of Mixer. */
export function remoteHandlerErrors({ adapter = '', connection, params }: HandlerSpec, remote: RemoteAdapter): readonly Violation[] {
  const violations = [...remote.check(params)];
  if (connection === undefined) {
    const message = `adapter ${adapter} runs outside of Mixer: spec.connection.address must say where`;
    return [...violations, { path: 'spec.connection', message }];
  }
  const { address, authentication } = connection;
  if (!/^(?:[a-z]+:\/{0,3})?(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}$/.test(address) && !/^unix:\/?\S+$/.test(address))
    violations.push({ path: 'spec.connection.address', message: `"${address}" is no host:port, nor unix:PATH` });
  if (authentication === undefined) return violations;
  const { tls, mutual } = authentication;
  const path = 'spec.connection.authentication';
  if ((tls === undefined) === (mutual === undefined)) violations.push({ path, message: 'exactly one of tls and mutual must be set' });
  if (tls?.tokenPath !== undefined && tls.oauth !== undefined)
    violations.push({ path: `${path}.tls`, message: 'only one of tokenPath and oauth can be set' });
  if (tls?.authHeader !== undefined && tls.customHeader !== undefined)
    violations.push({ path: `${path}.tls`, message: 'only one of authHeader and customHeader can be set' });
  return violations;
}

function handlerErrors(spec: HandlerSpec, namespace: string, context: PolicyContext, warnings: Violation[]): readonly Violation[] {
  const { adapters, extensions } = context;
  const remote = remoteAdapterOf(spec, namespace, extensions);
  if (remote !== undefined) return remoteHandlerErrors(spec, remote);
  const problem = adapterProblem(spec, adapters);
  if (problem !== undefined) return [problem];
  const adapter = adapters.get(spec.compiledAdapter ?? spec.adapter ?? '');
  if (adapter !== undefined) return adapter.check(spec.params);
  warnings.push(unknownRemote(spec, extensions));
  return [];
}

/** Of a handler whose `adapter` object is not there. */
export function unknownRemote({ adapter = '' }: HandlerSpec, { adapters }: Pick<Extensions, 'adapters'>): Violation {
  const names = [...adapters.keys()].flatMap((name) => [name, name.slice(0, name.lastIndexOf('.'))]);
  const suggestion = nearest(adapter, names);
  const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
  return {
    path: 'spec.adapter',
    message: `there is no usable adapter "${adapter}"${hint}`,
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}

/** An instance of a template that may be applied next is no mistake. */
function instanceErrors(
  object: ConfigObject,
  spec: InstanceSpec,
  { vocabulary, extensions }: PolicyContext,
  warnings: Violation[],
): readonly Violation[] {
  const errors = errorsOf(compileInstance(qualified(object), spec, vocabulary, { language: languageOf(object), extensions }));
  const [first] = errors;
  const unknown = first?.path === 'spec.template' && first.suggestion === undefined && first.message.startsWith('unknown template');
  if (!unknown || first === undefined) return errors;
  warnings.push({ path: first.path, message: `${first.message}; without it this instance has no effect` });
  return [];
}

/** An attribute of which nothing is known, and which no spelling of a known one explains. */
function isForeign({ message }: Violation, known: ReadonlySet<string>): boolean {
  const name = /^column \d+: unknown attribute "([^"]+)"/.exec(message)?.[1];
  // What an attribute generator put out is its template's to define.
  if (name === undefined || name.startsWith('$out.')) return false;
  return name.includes('.') && nearest(firstWord(name), known) === undefined;
}

const firstWord = (name: string): string => name.split('.')[0] ?? '';
const qualified = ({ metadata }: ConfigObject): string => `${metadata.name}.${metadata.namespace}`;

/** A handler that nobody will call. */
function stub(name: string, adapter: AdapterSignature): CompiledHandler {
  return { name, adapter: adapter.name, templates: adapter.templates, handler: { close: () => undefined } };
}
