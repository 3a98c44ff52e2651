import { type AdapterEnvironment, adapters, configureRemote } from '@xebec/adapters';
import { err, errorText, ok, type Result } from '@xebec/core';
import { extendVocabulary, standardVocabulary, type Vocabulary } from '@xebec/expressions';
import {
  adapterProblem,
  type CompiledHandler,
  type CompiledInstance,
  type CompiledRule,
  compileInstance,
  compileRule,
  ExtensionReader,
  type Extensions,
  handlerSpecOf,
  instanceSpecOf,
  inWrittenForm,
  languageOf,
  type RuleScope,
  referenceName,
  remoteAdapterOf,
  SharedFields,
  type TemplateService,
  unknownRemote,
} from '@xebec/policy';
import type { AttributeManifestSpec, ConfigObject, HandlerSpec, RuleSpec } from '@xebec/schemas';
import type { MixerMetrics } from './metrics.ts';

/** What Check and Report run: replaced as a whole. */
export interface CompiledPolicy {
  readonly rules: readonly CompiledRule[];
  readonly handlers: number;
  readonly instances: number;
}

export interface PolicyProblem {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly path: string;
  readonly message: string;
  /** What of the object is in force: its last good version, what of it is of use, or nothing. */
  readonly inForce: 'last' | 'part' | 'none';
  readonly source: string | undefined;
}

const IN_FORCE = {
  last: 'its last good version stays in force',
  part: 'the rest of the object is in force',
  none: 'the object is left out',
};

export function policyProblemText({ kind, namespace, name, path, message, inForce, source }: PolicyProblem): string {
  const place = source === undefined ? '' : `${source}: `;
  return `${place}${kind} ${namespace}/${name}: ${path}: ${message} (${IN_FORCE[inForce]})`;
}

export const emptyPolicy: CompiledPolicy = { rules: [], handlers: 0, instances: 0 };

const MIXER_GROUP = 'config.istio.io/';

/** What handlers share; each gets its own logger and counters. */
export interface MixerEnvironment extends Omit<AdapterEnvironment, 'namespace' | 'delivery'> {
  readonly mixerMetrics: Pick<MixerMetrics, 'delivered' | 'undelivered'>;
}

/** Compiles objects into a policy. It remembers handlers, whose state outlives a re-read, and the last good version of each object. */
export class PolicyCompiler {
  readonly #environment: MixerEnvironment;
  readonly #handlers = new Map<string, { readonly signature: string; readonly compiled: CompiledHandler }>();
  readonly #lastGood = new Map<string, ConfigObject>();
  readonly #extensions = new ExtensionReader();

  constructor(environment: MixerEnvironment) {
    this.#environment = environment;
  }

  compile(all: readonly ConfigObject[]): { readonly policy: CompiledPolicy; readonly problems: readonly PolicyProblem[] } {
    const problems: PolicyProblem[] = [];
    this.#environment.roles.replace(all);
    const objects = all.filter(({ apiVersion }) => apiVersion.startsWith(MIXER_GROUP));
    this.#forget(objects);
    const each = <S, T>(
      specOf: (object: ConfigObject) => S | undefined,
      compileOne: (object: ConfigObject, spec: S) => Result<T>,
      compilePart?: (object: ConfigObject, spec: S) => Result<T>,
    ): Map<string, T> => {
      const compiled = new Map<string, T>();
      for (const object of objects) {
        if (specOf(object) === undefined) continue;
        const by = (compile: typeof compileOne) => (version: ConfigObject) => {
          const spec = specOf(version);
          return spec === undefined ? err([]) : compile(version, spec);
        };
        const value = this.#attempt(object, by(compileOne), compilePart === undefined ? undefined : by(compilePart), problems);
        if (value !== undefined) compiled.set(referenceName(object), value);
      }
      return compiled;
    };
    let vocabulary: Vocabulary = standardVocabulary;
    each(specOfKind<AttributeManifestSpec>('attributemanifest'), (_, { attributes }) => {
      const extended = extendVocabulary(vocabulary, attributes);
      if (extended.ok) vocabulary = extended.value;
      return extended;
    });
    const templates: ReadonlyMap<string, TemplateService> = each(specOfKind('template'), (object) => this.#extensions.template(object));
    const remotes = each(specOfKind('adapter'), (object) => this.#extensions.adapter(object, templates));
    const extensions: Extensions = { templates, adapters: remotes };
    const handlers = each(handlerSpecOf, (object, spec) => this.#handler(object, spec, extensions));
    const shared = new SharedFields();
    const instances: ReadonlyMap<string, CompiledInstance> = each(instanceSpecOf, (object, spec) =>
      compileInstance(qualifiedName(object), spec, vocabulary, { kind: object.kind, language: languageOf(object), shared, extensions }),
    );
    const rule = (object: ConfigObject, spec: RuleSpec, more: Pick<RuleScope, 'onOmitted'> = {}) => {
      const scope = { vocabulary, handlers, instances, language: languageOf(object), ...more };
      return compileRule(qualifiedName(object), object.metadata.namespace, spec, scope);
    };
    const rules = each(specOfKind<RuleSpec>('rule'), rule, (object, spec) => rule(object, spec, { onOmitted: () => undefined }));
    route(handlers.values(), rules.values());
    this.#environment.metrics.sweep();
    return { policy: { rules: [...rules.values()], handlers: handlers.size, instances: instances.size }, problems };
  }
  async close(): Promise<void> {
    const handlers = [...this.#handlers.values()];
    this.#handlers.clear();
    await Promise.all(handlers.map(({ compiled }) => this.#close(compiled)));
  }

  async #close({ name, handler }: CompiledHandler): Promise<void> {
    try {
      await handler.close();
    } catch (error) {
      this.#environment.logger.error({ handler: name }, `closing failed: ${errorText(error)}`);
    }
  }
  /** Compiles an object, or else its last good version, or else what of it is of use. */
  #attempt<T>(
    object: ConfigObject,
    compileOne: (object: ConfigObject) => Result<T>,
    compilePart: ((object: ConfigObject) => Result<T>) | undefined,
    problems: PolicyProblem[],
  ): T | undefined {
    const key = keyOf(object);
    const result = compileOne(object);
    if (result.ok) {
      this.#lastGood.set(key, object);
      return result.value;
    }
    const previous = this.#lastGood.get(key);
    const last = previous === undefined ? undefined : compileOne(previous);
    const part = last?.ok === true ? undefined : compilePart?.(object);
    const { namespace, name } = object.metadata;
    const { source } = object;
    for (const { path, message } of inWrittenForm(object, result.error)) {
      problems.push({
        kind: object.kind,
        namespace,
        name,
        path,
        message,
        inForce: last?.ok === true ? 'last' : part?.ok === true ? 'part' : 'none',
        source: source === undefined ? undefined : `${source.file}:${source.fieldLines?.[path] ?? source.line}`,
      });
    }
    return last?.ok === true ? last.value : part?.ok === true ? part.value : undefined;
  }
  #handler(object: ConfigObject, spec: HandlerSpec, extensions: Extensions): Result<CompiledHandler> {
    const key = keyOf(object);
    const remote = remoteAdapterOf(spec, object.metadata.namespace, extensions);
    const signature = JSON.stringify([spec, remote?.revision]);
    const known = this.#handlers.get(key);
    if (known?.signature === signature) return ok(known.compiled);
    const problem = remote === undefined ? adapterProblem(spec, adapters) : undefined;
    if (problem !== undefined) return err([problem]);
    const adapter = remote ?? adapters.get(spec.compiledAdapter ?? spec.adapter ?? '');
    if (adapter === undefined) return err([unknownRemote(spec, extensions)]);
    // First out, then in: the new version may define the old one's metrics in another way.
    if (known !== undefined) void this.#close(known.compiled);
    this.#handlers.delete(key);
    const { logger, mixerMetrics, ...rest } = this.#environment;
    const name = referenceName(object);
    const environment: AdapterEnvironment = {
      ...rest,
      namespace: object.metadata.namespace,
      logger: logger.child({ handler: name }),
      delivery: {
        delivered: (entries) => mixerMetrics.delivered.inc({ handler: name }, entries),
        dropped: (entries) => mixerMetrics.undelivered.inc({ handler: name }, entries),
      },
    };
    const configured = 'configure' in adapter ? adapter.configure(spec.params, environment) : configureRemote(spec, adapter, environment);
    if (!configured.ok) return configured;
    const compiled = { name, adapter: adapter.name, templates: adapter.templates, handler: configured.value };
    this.#handlers.set(key, { signature, compiled });
    return ok(compiled);
  }
  #forget(objects: readonly ConfigObject[]): void {
    const present = new Set(objects.map(keyOf));
    for (const key of this.#lastGood.keys()) if (!present.has(key)) this.#lastGood.delete(key);
    for (const [key, { compiled }] of this.#handlers) {
      if (present.has(key)) continue;
      void this.#close(compiled);
      this.#handlers.delete(key);
    }
  }
}

const specOfKind =
  <S>(wanted: string) =>
  ({ kind, spec }: ConfigObject): S | undefined =>
    kind === wanted ? (spec as S) : undefined; // decoded by its kind

/** Tells handlers which instances rules will send them. */
function route(handlers: Iterable<CompiledHandler>, rules: Iterable<CompiledRule>): void {
  const instances = new Map<CompiledHandler, Set<CompiledInstance>>();
  for (const { actions } of rules) {
    for (const action of actions) {
      const own = instances.get(action.handler) ?? new Set();
      for (const instance of action.instances) own.add(instance);
      instances.set(action.handler, own);
    }
  }
  for (const one of handlers) one.handler.route?.([...(instances.get(one) ?? [])]);
}

function keyOf({ kind, metadata }: ConfigObject): string {
  return `${kind}/${metadata.namespace}/${metadata.name}`;
}

function qualifiedName({ metadata }: ConfigObject): string {
  return `${metadata.name}.${metadata.namespace}`;
}
