import { clone, type JsonObject, type KubeObject, numberAt, objectAt, objectsAt, stringMapAt, textAt } from '../apiserver/object.ts';
import { controllerReference } from './client.ts';

/** Neither ended nor about to end. */
export function isActive(pod: KubeObject): boolean {
  const phase = textAt(pod, 'status', 'phase');
  return phase !== 'Succeeded' && phase !== 'Failed' && pod.metadata.deletionTimestamp === undefined;
}

function readyCondition(pod: KubeObject): JsonObject | undefined {
  return objectsAt(pod, 'status', 'conditions').find((condition) => condition['type'] === 'Ready');
}

export function isReady(pod: KubeObject): boolean {
  return readyCondition(pod)?.['status'] === 'True';
}

/** Milliseconds until a pod counts as available; 0 when it does, undefined while it is not ready. */
export function availableIn(pod: KubeObject, minReadySeconds: number, nowMs: number): number | undefined {
  if (!isReady(pod)) return undefined;
  if (minReadySeconds === 0) return 0;
  const since = Date.parse(textAt(readyCondition(pod), 'lastTransitionTime'));
  return Number.isNaN(since) ? minReadySeconds * 1000 : Math.max(0, since + minReadySeconds * 1000 - nowMs);
}

/** A pod as a workload's template describes it, owned by the workload. */
export function podFromTemplate(
  owner: KubeObject,
  name: { readonly name?: string; readonly generateName?: string },
  labels: Readonly<Record<string, string>> = {},
): KubeObject {
  const template = objectAt(owner, 'spec', 'template') ?? {};
  const annotations = stringMapAt(template, 'metadata', 'annotations');
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: '',
      ...name,
      ...(owner.metadata.namespace === undefined ? {} : { namespace: owner.metadata.namespace }),
      labels: { ...stringMapAt(template, 'metadata', 'labels'), ...labels },
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      ownerReferences: [controllerReference(owner)],
    },
    spec: clone(objectAt(template, 'spec') ?? {}),
  };
}

/** Which pods to give up first: unscheduled, pending, not ready, then the youngest. */
export function deletionOrder(a: KubeObject, b: KubeObject): number {
  const rank = (pod: KubeObject) =>
    textAt(pod, 'spec', 'nodeName') === '' ? 0 : textAt(pod, 'status', 'phase') !== 'Running' ? 1 : isReady(pod) ? 3 : 2;
  const age = (pod: KubeObject) => String(pod.metadata.creationTimestamp ?? '');
  return (
    rank(a) - rank(b) ||
    (age(a) < age(b) ? 1 : age(a) > age(b) ? -1 : 0) ||
    Number(b.metadata.resourceVersion) - Number(a.metadata.resourceVersion)
  );
}

export function replicasOf(object: KubeObject): number {
  return numberAt(object, 'spec', 'replicas') ?? 1;
}

/** Puts a condition into a list: `lastTransitionTime` moves only when the status changes. */
export function withCondition(
  conditions: readonly JsonObject[],
  next: { type: string; status: string; reason: string; message: string },
  now: string,
  updateTime = true,
): JsonObject[] {
  const before = conditions.find((condition) => condition['type'] === next.type);
  if (before !== undefined && before['status'] === next.status && before['reason'] === next.reason && before['message'] === next.message)
    return [...conditions];
  const moved = before === undefined || before['status'] !== next.status;
  const transition = moved ? now : (before['lastTransitionTime'] ?? now);
  const made: JsonObject = { ...next, lastTransitionTime: transition, ...(updateTime ? { lastUpdateTime: now } : {}) };
  return before === undefined ? [...conditions, made] : conditions.map((condition) => (condition === before ? made : condition));
}
