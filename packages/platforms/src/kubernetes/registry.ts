import { type Endpoint, type EndpointHealth, type Service, serviceKey, type Workload } from '@xebec/model';
import type { KubernetesEndpointSlice, KubernetesNode, KubernetesPod, KubernetesService } from './objects.ts';
import { hasAddress, toWorkload } from './pod.ts';
import { externalNameEndpoints, isExternalName, toService } from './service.ts';

/** What a batch of changes did to the registry. */
export interface RegistryDelta {
  /** Services, namespaces or nodes came, went or changed: everything may look different. */
  readonly full: boolean;
  /** Pods came, went or changed address, labels or account. */
  readonly workloads: boolean;
  /** `serviceKey`s whose endpoints changed. */
  readonly endpoints: ReadonlySet<string>;
}

/** One change: an object of one of the kinds below, or its end. */
export interface RegistryChange {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** The whole object as the API gives it; undefined: deleted. */
  readonly raw: unknown;
}

export const REGISTRY_KINDS: ReadonlySet<string> = new Set(['Service', 'EndpointSlice', 'Pod', 'Node', 'Namespace']);

interface SliceEntry {
  readonly service: string;
  readonly pods: ReadonlySet<string>;
  readonly nodes: ReadonlySet<string>;
  readonly raw: KubernetesEndpointSlice;
}

/**
 * Services and endpoints of one Kubernetes API, kept up to date change by change. It does no I/O: whoever watches the API
 * feeds it.
 */
export class KubernetesRegistry {
  readonly #domain: string;
  readonly #services = new Map<string, { readonly raw: KubernetesService; readonly service: Service }>();
  readonly #slices = new Map<string, SliceEntry>();
  readonly #slicesOfService = new Map<string, Set<string>>();
  readonly #slicesOfPod = new Map<string, Set<string>>();
  readonly #pods = new Map<string, KubernetesPod>();
  readonly #nodes = new Map<string, KubernetesNode>();
  readonly #namespaces = new Map<string, Readonly<Record<string, string>>>();
  readonly #endpoints = new Map<string, readonly Endpoint[]>();

  constructor(domain: string) {
    this.#domain = domain;
  }
  services(): readonly Service[] {
    return [...this.#services.values()].map(({ service }) => service);
  }
  /** Endpoints by `serviceKey`. */
  endpoints(): ReadonlyMap<string, readonly Endpoint[]> {
    return this.#endpoints;
  }
  /** Labels by namespace. */
  namespaces(): ReadonlyMap<string, Readonly<Record<string, string>>> {
    return this.#namespaces;
  }
  /** Pods with an address: what a ServiceEntry's workloadSelector may choose. */
  workloads(): readonly Workload[] {
    return [...this.#pods.values()].filter(hasAddress).map((pod) => toWorkload(pod, this.#nodes.get(pod.spec?.nodeName ?? '')));
  }
  // The raw objects come from the API server, which has checked them; every field is read as optional.
  apply(changes: Iterable<RegistryChange>): RegistryDelta {
    let full = false;
    let workloads = false;
    /** `namespace/name` of services whose endpoints must be computed again. */
    const dirty = new Set<string>();
    for (const change of changes) {
      if (change.kind === 'Pod') workloads = this.#applyPod(idOf(change), change.raw as KubernetesPod | undefined, dirty) || workloads;
      else full = this.#applyOne(change, dirty) || full;
    }
    const endpoints = new Set<string>();
    for (const name of dirty) {
      const key = this.#recompute(name);
      if (key !== undefined) endpoints.add(key);
    }
    return { full, workloads, endpoints };
  }

  #applyOne(change: RegistryChange, dirty: Set<string>): boolean {
    const id = idOf(change);
    switch (change.kind) {
      case 'Service':
        return this.#applyService(id, change.raw as KubernetesService | undefined, dirty);
      case 'EndpointSlice':
        this.#applySlice(id, change.raw as KubernetesEndpointSlice | undefined, dirty);
        return false;
      case 'Node':
        return this.#applyNode(id, change.raw as KubernetesNode | undefined, dirty);
      case 'Namespace':
        if (change.raw === undefined) this.#namespaces.delete(id);
        else this.#namespaces.set(id, (change.raw as KubernetesNode).metadata?.labels ?? {});
        return true;
      default:
        return false;
    }
  }
  #applyService(id: string, raw: KubernetesService | undefined, dirty: Set<string>): boolean {
    const before = this.#services.get(id);
    if (raw === undefined) {
      if (before === undefined) return false;
      this.#services.delete(id);
      this.#endpoints.delete(serviceKey(before.service));
      return true;
    }
    const service = toService(raw, this.#domain);
    this.#services.set(id, { raw, service });
    dirty.add(id);
    return before === undefined || JSON.stringify(before.service) !== JSON.stringify(service);
  }
  #applySlice(id: string, raw: KubernetesEndpointSlice | undefined, dirty: Set<string>): void {
    const before = this.#slices.get(id);
    if (before !== undefined) {
      dirty.add(before.service);
      this.#slicesOfService.get(before.service)?.delete(id);
      for (const pod of before.pods) this.#slicesOfPod.get(pod)?.delete(id);
      this.#slices.delete(id);
    }
    if (raw === undefined) return;
    const namespace = raw.metadata?.namespace ?? 'default';
    const serviceName = raw.metadata?.labels?.['kubernetes.io/service-name'];
    if (serviceName === undefined || serviceName === '') return;
    const service = `${namespace}/${serviceName}`;
    const targets = (raw.endpoints ?? []).flatMap(({ targetRef }) => (targetRef?.kind === 'Pod' ? [targetRef] : []));
    const pods = new Set(targets.map((target) => `${target.namespace ?? namespace}/${target.name ?? ''}`));
    const nodes = new Set((raw.endpoints ?? []).flatMap(({ nodeName }) => nodeName ?? []));
    this.#slices.set(id, { service, pods, nodes, raw });
    memberOf(this.#slicesOfService, service).add(id);
    for (const pod of pods) memberOf(this.#slicesOfPod, pod).add(id);
    dirty.add(service);
  }
  #applyPod(id: string, raw: KubernetesPod | undefined, dirty: Set<string>): boolean {
    const before = this.#pods.get(id);
    if (raw === undefined) this.#pods.delete(id);
    else this.#pods.set(id, raw);
    for (const slice of this.#slicesOfPod.get(id) ?? []) {
      const service = this.#slices.get(slice)?.service;
      if (service !== undefined) dirty.add(service);
    }
    return identityOf(before) !== identityOf(raw);
  }
  #applyNode(id: string, raw: KubernetesNode | undefined, dirty: Set<string>): boolean {
    const before = this.#nodes.get(id);
    if (raw === undefined) this.#nodes.delete(id);
    else this.#nodes.set(id, raw);
    // Kubelets renew the status of their node all the time; only labels say where it stands.
    if (JSON.stringify(before?.metadata?.labels ?? {}) === JSON.stringify(raw?.metadata?.labels ?? {})) return false;
    for (const slice of this.#slices.values()) if (slice.nodes.has(id) || slice.pods.size > 0) dirty.add(slice.service);
    return true;
  }
  /** Computes the endpoints of a service again; returns its key when they changed. */
  #recompute(name: string): string | undefined {
    const entry = this.#services.get(name);
    if (entry === undefined) return undefined;
    const { raw, service } = entry;
    const key = serviceKey(service);
    const endpoints = isExternalName(raw)
      ? externalNameEndpoints(raw, service)
      : [...(this.#slicesOfService.get(name) ?? [])].sort().flatMap((slice) => this.#endpointsOfSlice(slice, raw));
    const unique = [
      ...new Map(endpoints.map((endpoint) => [`${endpoint.servicePortName} ${endpoint.address} ${endpoint.port}`, endpoint])).values(),
    ];
    const before = this.#endpoints.get(key) ?? [];
    if (JSON.stringify(before) === JSON.stringify(unique)) return undefined;
    this.#endpoints.set(key, unique);
    return key;
  }
  #endpointsOfSlice(sliceId: string, service: KubernetesService): readonly Endpoint[] {
    const slice = this.#slices.get(sliceId)?.raw;
    if (slice === undefined || slice.addressType === 'FQDN') return [];
    const namespace = slice.metadata?.namespace ?? 'default';
    return (slice.endpoints ?? []).flatMap((raw) => {
      const health = healthOf(raw.conditions ?? {}, service.spec?.publishNotReadyAddresses === true);
      const address = raw.addresses?.[0];
      if (health === undefined || address === undefined) return [];
      const pod =
        raw.targetRef?.kind === 'Pod' ? this.#pods.get(`${raw.targetRef.namespace ?? namespace}/${raw.targetRef.name ?? ''}`) : undefined;
      const node = this.#nodes.get(raw.nodeName ?? pod?.spec?.nodeName ?? '');
      const workload = toWorkload(pod ?? {}, node);
      return (slice.ports ?? []).flatMap((port): Endpoint[] => {
        if (port.port === undefined || port.port === null) return [];
        return [
          {
            address,
            port: port.port,
            servicePortName: port.name ?? '',
            labels: workload.labels,
            namespace,
            serviceAccount: pod === undefined ? '' : workload.serviceAccount,
            workloadName: pod === undefined ? (raw.targetRef?.name ?? '') : workload.workloadName,
            locality: workload.locality,
            weight: 1,
            health,
            tlsMode: workload.tlsMode,
            network: workload.network,
          },
        ];
      });
    });
  }
}

/** `ready` unset means ready; an endpoint that ends but still serves drains; one that ends and serves no more is gone. */
function healthOf(
  conditions: { readonly ready?: boolean | null; readonly serving?: boolean | null; readonly terminating?: boolean | null },
  publishNotReady: boolean,
): EndpointHealth | undefined {
  if (conditions.terminating === true) return conditions.serving === false ? undefined : 'draining';
  return conditions.ready === false && !publishNotReady ? 'unhealthy' : 'healthy';
}

/** What of a pod others can see besides its readiness, which comes with the slices. */
function identityOf(pod: KubernetesPod | undefined): string {
  if (pod === undefined || !hasAddress(pod)) return '';
  return JSON.stringify([pod.status?.podIP, pod.metadata?.labels, pod.spec?.serviceAccountName, pod.spec?.nodeName]);
}

function idOf(change: RegistryChange): string {
  return change.namespace === '' ? change.name : `${change.namespace}/${change.name}`;
}

function memberOf(index: Map<string, Set<string>>, key: string): Set<string> {
  let set = index.get(key);
  if (set === undefined) {
    set = new Set();
    index.set(key, set);
  }
  return set;
}
