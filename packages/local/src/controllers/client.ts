import type { DeleteOptions, ObjectEngine, WriteContext } from '../apiserver/engine.ts';
import type { JsonObject, KubeObject, OwnerReference } from '../apiserver/object.ts';
import { timestamp } from '../apiserver/object.ts';
import type { Resource } from '../apiserver/resource.ts';
import { ApiError } from '../apiserver/status.ts';

/** How controllers read and write: as the API's own engine, so admission and validation hold for them too. */
export class ControllerClient {
  readonly engine: ObjectEngine;
  readonly #context: WriteContext;
  readonly #name: string;

  constructor(engine: ObjectEngine, name: string) {
    this.engine = engine;
    this.#name = name;
    this.#context = {
      user: {
        username: `system:serviceaccount:kube-system:${name}`,
        groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
      },
      dryRun: false,
      fieldManager: 'kube-controller-manager',
      fieldValidation: 'Ignore',
      warnings: [],
    };
  }

  get now(): number {
    return this.engine.clock.now();
  }

  #resource(id: string): Resource {
    const resource = this.engine.registry.byId(id);
    if (resource === undefined) throw new ApiError(404, 'NotFound', `the server has no resource ${id}`);
    return resource;
  }

  get(id: string, namespace: string, name: string): KubeObject | undefined {
    return this.engine.store.get(id, namespace, name);
  }

  list(id: string, namespace?: string): KubeObject[] {
    return this.engine.store.list(id, namespace);
  }

  /** Objects of a namespace whose controller has this uid. */
  controlled(id: string, namespace: string, uid: string | undefined): KubeObject[] {
    return this.list(id, namespace).filter((object) => controllerOf(object)?.uid === uid);
  }

  create(id: string, object: KubeObject): Promise<KubeObject> {
    const resource = this.#resource(id);
    return this.engine.create(resource, resource.storageVersion, object.metadata.namespace ?? '', object, {
      ...this.#context,
      warnings: [],
    });
  }

  /** Creates an object unless one of its name exists. */
  async ensure(id: string, object: KubeObject): Promise<void> {
    if (this.get(id, object.metadata.namespace ?? '', object.metadata.name) !== undefined) return;
    await this.create(id, object).catch((error: unknown) => {
      if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error;
    });
  }

  async patch(id: string, object: KubeObject, patch: JsonObject, subresource = ''): Promise<KubeObject> {
    const resource = this.#resource(id);
    const { namespace = '', name } = object.metadata;
    const result = await this.engine.patch(
      resource,
      resource.storageVersion,
      namespace,
      name,
      'merge',
      patch,
      { ...this.#context, warnings: [] },
      { subresource },
    );
    return result.object;
  }

  /** Replaces an object's status; does nothing when it is as wanted. */
  async setStatus(id: string, object: KubeObject, status: JsonObject): Promise<void> {
    const resource = this.#resource(id);
    const { namespace = '', name } = object.metadata;
    const { resourceVersion: _rv, ...metadata } = object.metadata;
    await this.engine.update(
      resource,
      resource.storageVersion,
      namespace,
      name,
      { ...object, metadata, status },
      { ...this.#context, warnings: [] },
      'status',
    );
  }

  update(id: string, object: KubeObject): Promise<KubeObject> {
    const resource = this.#resource(id);
    const { namespace = '', name } = object.metadata;
    return this.engine.update(resource, resource.storageVersion, namespace, name, object, { ...this.#context, warnings: [] });
  }

  /** Deletes an object; one that is gone already is fine. */
  async delete(id: string, object: KubeObject, options: DeleteOptions = {}): Promise<void> {
    const { namespace = '', name, uid } = object.metadata;
    await this.engine
      .delete(
        this.#resource(id),
        namespace,
        name,
        { ...options, preconditions: uid === undefined ? {} : { uid } },
        { ...this.#context, warnings: [] },
      )
      .catch((error: unknown) => {
        if (!(error instanceof ApiError && (error.code === 404 || error.reason === 'Conflict'))) throw error;
      });
  }

  /** Records an Event about an object, as `kubectl describe` shows it; a repetition counts up. */
  async event(object: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string): Promise<void> {
    const { namespace = '', name, uid = '', resourceVersion = '' } = object.metadata;
    const where = namespace === '' ? 'default' : namespace;
    const now = timestamp(this.now);
    const same = this.list('events', where).find(
      (event) =>
        event['reason'] === reason && event['message'] === message && (event['involvedObject'] as JsonObject | undefined)?.['uid'] === uid,
    );
    if (same !== undefined) {
      const count = typeof same['count'] === 'number' ? same['count'] + 1 : 2;
      await this.patch('events', same, { count, lastTimestamp: now });
      return;
    }
    const suffix = Math.floor(this.now * 1000 + this.engine.store.revision).toString(16);
    await this.create('events', {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name}.${suffix}`, namespace: where },
      involvedObject: { apiVersion: object.apiVersion, kind: object.kind, name, namespace, uid, resourceVersion },
      type,
      reason,
      message: message.slice(0, 1024),
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: { component: this.#name },
      reportingComponent: this.#name,
      reportingInstance: '',
      eventTime: null,
    }).catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
    });
  }
}

/** The owner that manages an object, if any. */
export function controllerOf(object: KubeObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

/** The owner reference of a managed object. */
export function controllerReference(owner: KubeObject): OwnerReference {
  const { name, uid = '' } = owner.metadata;
  return { apiVersion: owner.apiVersion, kind: owner.kind, name, uid, controller: true, blockOwnerDeletion: true };
}
