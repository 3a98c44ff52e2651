import { errorText } from '@xebec/core';
import { type JsonObject, type KubeObject, numberAt, objectsAt, stringMapAt, timestamp } from '../apiserver/object.ts';
import { type ControllerClient, controllerOf } from './client.ts';
import { type Controller, keyOfObject, splitKey } from './loop.ts';
import { availableIn, deletionOrder, isActive, isReady, podFromTemplate, replicasOf, withCondition } from './pods.ts';

const ID = 'replicasets.apps';
/** How many pods one look creates or deletes. */
const BURST = 500;

export interface ReplicaSetPlan {
  readonly create: number;
  readonly remove: readonly KubeObject[];
  readonly status: JsonObject;
  /** When a ready pod will have been ready for `minReadySeconds`. */
  readonly againInMs: number | undefined;
}

/** What a ReplicaSet needs, given its pods. */
export function planReplicaSet(set: KubeObject, pods: readonly KubeObject[], nowMs: number): ReplicaSetPlan {
  const active = pods.filter(isActive);
  const wanted = set.metadata.deletionTimestamp === undefined ? replicasOf(set) : active.length;
  const minReadySeconds = numberAt(set, 'spec', 'minReadySeconds') ?? 0;
  const waits = active.flatMap((pod) => availableIn(pod, minReadySeconds, nowMs) ?? []);
  const labels = Object.entries(stringMapAt(set, 'spec', 'template', 'metadata', 'labels'));
  const labelled = active.filter((pod) => labels.every(([key, value]) => pod.metadata.labels?.[key] === value));
  const ready = active.filter(isReady).length;
  const available = waits.filter((wait) => wait === 0).length;
  const pending = waits.filter((wait) => wait > 0);
  const conditions = objectsAt(set, 'status', 'conditions');
  return {
    create: Math.max(0, wanted - active.length),
    remove: active.length > wanted ? [...active].sort(deletionOrder).slice(0, active.length - wanted) : [],
    status: {
      replicas: active.length,
      ...(labelled.length > 0 ? { fullyLabeledReplicas: labelled.length } : {}),
      ...(ready > 0 ? { readyReplicas: ready } : {}),
      ...(available > 0 ? { availableReplicas: available } : {}),
      observedGeneration: set.metadata.generation ?? 1,
      ...(conditions.length > 0 ? { conditions } : {}),
    },
    againInMs: pending.length > 0 ? Math.min(...pending) : undefined,
  };
}

/** Keeps the wanted number of pods of every ReplicaSet. */
export function replicaSetController(client: ControllerClient): Controller {
  return {
    name: 'replicaset',
    keysOf: ({ resource, object }) => {
      if (resource === ID) return [keyOfObject(object)];
      const owner = resource === 'pods' ? controllerOf(object) : undefined;
      return owner?.kind === 'ReplicaSet' ? [`${object.metadata.namespace}/${owner.name}`] : [];
    },
    initialKeys: () => client.list(ID).map(keyOfObject),
    reconcile: async (key) => {
      const [namespace, name] = splitKey(key);
      const set = client.get(ID, namespace, name);
      if (set === undefined) return undefined;
      const pods = () => client.controlled('pods', namespace, set.metadata.uid);
      const plan = planReplicaSet(set, pods(), client.now);
      let failure: string | undefined;
      const creations = Array.from({ length: Math.min(BURST, plan.create) }, async () => {
        try {
          const pod = await client.create('pods', podFromTemplate(set, { generateName: `${name}-` }));
          await client.event(set, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
        } catch (error) {
          failure = errorText(error);
        }
      });
      await Promise.all(creations);
      for (const pod of plan.remove.slice(0, BURST)) {
        await client.delete('pods', pod);
        await client.event(set, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`);
      }
      const current = client.get(ID, namespace, name);
      if (current === undefined) return undefined;
      const { status, againInMs } = planReplicaSet(current, pods(), client.now);
      const others = objectsAt(current, 'status', 'conditions').filter((condition) => condition['type'] !== 'ReplicaFailure');
      const failed = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: failure ?? '' };
      const conditions =
        failure === undefined ? others : withCondition(objectsAt(current, 'status', 'conditions'), failed, timestamp(client.now), false);
      const { conditions: _old, ...counts } = status;
      await client.setStatus(ID, current, conditions.length > 0 ? { ...counts, conditions } : counts);
      if (failure !== undefined) {
        await client.event(current, 'Warning', 'FailedCreate', `Error creating: ${failure}`);
        throw new Error(failure);
      }
      return againInMs;
    },
  };
}
