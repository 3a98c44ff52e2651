import { CoreV1Api, type KubeConfig } from '@kubernetes/client-node';
import type { KeptText } from './kept-text.ts';

const KEY = 'text';

/** A Secret; its resourceVersion tells replicas of each other's writes. */
export function keptInSecret(config: KubeConfig, namespace: string, name: string): KeptText {
  const api = config.makeApiClient(CoreV1Api);
  return {
    description: `Secret ${namespace}/${name}`,
    async load() {
      try {
        const { data, metadata } = await api.readNamespacedSecret({ name, namespace });
        const text = Buffer.from(data?.[KEY] ?? '', 'base64').toString('utf8');
        return { text, version: metadata?.resourceVersion ?? '' };
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }
    },
    async save(text, previous) {
      const body = {
        metadata: { name, namespace, ...(previous === undefined ? {} : { resourceVersion: previous.version }) },
        type: 'Opaque',
        data: { [KEY]: Buffer.from(text).toString('base64') },
      };
      try {
        if (previous === undefined) await api.createNamespacedSecret({ namespace, body });
        else await api.replaceNamespacedSecret({ name, namespace, body });
        return true;
      } catch (error) {
        if (statusOf(error) === 409) return false;
        throw error;
      }
    },
  };
}

function statusOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
