import { isRecord } from '@xebec/config';
import type { ReportPod } from './report.ts';

const CONTROLLERS = new Set(['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'ReplicaSet']);

function strings(value: unknown): Record<string, string> {
  if (!isRecord(value)) return {};
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function names(value: unknown): string[] {
  return Array.isArray(value)
    ? value.flatMap((each: unknown) => (isRecord(each) && typeof each['name'] === 'string' ? [each['name']] : []))
    : [];
}

/** What runs, from Pods as the API server has them; of pods that have ended nothing. */
export function livePods(objects: readonly unknown[]): ReportPod[] {
  return objects.flatMap((object) => {
    if (!isRecord(object) || object['kind'] !== 'Pod') return [];
    const status = isRecord(object['status']) ? object['status']['phase'] : undefined;
    if (status === 'Succeeded' || status === 'Failed') return [];
    return podOf(object, false);
  });
}

/** What manifests would start: their Pods, and one for each controller. `injects` says whether a namespace brings sidecars. */
export function plannedPods(objects: readonly unknown[]): ReportPod[] {
  const injecting = new Set(
    objects.flatMap((object) => {
      if (!isRecord(object) || object['kind'] !== 'Namespace' || !isRecord(object['metadata'])) return [];
      const labels = strings(object['metadata']['labels']);
      return labels['istio-injection'] === 'enabled' || labels['istio.io/rev'] !== undefined ? [String(object['metadata']['name'])] : [];
    }),
  );
  return objects.flatMap((object) => {
    if (!isRecord(object) || !isRecord(object['metadata'])) return [];
    const namespace = String(object['metadata']['namespace'] ?? 'default');
    if (object['kind'] === 'Pod') return podOf(object, injecting.has(namespace));
    const template = isRecord(object['spec']) ? object['spec']['template'] : undefined;
    if (!CONTROLLERS.has(String(object['kind'])) || !isRecord(template)) return [];
    const metadata = isRecord(template['metadata']) ? template['metadata'] : {};
    const { name } = object['metadata'];
    return podOf({ ...template, metadata: { ...metadata, namespace, name } }, injecting.has(namespace));
  });
}

function podOf(pod: Readonly<Record<string, unknown>>, injected: boolean): ReportPod[] {
  const metadata = isRecord(pod['metadata']) ? pod['metadata'] : {};
  const spec = isRecord(pod['spec']) ? pod['spec'] : {};
  const name = String(metadata['name'] ?? '');
  const labels = strings(metadata['labels']);
  const wish = labels['sidecar.istio.io/inject'] ?? strings(metadata['annotations'])['sidecar.istio.io/inject'];
  const hostNetwork = spec['hostNetwork'] === true;
  const has = [...names(spec['containers']), ...names(spec['initContainers'])].includes('istio-proxy');
  return [
    {
      namespace: String(metadata['namespace'] ?? 'default'),
      name,
      workload: workloadOf(name, metadata['ownerReferences'], labels),
      labels,
      sidecar: has || (!hostNetwork && (wish === undefined ? injected : wish === 'true')),
      hostNetwork,
    },
  ];
}

/** A Deployment owns its pods through ReplicaSets, whose names end in the hash of the template. */
function workloadOf(name: string, owners: unknown, labels: Readonly<Record<string, string>>): string {
  const owner: unknown = Array.isArray(owners) ? owners.find((each: unknown) => isRecord(each) && each['controller'] === true) : undefined;
  if (!isRecord(owner) || typeof owner['name'] !== 'string') return name;
  const hash = labels['pod-template-hash'];
  return owner['kind'] === 'ReplicaSet' && hash !== undefined && owner['name'].endsWith(`-${hash}`)
    ? owner['name'].slice(0, -hash.length - 1)
    : owner['name'];
}
