import { type KubeObject, objectsAt, stringMapAt, textAt, timestamp } from '../apiserver/object.ts';
import type { ControllerClient } from './client.ts';
import { type Controller, keyOfObject, splitKey } from './loop.ts';
import { withCondition } from './pods.ts';

/** Whether a node would take a pod: it is ready, open, and has the labels that the pod's nodeSelector wants. */
export function fits(pod: KubeObject, node: KubeObject): boolean {
  if (objectsAt(node, 'status', 'conditions').some((item) => item['type'] === 'Ready' && item['status'] !== 'True')) return false;
  const spec = node['spec'];
  if (typeof spec === 'object' && spec !== null && 'unschedulable' in spec && spec.unschedulable === true) return false;
  const wanted = Object.entries(stringMapAt(pod, 'spec', 'nodeSelector'));
  return wanted.every(([key, value]) => node.metadata.labels?.[key] === value);
}

/** Assigns every new pod to the node that takes it and has the fewest. */
export function scheduler(client: ControllerClient): Controller {
  const waiting = () =>
    client.list('pods').filter((pod) => textAt(pod, 'spec', 'nodeName') === '' && pod.metadata.deletionTimestamp === undefined);
  return {
    name: 'scheduler',
    keysOf: ({ type, resource, object }) => {
      if (resource === 'pods') return type !== 'DELETED' && textAt(object, 'spec', 'nodeName') === '' ? [keyOfObject(object)] : [];
      return resource === 'nodes' && type !== 'DELETED' ? waiting().map(keyOfObject) : [];
    },
    initialKeys: () => waiting().map(keyOfObject),
    reconcile: async (key) => {
      const [namespace, name] = splitKey(key);
      const pod = client.get('pods', namespace, name);
      if (pod === undefined || textAt(pod, 'spec', 'nodeName') !== '' || pod.metadata.deletionTimestamp !== undefined) return undefined;
      const nodes = client.list('nodes');
      const load = (node: KubeObject) =>
        client.list('pods').filter((other) => textAt(other, 'spec', 'nodeName') === node.metadata.name).length;
      const fitting = nodes.filter((node) => fits(pod, node));
      const [chosen] = fitting.length > 1 ? fitting.sort((a, b) => load(a) - load(b)) : fitting;
      const now = timestamp(client.now);
      const conditions = objectsAt(pod, 'status', 'conditions');
      if (chosen === undefined) {
        const message = `0/${nodes.length} nodes are available${nodes.length === 0 ? '' : ': none is ready and matches the pod'}.`;
        if (conditions.some((item) => item['type'] === 'PodScheduled' && item['message'] === message)) return undefined;
        await client.patch(
          'pods',
          pod,
          {
            status: {
              conditions: withCondition(
                conditions,
                { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message },
                now,
                false,
              ),
            },
          },
          'status',
        );
        await client.event(pod, 'Warning', 'FailedScheduling', message);
        return undefined;
      }
      const bound = await client.patch('pods', pod, { spec: { nodeName: chosen.metadata.name } });
      const scheduled = withCondition(
        objectsAt(bound, 'status', 'conditions'),
        { type: 'PodScheduled', status: 'True', reason: '', message: '' },
        now,
        false,
      );
      const tidy = scheduled.map(({ reason, message, ...rest }) => ({
        ...rest,
        ...(reason === '' ? {} : { reason: reason ?? '' }),
        ...(message === '' ? {} : { message: message ?? '' }),
      }));
      await client.patch('pods', bound, { status: { conditions: tidy } }, 'status');
      await client.event(pod, 'Normal', 'Scheduled', `Successfully assigned ${key} to ${chosen.metadata.name}`);
      return undefined;
    },
  };
}
