import { type Locality, parseLocality, type Workload } from '@xebec/model';
import type { KubernetesNode, KubernetesPod } from './objects.ts';

const LOCALITY_LABEL = 'topology.istio.io/locality';
const OLD_LOCALITY_LABEL = 'istio-locality';
const REGION_LABEL = 'topology.kubernetes.io/region';
const ZONE_LABEL = 'topology.kubernetes.io/zone';
const SUBZONE_LABEL = 'topology.istio.io/subzone';
const NETWORK_LABEL = 'topology.istio.io/network';
const WORKLOAD_NAME_LABEL = 'service.istio.io/workload-name';
const TLS_MODE_LABEL = 'security.istio.io/tlsMode';

/**
 * What a pod's endpoints inherit from it. Its labels get those of where it stands, so that subsets and failover priorities may name
 * region, zone, node, network and cluster.
 */
export function toWorkload(pod: KubernetesPod, node: KubernetesNode | undefined, cluster: string): Workload {
  const own = pod.metadata?.labels ?? {};
  const locality = podLocality(own, node);
  const { hostname = '', subdomain = '' } = pod.spec ?? {};
  const labels = { ...own, ...placeLabels(locality, pod.spec?.nodeName ?? '', cluster) };
  return {
    name: pod.metadata?.name ?? '',
    namespace: pod.metadata?.namespace ?? 'default',
    address: pod.status?.podIP ?? '',
    labels,
    serviceAccount: pod.spec?.serviceAccountName ?? 'default',
    workloadName: workloadName(pod),
    locality,
    weight: 1,
    tlsMode: labels[TLS_MODE_LABEL] === 'istio' ? 'istio' : 'disabled',
    network: labels[NETWORK_LABEL] ?? '',
    ports: namedPorts(pod),
    ...(subdomain === '' ? {} : { podName: `${hostname || (pod.metadata?.name ?? '')}.${subdomain}` }),
  };
}

/** An endpoint that no pod stands behind: it has a place at most by its cluster. */
export function bareWorkload(namespace: string, cluster: string): Workload {
  const locality = { region: '', zone: '', subzone: '' };
  return {
    name: '',
    namespace,
    address: '',
    labels: placeLabels(locality, '', cluster),
    serviceAccount: '',
    workloadName: '',
    locality,
    weight: 1,
    tlsMode: 'disabled',
    network: '',
    ports: {},
  };
}

/** Whether calls may go to a pod that is chosen by its labels: it has an address, is ready and has not ended nor is about to. */
export function isServing(pod: KubernetesPod): boolean {
  const { status = {}, metadata = {} } = pod;
  const ended = status.phase === 'Succeeded' || status.phase === 'Failed' || (metadata.deletionTimestamp ?? '') !== '';
  const ready = (status.conditions ?? []).some(({ type, status: value }) => type === 'Ready' && value === 'True');
  return (status.podIP ?? '') !== '' && !ended && ready;
}

/** TCP ports of the containers by name, the first of a name; init containers count where they stay as sidecars. */
export function namedPorts(pod: KubernetesPod): Readonly<Record<string, number>> {
  const { containers, initContainers } = pod.spec ?? {};
  const staying = (initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const out: Record<string, number> = {};
  for (const { ports } of [...(containers ?? []), ...staying])
    for (const { name = '', containerPort, protocol = 'TCP' } of ports ?? [])
      if (name !== '' && containerPort !== undefined && protocol === 'TCP') out[name] ??= containerPort;
  return out;
}

/**
 * The name of what owns the pod. A ReplicaSet made by a Deployment carries the Deployment's name and the pod-template-hash,
 * which is cut off.
 */
export function workloadName(pod: KubernetesPod): string {
  const labels = pod.metadata?.labels ?? {};
  const named = labels[WORKLOAD_NAME_LABEL];
  if (named !== undefined && named !== '') return named;
  const owners = pod.metadata?.ownerReferences ?? [];
  const owner = owners.find((candidate) => candidate.controller === true) ?? owners[0];
  const name = owner?.name ?? pod.metadata?.name ?? '';
  const suffix = `-${labels['pod-template-hash'] ?? ''}`;
  return owner?.kind === 'ReplicaSet' && suffix !== '-' && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name;
}

function placeLabels({ region, zone, subzone }: Locality, node: string, cluster: string): Record<string, string> {
  const labels = {
    [REGION_LABEL]: region,
    [ZONE_LABEL]: zone,
    [SUBZONE_LABEL]: subzone,
    'topology.istio.io/cluster': cluster,
    'kubernetes.io/hostname': node,
  };
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''));
}

function podLocality(labels: Readonly<Record<string, string>>, node: KubernetesNode | undefined): Locality {
  const own = labels[LOCALITY_LABEL] ?? labels[OLD_LOCALITY_LABEL];
  // A label cannot hold "/", so Istio lets "." stand for it.
  if (own !== undefined && own !== '') return parseLocality(own.includes('/') ? own : own.replaceAll('.', '/'));
  const nodeLabels = node?.metadata?.labels ?? {};
  return {
    region: nodeLabels[REGION_LABEL] ?? nodeLabels['failure-domain.beta.kubernetes.io/region'] ?? '',
    zone: nodeLabels[ZONE_LABEL] ?? nodeLabels['failure-domain.beta.kubernetes.io/zone'] ?? '',
    subzone: nodeLabels[SUBZONE_LABEL] ?? '',
  };
}
