import { CoreV1Api, type KubeConfig, makeInformer, type V1Pod } from '@kubernetes/client-node';
import { Backoff, type Clock, errorText, type Logger, type Random } from '@xebec/core';
import type { PodDirectory, PodRecord } from './impersonation.ts';

export interface WatchedPodDirectory extends PodDirectory {
  close(): Promise<void>;
}

/** Failed pods run nowhere any more. The watch tells of those that fail later. */
const NOT_FAILED = 'status.phase!=Failed';

/** Follows all pods. While the API server is away the last known ones count. */
export function watchPods(options: { config: KubeConfig; clock: Clock; random: Random; logger: Logger }): WatchedPodDirectory {
  const { config, clock, logger } = options;
  const api = config.makeApiClient(CoreV1Api);
  const pods = new Map<string, PodRecord & { readonly namespace: string }>();
  /** How many pods a service account has on a node. */
  const counts = new Map<string, number>();
  const placeOf = (node: string, namespace: string, account: string) => `${node}\n${namespace}/${account}`;

  const forget = (key: string): void => {
    const old = pods.get(key);
    if (old === undefined) return;
    pods.delete(key);
    const place = placeOf(old.node, old.namespace, old.serviceAccount);
    const left = (counts.get(place) ?? 0) - 1;
    if (left > 0) counts.set(place, left);
    else counts.delete(place);
  };
  const put = (pod: V1Pod): void => {
    const { namespace = '', name = '', uid = '' } = pod.metadata ?? {};
    const key = `${namespace}/${name}`;
    forget(key);
    const { nodeName: node = '', serviceAccountName: serviceAccount = '' } = pod.spec ?? {};
    if (node === '' || serviceAccount === '' || pod.status?.phase === 'Failed') return;
    pods.set(key, { namespace, uid, node, serviceAccount });
    const place = placeOf(node, namespace, serviceAccount);
    counts.set(place, (counts.get(place) ?? 0) + 1);
  };

  const informer = makeInformer<V1Pod>(config, '/api/v1/pods', () => api.listPodForAllNamespaces({ fieldSelector: NOT_FAILED }));
  informer.on('add', put);
  informer.on('update', put);
  informer.on('delete', (pod) => forget(`${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''}`));
  const backoff = new Backoff({ baseMs: 200, maxMs: 5000 }, options.random);
  let closed = false;
  let cancel: () => void = () => undefined;
  const restart = (error: unknown): void => {
    if (closed) return;
    logger.debug({ code: 'E_API_SERVER' }, `the watch of pods ended, trying on: ${errorText(error).slice(0, 200)}`);
    cancel = clock.setTimeout(() => void informer.start().catch(restart), backoff.nextMs());
  };
  informer.on('error', restart);
  informer.start().catch(restart);

  return {
    pod: (namespace, name) => pods.get(`${namespace}/${name}`),
    runsOn: (node, account) => counts.has(placeOf(node, account.namespace, account.name)),
    async close() {
      closed = true;
      cancel();
      await informer.stop();
    },
  };
}
