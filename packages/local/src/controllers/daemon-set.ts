import { objectAt, textAt } from '../apiserver/object.ts';
import { type ControllerClient, controllerOf } from './client.ts';
import { templateHash } from './deployment.ts';
import { type Controller, keyOfObject, splitKey } from './loop.ts';
import { isActive, isReady, podFromTemplate } from './pods.ts';
import { fits } from './scheduler.ts';

const ID = 'daemonsets.apps';
const REVISION_LABEL = 'controller-revision-hash';

/** Keeps one pod on every node that takes it; replaces outdated ones one by one. */
export function daemonSetController(client: ControllerClient): Controller {
  const all = () => client.list(ID).map(keyOfObject);
  return {
    name: 'daemonset',
    keysOf: ({ resource, object }) => {
      if (resource === ID) return [keyOfObject(object)];
      if (resource === 'nodes') return all();
      const owner = resource === 'pods' ? controllerOf(object) : undefined;
      return owner?.kind === 'DaemonSet' ? [`${object.metadata.namespace}/${owner.name}`] : [];
    },
    initialKeys: all,
    reconcile: async (key) => {
      const [namespace, name] = splitKey(key);
      const set = client.get(ID, namespace, name);
      if (set === undefined || set.metadata.deletionTimestamp !== undefined) return undefined;
      const revision = templateHash(objectAt(set, 'spec', 'template'));
      const template = podFromTemplate(set, { generateName: `${name}-` }, { [REVISION_LABEL]: revision });
      const nodes = client.list('nodes').filter((node) => fits(template, node));
      const owned = () => client.controlled('pods', namespace, set.metadata.uid);
      for (const node of nodes) {
        if (owned().some((pod) => textAt(pod, 'spec', 'nodeName') === node.metadata.name)) continue;
        await client.create('pods', { ...template, spec: { ...objectAt(template, 'spec'), nodeName: node.metadata.name } });
      }
      for (const pod of owned().filter((item) => textAt(item, 'status', 'phase') === 'Failed')) await client.delete('pods', pod);
      const active = owned().filter(isActive);
      const outdated = active.find((pod) => pod.metadata.labels?.[REVISION_LABEL] !== revision);
      if (outdated !== undefined && textAt(set, 'spec', 'updateStrategy', 'type') !== 'OnDelete') await client.delete('pods', outdated);
      const ready = active.filter(isReady).length;
      await client.setStatus(ID, set, {
        observedGeneration: set.metadata.generation ?? 1,
        desiredNumberScheduled: nodes.length,
        currentNumberScheduled: active.length,
        numberMisscheduled: 0,
        numberReady: ready,
        numberAvailable: ready,
        updatedNumberScheduled: active.filter((pod) => pod.metadata.labels?.[REVISION_LABEL] === revision).length,
        ...(nodes.length > ready ? { numberUnavailable: nodes.length - ready } : {}),
      });
      return undefined;
    },
  };
}
