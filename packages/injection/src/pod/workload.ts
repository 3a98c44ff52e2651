import type { Pod } from './pod.ts';

/** The workload a pod belongs to, as telemetry and node metadata name it. */
export interface PodWorkload {
  readonly name: string;
  /** `kubernetes://apis/apps/v1/namespaces/default/deployments/reviews-v1`. */
  readonly owner: string;
}

/** Finds the workload from the controlling owner; a ReplicaSet whose name ends in a pod-template hash stands for its Deployment. */
export function workloadOf(pod: Pod, namespace: string): PodWorkload {
  const controller = pod.metadata?.ownerReferences?.find((owner) => owner.controller === true);
  const podName = pod.metadata?.name ?? (pod.metadata?.generateName ?? '').replace(/-$/, '');
  if (controller === undefined) return { name: podName, owner: ownerUri('v1', namespace, 'pods', podName) };
  const hash = pod.metadata?.labels?.['pod-template-hash'];
  if (controller.kind === 'ReplicaSet' && hash !== undefined && controller.name.endsWith(`-${hash}`)) {
    const name = controller.name.slice(0, -hash.length - 1);
    return { name, owner: ownerUri('apps/v1', namespace, 'deployments', name) };
  }
  // A CronJob's Jobs carry the minute they were made for, eight or more digits.
  const cron = controller.kind === 'Job' ? /^(.+)-\d{8,}$/.exec(controller.name)?.[1] : undefined;
  if (cron !== undefined) return { name: cron, owner: ownerUri('batch/v1', namespace, 'cronjobs', cron) };
  return { name: controller.name, owner: ownerUri(controller.apiVersion, namespace, `${controller.kind.toLowerCase()}s`, controller.name) };
}

function ownerUri(apiVersion: string, namespace: string, resource: string, name: string): string {
  return `kubernetes://apis/${apiVersion}/namespaces/${namespace}/${resource}/${name}`;
}

/** `service.istio.io/canonical-name`: from the labels people use, else the workload's name. */
export function canonicalName(labels: Readonly<Record<string, string>>, workload: PodWorkload): string {
  return labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels['app'] ?? workload.name;
}

export function canonicalRevision(labels: Readonly<Record<string, string>>): string {
  return labels['service.istio.io/canonical-revision'] ?? labels['app.kubernetes.io/version'] ?? labels['version'] ?? 'latest';
}
