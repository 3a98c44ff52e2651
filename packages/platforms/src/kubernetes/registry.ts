import { type Endpoint, type Service, serviceKey, type Workload } from '@xebec/model';
import type { ConfigObject, MeshConfig } from '@xebec/schemas';
import { discovers } from './discovery-selectors.ts';
import { addressesOf, endpointsOfSlice, type SliceAddress, withoutDuplicates } from './endpoint-slice.ts';
import { type IngressSite, type IngressStatus, ingressConfig, ingressStatus } from './ingress.ts';
import type {
  KubernetesEndpointSlice,
  KubernetesIngress,
  KubernetesIngressClass,
  KubernetesNode,
  KubernetesPod,
  KubernetesService,
} from './objects.ts';
import { bareWorkload, isServing, toWorkload } from './pod.ts';
import { externalNameEndpoints, isExternalName, toService, withAccounts } from './service.ts';

/** What a batch of changes did to the registry. */
export interface RegistryDelta {
  /** Services, namespaces, nodes or Ingresses came, went or changed: everything may look different. */
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

/** What a mesh sees of the registry: all, or what is in namespaces that its `discoverySelectors` choose. */
export interface RegistryView {
  readonly namespaces: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly services: readonly Service[];
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
  readonly workloads: readonly Workload[];
  /** The given objects and those made of Ingresses. */
  readonly config: readonly ConfigObject[];
}

export const REGISTRY_KINDS: ReadonlySet<string> = new Set([
  'Service',
  'EndpointSlice',
  'Pod',
  'Node',
  'Namespace',
  'Ingress',
  'IngressClass',
]);

interface SliceEntry {
  readonly service: string;
  /** Pods it names, and `@address` of what it lists without a pod. */
  readonly workloads: ReadonlySet<string>;
  readonly raw: KubernetesEndpointSlice;
}

interface NamespaceEntry {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * Services and endpoints of one Kubernetes API, kept up to date change by change. It does no I/O: whoever watches the API
 * feeds it.
 */
export class KubernetesRegistry {
  readonly #domain: string;
  readonly #cluster: string;
  readonly #services = new Map<string, { readonly raw: KubernetesService; readonly service: Service }>();
  readonly #slices = new Map<string, SliceEntry>();
  readonly #slicesOfService = new Map<string, Set<string>>();
  readonly #slicesOfWorkload = new Map<string, Set<string>>();
  readonly #pods = new Map<string, KubernetesPod>();
  readonly #podsByAddress = new Map<string, Set<string>>();
  readonly #workloads = new Map<string, Workload>();
  readonly #nodes = new Map<string, KubernetesNode>();
  readonly #podsOfNode = new Map<string, Set<string>>();
  readonly #namespaces = new Map<string, NamespaceEntry>();
  readonly #ingresses = new Map<string, KubernetesIngress>();
  readonly #ingressClasses = new Map<string, KubernetesIngressClass>();
  readonly #endpoints = new Map<string, readonly Endpoint[]>();
  /** What Ingresses made last, by kind and name: what is as before stays the same object, and costs nothing further on. */
  #derived: ReadonlyMap<string, { readonly text: string; readonly object: ConfigObject }> = new Map();

  /** `cluster` is the identity of this cluster, as proxies say it. */
  constructor(domain: string, cluster = 'Kubernetes') {
    this.#domain = domain;
    this.#cluster = cluster;
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
    return new Map([...this.#namespaces].map(([name, { labels }]) => [name, labels]));
  }
  /** Pods that are ready: what a ServiceEntry's workloadSelector may choose. */
  workloads(): readonly Workload[] {
    return [...this.#pods].flatMap(([id, pod]) => (isServing(pod) ? [this.#workloadOf(id, pod)] : []));
  }
  /** What a mesh with these settings sees, beside configuration that came from elsewhere. */
  view(mesh: MeshConfig, config: readonly ConfigObject[]): RegistryView {
    const sees = discovers(mesh, this.namespaces());
    const derived = this.#fromIngresses(mesh, sees);
    const namespaces = this.namespaces();
    const all = [...config, ...derived];
    const trustDomain = mesh.trustDomain ?? 'cluster.local';
    const services = [...this.#services.values()].map(({ raw, service }) => withAccounts(service, raw, trustDomain));
    if (sees.all) return { namespaces, services, endpoints: this.#endpoints, workloads: this.workloads(), config: all };
    return {
      namespaces,
      services: services.filter(({ namespace }) => sees(namespace)),
      endpoints: this.#endpoints,
      workloads: this.workloads().filter(({ namespace }) => sees(namespace)),
      config: [...config.filter(({ metadata }) => sees(metadata.namespace)), ...derived],
    };
  }
  /** What the status of each Ingress of the mesh should say. */
  ingressStatus(mesh: MeshConfig): readonly IngressStatus[] {
    if (this.#ingresses.size === 0) return [];
    const sees = discovers(mesh, this.namespaces());
    const seen = [...this.#ingresses.values()].filter(({ metadata }) => sees(metadata?.namespace ?? 'default'));
    return ingressStatus(seen, this.#ingressSite(mesh));
  }
  #ingressSite(mesh: MeshConfig): IngressSite {
    return { classes: this.#ingressClasses, services: (id) => this.#services.get(id)?.raw, mesh, domain: this.#domain };
  }
  #fromIngresses(mesh: MeshConfig, sees: (namespace: string) => boolean): ConfigObject[] {
    if (this.#ingresses.size === 0 && this.#derived.size === 0) return [];
    const seen = [...this.#ingresses.values()].filter(({ metadata }) => sees(metadata?.namespace ?? 'default'));
    const made = ingressConfig(seen, this.#ingressSite(mesh));
    this.#derived = new Map(
      made.map((object) => {
        const key = `${object.kind}/${object.metadata.namespace}/${object.metadata.name}`;
        const text = JSON.stringify(object);
        const before = this.#derived.get(key);
        return [key, before?.text === text ? before : { text, object }];
      }),
    );
    return [...this.#derived.values()].map(({ object }) => object);
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
        return this.#applyNamespace(id, change.raw as KubernetesNode | undefined, dirty);
      case 'Ingress':
        return put(this.#ingresses, id, change.raw as KubernetesIngress | undefined);
      case 'IngressClass':
        return put(this.#ingressClasses, id, change.raw as KubernetesIngressClass | undefined);
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
    const service = toService(raw, this.#domain, this.#namespaces.get(raw.metadata?.namespace ?? 'default')?.annotations);
    this.#services.set(id, { raw, service });
    dirty.add(id);
    // An Ingress may name a port of it, which is part of the service.
    return before === undefined || JSON.stringify(before.service) !== JSON.stringify(service);
  }
  #applyNamespace(name: string, raw: KubernetesNode | undefined, dirty: Set<string>): boolean {
    if (raw === undefined) this.#namespaces.delete(name);
    else this.#namespaces.set(name, { labels: raw.metadata?.labels ?? {}, annotations: raw.metadata?.annotations ?? {} });
    for (const [id, { raw: service }] of this.#services)
      if ((service.metadata?.namespace ?? 'default') === name) this.#applyService(id, service, dirty);
    return true;
  }
  #applySlice(id: string, raw: KubernetesEndpointSlice | undefined, dirty: Set<string>): void {
    const before = this.#slices.get(id);
    if (before !== undefined) {
      dirty.add(before.service);
      drop(this.#slicesOfService, before.service, id);
      for (const workload of before.workloads) drop(this.#slicesOfWorkload, workload, id);
      this.#slices.delete(id);
    }
    if (raw === undefined) return;
    const serviceName = raw.metadata?.labels?.['kubernetes.io/service-name'];
    if (serviceName === undefined || serviceName === '') return;
    const service = `${raw.metadata?.namespace ?? 'default'}/${serviceName}`;
    const workloads = new Set(addressesOf(raw).map(({ pod, address }) => pod ?? `@${address}`));
    this.#slices.set(id, { service, workloads, raw });
    memberOf(this.#slicesOfService, service).add(id);
    for (const workload of workloads) memberOf(this.#slicesOfWorkload, workload).add(id);
    dirty.add(service);
  }
  #applyPod(id: string, raw: KubernetesPod | undefined, dirty: Set<string>): boolean {
    const before = this.#pods.get(id);
    const address = raw?.status?.podIP ?? '';
    const earlier = before?.status?.podIP ?? '';
    const node = raw?.spec?.nodeName ?? '';
    this.#workloads.delete(id);
    drop(this.#podsByAddress, earlier, id);
    drop(this.#podsOfNode, before?.spec?.nodeName ?? '', id);
    if (raw === undefined) this.#pods.delete(id);
    else {
      this.#pods.set(id, raw);
      if (address !== '') memberOf(this.#podsByAddress, address).add(id);
      if (node !== '') memberOf(this.#podsOfNode, node).add(id);
    }
    for (const workload of [id, `@${address}`, `@${earlier}`]) this.#markSlicesOf(workload, dirty);
    return identityOf(before) !== identityOf(raw);
  }
  #applyNode(id: string, raw: KubernetesNode | undefined, dirty: Set<string>): boolean {
    const before = this.#nodes.get(id);
    if (raw === undefined) this.#nodes.delete(id);
    else this.#nodes.set(id, raw);
    // Kubelets renew the status of their node all the time; only labels say where it stands.
    if (JSON.stringify(before?.metadata?.labels ?? {}) === JSON.stringify(raw?.metadata?.labels ?? {})) return false;
    for (const pod of this.#podsOfNode.get(id) ?? []) {
      this.#workloads.delete(pod);
      for (const workload of [pod, `@${this.#pods.get(pod)?.status?.podIP ?? ''}`]) this.#markSlicesOf(workload, dirty);
    }
    return true;
  }
  #markSlicesOf(workload: string, dirty: Set<string>): void {
    for (const slice of this.#slicesOfWorkload.get(workload) ?? []) {
      const service = this.#slices.get(slice)?.service;
      if (service !== undefined) dirty.add(service);
    }
  }
  /** Computes the endpoints of a service again; returns its key when they changed. */
  #recompute(name: string): string | undefined {
    const entry = this.#services.get(name);
    if (entry === undefined) return undefined;
    const { raw, service } = entry;
    const key = serviceKey(service);
    const endpoints = isExternalName(raw)
      ? externalNameEndpoints(raw, service)
      : withoutDuplicates(
          [...(this.#slicesOfService.get(name) ?? [])].sort().flatMap((id) => {
            const slice = this.#slices.get(id);
            return slice === undefined ? [] : endpointsOfSlice(slice.raw, (at) => this.#workloadAt(at));
          }),
        );
    const before = this.#endpoints.get(key) ?? [];
    if (JSON.stringify(before) === JSON.stringify(endpoints)) return undefined;
    this.#endpoints.set(key, endpoints);
    return key;
  }
  #workloadAt({ address, pod: named, namespace }: SliceAddress): { workload: Workload; nodeName: string } | undefined {
    // Whoever lists an address by hand may still mean a pod; on a node's own address many may be, and the first must do.
    const id = named ?? [...(this.#podsByAddress.get(address) ?? [])].sort().find((candidate) => candidate.startsWith(`${namespace}/`));
    const pod = id === undefined ? undefined : this.#pods.get(id);
    if (named === undefined && (pod === undefined || !isServing(pod))) return { workload: bareWorkload('', this.#cluster), nodeName: '' };
    // A pod that failed is as good as gone, whatever slices still say.
    if (id === undefined || pod === undefined || pod.status?.phase === 'Failed') return undefined;
    return { workload: this.#workloadOf(id, pod), nodeName: pod.spec?.nodeName ?? '' };
  }
  #workloadOf(id: string, pod: KubernetesPod): Workload {
    const known = this.#workloads.get(id);
    if (known !== undefined) return known;
    const workload = toWorkload(pod, this.#nodes.get(pod.spec?.nodeName ?? ''), this.#cluster);
    this.#workloads.set(id, workload);
    return workload;
  }
}

/** What of a pod others can see besides what comes with the slices. */
function identityOf(pod: KubernetesPod | undefined): string {
  if (pod === undefined || !isServing(pod)) return '';
  const { containers, initContainers, serviceAccountName, nodeName } = pod.spec ?? {};
  const ports = [...(containers ?? []), ...(initContainers ?? [])].map((container) => container.ports);
  return JSON.stringify([pod.status?.podIP, pod.metadata?.labels, serviceAccountName, nodeName, ports]);
}

function idOf(change: RegistryChange): string {
  return change.namespace === '' ? change.name : `${change.namespace}/${change.name}`;
}

/** Whether anything but the object's status and version became different. */
function put<T extends { readonly metadata?: object; readonly spec?: unknown }>(
  map: Map<string, T>,
  id: string,
  raw: T | undefined,
): boolean {
  const before = map.get(id);
  if (raw === undefined) return map.delete(id);
  map.set(id, raw);
  return before === undefined || visibleOf(before) !== visibleOf(raw);
}

function visibleOf({ metadata, spec }: { readonly metadata?: KubernetesService['metadata']; readonly spec?: unknown }): string {
  return JSON.stringify([metadata?.annotations, metadata?.creationTimestamp, spec]);
}

function memberOf(index: Map<string, Set<string>>, key: string): Set<string> {
  let set = index.get(key);
  if (set === undefined) {
    set = new Set();
    index.set(key, set);
  }
  return set;
}

function drop(index: Map<string, Set<string>>, key: string, member: string): void {
  const set = index.get(key);
  set?.delete(member);
  if (set?.size === 0) index.delete(key);
}
