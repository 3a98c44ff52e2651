import {
  AdmissionregistrationV1Api,
  ApiextensionsV1Api,
  AppsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  type KubeConfig,
} from '@kubernetes/client-node';
import { type RawObject, toRawObject } from '@xebec/analysis';
import { kinds } from '@xebec/schemas';
import { callApi } from '../kube/connection.ts';

/** Secrets that certificates can be in. */
const OTHER_SECRETS = 'type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token';
const GATEWAY_API = ['gateways', 'httproutes', 'grpcroutes'];

/** Everything analyzers read, from the API server. A kind whose CRD is not installed, or that may not be read, counts as empty. */
export async function readLive(config: KubeConfig, cluster?: string): Promise<RawObject[]> {
  const core = config.makeApiClient(CoreV1Api);
  const apps = config.makeApiClient(AppsV1Api);
  const admission = config.makeApiClient(AdmissionregistrationV1Api);
  const extensions = config.makeApiClient(ApiextensionsV1Api);
  const custom = config.makeApiClient(CustomObjectsApi);
  const typed = async (apiVersion: string, kind: string, list: Promise<{ items: object[] }>): Promise<unknown[]> =>
    (await callApi(config, list, `list of ${kind}`)).items.map((item) => JSON.parse(JSON.stringify({ ...item, apiVersion, kind })));
  const optional = async (apiVersion: string, kind: string, list: Promise<{ items: object[] }>): Promise<unknown[]> =>
    (await list.catch(() => ({ items: [] }))).items.map((item) => JSON.parse(JSON.stringify({ ...item, apiVersion, kind })));
  const resources = async (group: string, version: string, plural: string): Promise<unknown[]> => {
    const list: unknown = await custom.listClusterCustomObject({ group, version, plural }).catch(() => ({ items: [] }));
    return typeof list === 'object' && list !== null && 'items' in list && Array.isArray(list.items) ? list.items : [];
  };
  const found = await Promise.all([
    typed('v1', 'Namespace', core.listNamespace()),
    typed('v1', 'Service', core.listServiceForAllNamespaces()),
    typed('v1', 'Pod', core.listPodForAllNamespaces()),
    typed('apps/v1', 'Deployment', apps.listDeploymentForAllNamespaces()),
    optional('v1', 'Node', core.listNode()),
    optional('v1', 'Secret', core.listSecretForAllNamespaces({ fieldSelector: OTHER_SECRETS })),
    optional('v1', 'ConfigMap', core.listNamespacedConfigMap({ namespace: 'istio-system' })),
    optional('admissionregistration.k8s.io/v1', 'MutatingWebhookConfiguration', admission.listMutatingWebhookConfiguration()),
    optional('admissionregistration.k8s.io/v1', 'ValidatingWebhookConfiguration', admission.listValidatingWebhookConfiguration()),
    optional('apiextensions.k8s.io/v1', 'CustomResourceDefinition', extensions.listCustomResourceDefinition()),
    ...GATEWAY_API.map((plural) => resources('gateway.networking.k8s.io', 'v1', plural)),
    ...kinds.map(({ group, versions, plural }) => resources(group, versions[0] ?? '', plural)),
  ]);
  return found.flat().flatMap((object) => toRawObject(object, '', undefined, cluster) ?? []);
}
