import { create } from '@bufbuild/protobuf';
import { query } from '@xebec/incremental';
import {
  destinationRuleOf,
  type MeshProxy,
  type MeshSnapshot,
  peerAuthenticationOf,
  type ResolvedDestinationRule,
  type Service,
  type ServicePort,
  type SidecarScope,
  serviceIdentities,
  trafficPolicyOf,
} from '@xebec/model';
import {
  type Cluster,
  Cluster_DiscoveryType,
  Cluster_DnsLookupFamily,
  Cluster_LbPolicy,
  ClusterSchema,
} from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { MetadataExchangeSchema } from '@xebec/protos/istio/filters/metadata_exchange';
import type { Subset } from '@xebec/schemas';
import { loadAssignment } from '../endpoint/load-assignment.ts';
import { type Fields, typedExtension } from '../envoy/any.ts';
import { ADS_SOURCE } from '../envoy/config-source.ts';
import { duration } from '../envoy/duration.ts';
import { configPath, istioMetadata } from '../envoy/istio-metadata.ts';
import { METADATA_EXCHANGE } from '../extensions.ts';
import { type ConfigReference, type Generated, referenceTo } from '../generated.ts';
import { meshServerName, outboundCluster } from './names.ts';
import { applyTrafficPolicy } from './traffic-policy.ts';
import { upstreamTlsFields } from './upstream-tls.ts';

type ClusterInit = Fields<typeof ClusterSchema>;

/** One cluster for each TCP port of each visible service, and one more for each of its subsets. */
export function outboundClusters(snapshot: MeshSnapshot, proxy: MeshProxy, scope: SidecarScope): Generated<Cluster>[] {
  return scope.services.flatMap((service) => {
    const rule = destinationRuleOf(snapshot, proxy, service);
    return service.ports
      .filter((port) => port.protocol !== 'udp')
      .flatMap((port) => [
        outboundClusterOf(snapshot, proxy, service, port, rule, undefined),
        ...(rule?.subsets ?? []).map((subset) => outboundClusterOf(snapshot, proxy, service, port, rule, subset)),
      ]);
  });
}

const outboundClusterOf = query('cluster', makeOutboundCluster);

function makeOutboundCluster(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  service: Service,
  port: ServicePort,
  rule: ResolvedDestinationRule | undefined,
  subset: Subset | undefined,
): Generated<Cluster> {
  const name = outboundCluster(port.number, subset?.name, service.hostname);
  const { mesh } = snapshot;
  const policy = trafficPolicyOf(rule, subset, port.number, mesh.defaultTrafficPolicy);
  const type = discoveryType(service);
  const base: ClusterInit = {
    name,
    altStatName: `${name};`,
    clusterDiscoveryType: { case: 'type', value: type },
    connectTimeout: duration(mesh.connectTimeout ?? '10s'),
    metadata: istioMetadata({
      ...(rule === undefined ? {} : { config: configPath(rule.sources[0]) }),
      ...(subset === undefined ? {} : { subset: subset.name }),
      services: [{ host: service.hostname, name: service.hostname, namespace: service.namespace }],
    }),
    ...(proxy.extensions.has(METADATA_EXCHANGE)
      ? {
          filters: [typedExtension(METADATA_EXCHANGE, MetadataExchangeSchema, { protocol: 'istio-peer-exchange', enableDiscovery: true })],
        }
      : {}),
  };
  const balanced = applyTrafficPolicy(
    { ...base, ...discoveryFields(snapshot, proxy, service, port, subset, name, type) },
    policy,
    port.protocol,
  );
  const passthrough =
    balanced.clusterDiscoveryType?.case === 'type' && balanced.clusterDiscoveryType.value === Cluster_DiscoveryType.ORIGINAL_DST;
  if (passthrough) {
    // The caller chooses the address, so there is nothing to balance and no endpoints to load.
    delete balanced.edsClusterConfig;
    delete balanced.loadAssignment;
    balanced.lbPolicy = Cluster_LbPolicy.CLUSTER_PROVIDED;
  }
  const tls = upstreamTlsFields(policy.tls, {
    protocol: port.protocol,
    hostname: service.hostname,
    meshServerName: meshServerName(port.number, subset?.name, service.hostname),
    identities: serviceIdentities(snapshot, service),
    trustDomain: mesh.trustDomain ?? 'cluster.local',
    automatic: mesh.enableAutoMtls !== false && automaticMtls(snapshot, service, passthrough),
    meshExternal: service.meshExternal,
  });
  const source = snapshot.sourceOf(service);
  const provenance: ConfigReference[] = [
    ...(rule?.sources ?? []).map((object) => referenceTo(object, ruleOf(object, subset))),
    ...(source === undefined ? [] : [referenceTo(source)]),
  ];
  return { name, message: create(ClusterSchema, { ...balanced, ...tls }), provenance };
}

function ruleOf(object: ResolvedDestinationRule['sources'][0], subset: Subset | undefined): string | undefined {
  const index = object.spec.subsets?.findIndex((candidate) => candidate.name === subset?.name) ?? -1;
  return index < 0 ? undefined : `spec.subsets[${index}]`;
}

function discoveryType(service: Service): Cluster_DiscoveryType {
  switch (service.resolution) {
    case 'client-side':
      return Cluster_DiscoveryType.EDS;
    case 'dns':
      return Cluster_DiscoveryType.STRICT_DNS;
    case 'dns-round-robin':
      return Cluster_DiscoveryType.LOGICAL_DNS;
    case 'passthrough':
      return Cluster_DiscoveryType.ORIGINAL_DST;
  }
}

function discoveryFields(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  service: Service,
  port: ServicePort,
  subset: Subset | undefined,
  name: string,
  type: Cluster_DiscoveryType,
): ClusterInit {
  if (type === Cluster_DiscoveryType.EDS) return { edsClusterConfig: { edsConfig: ADS_SOURCE, serviceName: name } };
  if (type === Cluster_DiscoveryType.ORIGINAL_DST) return {};
  return {
    dnsLookupFamily: Cluster_DnsLookupFamily.V4_ONLY,
    dnsRefreshRate: duration(snapshot.mesh.dnsRefreshRate ?? '60s'),
    dnsJitter: { seconds: 0n, nanos: 100_000_000 },
    respectDnsTtl: true,
    loadAssignment: loadAssignment(snapshot, proxy, service, port, subset?.labels, name),
  };
}

/**
 * Whether endpoints are asked for mTLS by their own metadata. A headless service sends to addresses the control plane does
 * not choose, so there all endpoints must have a sidecar.
 */
function automaticMtls(snapshot: MeshSnapshot, service: Service, passthrough: boolean): boolean {
  if (service.meshExternal) return false;
  if (!passthrough) return true;
  const endpoints = snapshot.allEndpoints(service);
  return (
    endpoints.length > 0 &&
    endpoints.every((endpoint) => endpoint.tlsMode === 'istio') &&
    peerAuthenticationOf(snapshot, service.namespace, service.selector ?? {}).mode !== 'DISABLE'
  );
}
