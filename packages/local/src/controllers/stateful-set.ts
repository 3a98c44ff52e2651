import { type KubeObject, numberAt, objectAt, textAt } from '../apiserver/object.ts';
import { type ControllerClient, controllerOf } from './client.ts';
import { templateHash } from './deployment.ts';
import { type Controller, keyOfObject, splitKey } from './loop.ts';
import { isActive, isReady, podFromTemplate, replicasOf } from './pods.ts';

const ID = 'statefulsets.apps';
const REVISION_LABEL = 'controller-revision-hash';

/** Keeps numbered pods in order: the next one starts when those before it are ready. Claims are not made. */
export function statefulSetController(client: ControllerClient): Controller {
  return {
    name: 'statefulset',
    keysOf: ({ resource, object }) => {
      if (resource === ID) return [keyOfObject(object)];
      const owner = resource === 'pods' ? controllerOf(object) : undefined;
      return owner?.kind === 'StatefulSet' ? [`${object.metadata.namespace}/${owner.name}`] : [];
    },
    initialKeys: () => client.list(ID).map(keyOfObject),
    reconcile: async (key) => {
      const [namespace, name] = splitKey(key);
      const set = client.get(ID, namespace, name);
      if (set === undefined || set.metadata.deletionTimestamp !== undefined) return undefined;
      const revision = `${name}-${templateHash(objectAt(set, 'spec', 'template'))}`;
      const wanted = replicasOf(set);
      const parallel = textAt(set, 'spec', 'podManagementPolicy') === 'Parallel';
      const podAt = (ordinal: number) => client.get('pods', namespace, `${name}-${ordinal}`);
      for (let ordinal = 0; ordinal < wanted; ordinal++) {
        const pod = podAt(ordinal);
        if (pod === undefined) await client.create('pods', numberedPod(set, ordinal, revision));
        else if (!isActive(pod) && pod.metadata.deletionTimestamp === undefined) await client.delete('pods', pod);
        const now = podAt(ordinal);
        if (!parallel && (now === undefined || !isReady(now))) break;
      }
      const owned = () => client.controlled('pods', namespace, set.metadata.uid);
      const ordinalOf = (pod: KubeObject) => Number(pod.metadata.name.slice(name.length + 1));
      const surplus = owned().filter((pod) => ordinalOf(pod) >= wanted && isActive(pod));
      const outdated = owned().filter(
        (pod) => ordinalOf(pod) < wanted && isActive(pod) && pod.metadata.labels?.[REVISION_LABEL] !== revision,
      );
      const byOrdinal = (a: KubeObject, b: KubeObject) => ordinalOf(b) - ordinalOf(a);
      const settled = owned().every((pod) => isReady(pod) && isActive(pod));
      if (surplus.length > 0)
        for (const pod of surplus.sort(byOrdinal).slice(0, parallel ? surplus.length : 1)) await client.delete('pods', pod);
      else if (settled && textAt(set, 'spec', 'updateStrategy', 'type') !== 'OnDelete')
        for (const pod of outdated.sort(byOrdinal).slice(0, 1)) await client.delete('pods', pod);
      const pods = owned().filter(isActive);
      const updated = pods.filter((pod) => pod.metadata.labels?.[REVISION_LABEL] === revision).length;
      const ready = pods.filter(isReady).length;
      const isDone = updated === wanted && pods.length === wanted;
      await client.setStatus(ID, set, {
        observedGeneration: set.metadata.generation ?? 1,
        replicas: pods.length,
        readyReplicas: ready,
        availableReplicas: ready,
        currentReplicas: isDone ? updated : pods.length - updated,
        updatedReplicas: updated,
        currentRevision: isDone ? revision : textAt(set, 'status', 'currentRevision') || revision,
        updateRevision: revision,
        collisionCount: numberAt(set, 'status', 'collisionCount') ?? 0,
      });
      return undefined;
    },
  };
}

function numberedPod(set: KubeObject, ordinal: number, revision: string): KubeObject {
  const name = `${set.metadata.name}-${ordinal}`;
  const pod = podFromTemplate(
    set,
    { name },
    { [REVISION_LABEL]: revision, 'statefulset.kubernetes.io/pod-name': name, 'apps.kubernetes.io/pod-index': String(ordinal) },
  );
  return { ...pod, spec: { ...objectAt(pod, 'spec'), hostname: name, subdomain: textAt(set, 'spec', 'serviceName') } };
}
