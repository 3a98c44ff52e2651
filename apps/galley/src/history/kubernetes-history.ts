import { ApiError, isRecord, type KubernetesApi } from '@xebec/config';
import type { Logger } from '@xebec/core';
import { readVersion, renderVersion, VERSION_PATH, versionName } from '@xebec/history';
import type { HistoryStore } from './history-store.ts';

/** Versions as ConfigVersion objects of an API server. */
export function createKubernetesHistory(api: KubernetesApi, signal: AbortSignal, logger: Logger): HistoryStore {
  return {
    list: async () => {
      const body = await api.get(VERSION_PATH, signal);
      const items = isRecord(body) && Array.isArray(body['items']) ? body['items'] : [];
      return items
        .flatMap((item) => {
          const version = readVersion(item);
          if (!version.ok) logger.warn({}, `a ConfigVersion is ignored: ${version.error}`);
          return version.ok ? version.value : [];
        })
        .sort((a, b) => a.number - b.number);
    },
    add: async (version) => {
      try {
        await api.send('POST', VERSION_PATH, renderVersion(version), signal);
        return true;
      } catch (error) {
        if (error instanceof ApiError && error.status === 409) return false;
        throw error;
      }
    },
    remove: async (number) => {
      await api.send('DELETE', `${VERSION_PATH}/${versionName(number)}`, undefined, signal).catch((error: unknown) => {
        if (!(error instanceof ApiError && error.status === 404)) throw error;
      });
    },
  };
}
