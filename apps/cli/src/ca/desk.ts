import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiException, CoreV1Api, type KubeConfig } from '@kubernetes/client-node';
import { errorText } from '@xebec/core';
import { CommandFailure } from '../exit.ts';
import { callApi } from '../kube/connection.ts';

/** The verbs that Citadel takes, with whom or what they are about. */
export interface CaRequest {
  readonly id: string;
  readonly verb: 'rotate' | 'pause' | 'resume' | 'step' | 'rollback' | 'skip' | 'revoke';
  readonly argument: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Where Citadel takes requests and shows how it stands. */
export interface CaDesk {
  /** Citadel's status as JSON; undefined before it has written any. */
  status(): Promise<string | undefined>;
  leave(request: CaRequest): Promise<void>;
}

/** Citadel's ConfigMap: what the API server lets the user write there is what the user may do. */
const CONFIG_MAP = 'xebec-ca';

export function configMapDesk(config: KubeConfig, namespace: string): CaDesk {
  const api = config.makeApiClient(CoreV1Api);
  const name = CONFIG_MAP;
  const where = `ConfigMap ${namespace}/${name}`;
  const read = async () => {
    try {
      return await api.readNamespacedConfigMap({ name, namespace });
    } catch (error) {
      if (error instanceof ApiException && error.code === 404) return undefined;
      return callApi(config, Promise.reject(error), where);
    }
  };
  return {
    status: async () => (await read())?.data?.['status'],
    async leave(request) {
      for (let attempt = 0; attempt < 10; attempt++) {
        const existing = await read();
        if (existing === undefined)
          throw new CommandFailure(`no Citadel has shown itself in namespace "${namespace}"; name another with -i`);
        const body = { ...existing, data: { ...existing.data, request: JSON.stringify(request) } };
        try {
          await api.replaceNamespacedConfigMap({ name, namespace, body });
          return;
        } catch (error) {
          if (error instanceof ApiException && error.code === 403)
            throw new CommandFailure(`you may not update ${where}, which is needed to change anything about the roots`);
          if (!(error instanceof ApiException && error.code === 409)) return callApi(config, Promise.reject(error), where);
        }
      }
      throw new CommandFailure(`${where} is changed by others all the time, try again`);
    },
  };
}

/** The directory of a Citadel that runs without an API server. */
export function directoryDesk(caDirectory: string): CaDesk {
  const directory = join(caDirectory, 'control');
  return {
    status: () => readFile(join(directory, 'status.json'), 'utf8').catch(() => undefined),
    async leave(request) {
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        const staging = join(directory, `.request.${process.pid}`);
        await writeFile(staging, JSON.stringify(request), { mode: 0o600 });
        await rename(staging, join(directory, 'request.json'));
      } catch (error) {
        throw new CommandFailure(`cannot leave a request in ${directory}: ${errorText(error)}`);
      }
    },
  };
}
