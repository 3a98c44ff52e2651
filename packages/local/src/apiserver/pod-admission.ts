import { clone, isObject, type JsonObject, type KubeObject, objectAt, objectsAt, textAt } from './object.ts';
import { forbidden } from './status.ts';
import type { ObjectStore } from './store.ts';

export const TOKEN_MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const VOLUME_PREFIX = 'kube-api-access-';

/**
 * The ServiceAccount admission plugin: gives a pod its account and the token volume, mounted in every container that
 * has nothing at that path. Runs again after webhooks, so that containers they add get the mount too.
 */
export function admitServiceAccount(store: ObjectStore, pod: KubeObject, newSuffix: () => string): KubeObject {
  const object = clone(pod);
  const spec = objectAt(object, 'spec');
  const namespace = object.metadata.namespace ?? '';
  if (spec === undefined) return object;
  const name = textAt(spec, 'serviceAccountName') || textAt(spec, 'serviceAccount') || 'default';
  spec['serviceAccountName'] = name;
  spec['serviceAccount'] = name;
  const account = store.get('serviceaccounts', namespace, name);
  if (account === undefined) {
    const why = `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`;
    throw forbidden({ group: '', plural: 'pods' }, object.metadata.name, why);
  }
  const automount = spec['automountServiceAccountToken'] ?? account['automountServiceAccountToken'];
  if (automount === false) return object;
  const containers = [...objectsAt(spec, 'containers'), ...objectsAt(spec, 'initContainers')];
  const lacking = containers.filter(
    (container) => !objectsAt(container, 'volumeMounts').some((mount) => mount['mountPath'] === TOKEN_MOUNT_PATH),
  );
  if (lacking.length === 0) return object;
  const volumes = Array.isArray(spec['volumes']) ? spec['volumes'] : [];
  const existing = volumes.find((volume) => isObject(volume) && textAt(volume, 'name').startsWith(VOLUME_PREFIX));
  const volumeName = existing === undefined ? VOLUME_PREFIX + newSuffix() : textAt(existing, 'name');
  if (existing === undefined) spec['volumes'] = [...volumes, tokenVolume(volumeName)];
  for (const container of lacking) {
    const mounts = Array.isArray(container['volumeMounts']) ? container['volumeMounts'] : [];
    container['volumeMounts'] = [...mounts, { name: volumeName, readOnly: true, mountPath: TOKEN_MOUNT_PATH }];
  }
  return object;
}

function tokenVolume(name: string): JsonObject {
  return {
    name,
    projected: {
      defaultMode: 420,
      sources: [
        { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
      ],
    },
  };
}
