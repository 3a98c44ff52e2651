import type { V1Container, V1Pod } from '@kubernetes/client-node';
import { type ContainerState, newContainerState, type PodState } from './pod-state.ts';

type Json = Record<string, unknown>;

export interface PodCondition {
  readonly type: string;
  readonly status: string;
  readonly lastTransitionTime: string;
  readonly [field: string]: unknown;
}
export interface PodStatus extends Json {
  readonly conditions: readonly PodCondition[];
}

/** The pod's `status`, as JSON for a merge patch of the status subresource. `previous` keeps the times of conditions that did not change. */
export function podStatus(pod: V1Pod, state: PodState, hostIp: string, now: string, previous: readonly PodCondition[] = []): PodStatus {
  const spec = pod.spec;
  const init = (spec?.initContainers ?? []).map((container) => containerStatus(container, state.init[container.name]));
  const containers = (spec?.containers ?? []).map((container) => containerStatus(container, state.containers[container.name]));
  const all = Object.values(state.containers);
  const phase = phaseOf(pod, all);
  const finished = phase === 'Succeeded' || phase === 'Failed';
  const initialized = (spec?.initContainers ?? []).every((container) => state.init[container.name]?.terminated?.exitCode === 0);
  const ready = !finished && all.length > 0 && all.every((container) => container.ready);
  const condition = (type: string, value: boolean, reason?: string): PodCondition => {
    const status = value ? 'True' : 'False';
    const old = previous.find((candidate) => candidate.type === type);
    const lastTransitionTime = old?.status === status ? old.lastTransitionTime : now;
    return { type, status, lastProbeTime: null, lastTransitionTime, ...(value || reason === undefined ? {} : { reason }) };
  };
  const address = state.network?.podIp;
  const unready = finished ? 'PodCompleted' : 'ContainersNotReady';
  return {
    phase,
    conditions: [
      condition('PodReadyToStartContainers', address !== undefined),
      condition('Initialized', initialized, 'ContainersNotInitialized'),
      condition('Ready', ready, unready),
      condition('ContainersReady', ready, unready),
      condition('PodScheduled', true),
    ],
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    ...(address === undefined ? {} : { podIP: address, podIPs: [{ ip: address }] }),
    startTime: state.startTime ?? now,
    qosClass: 'BestEffort',
    ...(init.length === 0 ? {} : { initContainerStatuses: init }),
    containerStatuses: containers,
  };
}

function phaseOf(pod: V1Pod, containers: readonly ContainerState[]): string {
  if (containers.some((container) => container.process !== undefined)) return 'Running';
  const restarts = pod.spec?.restartPolicy ?? 'Always';
  const ended =
    containers.length > 0 && containers.every((container) => container.terminated !== undefined && container.waiting === undefined);
  if (ended && restarts !== 'Always') {
    const good = containers.every((container) => container.terminated?.exitCode === 0);
    if (good) return 'Succeeded';
    if (restarts === 'Never') return 'Failed';
  }
  return containers.some((container) => container.startedAt !== undefined) ? 'Running' : 'Pending';
}

function containerStatus(container: V1Container, state: ContainerState = newContainerState()): Json {
  const { terminated, last, waiting } = state;
  const current =
    state.process !== undefined
      ? { running: { startedAt: state.startedAt } }
      : waiting !== undefined
        ? { waiting }
        : terminated !== undefined
          ? { terminated }
          : { waiting: { reason: 'PodInitializing', message: '' } };
  const previous = state.process !== undefined || waiting !== undefined ? (last ?? terminated) : last;
  return {
    name: container.name,
    image: container.image,
    imageID: `xebec-image-map://${container.image ?? ''}`,
    ...(state.process === undefined ? {} : { containerID: `xebec://${state.process.pid}-${state.process.startTime}` }),
    ready: state.ready,
    started: state.started,
    restartCount: state.restartCount,
    state: { running: null, waiting: null, terminated: null, ...current },
    lastState: previous === undefined ? {} : { terminated: previous },
  };
}
