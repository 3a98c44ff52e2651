import { type KubeObject, type OwnerReference, textAt } from '../apiserver/object.ts';
import { parseApiVersion } from '../apiserver/resource.ts';
import type { StoreEvent } from '../apiserver/store.ts';
import type { ControllerClient } from './client.ts';
import type { Controller } from './loop.ts';

interface Reference {
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
}

const FOREGROUND = 'foregroundDeletion';
const ORPHAN = 'orphan';

/** Deletes what lost all its owners; carries out foreground and orphan deletion. Keys are owners' uids and `resource|namespace|name`. */
export function garbageCollector(client: ControllerClient): Controller {
  /** Dependents by owner uid. */
  const dependents = new Map<string, Map<string, Reference>>();
  const keyOf = (id: string, { metadata }: KubeObject) => `${id}|${metadata.namespace ?? ''}|${metadata.name}`;
  const index = ({ type, resource, object, previous }: Pick<StoreEvent, 'type' | 'resource' | 'object' | 'previous'>) => {
    const key = keyOf(resource, object);
    for (const owner of previous?.metadata.ownerReferences ?? []) dependents.get(owner.uid)?.delete(key);
    const owners = object.metadata.ownerReferences ?? [];
    for (const owner of owners) {
      if (type === 'DELETED') dependents.get(owner.uid)?.delete(key);
      else {
        const known = dependents.get(owner.uid) ?? new Map<string, Reference>();
        dependents.set(owner.uid, known.set(key, { id: resource, namespace: object.metadata.namespace ?? '', name: object.metadata.name }));
      }
      if (dependents.get(owner.uid)?.size === 0) dependents.delete(owner.uid);
    }
  };
  for (const id of client.engine.store.resources())
    for (const object of client.list(id)) index({ type: 'ADDED', resource: id, object, previous: undefined });
  const ownerOf = (dependent: KubeObject, owner: OwnerReference): KubeObject | undefined => {
    const resource = client.engine.registry.findKind(parseApiVersion(owner.apiVersion).group, owner.kind);
    if (resource === undefined) return undefined;
    const found = client.get(resource.id, resource.namespaced ? (dependent.metadata.namespace ?? '') : '', owner.name);
    return found?.metadata.uid === owner.uid ? found : undefined;
  };
  const dropFinalizer = async (id: string, object: KubeObject, finalizer: string) => {
    const finalizers = (object.metadata.finalizers ?? []).filter((item) => item !== finalizer);
    await client.patch(id, object, { metadata: { finalizers } });
  };
  const visitDependent = async (id: string, object: KubeObject) => {
    const owners = object.metadata.ownerReferences ?? [];
    if (owners.length === 0 || object.metadata.deletionTimestamp !== undefined) return;
    const alive = owners.filter((owner) => ownerOf(object, owner) !== undefined);
    const isWaitedFor = alive.some((owner) => ownerOf(object, owner)?.metadata.finalizers?.includes(FOREGROUND) === true);
    if (alive.length === 0) await client.delete(id, object, { propagationPolicy: 'Background' });
    else if (isWaitedFor && alive.length === 1) await client.delete(id, object, { propagationPolicy: 'Foreground' });
  };
  return {
    name: 'garbage-collector',
    keysOf: (event) => {
      const { type, resource, object } = event;
      const owners = object.metadata.ownerReferences ?? [];
      index(event);
      if (resource === 'events') return [];
      const { uid = '', finalizers = [] } = object.metadata;
      const keys: string[] = [];
      if (type === 'DELETED') {
        if (dependents.has(uid)) keys.push(`uid|${uid}`);
        // Owners that wait for their dependents look again.
        for (const owner of owners) {
          const waiting = ownerOf(object, owner);
          const group = client.engine.registry.findKind(parseApiVersion(owner.apiVersion).group, owner.kind);
          if (waiting?.metadata.deletionTimestamp !== undefined && group !== undefined) keys.push(keyOf(group.id, waiting));
        }
      } else {
        if (object.metadata.deletionTimestamp !== undefined && (finalizers.includes(FOREGROUND) || finalizers.includes(ORPHAN)))
          keys.push(keyOf(resource, object));
        if (type === 'ADDED' && owners.length > 0) keys.push(keyOf(resource, object));
      }
      return keys;
    },
    initialKeys: () => client.engine.store.resources().flatMap((id) => client.list(id).map((object) => keyOf(id, object))),
    reconcile: async (key) => {
      const [id = '', namespace = '', name = ''] = key.split('|');
      if (id === 'uid') {
        for (const reference of [...(dependents.get(namespace)?.values() ?? [])]) {
          const object = client.get(reference.id, reference.namespace, reference.name);
          if (object !== undefined) await visitDependent(reference.id, object);
        }
        return undefined;
      }
      const object = client.get(id, namespace, name);
      if (object === undefined) return undefined;
      const { finalizers = [], uid = '', deletionTimestamp } = object.metadata;
      const owned = [...(dependents.get(uid)?.values() ?? [])];
      if (deletionTimestamp !== undefined && finalizers.includes(ORPHAN)) {
        for (const reference of owned) {
          const dependent = client.get(reference.id, reference.namespace, reference.name);
          if (dependent === undefined) continue;
          const ownerReferences = (dependent.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid);
          await client.update(reference.id, { ...dependent, metadata: { ...dependent.metadata, ownerReferences } });
        }
        await dropFinalizer(id, object, ORPHAN);
      } else if (deletionTimestamp !== undefined && finalizers.includes(FOREGROUND)) {
        for (const reference of owned) {
          const dependent = client.get(reference.id, reference.namespace, reference.name);
          if (dependent !== undefined) await visitDependent(reference.id, dependent);
        }
        const blocking = [...(dependents.get(uid)?.values() ?? [])].some((reference) => {
          const dependent = client.get(reference.id, reference.namespace, reference.name);
          return dependent?.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true) === true;
        });
        if (!blocking) {
          const latest = client.get(id, namespace, name);
          if (latest !== undefined) await dropFinalizer(id, latest, FOREGROUND);
        }
      } else await visitDependent(id, object);
      return undefined;
    },
  };
}

/** Pods of a node that is gone will never be ended by it: they are removed here. */
export function podCollector(client: ControllerClient): Controller {
  const lost = () => {
    const nodes = new Set(client.list('nodes').map(({ metadata }) => metadata.name));
    return client.list('pods').filter((pod) => textAt(pod, 'spec', 'nodeName') !== '' && !nodes.has(textAt(pod, 'spec', 'nodeName')));
  };
  return {
    name: 'pod-collector',
    keysOf: ({ type, resource }) => (resource === 'nodes' && type === 'DELETED' ? ['all'] : []),
    initialKeys: () => [],
    reconcile: async () => {
      for (const pod of lost()) await client.delete('pods', pod, { gracePeriodSeconds: 0 });
      return undefined;
    },
  };
}
