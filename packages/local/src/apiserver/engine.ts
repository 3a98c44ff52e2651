import type { Clock } from '@xebec/core';
import { recordUpdate, serverSideApply } from './apply-merge.ts';
import { type BuiltinTypes, pruneBuiltin } from './builtin-types.ts';
import { defaultBySchema, pruneBySchema, validateBySchema } from './crd-schema.ts';
import { applyDefaults } from './defaults.ts';
import { applyJsonPatch, applyMergePatch } from './json-patch.ts';
import { at, clone, equalJson, isObject, type Json, type JsonObject, type KubeObject, objectAt, textAt, timestamp } from './object.ts';
import { atVersion, type ResourceRegistry } from './registry.ts';
import { apiVersionOf, type Resource } from './resource.ts';
import { allocateServiceAddresses, type Cidr } from './service-addresses.ts';
import { ApiError, alreadyExists, badRequest, conflict, forbidden, invalid, notFound } from './status.ts';
import type { ObjectStore } from './store.ts';
import { applyStrategicMerge } from './strategic-merge.ts';
import { validateBuiltin, validateMetadata } from './validation.ts';

export interface UserInfo {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** What a write request says about itself. */
export interface WriteContext {
  readonly user: UserInfo;
  readonly dryRun: boolean;
  readonly fieldManager: string;
  readonly fieldValidation: 'Strict' | 'Warn' | 'Ignore';
  /** Lines for `Warning` headers; the engine and admission add to it. */
  readonly warnings: string[];
}

export interface AdmissionRequest {
  readonly resource: Resource;
  readonly version: string;
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE';
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
  readonly object: KubeObject | undefined;
  readonly oldObject: KubeObject | undefined;
  readonly context: WriteContext;
}

/** Admission plugins, in the order of a request. Both may throw ApiError to refuse. */
export interface Admission {
  /** Returns the object, changed or not. */
  mutate(request: AdmissionRequest): Promise<KubeObject | undefined>;
  validate(request: AdmissionRequest): Promise<void>;
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

export interface EngineOptions {
  readonly store: ObjectStore;
  readonly registry: ResourceRegistry;
  readonly types: BuiltinTypes;
  readonly clock: Clock;
  readonly newUid: () => string;
  /** A suffix of five characters for `generateName`. */
  readonly newSuffix: () => string;
  readonly serviceCidr: Cidr;
  readonly admission: Admission;
}

const PATCH_ATTEMPTS = 8;
/** Kinds whose generation does not count: they have no spec to observe. */
const NO_GENERATION = new Set([
  'configmaps',
  'secrets',
  'serviceaccounts',
  'endpoints',
  'events',
  'nodes',
  'namespaces',
  'services',
  'leases.coordination.k8s.io',
]);
/** What the platform itself writes while a namespace ends. */
const ALLOWED_IN_TERMINATING = new Set(['events', 'endpoints', 'endpointslices.discovery.k8s.io']);

/** Reads and writes of any kind: what the HTTP server and the controllers both call. */
export class ObjectEngine {
  readonly store: ObjectStore;
  readonly registry: ResourceRegistry;
  readonly clock: Clock;
  readonly #options: EngineOptions;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.store = options.store;
    this.registry = options.registry;
    this.clock = options.clock;
  }

  get(resource: Resource, namespace: string, name: string): KubeObject {
    const found = this.store.get(resource.id, namespace, name);
    if (found === undefined) throw notFound(resource, name);
    return found;
  }

  async create(resource: Resource, version: string, namespace: string, body: KubeObject, context: WriteContext): Promise<KubeObject> {
    let object = this.#decode(resource, version, namespace, body, context);
    const { metadata } = object;
    if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== '')
      throw badRequest('resourceVersion should not be set on objects to be created');
    if ((metadata.name ?? '') === '' && metadata.generateName !== undefined && metadata.generateName !== '') {
      metadata.name = metadata.generateName.slice(0, 58) + this.#options.newSuffix();
    }
    this.#checkNamespace(resource, namespace, metadata.name);
    const uid = this.#options.newUid();
    const creationTimestamp = timestamp(this.clock.now());
    const stamp = (target: KubeObject): void => {
      const { deletionTimestamp: _d, deletionGracePeriodSeconds: _g, resourceVersion: _r, generation: _n, ...own } = target.metadata;
      target.metadata = { ...own, ...(NO_GENERATION.has(resource.id) ? {} : { generation: 1 }), uid, creationTimestamp };
      if (resource.namespaced) target.metadata.namespace = namespace;
      else delete target.metadata.namespace;
    };
    stamp(object);
    if (resource.subresources.includes('status') && !KEEPS_STATUS.has(resource.id)) delete object['status'];
    this.#applyDefaults(resource, version, object);
    const request: AdmissionRequest = {
      resource,
      version,
      operation: 'CREATE',
      namespace,
      name: metadata.name,
      subresource: '',
      object,
      oldObject: undefined,
      context,
    };
    object = (await this.#options.admission.mutate(request)) ?? object;
    stamp(object);
    this.#applyDefaults(resource, version, object);
    this.#validate(resource, version, object, undefined);
    await this.#options.admission.validate({ ...request, object });
    if (this.store.get(resource.id, resource.namespaced ? namespace : '', object.metadata.name) !== undefined)
      throw alreadyExists(resource, object.metadata.name);
    this.#checkNamespace(resource, namespace, object.metadata.name);
    if (resource.id === 'services') this.#allocate(resource, object, undefined);
    const by = { manager: context.fieldManager, time: timestamp(this.clock.now()) };
    if (object.metadata.managedFields?.some((entry) => entry.operation === 'Apply') !== true)
      object.metadata.managedFields = recordUpdate(undefined, object, resource, by);
    const stored = atVersion(object, resource, resource.storageVersion);
    return context.dryRun ? stored : this.store.put(resource.id, stored);
  }

  async update(
    resource: Resource,
    version: string,
    namespace: string,
    name: string,
    body: KubeObject,
    context: WriteContext,
    subresource = '',
  ): Promise<KubeObject> {
    const before = this.get(resource, namespace, name);
    const object = this.#decode(resource, version, namespace, body, context);
    if (object.metadata.name !== name) {
      throw badRequest(`the name of the object (${object.metadata.name}) does not match the name on the URL (${name})`);
    }
    return this.#replace(resource, version, before, object, context, subresource);
  }

  /** Patches an object; server-side apply creates it when it is missing. */
  async patch(
    resource: Resource,
    version: string,
    namespace: string,
    name: string,
    type: PatchType,
    patch: Json,
    context: WriteContext,
    { force = false, subresource = '' }: { force?: boolean; subresource?: string } = {},
  ): Promise<{ object: KubeObject; created: boolean }> {
    for (let attempt = 1; ; attempt++) {
      const stored = this.store.get(resource.id, resource.namespaced ? namespace : '', name);
      if (stored === undefined && type !== 'apply') throw notFound(resource, name);
      const before = stored === undefined ? undefined : atVersion(stored, resource, version);
      const patched = this.#patched(resource, before, type, patch, namespace, name, context, force);
      if (stored === undefined) return { object: await this.create(resource, version, namespace, patched, context), created: true };
      const pinned = textAt(patch, 'metadata', 'resourceVersion') !== '';
      try {
        const object = this.#decode(resource, version, namespace, patched, context);
        const next = await this.#replace(resource, version, stored, object, context, subresource, type === 'apply');
        return { object: next, created: false };
      } catch (error) {
        const isRace = error instanceof ApiError && error.reason === 'Conflict' && !pinned && type !== 'apply' && attempt < PATCH_ATTEMPTS;
        if (!isRace) throw error;
      }
    }
  }

  #patched(
    resource: Resource,
    before: KubeObject | undefined,
    type: PatchType,
    patch: Json,
    namespace: string,
    name: string,
    context: WriteContext,
    force: boolean,
  ): KubeObject {
    // Objects are JSON: the interface only names the fields that every kind has.
    const target = before as unknown as JsonObject | undefined;
    if (type === 'json') return decodeObject(applyJsonPatch(target ?? {}, patch));
    if (!isObject(patch)) throw badRequest('the patch is not an object');
    if (type === 'merge') return decodeObject(applyMergePatch(clone(target), patch));
    if (type === 'strategic') {
      if (resource.custom) {
        throw new ApiError(
          415,
          'UnsupportedMediaType',
          'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
        );
      }
      return decodeObject(applyStrategicMerge(clone(target ?? {}), patch));
    }
    const applied = decodeObject(patch);
    applied.metadata.name ??= name;
    if (resource.namespaced) applied.metadata.namespace ??= namespace;
    const config = this.#decode(resource, applied.apiVersion.split('/').at(-1) ?? '', namespace, applied, context);
    return serverSideApply(before, config, resource, { manager: context.fieldManager, time: timestamp(this.clock.now()) }, force);
  }

  /** Everything between a new state and the store: status rules, defaults, admission, validation, conflicts, finalizers. */
  async #replace(
    resource: Resource,
    version: string,
    stored: KubeObject,
    wanted: KubeObject,
    context: WriteContext,
    subresource: string,
    applied = false,
  ): Promise<KubeObject> {
    const before = atVersion(stored, resource, version);
    const { name, namespace = '' } = before.metadata;
    const rv = wanted.metadata.resourceVersion;
    if (rv !== undefined && rv !== '' && rv !== stored.metadata.resourceVersion) throw conflict(resource, name);
    if (wanted.metadata.uid !== undefined && wanted.metadata.uid !== before.metadata.uid) {
      throw conflict(
        resource,
        name,
        `Precondition failed: UID in precondition: ${wanted.metadata.uid}, UID in object meta: ${before.metadata.uid}`,
      );
    }
    let object = this.#merged(resource, before, wanted, subresource);
    if (subresource === '') this.#applyDefaults(resource, version, object);
    const request: AdmissionRequest = {
      resource,
      version,
      operation: 'UPDATE',
      namespace,
      name,
      subresource,
      object,
      oldObject: before,
      context,
    };
    object = (await this.#options.admission.mutate(request)) ?? object;
    object = this.#merged(resource, before, object, subresource);
    if (subresource === '') this.#applyDefaults(resource, version, object);
    this.#validate(resource, version, object, before);
    await this.#options.admission.validate({ ...request, object });
    const current = this.store.get(resource.id, namespace, name);
    if (current === undefined) throw notFound(resource, name);
    if (current !== stored) throw conflict(resource, name);
    if (resource.id === 'services' && subresource === '') this.#allocate(resource, object, before);
    const bare = ({ metadata: { managedFields: _m, ...metadata }, ...rest }: KubeObject) => ({ ...rest, metadata });
    const same = equalJson(bare(object), bare(before));
    if (!NO_GENERATION.has(resource.id) && !same && specChanged(resource, before, object))
      object.metadata.generation = (before.metadata.generation ?? 0) + 1;
    if (applied) {
      const managedFields = wanted.metadata.managedFields ?? [];
      if (same && equalJson(managedFields, before.metadata.managedFields)) return stored;
      object.metadata.managedFields = managedFields;
    } else {
      if (same) return stored;
      const by = { manager: context.fieldManager, time: timestamp(this.clock.now()), ...(subresource === '' ? {} : { subresource }) };
      object.metadata.managedFields = recordUpdate(before, object, resource, by);
    }
    const next = atVersion(object, resource, resource.storageVersion);
    if (context.dryRun) return next;
    if (next.metadata.deletionTimestamp !== undefined && isFinal(resource, next)) return this.store.delete(resource.id, next);
    return this.store.put(resource.id, next);
  }

  /** What an update through this (sub)resource may change, on top of what was there. */
  #merged(resource: Resource, before: KubeObject, wanted: KubeObject, subresource: string): KubeObject {
    const fixed = before.metadata;
    const server = {
      ...(fixed.uid === undefined ? {} : { uid: fixed.uid }),
      ...(fixed.creationTimestamp === undefined ? {} : { creationTimestamp: fixed.creationTimestamp }),
      ...(fixed.resourceVersion === undefined ? {} : { resourceVersion: fixed.resourceVersion }),
      ...(fixed.generation === undefined ? {} : { generation: fixed.generation }),
      ...(fixed.generateName === undefined ? {} : { generateName: fixed.generateName }),
      ...(fixed.namespace === undefined ? {} : { namespace: fixed.namespace }),
      ...(fixed.deletionTimestamp === undefined ? {} : { deletionTimestamp: fixed.deletionTimestamp }),
      ...(fixed.deletionGracePeriodSeconds === undefined ? {} : { deletionGracePeriodSeconds: fixed.deletionGracePeriodSeconds }),
    };
    if (subresource === 'status') {
      const object = clone(before);
      if (wanted['status'] === undefined) delete object['status'];
      else object['status'] = clone(wanted['status']);
      if (!resource.custom) {
        for (const key of ['labels', 'annotations'] as const) {
          const value = wanted.metadata[key];
          if (value !== undefined) object.metadata[key] = clone(value);
        }
      }
      return object;
    }
    const object = clone(wanted);
    const { deletionTimestamp: _d, deletionGracePeriodSeconds: _g, ...own } = object.metadata;
    object.metadata = { ...own, ...server };
    if (resource.subresources.includes('status')) {
      if (before['status'] === undefined) delete object['status'];
      else object['status'] = clone(before['status']);
    }
    if (resource.id === 'secrets' && object['type'] === undefined) object['type'] = before['type'];
    return object;
  }

  async delete(
    resource: Resource,
    namespace: string,
    name: string,
    options: DeleteOptions,
    context: WriteContext,
  ): Promise<{ object: KubeObject; final: boolean }> {
    const found = this.get(resource, namespace, name);
    const { preconditions = {} } = options;
    if (preconditions.uid !== undefined && preconditions.uid !== found.metadata.uid) {
      throw conflict(
        resource,
        name,
        `Precondition failed: UID in precondition: ${preconditions.uid}, UID in object meta: ${found.metadata.uid}`,
      );
    }
    if (preconditions.resourceVersion !== undefined && preconditions.resourceVersion !== found.metadata.resourceVersion)
      throw conflict(resource, name);
    await this.#options.admission.validate({
      resource,
      version: resource.storageVersion,
      operation: 'DELETE',
      namespace,
      name,
      subresource: '',
      object: undefined,
      oldObject: found,
      context,
    });
    const current = this.get(resource, namespace, name);
    const object = clone(current);
    const policyFinalizer =
      options.propagationPolicy === 'Foreground' ? 'foregroundDeletion' : options.propagationPolicy === 'Orphan' ? 'orphan' : undefined;
    if (policyFinalizer !== undefined && object.metadata.finalizers?.includes(policyFinalizer) !== true) {
      object.metadata.finalizers = [...(object.metadata.finalizers ?? []), policyFinalizer];
    }
    const grace = graceSeconds(resource, object, options);
    if (context.dryRun) return { object: current, final: true };
    if (grace === 0 && (object.metadata.finalizers ?? []).length === 0 && resource.id !== 'namespaces') {
      return { object: this.store.delete(resource.id, current), final: true };
    }
    const earlier = object.metadata.deletionGracePeriodSeconds;
    if (object.metadata.deletionTimestamp === undefined || (earlier !== undefined && grace < earlier)) {
      object.metadata.deletionTimestamp = timestamp(this.clock.now() + grace * 1000);
      object.metadata.deletionGracePeriodSeconds = grace;
      if (object.metadata.generation !== undefined) object.metadata.generation++;
      if (resource.id === 'namespaces') object['status'] = { ...objectAt(object, 'status'), phase: 'Terminating' };
    }
    if (equalJson(object, current)) return { object: current, final: false };
    return { object: this.store.put(resource.id, object), final: false };
  }

  #decode(resource: Resource, version: string, namespace: string, body: KubeObject, context: WriteContext): KubeObject {
    const apiVersion = apiVersionOf(resource.group, version);
    const object = clone(body);
    object.kind ||= resource.kind;
    object.apiVersion ||= apiVersion;
    if (object.kind !== resource.kind || object.apiVersion !== apiVersion) {
      throw badRequest(
        `${object.kind} in version "${object.apiVersion}" cannot be handled as a ${resource.kind}: the request path is for ${resource.kind} in version "${apiVersion}"`,
      );
    }
    if (resource.namespaced) {
      const own = object.metadata.namespace ?? '';
      if (own !== '' && own !== namespace)
        throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
      object.metadata.namespace = namespace;
    }
    this.#prune(resource, version, object, context);
    return object;
  }

  #prune(resource: Resource, version: string, object: KubeObject, context: WriteContext): void {
    const cannot = `${resource.kind} in version "${version}" cannot be handled as a ${resource.kind}`;
    // Objects are JSON: the interface only names the fields that every kind has.
    const json = object as unknown as JsonObject;
    let unknown: string[];
    if (resource.custom) {
      const schema = resource.versions.find(({ name }) => name === version)?.schema;
      unknown = schema === undefined ? [] : pruneBySchema(schema, json);
    } else {
      const result = pruneBuiltin(this.#options.types, resource.id, json);
      unknown = result.unknown;
      const [first] = result.wrong;
      if (first !== undefined) throw badRequest(`${cannot}: json: ${first.message}`);
    }
    if (unknown.length === 0 || context.fieldValidation === 'Ignore') return;
    const lines = unknown.slice(0, 50).map((path) => `unknown field "${path}"`);
    if (context.fieldValidation === 'Strict') throw badRequest(`${cannot}: strict decoding error: ${lines.join(', ')}`);
    for (const line of lines) if (!context.warnings.includes(line)) context.warnings.push(line);
  }

  #applyDefaults(resource: Resource, version: string, object: KubeObject): void {
    if (resource.custom) {
      const schema = resource.versions.find(({ name }) => name === version)?.schema;
      // Objects are JSON: the interface only names the fields that every kind has.
      if (schema !== undefined) defaultBySchema(schema, object as unknown as JsonObject);
    } else applyDefaults(resource.id, object);
  }

  #validate(resource: Resource, version: string, object: KubeObject, before: KubeObject | undefined): void {
    const errors = validateMetadata(resource.id, object);
    if (resource.custom) {
      const schema = resource.versions.find(({ name }) => name === version)?.schema;
      // Objects are JSON: the interface only names the fields that every kind has.
      if (schema !== undefined) errors.push(...validateBySchema(schema, object as unknown as JsonObject));
    } else errors.push(...validateBuiltin(resource.id, object, before));
    if (errors.length > 0) throw invalid(resource.group, resource.kind, object.metadata.name, errors);
  }

  #allocate(resource: Resource, object: KubeObject, before: KubeObject | undefined): void {
    const errors = allocateServiceAddresses(object, before, this.store.list('services'), this.#options.serviceCidr);
    if (errors.length > 0) throw invalid(resource.group, resource.kind, object.metadata.name, errors);
  }

  #checkNamespace(resource: Resource, namespace: string, name: string): void {
    if (!resource.namespaced) return;
    const found = this.store.get('namespaces', '', namespace);
    if (found === undefined) throw notFound({ group: '', plural: 'namespaces' }, namespace);
    if (found.metadata.deletionTimestamp !== undefined && !ALLOWED_IN_TERMINATING.has(resource.id)) {
      throw forbidden(resource, name, `unable to create new content in namespace ${namespace} because it is being terminated`);
    }
  }
}

/** Kinds whose creator may set a status (the API server clears it elsewhere). */
const KEEPS_STATUS = new Set(['pods', 'nodes', 'namespaces', 'ingresses.networking.k8s.io']);

function specChanged(resource: Resource, before: KubeObject, after: KubeObject): boolean {
  const bare = (object: KubeObject) => {
    const { metadata: _m, apiVersion: _a, ...rest } = object;
    if (resource.subresources.includes('status')) delete rest['status'];
    return rest;
  };
  return !equalJson(bare(before), bare(after)) || before.metadata.deletionTimestamp !== after.metadata.deletionTimestamp;
}

function graceSeconds(resource: Resource, object: KubeObject, options: DeleteOptions): number {
  if (resource.id !== 'pods') return 0;
  const phase = textAt(object, 'status', 'phase');
  if (textAt(object, 'spec', 'nodeName') === '' || phase === 'Succeeded' || phase === 'Failed') return 0;
  const own = at(object, 'spec', 'terminationGracePeriodSeconds');
  return Math.max(0, options.gracePeriodSeconds ?? (typeof own === 'number' ? own : 30));
}

/** True when nothing holds an object that is to be deleted any more. */
function isFinal(resource: Resource, object: KubeObject): boolean {
  if ((object.metadata.finalizers ?? []).length > 0) return false;
  if (resource.id === 'namespaces')
    return !Array.isArray(at(object, 'spec', 'finalizers')) || (at(object, 'spec', 'finalizers', 0) ?? '') === '';
  return resource.id !== 'pods' || (object.metadata.deletionGracePeriodSeconds ?? 0) === 0;
}

/** Reads a request body as an object of some kind; a 400 says what it lacks. */
export function decodeObject(body: unknown): KubeObject {
  if (!isObject(body)) throw badRequest('the body of the request is not an object');
  const metadata = body['metadata'] ?? {};
  if (!isObject(metadata)) throw badRequest('metadata: must be an object');
  for (const field of ['name', 'namespace', 'generateName', 'resourceVersion', 'uid'] as const) {
    const value = metadata[field];
    if (value === null) delete metadata[field];
    else if (value !== undefined && typeof value !== 'string')
      throw badRequest(`json: cannot unmarshal ${typeof value} into Go struct field ObjectMeta.metadata.${field} of type string`);
  }
  for (const field of ['labels', 'annotations'] as const) {
    const value = metadata[field];
    if (value === null) delete metadata[field];
    else if (value !== undefined && !isObject(value)) throw badRequest(`metadata.${field}: must be a map of strings`);
    for (const [key, item] of Object.entries(isObject(value) ? value : {})) {
      if (typeof item !== 'string')
        throw badRequest(
          `json: cannot unmarshal ${typeof item} into Go struct field ObjectMeta.metadata.${field} of type string (key "${key}")`,
        );
    }
  }
  const { kind = '', apiVersion = '' } = body;
  if (typeof kind !== 'string' || typeof apiVersion !== 'string') throw badRequest('apiVersion and kind must be strings');
  // The fields that the interface names have been checked above; lists in metadata by the kind's types.
  return { ...body, apiVersion, kind, metadata } as unknown as KubeObject;
}
