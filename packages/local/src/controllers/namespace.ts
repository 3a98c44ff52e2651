import { objectAt, textAt } from '../apiserver/object.ts';
import type { ControllerClient } from './client.ts';
import type { Controller } from './loop.ts';

const ROOT_CA = 'kube-root-ca.crt';
const RETRY_MS = 1000;

/** Gives a namespace its default service account and root certificate; empties it when it is to end. */
export function namespaceController(client: ControllerClient, clusterCa: string): Controller {
  return {
    name: 'namespace',
    keysOf: ({ type, resource, object }) => {
      if (resource === 'namespaces') return type === 'DELETED' ? [] : [object.metadata.name];
      const namespace = object.metadata.namespace;
      if (namespace === undefined || type === 'ADDED') return [];
      const isBase =
        (resource === 'serviceaccounts' && object.metadata.name === 'default') ||
        (resource === 'configmaps' && object.metadata.name === ROOT_CA);
      if (isBase) return [namespace];
      const isEnding = client.get('namespaces', '', namespace)?.metadata.deletionTimestamp !== undefined;
      return type === 'DELETED' && isEnding ? [namespace] : [];
    },
    initialKeys: () => client.list('namespaces').map(({ metadata }) => metadata.name),
    reconcile: async (name) => {
      const namespace = client.get('namespaces', '', name);
      if (namespace === undefined) return undefined;
      if (namespace.metadata.deletionTimestamp === undefined) {
        await client.ensure('serviceaccounts', {
          apiVersion: 'v1',
          kind: 'ServiceAccount',
          metadata: { name: 'default', namespace: name },
        });
        const data = { 'ca.crt': clusterCa };
        const existing = client.get('configmaps', name, ROOT_CA);
        const annotations = { 'kubernetes.io/description': 'Contains a CA bundle that can be used to verify the kube-apiserver.' };
        if (existing === undefined)
          await client.ensure('configmaps', {
            apiVersion: 'v1',
            kind: 'ConfigMap',
            metadata: { name: ROOT_CA, namespace: name, annotations },
            data,
          });
        else if (textAt(existing, 'data', 'ca.crt') !== clusterCa) await client.patch('configmaps', existing, { data });
        return undefined;
      }
      const resources = client.engine.registry.all().filter(({ namespaced }) => namespaced);
      let left = 0;
      for (const { id } of resources) {
        for (const object of client.list(id, name)) {
          if (object.metadata.deletionTimestamp === undefined) await client.delete(id, object, { propagationPolicy: 'Background' });
          if (client.get(id, name, object.metadata.name) !== undefined) left++;
        }
      }
      if (left > 0) return RETRY_MS;
      const latest = client.get('namespaces', '', name);
      if (latest !== undefined) await client.update('namespaces', { ...latest, spec: { ...objectAt(latest, 'spec'), finalizers: [] } });
      return undefined;
    },
  };
}
