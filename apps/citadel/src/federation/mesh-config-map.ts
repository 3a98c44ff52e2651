import { CoreV1Api, type KubeConfig } from '@kubernetes/client-node';
import type { MeshText } from './mesh-trust.ts';

/** ConfigMap `istio` of the control plane's namespace, key `mesh`. */
export function meshConfigMap(config: KubeConfig, namespace: string): MeshText {
  const api = config.makeApiClient(CoreV1Api);
  return {
    origin: `ConfigMap ${namespace}/istio, key mesh`,
    async load() {
      try {
        const { data, metadata } = await api.readNamespacedConfigMap({ name: 'istio', namespace });
        return { text: data?.['mesh'] ?? '', version: metadata?.resourceVersion ?? '' };
      } catch (error) {
        if (typeof error === 'object' && error !== null && 'code' in error && error.code === 404) return undefined;
        throw error;
      }
    },
  };
}
