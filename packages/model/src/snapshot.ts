import type { ConfigObject, MeshConfig, MeshNetworks } from '@xebec/schemas';
import { ConfigIndex, type ConfigLookup } from './config-index.ts';
import { kept, keptList } from './kept-identity.ts';
import type { Labels } from './labels.ts';
import { inNetwork, type NetworkGateway, networkGateways, networkLookup } from './networks.ts';
import { type Endpoint, type Service, serviceKey } from './service.ts';
import { endpointsOnWorkloads, servicesFromEntry, workloadOfEntry } from './service-entry.ts';
import type { Workload } from './workload.ts';

export interface SnapshotInput {
  /** What changes with every snapshot; it becomes the version of the resources. */
  readonly version: string;
  readonly mesh: MeshConfig;
  /** DNS domain of the cluster; `cluster.local` when absent. */
  readonly domain?: string;
  /** Labels of each namespace. */
  readonly namespaces?: ReadonlyMap<string, Labels>;
  /** Services of the platforms; those of ServiceEntries are added from `config`. */
  readonly services: readonly Service[];
  /** Endpoints by `serviceKey`, all ports of a service together. */
  readonly endpoints: ReadonlyMap<string, readonly Endpoint[]>;
  /** Decoded objects of every kind. */
  readonly config: readonly ConfigObject[];
  /** Pods that a ServiceEntry's workloadSelector may choose. */
  readonly workloads?: readonly Workload[];
  /** What this cluster is called; `Kubernetes` when absent. */
  readonly cluster?: string;
  readonly networks?: MeshNetworks;
  /** Key sets that were fetched for RequestAuthentications, by URI. */
  readonly jwks?: ReadonlyMap<string, string>;
  /** `pilot` when absent. */
  readonly jwksFetch?: JwksFetch;
}

/**
 * Who fetches the key sets of a `jwksUri`: `pilot`, the proxies themselves where a service of the mesh has them and else pilot
 * (`hybrid`), or the proxies alone (`proxy`). Istio's PILOT_JWT_ENABLE_REMOTE_JWKS.
 */
export type JwksFetch = 'pilot' | 'hybrid' | 'proxy';

/** Everything the control plane knows at one moment. Nothing in it changes once it exists. */
export interface MeshSnapshot {
  readonly version: string;
  readonly domain: string;
  readonly rootNamespace: string;
  readonly mesh: MeshConfig;
  readonly namespaces: ReadonlyMap<string, Labels>;
  /** Platform services and those of ServiceEntries, by hostname, then namespace. */
  readonly services: readonly Service[];
  readonly config: ConfigLookup;
  readonly cluster: string;
  /** Gateways between networks; none: every endpoint is reached directly. */
  readonly networkGateways: readonly NetworkGateway[];
  /** Endpoints of one port of a service. */
  endpoints(service: Service, portName: string): readonly Endpoint[];
  /** Endpoints of all ports of a service. */
  allEndpoints(service: Service): readonly Endpoint[];
  /** The services of a hostname: several namespaces may define it. */
  servicesByHostname(hostname: string): readonly Service[];
  /** Every endpoint at an address with the service it belongs to. */
  endpointsAt(address: string): readonly EndpointOfService[];
  /** The pod or WorkloadEntry at an address, where the registries know one. */
  workloadAt(address: string): Workload | undefined;
  /** The object that made a service, for provenance; platform services have none. */
  sourceOf(service: Service): ConfigObject | undefined;
  /** The key set of a URI, where the control plane has fetched it. */
  jwks(uri: string): string | undefined;
  readonly jwksFetch: JwksFetch;
}

const DEFAULT_CLUSTER = 'Kubernetes';

/** Endpoints with their network, by those of the registry: an endpoint that is as it was stays the same object. */
const inNetworks = new WeakMap<Endpoint, Endpoint>();

function placed(endpoint: Endpoint, network: string): Endpoint {
  const known = inNetworks.get(endpoint);
  if (known?.network === network) return known;
  const made = inNetwork(endpoint, network);
  if (made !== endpoint) inNetworks.set(endpoint, made);
  return made;
}

export interface EndpointOfService {
  readonly service: Service;
  readonly endpoint: Endpoint;
}

/** Whether calls may go to a workload: where its health is checked, it must have said that it is well. */
function isServing({ metadata, healthy }: ConfigObject): boolean {
  return metadata.annotations['proxy.istio.io/health-checks-enabled'] !== 'true' || healthy === true;
}

/** Builds a snapshot with its indexes. Services and endpoints that are as in `previous` are the same objects. */
export function createSnapshot(input: SnapshotInput, previous?: MeshSnapshot): MeshSnapshot {
  const config = new ConfigIndex(input.config);
  const entries = config.all('WorkloadEntry').filter(isServing).map(workloadOfEntry);
  const workloads = [...(input.workloads ?? []), ...entries];
  const endpoints = new Map(input.endpoints);
  if (entries.length > 0)
    for (const service of input.services) {
      // Callers of a headless service find its pods by DNS, which knows no WorkloadEntries.
      if (service.resolution !== 'client-side') continue;
      const more = endpointsOnWorkloads(service, entries);
      if (more.length > 0) endpoints.set(serviceKey(service), [...(endpoints.get(serviceKey(service)) ?? []), ...more]);
    }
  const sources = new Map<string, ConfigObject>();
  const external: Service[] = [];
  for (const entry of config.all('ServiceEntry')) {
    for (const { service, endpoints: own } of servicesFromEntry(entry, workloads)) {
      const key = serviceKey(service);
      endpoints.set(key, [...(endpoints.get(key) ?? []), ...own]);
      const earlier = sources.get(key);
      sources.set(key, earlier ?? entry);
      if (earlier === undefined) external.push(service);
      else mergePorts(external, service);
    }
  }
  const services = [...input.services, ...external].sort(byHostname);
  const place = {
    cluster: input.cluster ?? DEFAULT_CLUSTER,
    rootLabels: input.namespaces?.get(input.mesh.rootNamespace ?? 'istio-system'),
    networks: input.networks,
  };
  const networkOf = networkLookup(place);
  if (networkOf !== undefined)
    for (const [key, list] of endpoints)
      endpoints.set(
        key,
        list.map((endpoint) => placed(endpoint, networkOf(endpoint.address))),
      );
  const gateways = networkGateways(services, place);
  if (previous === undefined) return freeze({ ...input, workloads, services, config, sources, gateways }, endpoints);
  const keptServices = services.map((service) => {
    const before = previous.servicesByHostname(service.hostname).find(({ namespace }) => namespace === service.namespace);
    if (before !== undefined) {
      const key = serviceKey(service);
      endpoints.set(key, keptList(previous.allEndpoints(before), endpoints.get(key) ?? []));
    }
    return kept(before, service);
  });
  return freeze(
    { ...input, workloads, services: keptServices, config, sources, gateways: keptList(previous.networkGateways, gateways) },
    endpoints,
  );
}

interface Parts extends Omit<SnapshotInput, 'config' | 'services' | 'endpoints'> {
  readonly services: readonly Service[];
  readonly config: ConfigIndex;
  readonly sources: ReadonlyMap<string, ConfigObject>;
  readonly gateways: readonly NetworkGateway[];
}

function freeze(parts: Parts, endpoints: ReadonlyMap<string, readonly Endpoint[]>): MeshSnapshot {
  const byHost = new Map<string, Service[]>();
  for (const service of parts.services) {
    const list = byHost.get(service.hostname);
    if (list === undefined) byHost.set(service.hostname, [service]);
    else list.push(service);
  }
  let byAddress: Map<string, EndpointOfService[]> | undefined;
  const indexAddresses = () => {
    const index = new Map<string, EndpointOfService[]>();
    for (const service of parts.services) {
      for (const endpoint of endpoints.get(serviceKey(service)) ?? []) {
        const list = index.get(endpoint.address);
        if (list === undefined) index.set(endpoint.address, [{ service, endpoint }]);
        else list.push({ service, endpoint });
      }
    }
    return index;
  };
  let byPlace: Map<string, Workload> | undefined;
  return Object.freeze({
    version: parts.version,
    domain: parts.domain ?? 'cluster.local',
    rootNamespace: parts.mesh.rootNamespace ?? 'istio-system',
    mesh: parts.mesh,
    namespaces: parts.namespaces ?? new Map<string, Labels>(),
    services: parts.services,
    cluster: parts.cluster ?? DEFAULT_CLUSTER,
    networkGateways: parts.gateways,
    config: parts.config,
    endpoints: (service: Service, portName: string) =>
      (endpoints.get(serviceKey(service)) ?? []).filter((endpoint) => endpoint.servicePortName === portName),
    allEndpoints: (service: Service) => endpoints.get(serviceKey(service)) ?? [],
    servicesByHostname: (hostname: string) => byHost.get(hostname) ?? [],
    endpointsAt: (address: string) => {
      byAddress ??= indexAddresses();
      return byAddress.get(address) ?? [];
    },
    workloadAt: (address: string) => {
      byPlace ??= new Map((parts.workloads ?? []).map((workload) => [workload.address, workload]));
      return byPlace.get(address);
    },
    sourceOf: (service: Service) => parts.sources.get(serviceKey(service)),
    jwks: (uri: string) => parts.jwks?.get(uri),
    jwksFetch: parts.jwksFetch ?? 'pilot',
  });
}

function byHostname(a: Service, b: Service): number {
  if (a.hostname !== b.hostname) return a.hostname < b.hostname ? -1 : 1;
  return a.namespace < b.namespace ? -1 : a.namespace > b.namespace ? 1 : 0;
}

/** Several ServiceEntries of one namespace may each add ports to the same host. */
function mergePorts(services: Service[], addition: Service): void {
  const index = services.findIndex((service) => serviceKey(service) === serviceKey(addition));
  const service = services[index];
  if (service === undefined) return;
  const known = new Set(service.ports.map((port) => port.number));
  services[index] = {
    ...service,
    ports: [...service.ports, ...addition.ports.filter((port) => !known.has(port.number))],
    addresses: [...new Set([...service.addresses, ...addition.addresses])],
  };
}
