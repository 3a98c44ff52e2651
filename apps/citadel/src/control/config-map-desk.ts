import { ApiException, CoreV1Api, type KubeConfig, type V1ConfigMap } from '@kubernetes/client-node';
import { XebecError } from '@xebec/core';
import { type ControlDesk, parseRequest } from './control-desk.ts';

/** Holds `request` (written by `xebec ca`), `claimed` and `status` (written by Citadel). */
export const CA_CONFIG_MAP = 'xebec-ca';

const MAX_CONFLICTS = 5;

/** ConfigMap `xebec-ca` of the control plane's namespace: whoever may update it may move the roots. */
export function createConfigMapDesk(config: KubeConfig, namespace: string): ControlDesk {
  const api = config.makeApiClient(CoreV1Api);
  const name = CA_CONFIG_MAP;
  const read = async (): Promise<V1ConfigMap | undefined> => {
    try {
      return await api.readNamespacedConfigMap({ name, namespace });
    } catch (error) {
      if (error instanceof ApiException && error.code === 404) return undefined;
      throw error;
    }
  };
  /** False when somebody else wrote in between. */
  const write = async (existing: V1ConfigMap | undefined, data: Record<string, string>): Promise<boolean> => {
    try {
      if (existing === undefined) {
        await api.createNamespacedConfigMap({ namespace, body: { metadata: { name, namespace }, data } });
      } else {
        const body = { ...existing, data: { ...existing.data, ...data } };
        await api.replaceNamespacedConfigMap({ name, namespace, body });
      }
      return true;
    } catch (error) {
      if (error instanceof ApiException && error.code === 409) return false;
      throw error;
    }
  };
  return {
    request: async () => parseRequest((await read())?.data?.['request']),
    async claim({ id }) {
      // A conflict says that somebody wrote, not that they claimed: another replica's status goes into the same object.
      for (let attempt = 0; attempt < MAX_CONFLICTS; attempt++) {
        const existing = await read();
        if (existing === undefined || existing.data?.['claimed'] === id) return false;
        if (await write(existing, { claimed: id })) return true;
      }
      throw new XebecError('E_CA_CONTROL', `ConfigMap ${namespace}/${name} is changed by others all the time`);
    },
    shown: async () => (await read())?.data?.['status'],
    async show(status) {
      for (let attempt = 0; attempt < MAX_CONFLICTS; attempt++) {
        const existing = await read();
        if (existing?.data?.['status'] === status || (await write(existing, { status }))) return;
      }
    },
  };
}
