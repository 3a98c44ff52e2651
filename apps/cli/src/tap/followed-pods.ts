import { CoreV1Api, type KubeConfig, type V1Pod, Watch } from '@kubernetes/client-node';
import { callApi } from '../kube/connection.ts';
import type { PodSelection } from './targets.ts';

/** A pod whose proxy runs. */
export interface ProxyPod {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
}

export interface PodFollower {
  /** All pods whose proxies run now; called when that changes. `others`: selected, and without a running proxy. */
  onPods(pods: readonly ProxyPod[], others: number): void;
  /** Following failed and begins again. */
  onTrouble(reason: string): void;
}

const retryMs = 1000;

/** Follows the pods of a selection until the signal ends it. Resolves once the first list is known; rejects when there is none. */
export async function followPods(
  config: KubeConfig,
  selection: PodSelection,
  container: string,
  follower: PodFollower,
  signal: AbortSignal,
): Promise<void> {
  const pods = new Map<string, V1Pod>();
  const tell = (): void => {
    const running = [...pods.values()].filter((pod) => proxyRuns(pod, container));
    follower.onPods(
      running.map((pod) => ({
        // A proxy that was started again is another one to look at.
        uid: `${pod.metadata?.uid}/${restarts(pod, container)}`,
        name: pod.metadata?.name ?? '',
        namespace: pod.metadata?.namespace ?? '',
      })),
      pods.size - running.length,
    );
  };
  const api = config.makeApiClient(CoreV1Api);
  const selected = {
    ...(selection.labelSelector === undefined ? {} : { labelSelector: selection.labelSelector }),
    ...(selection.podName === undefined ? {} : { fieldSelector: `metadata.name=${selection.podName}` }),
  };
  const list = async (): Promise<string> => {
    const { namespace } = selection;
    const call = namespace === undefined ? api.listPodForAllNamespaces(selected) : api.listNamespacedPod({ namespace, ...selected });
    const { items, metadata } = await callApi(config, call, `pods of ${selection.text}`);
    pods.clear();
    for (const pod of items) pods.set(pod.metadata?.uid ?? '', pod);
    tell();
    return metadata?.resourceVersion ?? '';
  };
  const path = selection.namespace === undefined ? '/api/v1/pods' : `/api/v1/namespaces/${selection.namespace}/pods`;
  const again = (reason: unknown): void => {
    if (signal.aborted) return;
    const timer = setTimeout(
      () => {
        signal.removeEventListener('abort', stop);
        list().then(watch, (error: unknown) => {
          follower.onTrouble(error instanceof Error ? error.message : String(error));
          again(error);
        });
      },
      reason === undefined ? 0 : retryMs,
    );
    const stop = (): void => clearTimeout(timer);
    signal.addEventListener('abort', stop, { once: true });
  };
  const watch = (resourceVersion: string): void => {
    if (signal.aborted) return;
    new Watch(config)
      .watch(
        path,
        { ...selected, resourceVersion },
        (phase, pod: V1Pod) => {
          if (phase === 'ADDED' || phase === 'MODIFIED') pods.set(pod.metadata?.uid ?? '', pod);
          else if (phase === 'DELETED') pods.delete(pod.metadata?.uid ?? '');
          else return;
          tell();
        },
        (error: unknown) => again(timedOut(error) ? undefined : error),
      )
      .then(
        (controller) => {
          // It may have ended while the watch began.
          if (signal.aborted) controller.abort();
          else signal.addEventListener('abort', () => controller.abort(), { once: true });
        },
        (error: unknown) => again(error ?? 'failed'),
      );
  };
  watch(await list());
}

/** A watch in which nothing happened for a while is ended by the client: that is no trouble. */
function timedOut(error: unknown): boolean {
  return error === null || error === undefined || (error instanceof Error && error.name === 'TimeoutError');
}

function statusOf(pod: V1Pod, container: string) {
  return [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])].find(({ name }) => name === container);
}

const restarts = (pod: V1Pod, container: string): number => statusOf(pod, container)?.restartCount ?? 0;

function proxyRuns(pod: V1Pod, container: string): boolean {
  return statusOf(pod, container)?.state?.running !== undefined && pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed';
}
