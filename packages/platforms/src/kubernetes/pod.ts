import { type Locality, parseLocality, type Workload } from '@xebec/model';
import type { KubernetesNode, KubernetesPod } from './objects.ts';

const LOCALITY_LABEL = 'istio-locality';
const NETWORK_LABEL = 'topology.istio.io/network';
const WORKLOAD_NAME_LABEL = 'service.istio.io/workload-name';
const TLS_MODE_LABEL = 'security.istio.io/tlsMode';

/** What a pod's endpoints inherit from it. */
export function toWorkload(pod: KubernetesPod, node: KubernetesNode | undefined): Workload {
  const labels = pod.metadata?.labels ?? {};
  return {
    name: pod.metadata?.name ?? '',
    namespace: pod.metadata?.namespace ?? 'default',
    address: pod.status?.podIP ?? '',
    labels,
    serviceAccount: pod.spec?.serviceAccountName ?? 'default',
    workloadName: workloadName(pod),
    locality: podLocality(labels, node),
    weight: 1,
    tlsMode: labels[TLS_MODE_LABEL] === 'istio' ? 'istio' : 'disabled',
    network: labels[NETWORK_LABEL] ?? '',
    ports: {},
  };
}

/** Whether a pod can take traffic at all: it has an address of its own and has not ended. */
export function hasAddress(pod: KubernetesPod): boolean {
  const phase = pod.status?.phase ?? '';
  return (pod.status?.podIP ?? '') !== '' && pod.spec?.hostNetwork !== true && phase !== 'Succeeded' && phase !== 'Failed';
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

function podLocality(labels: Readonly<Record<string, string>>, node: KubernetesNode | undefined): Locality {
  const own = labels[LOCALITY_LABEL];
  // A label cannot hold "/", so Istio lets "." stand for it.
  if (own !== undefined && own !== '') return parseLocality(own.includes('/') ? own : own.replaceAll('.', '/'));
  const nodeLabels = node?.metadata?.labels ?? {};
  return {
    region: nodeLabels['topology.kubernetes.io/region'] ?? nodeLabels['failure-domain.beta.kubernetes.io/region'] ?? '',
    zone: nodeLabels['topology.kubernetes.io/zone'] ?? nodeLabels['failure-domain.beta.kubernetes.io/zone'] ?? '',
    subzone: nodeLabels['topology.istio.io/subzone'] ?? '',
  };
}
