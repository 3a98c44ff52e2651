import type { KubernetesEndpointSlice, KubernetesMeta, KubernetesPod, KubernetesService, KubernetesServicePort } from './objects.ts';
import { REGISTRY_KINDS, type RegistryChange } from './registry.ts';

/** Workloads that make pods from a template. */
const TEMPLATED: ReadonlySet<string> = new Set(['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job']);

interface PodTemplate {
  readonly metadata?: KubernetesMeta;
  readonly spec?: {
    readonly serviceAccountName?: string;
    readonly containers?:
      | readonly {
          readonly ports?: readonly { readonly name?: string; readonly containerPort?: number; readonly protocol?: string }[] | null;
        }[]
      | null;
  };
}

interface Manifest {
  readonly kind?: unknown;
  readonly metadata?: KubernetesMeta;
  readonly spec?: { readonly template?: PodTemplate };
}

interface PlannedPod {
  readonly name: string;
  readonly namespace: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: ReadonlyMap<string, number>;
}

/**
 * What a cluster would make of manifests: Services get an address, each Deployment (StatefulSet, …) one ready pod with a sidecar
 * unless its template says `sidecar.istio.io/inject: "false"`, and Services the EndpointSlices of the pods that they select. Pods and
 * EndpointSlices that are among the manifests stay as they are, and a Service that has slices gets no others. Addresses depend on
 * the order of the manifests alone: services 10.96.0.0/16, pods 10.244.0.0/16.
 */
export function plannedChanges(manifests: readonly unknown[], defaultNamespace = 'default'): RegistryChange[] {
  // Manifests come from users' files: every field is read as optional.
  const objects = manifests.filter((manifest): manifest is Manifest => typeof manifest === 'object' && manifest !== null);
  const changes: RegistryChange[] = [];
  const pods: PlannedPod[] = [];
  const services: { readonly raw: KubernetesService; readonly namespace: string; readonly name: string }[] = [];
  const sliced = new Set<string>();
  for (const object of objects) {
    const kind = typeof object.kind === 'string' ? object.kind : '';
    const name = object.metadata?.name ?? '';
    const clusterScoped = kind === 'Namespace' || kind === 'Node';
    const namespace = clusterScoped ? '' : (object.metadata?.namespace ?? defaultNamespace);
    if (TEMPLATED.has(kind)) {
      const pod = podOf(object, name, namespace, address('10.244', pods.length + 1));
      if (pod === undefined) continue;
      pods.push(pod.planned);
      changes.push({ kind: 'Pod', namespace, name: pod.planned.name, raw: pod.raw });
    } else if (kind === 'Service') {
      const raw = withAddress(object, address('10.96', services.length + 1));
      services.push({ raw, namespace, name });
      changes.push({ kind, namespace, name, raw });
    } else if (REGISTRY_KINDS.has(kind)) {
      if (kind === 'EndpointSlice') sliced.add(`${namespace}/${object.metadata?.labels?.['kubernetes.io/service-name'] ?? ''}`);
      changes.push({ kind, namespace, name, raw: object });
    }
  }
  for (const { raw, name, namespace } of services) {
    if (sliced.has(`${namespace}/${name}`)) continue;
    for (const slice of slicesOf(raw, name, namespace, pods))
      changes.push({ kind: 'EndpointSlice', namespace, name: slice.metadata?.name ?? '', raw: slice });
  }
  return changes;
}

function address(block: string, index: number): string {
  return `${block}.${(index >> 8) & 0xff}.${index & 0xff}`;
}

function podOf(object: Manifest, name: string, namespace: string, podIP: string): { raw: KubernetesPod; planned: PlannedPod } | undefined {
  const template = object.spec?.template;
  if (template === undefined) return undefined;
  const own = template.metadata?.labels ?? {};
  const annotations = template.metadata?.annotations ?? {};
  const injected = (own['sidecar.istio.io/inject'] ?? annotations['sidecar.istio.io/inject']) !== 'false';
  const labels = { ...own, ...(injected ? { 'security.istio.io/tlsMode': 'istio' } : {}), 'service.istio.io/workload-name': name };
  const { serviceAccountName } = template.spec ?? {};
  const raw: KubernetesPod = {
    metadata: { name, namespace, labels, annotations },
    spec: { containers: template.spec?.containers ?? [], ...(serviceAccountName === undefined ? {} : { serviceAccountName }) },
    status: { phase: 'Running', podIP, conditions: [{ type: 'Ready', status: 'True' }] },
  };
  const ports = new Map<string, number>();
  for (const container of template.spec?.containers ?? []) {
    for (const port of container.ports ?? []) {
      if (port.name !== undefined && port.containerPort !== undefined) ports.set(port.name, port.containerPort);
    }
  }
  return { raw, planned: { name, namespace, address: podIP, labels, ports } };
}

function withAddress(object: Manifest, clusterIP: string): KubernetesService {
  const service = object as KubernetesService;
  const { spec = {} } = service;
  return spec.clusterIP === undefined && spec.type !== 'ExternalName' ? { ...service, spec: { ...spec, clusterIP } } : service;
}

/** One slice for the pods that agree on their ports: a named target port may be another number in another pod. */
function slicesOf(service: KubernetesService, name: string, namespace: string, pods: readonly PlannedPod[]): KubernetesEndpointSlice[] {
  const selector = Object.entries(service.spec?.selector ?? {});
  if (selector.length === 0) return [];
  const groups = new Map<string, { readonly ports: NonNullable<KubernetesEndpointSlice['ports']>; readonly pods: PlannedPod[] }>();
  for (const pod of pods) {
    if (pod.namespace !== namespace || !selector.every(([key, value]) => pod.labels[key] === value)) continue;
    const ports = (service.spec?.ports ?? []).map((port) => ({
      name: port.name ?? '',
      port: targetOf(port, pod),
      protocol: port.protocol ?? 'TCP',
    }));
    const key = JSON.stringify(ports);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { ports, pods: [pod] });
    else group.pods.push(pod);
  }
  return [...groups.values()].map(({ ports, pods: members }, index) => ({
    metadata: {
      name: index === 0 ? `${name}-planned` : `${name}-planned-${index + 1}`,
      namespace,
      labels: { 'kubernetes.io/service-name': name },
    },
    addressType: 'IPv4',
    endpoints: members.map((pod) => ({
      addresses: [pod.address],
      conditions: { ready: true },
      targetRef: { kind: 'Pod', name: pod.name, namespace },
    })),
    ports,
  }));
}

function targetOf(port: KubernetesServicePort, pod: PlannedPod): number {
  const { targetPort } = port;
  return (typeof targetPort === 'string' ? pod.ports.get(targetPort) : targetPort) ?? port.port ?? 0;
}
