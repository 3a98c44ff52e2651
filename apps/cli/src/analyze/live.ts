import { AppsV1Api, CoreV1Api, CustomObjectsApi, type KubeConfig } from '@kubernetes/client-node';
import { type RawObject, toRawObject } from '@xebec/analysis';
import { kinds } from '@xebec/schemas';
import { callApi } from '../kube/connection.ts';

/** Everything analyzers read, from the API server. A kind whose CRD is not installed counts as empty. */
export async function readLive(config: KubeConfig): Promise<RawObject[]> {
  const core = config.makeApiClient(CoreV1Api);
  const apps = config.makeApiClient(AppsV1Api);
  const custom = config.makeApiClient(CustomObjectsApi);
  const typed = async (apiVersion: string, kind: string, list: Promise<{ items: object[] }>): Promise<unknown[]> =>
    (await callApi(config, list, `list of ${kind}`)).items.map((item) => JSON.parse(JSON.stringify({ ...item, apiVersion, kind })));
  const mesh = async (kind: (typeof kinds)[number]): Promise<unknown[]> => {
    const [version] = kind.versions;
    const list: unknown = await custom
      .listClusterCustomObject({ group: kind.group, version, plural: kind.plural })
      .catch(() => ({ items: [] }));
    return typeof list === 'object' && list !== null && 'items' in list && Array.isArray(list.items) ? list.items : [];
  };
  const found = await Promise.all([
    typed('v1', 'Namespace', core.listNamespace()),
    typed('v1', 'Service', core.listServiceForAllNamespaces()),
    typed('v1', 'Pod', core.listPodForAllNamespaces()),
    typed('apps/v1', 'Deployment', apps.listDeploymentForAllNamespaces()),
    ...kinds.map(mesh),
  ]);
  return found.flat().flatMap((object) => toRawObject(object, '') ?? []);
}
