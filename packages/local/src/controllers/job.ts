import { type JsonObject, type KubeObject, numberAt, objectAt, objectsAt, textAt, timestamp } from '../apiserver/object.ts';
import { type ControllerClient, controllerOf } from './client.ts';
import { type Controller, keyOfObject, splitKey } from './loop.ts';
import { isActive, isReady, podFromTemplate, withCondition } from './pods.ts';

const ID = 'jobs.batch';
const MAX_BACKOFF_MS = 360_000;

export interface JobPlan {
  readonly create: number;
  readonly remove: readonly KubeObject[];
  readonly status: JsonObject;
  readonly finished: 'Complete' | 'Failed' | undefined;
  readonly againInMs: number | undefined;
}

/** What a job needs, given its pods: more pods while it lacks completions and may still fail. */
export function planJob(job: KubeObject, pods: readonly KubeObject[], nowMs: number): JobPlan {
  const now = timestamp(nowMs);
  const before = objectAt(job, 'status') ?? {};
  const conditions = objectsAt(before, 'conditions');
  const ended = conditions.find((item) => (item['type'] === 'Complete' || item['type'] === 'Failed') && item['status'] === 'True');
  if (ended !== undefined) return finishedPlan(job, ended, before, nowMs);
  const phase = (name: string) => pods.filter((pod) => textAt(pod, 'status', 'phase') === name);
  const succeeded = phase('Succeeded').length;
  const failedPods = phase('Failed');
  const active = pods.filter(isActive);
  const parallelism = objectAt(job, 'spec')?.['suspend'] === true ? 0 : (numberAt(job, 'spec', 'parallelism') ?? 1);
  const completions = numberAt(job, 'spec', 'completions');
  const limit = numberAt(job, 'spec', 'backoffLimit') ?? 6;
  const restarts = active
    .flatMap((pod) => objectsAt(pod, 'status', 'containerStatuses'))
    .reduce((sum, item) => sum + (numberAt(item, 'restartCount') ?? 0), 0);
  const startTime = textAt(before, 'startTime') || now;
  const deadline = numberAt(job, 'spec', 'activeDeadlineSeconds');
  const isLate = deadline !== undefined && nowMs - Date.parse(startTime) >= deadline * 1000;
  const isFailed = failedPods.length > limit || (restarts > limit && limit >= 0 && restarts > 0) || isLate;
  const isComplete = completions === undefined ? succeeded > 0 && active.length === 0 : succeeded >= completions;
  const counts = (live: number): JsonObject => ({
    startTime,
    ...(live > 0 ? { active: live } : {}),
    ready: active.filter(isReady).length,
    ...(succeeded > 0 ? { succeeded } : {}),
    ...(failedPods.length > 0 ? { failed: failedPods.length } : {}),
    terminating: pods.filter((pod) => pod.metadata.deletionTimestamp !== undefined).length,
    uncountedTerminatedPods: {},
  });
  if (isFailed) {
    const reason = isLate ? 'DeadlineExceeded' : 'BackoffLimitExceeded';
    const message = isLate ? 'Job was active longer than specified deadline' : 'Job has reached the specified backoff limit';
    const failed = withCondition(conditions, { type: 'Failed', status: 'True', reason, message }, now, false);
    return { create: 0, remove: active, status: { ...counts(0), conditions: failed }, finished: 'Failed', againInMs: undefined };
  }
  if (isComplete) {
    const message = 'Reached expected number of succeeded pods';
    const met = withCondition(
      conditions,
      { type: 'SuccessCriteriaMet', status: 'True', reason: 'CompletionsReached', message },
      now,
      false,
    );
    const complete = withCondition(met, { type: 'Complete', status: 'True', reason: 'CompletionsReached', message }, now, false);
    return {
      create: 0,
      remove: active,
      status: { ...counts(0), completionTime: now, conditions: complete },
      finished: 'Complete',
      againInMs: undefined,
    };
  }
  const left = completions === undefined ? (succeeded > 0 ? active.length : parallelism) : Math.min(parallelism, completions - succeeded);
  const missing = Math.max(0, left - active.length);
  // After failures new pods wait: 10 s, 20 s, 40 s and so on after the last one.
  const lastFailure = Math.max(0, ...failedPods.map((pod) => failureTime(pod)));
  const waitMs =
    failedPods.length === 0 ? 0 : Math.max(0, lastFailure + Math.min(MAX_BACKOFF_MS, 10_000 * 2 ** (failedPods.length - 1)) - nowMs);
  const untilDeadline = deadline === undefined ? undefined : Date.parse(startTime) + deadline * 1000 - nowMs;
  const again = [missing > 0 && waitMs > 0 ? waitMs : undefined, untilDeadline].filter((value) => value !== undefined);
  const create = waitMs > 0 ? 0 : missing;
  return {
    create,
    remove: active.slice(0, Math.max(0, active.length - left)),
    status: { ...counts(active.length), ...(conditions.length > 0 ? { conditions } : {}) },
    finished: undefined,
    againInMs: again.length > 0 ? Math.max(10, Math.min(...again)) : undefined,
  };
}

function failureTime(pod: KubeObject): number {
  const times = objectsAt(pod, 'status', 'containerStatuses').map((item) => Date.parse(textAt(item, 'state', 'terminated', 'finishedAt')));
  const known = times.filter((time) => !Number.isNaN(time));
  return known.length > 0 ? Math.max(...known) : Date.parse(String(pod.metadata.creationTimestamp ?? '')) || 0;
}

/** An ended job only waits for its time to live. */
function finishedPlan(job: KubeObject, ended: JsonObject, status: JsonObject, nowMs: number): JobPlan {
  const ttl = numberAt(job, 'spec', 'ttlSecondsAfterFinished');
  const end = Date.parse(textAt(ended, 'lastTransitionTime'));
  const againInMs = ttl === undefined || Number.isNaN(end) ? undefined : Math.max(0, end + ttl * 1000 - nowMs);
  return { create: 0, remove: [], status, finished: ended['type'] === 'Complete' ? 'Complete' : 'Failed', againInMs };
}

/** Runs jobs to completion. */
export function jobController(client: ControllerClient): Controller {
  return {
    name: 'job',
    keysOf: ({ resource, object }) => {
      if (resource === ID) return [keyOfObject(object)];
      const owner = resource === 'pods' ? controllerOf(object) : undefined;
      return owner?.kind === 'Job' ? [`${object.metadata.namespace}/${owner.name}`] : [];
    },
    initialKeys: () => client.list(ID).map(keyOfObject),
    reconcile: async (key) => {
      const [namespace, name] = splitKey(key);
      const job = client.get(ID, namespace, name);
      if (job === undefined || job.metadata.deletionTimestamp !== undefined) return undefined;
      const pods = () => client.controlled('pods', namespace, job.metadata.uid);
      const plan = planJob(job, pods(), client.now);
      if (plan.finished !== undefined && plan.againInMs === 0) {
        await client.delete(ID, job, { propagationPolicy: 'Background' });
        return undefined;
      }
      for (let made = 0; made < plan.create; made++) {
        const pod = await client.create('pods', podFromTemplate(job, { generateName: `${name}-` }));
        await client.event(job, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`);
      }
      for (const pod of plan.remove) await client.delete('pods', pod);
      const after = planJob(job, pods(), client.now);
      await client.setStatus(ID, job, after.status);
      const isNew = objectsAt(job, 'status', 'conditions').every((item) => item['type'] !== 'Complete' && item['type'] !== 'Failed');
      if (after.finished === 'Complete' && isNew) await client.event(job, 'Normal', 'Completed', 'Job completed');
      if (after.finished === 'Failed' && isNew)
        await client.event(job, 'Warning', 'BackoffLimitExceeded', 'Job has reached the specified backoff limit');
      return after.againInMs;
    },
  };
}
