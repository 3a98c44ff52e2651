import { inboundInstances, MESH_GATEWAY, type MeshSnapshot, virtualServiceGateways, virtualServiceHosts } from '@xebec/model';
import type { ResourceCache } from '@xebec/xds';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '@xebec/xds';
import { Gauge, type Registry } from 'prom-client';
import type { AdsServer } from './ads-server.ts';
import type { MeshState } from './mesh-state.ts';
import { viewConflicts } from './view-conflicts.ts';

/** What a snapshot says of itself: numbers that Istio calls conflicts and leaves to the operator. */
export interface MeshCounts {
  readonly services: number;
  readonly virtualServices: number;
  readonly endpointsNotReady: number;
  readonly servicePortsWithoutEndpoints: number;
  readonly dnsServicesWithoutEndpoints: number;
  /** Hosts of the mesh that more than one VirtualService claims. */
  readonly duplicateDomains: number;
  /** Subsets that are defined twice for one host. */
  readonly duplicateSubsets: number;
  /** Host and port pairs that several services of one namespace's view define. */
  readonly duplicateClusters: number;
}

export function countMesh(snapshot: MeshSnapshot): MeshCounts {
  const { services, config } = snapshot;
  const virtualServices = config.all('VirtualService');
  const domains = virtualServices
    .filter((config) => virtualServiceGateways(config).includes(MESH_GATEWAY))
    .flatMap((config) => virtualServiceHosts(config, snapshot.domain));
  const subsets = config
    .all('DestinationRule')
    .flatMap(({ spec, metadata }) => (spec.subsets ?? []).map((subset) => `${metadata.namespace} ${spec.host} ${subset.name}`));
  let servicePortsWithoutEndpoints = 0;
  let dnsServicesWithoutEndpoints = 0;
  let endpointsNotReady = 0;
  for (const service of services) {
    const endpoints = snapshot.allEndpoints(service);
    for (const { health } of endpoints) if (health === 'unhealthy') endpointsNotReady++;
    if (service.resolution === 'dns' && endpoints.length === 0) dnsServicesWithoutEndpoints++;
    if (service.resolution !== 'client-side') continue;
    const served = new Set(endpoints.map(({ servicePortName }) => servicePortName));
    for (const { name, protocol } of service.ports) if (protocol !== 'udp' && !served.has(name)) servicePortsWithoutEndpoints++;
  }
  return {
    services: services.length,
    virtualServices: virtualServices.length,
    endpointsNotReady,
    servicePortsWithoutEndpoints,
    dnsServicesWithoutEndpoints,
    duplicateDomains: repeats(domains),
    duplicateSubsets: repeats(subsets),
    duplicateClusters: repeats(services.flatMap(({ hostname, ports }) => ports.map(({ number }) => `${hostname} ${number}`))),
  };
}

/** How many entries repeat an earlier one. */
function repeats(values: readonly string[]): number {
  return values.length - new Set(values).size;
}

const REJECT_GAUGES: Readonly<Record<string, string>> = {
  [CLUSTER_TYPE]: 'pilot_xds_cds_reject',
  [LISTENER_TYPE]: 'pilot_xds_lds_reject',
  [ROUTE_TYPE]: 'pilot_xds_rds_reject',
  [ENDPOINT_TYPE]: 'pilot_xds_eds_reject',
};

/** Registers the gauges that are worked out when somebody reads them, at most once for each snapshot. */
export function registerMeshMetrics(registry: Registry, state: MeshState, ads: AdsServer, cache: ResourceCache): void {
  const counted = new WeakMap<MeshSnapshot, MeshCounts>();
  const counts = (): MeshCounts | undefined => {
    const { snapshot } = state;
    if (snapshot === undefined) return undefined;
    let known = counted.get(snapshot);
    if (known === undefined) {
      known = countMesh(snapshot);
      counted.set(snapshot, known);
    }
    return known;
  };
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  const ofMesh = (name: string, help: string, field: keyof MeshCounts) => gauge(name, help, () => counts()?.[field] ?? 0);
  ofMesh('pilot_services', 'Services known.', 'services');
  ofMesh('pilot_virt_services', 'VirtualServices known.', 'virtualServices');
  ofMesh('pilot_endpoint_not_ready', 'Endpoints that are not ready.', 'endpointsNotReady');
  ofMesh('pilot_eds_no_instances', 'Ports of services without endpoints.', 'servicePortsWithoutEndpoints');
  ofMesh('pilot_dns_cluster_without_endpoints', 'Services resolved by DNS that have no endpoint.', 'dnsServicesWithoutEndpoints');
  ofMesh('pilot_vservice_dup_domain', 'VirtualServices for a host that another has already.', 'duplicateDomains');
  ofMesh('pilot_destrule_subsets', 'Subsets that a DestinationRule defines again for the same host.', 'duplicateSubsets');
  ofMesh('pilot_duplicate_envoy_clusters', 'Clusters that several services with one hostname ask for.', 'duplicateClusters');
  const scopes: Parameters<typeof viewConflicts>[1] = new WeakMap();
  const conflicts = () =>
    viewConflicts(
      ads.connections().filter(({ connection }) => connection !== undefined),
      scopes,
    );
  gauge(
    'pilot_conflict_outbound_listener_tcp_over_current_tcp',
    'Outbound listeners on which TCP services lie behind others, in the view of a connected sidecar.',
    () => conflicts().outboundTcp,
  );
  gauge(
    'pilot_conflict_inbound_listener',
    'Connected sidecars a port of whose workload several services describe in different ways.',
    () => conflicts().inbound,
  );
  gauge('pilot_no_ip', 'Connected sidecars that belong to no service.', () => withoutService(ads));
  gauge(
    'pilot_total_rejected_configs',
    'Objects that are not in force because something is wrong with them.',
    () => state.problems().length,
  );
  for (const [typeUrl, name] of Object.entries(REJECT_GAUGES)) {
    new Gauge({
      name,
      help: 'Proxies that refuse what they were sent.',
      labelNames: ['node', 'err'],
      registers: [registry],
      collect() {
        this.reset();
        for (const stream of ads.connections())
          for (const status of stream.status())
            if (status.typeUrl === typeUrl && status.state === 'rejected')
              this.set({ node: stream.proxy.id, err: status.lastError ?? '' }, 1);
      },
    });
  }
  gauge('xds_cache_size', 'Encoded resources that are kept.', () => cache.stats.size);
  new Gauge({
    name: 'xds_cache_reads',
    help: 'Resources that were found encoded, and those that were not.',
    labelNames: ['type'],
    registers: [registry],
    collect() {
      this.set({ type: 'hit' }, cache.stats.hits);
      this.set({ type: 'miss' }, cache.stats.misses);
    },
  });
}

function withoutService(ads: AdsServer): number {
  const sidecars = ads.connections().filter(({ connection, proxy }) => connection !== undefined && proxy.type === 'sidecar');
  return sidecars.filter(({ snapshot, proxy }) => inboundInstances(snapshot, proxy).length === 0).length;
}
