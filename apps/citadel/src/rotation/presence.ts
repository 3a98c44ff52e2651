import { ApiException, CoreV1Api, type KubeConfig } from '@kubernetes/client-node';
import { type Clock, errorText, type Logger } from '@xebec/core';
import { parseServiceAccountPath } from '@xebec/identity';
import type { RootKeeper } from '../roots/root-keeper.ts';
import { type Instance, instanceKey } from './ledger.ts';

const PERIOD_MS = 2000;
const MAX_LOOKS = 50;

/**
 * Finds out which instances are pods that have gone: their keys went with them, so nobody waits for their certificates to expire. Only
 * what was seen to be a pod while it was connected can be gone; a machine outside the cluster is waited for.
 */
export function followPresence(options: {
  readonly config: KubeConfig;
  readonly keeper: RootKeeper;
  readonly clock: Clock;
  readonly logger: Logger;
}): { close(): void } {
  const { keeper, clock, logger } = options;
  const api = options.config.makeApiClient(CoreV1Api);
  let cancel: () => void = () => undefined;
  let closed = false;

  const exists = async ({ namespace, name }: PodName): Promise<boolean> => {
    try {
      await api.readNamespacedPod({ namespace, name });
      return true;
    } catch (error) {
      if (error instanceof ApiException && error.code === 404) return false;
      throw error;
    }
  };
  const look = async () => {
    const rotating = keeper.view()?.rotation.phase !== 'steady';
    let looks = 0;
    for (const instance of [...keeper.ledger.instances()]) {
      const key = instanceKey(instance.identity, instance.instance);
      const connected = keeper.ledger.connected(key);
      const pod = podOf(instance);
      // Connected: is it a pod at all? Away while a rotation waits: is the pod still there?
      const question = connected ? instance.pod === undefined : rotating && instance.pod === true;
      if (pod === undefined || !question) continue;
      if (++looks > MAX_LOOKS) break;
      const there = await exists(pod);
      if (connected) keeper.ledger.seen(key, there);
      else if (!there) {
        logger.info({ instance: instance.instance, id: instance.identity }, 'the pod has gone, its certificate with it');
        keeper.ledger.gone(key);
        keeper.check();
      }
    }
  };
  const loop = () => {
    look()
      .catch((error: unknown) => logger.debug({}, `pods cannot be read: ${errorText(error).slice(0, 200)}`))
      .finally(() => {
        if (!closed) cancel = clock.setTimeout(loop, PERIOD_MS);
      });
  };
  loop();
  return {
    close() {
      closed = true;
      cancel();
    },
  };
}

interface PodName {
  readonly namespace: string;
  readonly name: string;
}

/**
 * The pod of an instance: what its token says; else agents give their node ID, `sidecar~10.0.0.1~pod.namespace~…`, and the control
 * plane's servers their host name, which mostly is the pod's.
 */
export function podOf({ identity, instance, podName }: Pick<Instance, 'identity' | 'instance' | 'podName'>): PodName | undefined {
  const parts = instance.split('~');
  const account = parseServiceAccountPath(identity.replace(/^spiffe:\/\/[^/]+/, ''));
  if (account === undefined) return undefined;
  if (podName !== undefined) return { namespace: account.namespace, name: podName };
  const [, , full] = parts;
  if (parts.length === 1) return /^[a-z0-9.-]+$/.test(instance) ? { namespace: account.namespace, name: instance } : undefined;
  const suffix = `.${account.namespace}`;
  return full?.endsWith(suffix) === true ? { namespace: account.namespace, name: full.slice(0, -suffix.length) } : undefined;
}
