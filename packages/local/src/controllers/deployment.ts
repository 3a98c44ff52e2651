import { createHash } from 'node:crypto';
import {
  clone,
  equalJson,
  isObject,
  type JsonObject,
  type KubeObject,
  numberAt,
  objectAt,
  objectsAt,
  textAt,
  timestamp,
} from '../apiserver/object.ts';
import { type ControllerClient, controllerOf, controllerReference } from './client.ts';
import { type Controller, keyOfObject, splitKey } from './loop.ts';
import { replicasOf, withCondition } from './pods.ts';

const ID = 'deployments.apps';
const SETS = 'replicasets.apps';
const HASH_LABEL = 'pod-template-hash';
const REVISION = 'deployment.kubernetes.io/revision';
const DESIRED = 'deployment.kubernetes.io/desired-replicas';
const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';
const NOT_COPIED = new Set([REVISION, DESIRED, MAX_REPLICAS, 'kubectl.kubernetes.io/last-applied-configuration']);
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** The label that tells templates apart: ten characters, from the template alone. */
export function templateHash(template: unknown): string {
  const digest = createHash('sha256').update(stableText(template)).digest();
  return [...digest.subarray(0, 10)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('');
}

function stableText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stableText).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  const entries = Object.keys(value).sort();
  return `{${entries.map((key) => `${JSON.stringify(key)}:${stableText(value[key])}`).join(',')}}`;
}

function bareTemplate(object: KubeObject): JsonObject {
  const template = clone(objectAt(object, 'spec', 'template') ?? {});
  const labels = objectAt(template, 'metadata', 'labels');
  if (labels !== undefined) delete labels[HASH_LABEL];
  return template;
}

/** Resolves `25%` or `2` against a number of replicas. */
export function resolveCount(value: unknown, total: number, roundUp: boolean): number {
  if (typeof value === 'number') return value;
  const percent = typeof value === 'string' && /^\d+%$/.test(value) ? Number(value.slice(0, -1)) : 0;
  const exact = (percent * total) / 100;
  return roundUp ? Math.ceil(exact) : Math.floor(exact);
}

export interface DeploymentPlan {
  /** The ReplicaSet of the current template, when it must be made. */
  readonly create: KubeObject | undefined;
  readonly scale: readonly { readonly set: KubeObject; readonly replicas: number }[];
  readonly annotate: readonly { readonly set: KubeObject; readonly annotations: Record<string, string> }[];
  readonly remove: readonly KubeObject[];
  readonly revision: string;
  readonly status: JsonObject;
  /** When the progress deadline passes. */
  readonly againInMs: number | undefined;
}

const available = (set: KubeObject) => numberAt(set, 'status', 'availableReplicas') ?? 0;
const actual = (set: KubeObject) => numberAt(set, 'status', 'replicas') ?? 0;
const revisionOf = (set: KubeObject) => Number(set.metadata.annotations?.[REVISION] ?? 0);
const sum = (sets: readonly KubeObject[], count: (set: KubeObject) => number) => sets.reduce((total, set) => total + count(set), 0);

/** One step of a rollout: what to make, scale and report, given the deployment and its ReplicaSets. */
export function planDeployment(deployment: KubeObject, sets: readonly KubeObject[], nowMs: number): DeploymentPlan {
  const template = bareTemplate(deployment);
  const current = sets.find((set) => equalJson(bareTemplate(set), template));
  const old = sets.filter((set) => set !== current);
  const paused = objectAt(deployment, 'spec')?.['paused'] === true;
  const wanted = replicasOf(deployment);
  const recreate = textAt(deployment, 'spec', 'strategy', 'type') === 'Recreate';
  const limits = rolloutLimits(deployment, wanted, recreate);
  const highest = Math.max(0, ...old.map(revisionOf));
  const own = current === undefined ? 0 : revisionOf(current);
  const revision = paused && current === undefined ? String(Math.max(1, highest)) : String(own > highest ? own : highest + 1);
  const copied = Object.fromEntries(Object.entries(deployment.metadata.annotations ?? {}).filter(([key]) => !NOT_COPIED.has(key)));
  const annotations = { ...copied, [REVISION]: revision, [DESIRED]: String(wanted), [MAX_REPLICAS]: String(wanted + limits.surge) };
  const scale: { set: KubeObject; replicas: number }[] = [];
  let create: KubeObject | undefined;
  const oldPods = sum(old, replicasOf);
  if (current === undefined && !paused) {
    const first = recreate ? (sum(old, actual) + oldPods > 0 ? 0 : wanted) : Math.min(wanted, Math.max(0, wanted + limits.surge - oldPods));
    create = newReplicaSet(deployment, template, first, annotations);
  }
  if (paused) {
    const active = sets.filter((set) => replicasOf(set) > 0);
    const [only] = active;
    if (active.length === 1 && only !== undefined && replicasOf(only) !== wanted) scale.push({ set: only, replicas: wanted });
  } else if (recreate) {
    for (const set of old) if (replicasOf(set) > 0) scale.push({ set, replicas: 0 });
    if (current !== undefined && sum(old, actual) === 0 && oldPods === 0 && replicasOf(current) !== wanted)
      scale.push({ set: current, replicas: wanted });
  } else if (current !== undefined) scale.push(...rollingStep(current, old, wanted, limits));
  const isChanged =
    current !== undefined && !paused && Object.entries(annotations).some(([key, value]) => current.metadata.annotations?.[key] !== value);
  const limit = numberAt(deployment, 'spec', 'revisionHistoryLimit') ?? 10;
  const idle = old
    .filter((set) => replicasOf(set) === 0 && actual(set) === 0 && set.metadata.deletionTimestamp === undefined)
    .sort((a, b) => revisionOf(a) - revisionOf(b));
  const { status, againInMs } = deploymentStatus(deployment, sets, current, create, wanted, limits.unavailable, paused, nowMs);
  return {
    create,
    scale,
    annotate: isChanged && current !== undefined ? [{ set: current, annotations }] : [],
    remove: idle.slice(0, Math.max(0, idle.length - limit)),
    revision,
    status,
    againInMs,
  };
}

function rolloutLimits(deployment: KubeObject, wanted: number, recreate: boolean): { surge: number; unavailable: number } {
  if (recreate) return { surge: 0, unavailable: wanted };
  const rolling = objectAt(deployment, 'spec', 'strategy', 'rollingUpdate');
  const surge = resolveCount(rolling?.['maxSurge'] ?? '25%', wanted, true);
  const unavailable = Math.min(wanted, resolveCount(rolling?.['maxUnavailable'] ?? '25%', wanted, false));
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable };
}

function newReplicaSet(deployment: KubeObject, template: JsonObject, replicas: number, annotations: Record<string, string>): KubeObject {
  const { name, namespace = '' } = deployment.metadata;
  const hash = templateHash(template);
  const labels = { ...objectAt(template, 'metadata', 'labels'), [HASH_LABEL]: hash };
  const selector = clone(objectAt(deployment, 'spec', 'selector') ?? {});
  selector['matchLabels'] = { ...objectAt(selector, 'matchLabels'), [HASH_LABEL]: hash };
  const minReadySeconds = numberAt(deployment, 'spec', 'minReadySeconds');
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${name}-${hash}`,
      namespace,
      labels: Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, String(value)])),
      annotations,
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas,
      selector,
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
      template: { ...template, metadata: { ...objectAt(template, 'metadata'), labels } },
    },
  };
}

/** Scales the new set up within the surge, and old ones down as far as enough pods stay available. */
function rollingStep(
  current: KubeObject,
  old: readonly KubeObject[],
  wanted: number,
  limits: { surge: number; unavailable: number },
): { set: KubeObject; replicas: number }[] {
  const steps: { set: KubeObject; replicas: number }[] = [];
  const size = replicasOf(current);
  const total = size + sum(old, replicasOf);
  let newSize = size;
  if (size > wanted) newSize = wanted;
  else if (size < wanted) newSize = size + Math.min(wanted - size, Math.max(0, wanted + limits.surge - total));
  if (newSize !== size) steps.push({ set: current, replicas: newSize });
  const least = wanted - limits.unavailable;
  const notYet = size - Math.min(size, available(current));
  let removable = Math.max(0, total - least - notYet);
  let spare = Math.max(0, available(current) + sum(old, available) - least);
  for (const set of [...old].filter((item) => replicasOf(item) > 0).sort((a, b) => revisionOf(a) - revisionOf(b))) {
    // Old pods that do not serve go first, then as many that do as can be spared.
    const idle = Math.min(removable, Math.max(0, replicasOf(set) - available(set)));
    const serving = Math.min(removable - idle, spare, Math.min(replicasOf(set) - idle, available(set)));
    if (idle + serving === 0) continue;
    removable -= idle + serving;
    spare -= serving;
    steps.push({ set, replicas: replicasOf(set) - idle - serving });
  }
  return steps;
}

function deploymentStatus(
  deployment: KubeObject,
  sets: readonly KubeObject[],
  current: KubeObject | undefined,
  create: KubeObject | undefined,
  wanted: number,
  maxUnavailable: number,
  paused: boolean,
  nowMs: number,
): { status: JsonObject; againInMs: number | undefined } {
  const now = timestamp(nowMs);
  const replicas = sum(sets, actual);
  const updated = current === undefined ? 0 : actual(current);
  const ready = sum(sets, (set) => numberAt(set, 'status', 'readyReplicas') ?? 0);
  const up = sum(sets, available);
  const before = objectAt(deployment, 'status');
  let conditions = objectsAt(before, 'conditions');
  const isAvailable = up >= wanted - maxUnavailable;
  const availability = isAvailable
    ? { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable', message: 'Deployment has minimum availability.' }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      };
  conditions = withCondition(conditions, availability, now);
  const setName = current?.metadata.name ?? create?.metadata.name ?? '';
  const isComplete = current !== undefined && updated === wanted && replicas === wanted && up === wanted;
  const progressed =
    updated > (numberAt(before, 'updatedReplicas') ?? 0) ||
    up > (numberAt(before, 'availableReplicas') ?? 0) ||
    ready > (numberAt(before, 'readyReplicas') ?? 0) ||
    replicas - updated < (numberAt(before, 'replicas') ?? 0) - (numberAt(before, 'updatedReplicas') ?? 0);
  const earlier = conditions.find((condition) => condition['type'] === 'Progressing');
  const isNew = textAt(earlier, 'message').includes(`"${setName}"`) === false;
  const deadlineMs = (numberAt(deployment, 'spec', 'progressDeadlineSeconds') ?? 600) * 1000;
  const lastMs = Date.parse(textAt(earlier, 'lastUpdateTime'));
  const leftMs = (Number.isNaN(lastMs) ? nowMs : lastMs) + deadlineMs - nowMs;
  let againInMs: number | undefined;
  if (paused) {
    conditions = withCondition(
      conditions,
      { type: 'Progressing', status: 'Unknown', reason: 'DeploymentPaused', message: 'Deployment is paused' },
      now,
    );
  } else if (isComplete) {
    conditions = withCondition(
      conditions,
      {
        type: 'Progressing',
        status: 'True',
        reason: 'NewReplicaSetAvailable',
        message: `ReplicaSet "${setName}" has successfully progressed.`,
      },
      now,
    );
  } else if (create !== undefined) {
    conditions = withCondition(
      conditions,
      { type: 'Progressing', status: 'True', reason: 'NewReplicaSetCreated', message: `Created new replica set "${setName}"` },
      now,
    );
  } else if (isNew || progressed || textAt(earlier, 'reason') === 'NewReplicaSetAvailable') {
    const rest = conditions.filter((condition) => condition['type'] !== 'Progressing');
    const kept = textAt(earlier, 'status') === 'True' ? textAt(earlier, 'lastTransitionTime') : now;
    conditions = [
      ...rest,
      {
        type: 'Progressing',
        status: 'True',
        reason: 'ReplicaSetUpdated',
        message: `ReplicaSet "${setName}" is progressing.`,
        lastTransitionTime: kept || now,
        lastUpdateTime: now,
      },
    ];
  } else if (leftMs <= 0 && textAt(earlier, 'reason') !== 'ProgressDeadlineExceeded') {
    conditions = withCondition(
      conditions,
      {
        type: 'Progressing',
        status: 'False',
        reason: 'ProgressDeadlineExceeded',
        message: `ReplicaSet "${setName}" has timed out progressing.`,
      },
      now,
    );
  }
  if (!paused && !isComplete && leftMs > 0) againInMs = leftMs + 1000;
  const count = (name: string, value: number): JsonObject => (value > 0 ? { [name]: value } : {});
  return {
    status: {
      observedGeneration: deployment.metadata.generation ?? 1,
      ...count('replicas', replicas),
      ...count('updatedReplicas', updated),
      ...count('readyReplicas', ready),
      ...count('availableReplicas', up),
      ...count('unavailableReplicas', Math.max(0, Math.max(wanted, replicas) - up)),
      conditions,
    },
    againInMs,
  };
}

/** Rolls deployments out, ReplicaSet by ReplicaSet. */
export function deploymentController(client: ControllerClient): Controller {
  return {
    name: 'deployment',
    keysOf: ({ resource, object }) => {
      if (resource === ID) return [keyOfObject(object)];
      const owner = resource === SETS ? controllerOf(object) : undefined;
      return owner?.kind === 'Deployment' ? [`${object.metadata.namespace}/${owner.name}`] : [];
    },
    initialKeys: () => client.list(ID).map(keyOfObject),
    reconcile: async (key) => {
      const [namespace, name] = splitKey(key);
      const deployment = client.get(ID, namespace, name);
      if (deployment === undefined || deployment.metadata.deletionTimestamp !== undefined) return undefined;
      const plan = planDeployment(deployment, client.controlled(SETS, namespace, deployment.metadata.uid), client.now);
      if (plan.create !== undefined) {
        await client.ensure(SETS, plan.create);
        await client.event(
          deployment,
          'Normal',
          'ScalingReplicaSet',
          `Scaled up replica set ${plan.create.metadata.name} from 0 to ${replicasOf(plan.create)}`,
        );
      }
      for (const { set, annotations } of plan.annotate) await client.patch(SETS, set, { metadata: { annotations } });
      for (const { set, replicas } of plan.scale) {
        const before = replicasOf(set);
        await client.patch(SETS, set, { spec: { replicas } });
        await client.event(
          deployment,
          'Normal',
          'ScalingReplicaSet',
          `Scaled ${replicas > before ? 'up' : 'down'} replica set ${set.metadata.name} from ${before} to ${replicas}`,
        );
      }
      for (const set of plan.remove) await client.delete(SETS, set);
      if (deployment.metadata.annotations?.[REVISION] !== plan.revision)
        await client.patch(ID, deployment, { metadata: { annotations: { [REVISION]: plan.revision } } });
      const latest = client.get(ID, namespace, name);
      if (latest !== undefined && latest.metadata.generation === deployment.metadata.generation)
        await client.setStatus(ID, latest, plan.status);
      return plan.againInMs;
    },
  };
}
