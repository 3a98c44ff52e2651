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
  tlsModeOf,
  trafficPolicyOf,
} from '@xebec/model';
import { type Cluster, Cluster_DiscoveryType, Cluster_DnsLookupFamily, ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { CaresDnsResolverConfigSchema } from '@xebec/protos/envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver';
import type { Subset, TrafficPolicy } from '@xebec/schemas';
import { loadAssignment } from '../endpoint/load-assignment.ts';
import { localityBalancing } from '../endpoint/locality.ts';
import { type Fields, typedExtension } from '../envoy/any.ts';
import { ADS_SOURCE, sdsFileSource } from '../envoy/config-source.ts';
import { duration } from '../envoy/duration.ts';
import { configPath, istioMetadata } from '../envoy/istio-metadata.ts';
import { type ConfigReference, type Generated, referenceTo } from '../generated.ts';
import { proxyHeadersConfig } from '../listener/proxy-config.ts';
import { families } from '../listener/wildcards.ts';
import { exchangesPeers, upstreamExchangeFilters } from '../peer-exchange.ts';
import { forwardCluster, isForwarded, isForwardedPort } from './dynamic-forward-proxy.ts';
import { meshServerName, outboundCluster } from './names.ts';
import { speaksHttp2 } from './protocol-options.ts';
import { applyTrafficPolicy } from './traffic-policy.ts';
import { transportFields } from './upstream-tls.ts';

/** Queries that one socket of the DNS resolver sends, so that ports vary. */
const DNS_QUERIES_PER_SOCKET = 100;

type ClusterInit = Fields<typeof ClusterSchema>;

/** One cluster for each TCP port of each visible service, and one more for each of its subsets. */
export function outboundClusters(snapshot: MeshSnapshot, proxy: MeshProxy, scope: SidecarScope): Generated<Cluster>[] {
  return scope.services.flatMap((service) => {
    if (service.aliasOf !== undefined) return [];
    const rule = destinationRuleOf(snapshot, proxy, service);
    const forwarded = isForwarded(service, proxy);
    return service.ports
      .filter((port) => port.protocol !== 'udp' && (!forwarded || isForwardedPort(port)))
      .flatMap((port) => [
        ...outboundClusterOf(snapshot, proxy, service, port, rule, undefined),
        ...(forwarded ? [] : (rule?.subsets ?? [])).flatMap((subset) => outboundClusterOf(snapshot, proxy, service, port, rule, subset)),
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
): Generated<Cluster>[] {
  const name = outboundCluster(port.number, subset?.name, service.hostname);
  const { mesh } = snapshot;
  const policy = trafficPolicyOf(rule, subset, port.number, mesh.defaultTrafficPolicy);
  const type = discoveryType(service, proxy, port, rule, subset);
  const forwarded = isForwarded(service, proxy);
  const discovery = forwarded ? {} : discoveryFields(snapshot, proxy, service, port, subset, name, type);
  // A name to resolve that nothing stands behind: Envoy would not take the cluster.
  if (discovery === undefined) return [];
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
    filters: upstreamExchangeFilters(proxy),
  };
  const options = {
    protocol: port.protocol,
    sniffs: proxy.type !== 'router',
    upgrade: mesh.h2UpgradePolicy === 'UPGRADE',
    preserveCase: proxyHeadersConfig(snapshot, proxy)?.preserveHttp1HeaderCase === true,
  };
  const mayUseSecrets = proxy.type === 'router' || rule?.sources[0].spec.workloadSelector !== undefined;
  const balanced = applyTrafficPolicy({ ...base, ...discovery }, usable(policy, mayUseSecrets), {
    ...options,
    meshKeepalive: mesh.tcpKeepalive,
    ...localityOf(policy, snapshot, service),
    knowsUnready: service.trafficDistribution !== undefined,
  });
  const passthrough =
    balanced.clusterDiscoveryType?.case === 'type' && balanced.clusterDiscoveryType.value === Cluster_DiscoveryType.ORIGINAL_DST;
  if (passthrough) {
    // The caller chooses the address, so there is nothing to balance and no endpoints to load.
    delete balanced.edsClusterConfig;
    delete balanced.loadAssignment;
  }
  if (forwarded) {
    delete balanced.commonLbConfig;
    delete balanced.lbConfig;
    Object.assign(
      balanced,
      forwardCluster(service.hostname, proxy, usable(policy, mayUseSecrets), balanced.typedExtensionProtocolOptions !== undefined),
    );
  }
  const chosen = service.resolution === 'passthrough' || choosesAddress(subset === undefined ? rule?.trafficPolicy : subset.trafficPolicy);
  const automatic = mesh.enableAutoMtls !== false && automaticMtls(snapshot, service, port, chosen);
  const transport = transportFields(usable(policy, mayUseSecrets), {
    exchangesPeers: exchangesPeers(proxy),
    http2: speaksHttp2(policy.connectionPool, options),
    meshServerName: meshServerName(port.number, subset?.name, service.hostname),
    identities: serviceIdentities(snapshot, service),
    automatic: automatic ? (passthrough ? 'always' : 'by-endpoint') : 'off',
    external: service.registry === 'external',
    tlsDefaults: mesh.tlsDefaults,
    fileSource: sdsFileSource(proxy.metadata),
  });
  const source = snapshot.sourceOf(service);
  const provenance: ConfigReference[] = [
    ...(rule?.sources ?? []).map((object) => referenceTo(object, ruleOf(object, subset))),
    ...(source === undefined ? [] : [referenceTo(source)]),
  ];
  return [{ name, message: create(ClusterSchema, { ...balanced, ...transport }), provenance }];
}

function localityOf(policy: TrafficPolicy, snapshot: MeshSnapshot, service: Service) {
  const { setting, failover } = localityBalancing(policy, snapshot, service);
  return { locality: setting, failover };
}

/** A workload that no rule selects gets no secrets: TLS that needs one is left out. */
function usable(policy: TrafficPolicy, mayUseSecrets: boolean): TrafficPolicy {
  const credential = policy.tls?.mode === 'ISTIO_MUTUAL' ? '' : (policy.tls?.credentialName ?? '');
  if (mayUseSecrets || credential === '' || credential.startsWith('configmap://')) return policy;
  return { ...policy, tls: { mode: 'DISABLE' } };
}

function choosesAddress(policy: TrafficPolicy | undefined): boolean {
  return policy?.loadBalancer?.simple === 'PASSTHROUGH';
}

function ruleOf(object: ResolvedDestinationRule['sources'][0], subset: Subset | undefined): string | undefined {
  const index = object.spec.subsets?.findIndex((candidate) => candidate.name === subset?.name) ?? -1;
  return index < 0 ? undefined : `spec.subsets[${index}]`;
}

/** Gateways have no original address to go to, so they balance where sidecars pass on. */
function discoveryType(
  service: Service,
  proxy: MeshProxy,
  port: ServicePort,
  rule: ResolvedDestinationRule | undefined,
  subset: Subset | undefined,
): Cluster_DiscoveryType {
  // Where the rule lets callers choose the address, no subset of it balances again, whatever its own policy says.
  if (
    subset !== undefined &&
    (choosesAddress(trafficPolicyOf(rule, undefined, port.number, undefined)) || choosesAddress(subset.trafficPolicy))
  )
    return Cluster_DiscoveryType.ORIGINAL_DST;
  switch (service.resolution) {
    case 'client-side':
      return Cluster_DiscoveryType.EDS;
    case 'dns':
      return Cluster_DiscoveryType.STRICT_DNS;
    case 'dns-round-robin':
      return Cluster_DiscoveryType.LOGICAL_DNS;
    case 'passthrough':
      return proxy.type === 'router' ? Cluster_DiscoveryType.EDS : Cluster_DiscoveryType.ORIGINAL_DST;
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
): ClusterInit | undefined {
  if (type === Cluster_DiscoveryType.EDS) return { edsClusterConfig: { edsConfig: ADS_SOURCE, serviceName: name } };
  if (type === Cluster_DiscoveryType.ORIGINAL_DST) {
    const target =
      service.registry === 'external' && service.resolution === 'passthrough' && typeof port.targetPort === 'number'
        ? port.targetPort
        : undefined;
    return target === undefined ? {} : { lbConfig: { case: 'originalDstLbConfig', value: { upstreamPortOverride: target } } };
  }
  const rule = destinationRuleOf(snapshot, proxy, service);
  const policy = trafficPolicyOf(rule, subset, port.number, snapshot.mesh.defaultTrafficPolicy);
  const tlsMode = tlsModeOf(rule, subset, port.number);
  const assignment = loadAssignment(
    snapshot,
    proxy,
    service,
    port,
    subset?.labels,
    name,
    localityBalancing(policy, snapshot, service),
    tlsMode,
  );
  if (assignment.endpoints.length === 0) return undefined;
  return {
    dnsLookupFamily: lookupFamily(proxy),
    dnsRefreshRate: duration(snapshot.mesh.dnsRefreshRate ?? '60s'),
    dnsJitter: { seconds: 0n, nanos: 100_000_000 },
    respectDnsTtl: true,
    typedDnsResolverConfig: typedExtension('envoy.network.dns_resolver.cares', CaresDnsResolverConfigSchema, {
      udpMaxQueries: DNS_QUERIES_PER_SOCKET,
    }),
    loadAssignment: assignment,
  };
}

/** IPv6 only where the proxy has nothing else. */
function lookupFamily(proxy: MeshProxy): Cluster_DnsLookupFamily {
  const { v4, v6 } = families(proxy);
  return v6 && !v4 ? Cluster_DnsLookupFamily.V6_ONLY : Cluster_DnsLookupFamily.V4_ONLY;
}

/**
 * Whether mTLS is the mesh's to decide: not for the outside, not where PeerAuthentication of the namespace or mesh switches
 * it off. Where the caller chooses the address all endpoints must have a sidecar.
 */
function automaticMtls(snapshot: MeshSnapshot, service: Service, port: ServicePort, callerChooses: boolean): boolean {
  if (service.meshExternal) return false;
  if (callerChooses) {
    const endpoints = snapshot.endpoints(service, port.name);
    if (endpoints.length === 0 || endpoints.some((endpoint) => endpoint.tlsMode !== 'istio')) return false;
  }
  return peerAuthenticationOf(snapshot, service.namespace, {}).mode !== 'DISABLE';
}
