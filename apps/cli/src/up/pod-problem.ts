/** Pods, their Deployments and events, as far as `xebec up` looks at them. */
export interface PodView {
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string | null;
  };
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string | null }[];
    readonly initContainerStatuses?: readonly ContainerView[];
    readonly containerStatuses?: readonly ContainerView[];
  };
}

export interface ContainerView {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly state?: ContainerStateView;
  readonly lastState?: ContainerStateView;
}

interface ContainerStateView {
  readonly waiting?: { readonly reason?: string; readonly message?: string } | null;
  readonly terminated?: { readonly exitCode: number; readonly reason?: string } | null;
}

export interface EventView {
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTimestamp?: string | null;
  readonly involvedObject?: { readonly uid?: string };
}

export interface DeploymentView {
  readonly metadata: { readonly namespace: string; readonly name: string; readonly generation?: number };
  readonly spec?: { readonly replicas?: number; readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> } };
  readonly status?: {
    readonly readyReplicas?: number;
    readonly observedGeneration?: number;
    readonly conditions?: readonly ConditionView[];
  };
}

interface ConditionView {
  readonly type: string;
  readonly status: string;
  readonly message?: string;
}

export function podsOf(deployment: DeploymentView, pods: readonly PodView[]): PodView[] {
  const labels = Object.entries(deployment.spec?.selector?.matchLabels ?? {});
  return pods.filter(
    ({ metadata }) =>
      metadata.namespace === deployment.metadata.namespace &&
      labels.length > 0 &&
      labels.every(([key, value]) => metadata.labels?.[key] === value),
  );
}

export function isReady(pod: PodView): boolean {
  const ready = pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') === true;
  return ready && (pod.metadata.deletionTimestamp ?? undefined) === undefined;
}

/** Ready by its own status and by its pods': the Deployment's status alone may be from before a restart. */
export function isDeployed(deployment: DeploymentView, pods: readonly PodView[]): boolean {
  const wanted = deployment.spec?.replicas ?? 1;
  const { readyReplicas = 0, observedGeneration } = deployment.status ?? {};
  const observed = observedGeneration === undefined || observedGeneration >= (deployment.metadata.generation ?? 0);
  return observed && readyReplicas >= wanted && podsOf(deployment, pods).filter(isReady).length >= wanted;
}

/**
 * Why a pod is not ready, in one line without the pod's name. `lastLogLine` gives the end of a container's log, for one that
 * ended or does not become ready.
 */
export function podProblem(pod: PodView, events: readonly EventView[], lastLogLine: (container: string) => string): string {
  const warning = events
    .filter((event) => event.type === 'Warning' && event.involvedObject?.uid === pod.metadata.uid)
    .toSorted((a, b) => ((a.lastTimestamp ?? '') < (b.lastTimestamp ?? '') ? -1 : 1))
    .at(-1);
  const warned = warning === undefined ? '' : oneLine(`${warning.reason}: ${warning.message}`);
  if ((pod.metadata.deletionTimestamp ?? undefined) !== undefined) return 'is being deleted';
  const unscheduled = pod.status?.conditions?.find((condition) => condition.type === 'PodScheduled' && condition.status === 'False');
  if (unscheduled !== undefined) return oneLine(`is not scheduled: ${unscheduled.message ?? ''}`);
  const all = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  for (const container of all) {
    const { waiting } = container.state ?? {};
    const ended = container.state?.terminated ?? container.lastState?.terminated ?? undefined;
    if (container.ready || container.state?.terminated?.exitCode === 0) continue;
    if (waiting?.reason === 'PodInitializing') continue;
    if (ended !== undefined && ended !== null)
      return oneLine(
        `container ${container.name} ended with code ${ended.exitCode}${container.restartCount > 0 ? `, ${container.restartCount} restarts` : ''}: ${lastLogLine(container.name)}`,
      );
    if (waiting !== undefined && waiting !== null)
      return oneLine(`container ${container.name}: ${waiting.reason ?? 'waiting'}: ${waiting.message ?? ''}`);
    return oneLine(`container ${container.name} is not ready: ${warned || lastLogLine(container.name)}`);
  }
  return warned || 'has not started';
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, 400);
}
