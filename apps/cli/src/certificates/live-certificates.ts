import { AdmissionregistrationV1Api, CoreV1Api, type KubeConfig, type V1Pod } from '@kubernetes/client-node';
import type { CalendarEntry } from '@xebec/agent';
import { errorText } from '@xebec/core';
import { createProtoRegistry } from '@xebec/protos/registry';
import { callApi, proxyAdmin } from '../kube/connection.ts';
import { parseConfigDump } from '../proxy-config/dump.ts';
import { certificatesOfDump } from './dump-certificates.ts';
import { certificatesOfObject, mayHoldCertificates } from './manifest-certificates.ts';

/** Proxies asked at the same time. */
const AT_ONCE = 8;

export interface LiveCalendar {
  readonly entries: readonly CalendarEntry[];
  /** What could not be asked, one line each. */
  readonly problems: readonly string[];
}

/** Everything of a mesh that expires: Secrets, roots in ConfigMaps, webhooks, and what each proxy holds right now. */
export async function liveCertificates(config: KubeConfig, namespace: string | undefined, now: number): Promise<LiveCalendar> {
  const core = config.makeApiClient(CoreV1Api);
  const hooks = config.makeApiClient(AdmissionregistrationV1Api);
  const all = namespace === undefined;
  const [secrets, maps, pods, validating, mutating] = await Promise.all([
    callApi(config, all ? core.listSecretForAllNamespaces() : core.listNamespacedSecret({ namespace }), 'list of Secrets'),
    callApi(config, all ? core.listConfigMapForAllNamespaces() : core.listNamespacedConfigMap({ namespace }), 'list of ConfigMaps'),
    callApi(config, all ? core.listPodForAllNamespaces() : core.listNamespacedPod({ namespace }), 'list of pods'),
    all ? callApi(config, hooks.listValidatingWebhookConfiguration(), 'list of webhooks') : { items: [] },
    all ? callApi(config, hooks.listMutatingWebhookConfiguration(), 'list of webhooks') : { items: [] },
  ]);
  const objects = (kind: string, items: readonly object[]) => items.map((item) => ({ ...item, kind }));
  const stored = [
    ...objects('Secret', secrets.items.filter(mayHoldCertificates)),
    // Each namespace has the root: one of them says it, unless it is asked for.
    ...objects(
      'ConfigMap',
      maps.items.filter(({ metadata }) => metadata?.name === 'istio-ca-root-cert' && (!all || metadata.namespace === 'istio-system')),
    ),
    ...objects('ValidatingWebhookConfiguration', validating.items),
    ...objects('MutatingWebhookConfiguration', mutating.items),
  ].flatMap((object) => certificatesOfObject(object, now));
  const proxies = await ofProxies(config, pods.items, now);
  return { entries: [...stored, ...proxies.entries], problems: proxies.problems };
}

async function ofProxies(config: KubeConfig, pods: readonly V1Pod[], now: number): Promise<LiveCalendar> {
  const registry = createProtoRegistry();
  const waiting = pods.filter(
    ({ spec, status }) =>
      status?.phase === 'Running' &&
      [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])].some(({ name }) => name === 'istio-proxy'),
  );
  const entries: CalendarEntry[] = [];
  const problems: string[] = [];
  const worker = async () => {
    for (let pod = waiting.shift(); pod !== undefined; pod = waiting.shift()) {
      const name = `${pod.metadata?.name}.${pod.metadata?.namespace}`;
      try {
        const { secrets } = parseConfigDump(await proxyAdmin(config, pod, 'GET', '/config_dump'), registry);
        entries.push(...certificatesOfDump(`pod ${name}`, secrets, now));
      } catch (error) {
        problems.push(`pod ${name} cannot be asked: ${errorText(error)}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { entries, problems };
}
