import { durationMs } from '@bufbuild/protobuf/wkt';
import {
  type Cluster,
  Cluster_ClusterProtocolSelection,
  Cluster_DiscoveryType as Discovery,
  Cluster_LbPolicy as LbPolicy,
  Cluster_LbSubsetConfig_LbSubsetSelector_LbSubsetSelectorFallbackPolicy as SubsetFallback,
} from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { HealthCheck } from '@xebec/protos/envoy/config/core/v3/health_check';
import { ClusterProvidedSchema } from '@xebec/protos/envoy/extensions/load_balancing_policies/cluster_provided/v3/cluster_provided';
import { UpstreamTlsContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import { HttpProtocolOptionsSchema } from '@xebec/protos/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { typeNameOf } from '../unpack.ts';
import { inside, isIpAddress, notExecuted, refuse, requireTypedConfig } from './refuse.ts';

const httpOptionsName = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** What Envoy refuses of a cluster beyond `validate.rules`. Throws XebecError `E_CONFIG`. */
export function checkCluster(cluster: Cluster): void {
  const discovery = cluster.clusterDiscoveryType.case === 'type' ? cluster.clusterDiscoveryType.value : undefined;
  const builtIn = cluster.clusterDiscoveryType.case !== 'clusterType';
  const kind = discovery ?? Discovery.STATIC;
  if (builtIn && kind !== Discovery.EDS && cluster.edsClusterConfig !== undefined) refuse('eds_cluster_config set in a non-EDS cluster');
  const endpoints = cluster.loadAssignment?.endpoints.flatMap(({ lbEndpoints }) => lbEndpoints) ?? [];
  if (builtIn && kind === Discovery.LOGICAL_DNS && endpoints.length !== 1) refuse('LOGICAL_DNS clusters must have a single host');
  if (builtIn && kind === Discovery.STATIC) {
    for (const { hostIdentifier } of endpoints) {
      const socket = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined;
      if (socket?.case === 'socketAddress' && socket.value.resolverName === '' && !isIpAddress(socket.value.address)) {
        refuse(
          `malformed IP address: ${socket.value.address}. Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'`,
        );
      }
    }
  }
  for (const { hostIdentifier } of builtIn && kind === Discovery.STATIC ? endpoints : [])
    if (hostIdentifier.case === 'endpointName') refuse('Address must be set: endpoints of a static cluster stand where they are used');
  if (builtIn && kind === Discovery.ORIGINAL_DST && cluster.loadAssignment !== undefined)
    refuse('ORIGINAL_DST clusters must have no load assignment configured');
  checkResolvers(cluster, builtIn, kind);
  checkBalancing(cluster, builtIn, kind);
  checkSubsets(cluster);
  checkProtocols(cluster);
  checkTransport(cluster);
  for (const check of cluster.healthChecks) checkHealth(check, cluster);
}

function checkBalancing(cluster: Cluster, builtIn: boolean, kind: Discovery): void {
  const { lbPolicy, lbConfig, loadBalancingPolicy } = cluster;
  if (loadBalancingPolicy !== undefined) {
    if (loadBalancingPolicy.policies.length === 0)
      refuse(`cluster: didn't find a registered load balancer factory implementation for cluster: '${cluster.name}' with names from []`);
    if (cluster.lbSubsetConfig !== undefined) refuse('cluster: load_balancing_policy cannot be combined with lb_subset_config');
    const [first] = loadBalancingPolicy.policies;
    const any = first?.typedExtensionConfig?.typedConfig;
    if (builtIn && kind !== Discovery.ORIGINAL_DST && any !== undefined && typeNameOf(any) === ClusterProvidedSchema.typeName)
      notProvided(cluster);
    return;
  }
  if (cluster.lbSubsetConfig !== undefined && lbPolicy === LbPolicy.CLUSTER_PROVIDED)
    refuse('cluster: LB policy CLUSTER_PROVIDED cannot be combined with lb_subset_config');
  if (builtIn && kind === Discovery.ORIGINAL_DST && lbPolicy !== LbPolicy.CLUSTER_PROVIDED) {
    refuse(
      `cluster: LB policy ${LbPolicy[lbPolicy]} is not valid for Cluster type ORIGINAL_DST. Only 'CLUSTER_PROVIDED' is allowed with cluster type 'ORIGINAL_DST'`,
    );
  }
  if (builtIn && kind !== Discovery.ORIGINAL_DST && lbPolicy === LbPolicy.CLUSTER_PROVIDED) notProvided(cluster);
  if (lbConfig.case === 'ringHashLbConfig') {
    const min = Number(lbConfig.value.minimumRingSize ?? 1024n);
    const max = Number(lbConfig.value.maximumRingSize ?? 8388608n);
    if (lbPolicy === LbPolicy.RING_HASH && min > max) refuse(`ring hash: minimum_ring_size (${min}) > maximum_ring_size (${max})`);
  }
  if (lbConfig.case === 'maglevLbConfig' && lbConfig.value.tableSize !== undefined && !isPrime(Number(lbConfig.value.tableSize)))
    refuse('The table size of maglev must be prime number');
}

function notProvided({ name }: Cluster): never {
  return refuse(`cluster manager: cluster provided LB specified but cluster '${name}' did not provide one. Check cluster documentation.`);
}

function checkResolvers(cluster: Cluster, builtIn: boolean, kind: Discovery): void {
  const dns = builtIn && (kind === Discovery.STRICT_DNS || kind === Discovery.LOGICAL_DNS);
  for (const { hostIdentifier } of cluster.loadAssignment?.endpoints.flatMap(({ lbEndpoints }) => lbEndpoints) ?? []) {
    const socket = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined;
    if (socket?.case !== 'socketAddress' || socket.value.resolverName === '') continue;
    if (dns) refuse(`${Discovery[kind]} clusters must NOT have a custom resolver name set`);
    if (builtIn && kind === Discovery.STATIC && socket.value.resolverName !== 'envoy.ip')
      refuse(
        `Unknown address resolver: ${socket.value.resolverName}. Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'`,
      );
  }
  const failure = cluster.dnsFailureRefreshRate;
  if (
    failure?.baseInterval !== undefined &&
    failure.maxInterval !== undefined &&
    durationMs(failure.maxInterval) < durationMs(failure.baseInterval)
  )
    refuse('dns_failure_refresh_rate must have max_interval greater than or equal to the base_interval');
  const source = cluster.upstreamBindConfig?.sourceAddress;
  if (source !== undefined && !isIpAddress(source.address)) refuse(`malformed IP address: ${source.address}`);
}

function checkSubsets({ lbSubsetConfig }: Cluster): void {
  for (const { keys, fallbackPolicy, fallbackKeysSubset } of lbSubsetConfig?.subsetSelectors ?? []) {
    if (fallbackPolicy !== SubsetFallback.KEYS_SUBSET) {
      if (fallbackKeysSubset.length > 0) refuse('fallback_keys_subset can be set only for KEYS_SUBSET fallback_policy');
      continue;
    }
    if (fallbackKeysSubset.length === 0) refuse('fallback_keys_subset cannot be empty');
    if (!fallbackKeysSubset.every((key) => keys.includes(key))) refuse('fallback_keys_subset must be a subset of selector keys');
    if (new Set(fallbackKeysSubset).size === new Set(keys).size) refuse('fallback_keys_subset cannot be equal to keys');
  }
}

const codecFilter = 'envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec';

function checkProtocols(cluster: Cluster): void {
  // Istio's exchange of peers' metadata is part of how TCP upstreams are connected.
  if (cluster.filters.some(({ name }) => name !== 'istio.metadata_exchange'))
    refuse('filters of a cluster (network filters of upstream connections) are not supported');
  for (const threshold of cluster.circuitBreakers?.perHostThresholds ?? []) {
    const { maxPendingRequests, maxRequests, maxRetries, maxConnectionPools, retryBudget, trackRemaining } = threshold;
    if (
      trackRemaining ||
      [maxPendingRequests, maxRequests, maxRetries, maxConnectionPools, retryBudget].some((field) => field !== undefined)
    )
      refuse('Unsupported field in per_host_thresholds');
  }
  if (
    cluster.httpProtocolOptions !== undefined &&
    cluster.http2ProtocolOptions !== undefined &&
    cluster.protocolSelection === Cluster_ClusterProtocolSelection.USE_CONFIGURED_PROTOCOL
  )
    refuse("cluster: Both HTTP1 and HTTP2 options may only be configured with non-default 'protocol_selection' values");
  for (const name of Object.keys(cluster.typedExtensionProtocolOptions))
    if (!name.includes('.'))
      refuse(`Didn't find a registered network or http filter or protocol options implementation for name: '${name}'`);
  const options = inside(cluster.typedExtensionProtocolOptions[httpOptionsName], HttpProtocolOptionsSchema);
  if (options === undefined) return;
  const explicit = options.upstreamProtocolOptions.case === 'explicitHttpConfig' ? options.upstreamProtocolOptions.value : undefined;
  if (explicit?.protocolConfig.case === 'http3ProtocolOptions')
    refuse('HTTP3 requires a QuicUpstreamTransport transport socket: HTTP/3 is not supported');
  if (options.requestMirrorPolicies.length > 0 || options.hashPolicy.length > 0 || options.retryPolicy !== undefined)
    notExecuted('request_mirror_policies, hash_policy and retry_policy of HttpProtocolOptions', 'those of routes');
  if (options.outlierDetection !== undefined) notExecuted('outlier_detection of HttpProtocolOptions');
  const last = options.httpFilters.at(-1);
  const lastType = last?.configType.case === 'typedConfig' ? typeNameOf(last.configType.value) : '';
  if (last !== undefined && lastType !== codecFilter)
    refuse(`The codec filter is the only valid terminal upstream HTTP filter, use '${codecFilter}'`);
  if (options.httpFilters.length > 1)
    refuse('http_filters of a cluster are not supported: move them to the connection manager, and leave the codec alone');
}

function isPrime(value: number): boolean {
  if (value < 2) return false;
  for (let factor = 2; factor * factor <= value; factor++) if (value % factor === 0) return false;
  return true;
}

function checkTransport(cluster: Cluster): void {
  const { transportSocket } = cluster;
  if (transportSocket !== undefined) requireTypedConfig(transportSocket, transportSocket.configType.value);
  const tls = inside(transportSocket?.configType.value, UpstreamTlsContextSchema);
  const common = tls?.commonTlsContext;
  if ((common?.tlsCertificates.length ?? 0) > 1 || (common?.tlsCertificateSdsSecretConfigs.length ?? 0) > 1)
    refuse('Multiple TLS certificates are not supported for client contexts');
  const validation = common?.validationContextType;
  if (validation?.case === 'validationContext') {
    const { trustedCa, matchTypedSubjectAltNames, matchSubjectAltNames, caCertificateProviderInstance, customValidatorConfig } =
      validation.value;
    if (
      trustedCa === undefined &&
      // A validator of its own brings its own roots.
      customValidatorConfig === undefined &&
      caCertificateProviderInstance === undefined &&
      (matchTypedSubjectAltNames.length > 0 || matchSubjectAltNames.length > 0)
    )
      refuse('SAN-based verification of peer certificates without trusted CA is insecure and not allowed');
    const inline = trustedCa?.specifier.case === 'inlineString' ? trustedCa.specifier.value : undefined;
    if (inline !== undefined && inline !== '' && !inline.includes('-----BEGIN '))
      refuse('Failed to load trusted CA certificates from <inline>');
  }
  const options = inside(cluster.typedExtensionProtocolOptions[httpOptionsName], HttpProtocolOptionsSchema);
  if (options?.upstreamProtocolOptions.case === 'autoConfig' && tls === undefined && cluster.transportSocketMatches.length === 0)
    refuse(
      `ALPN configured for cluster ${cluster.name} which has a non-ALPN transport socket matcher: ${transportSocket?.name ?? 'envoy.transport_sockets.raw_buffer'}`,
    );
}

function checkHealth({ healthChecker }: HealthCheck, cluster: Cluster): void {
  if (healthChecker.case === 'tcpHealthCheck') {
    for (const payload of [healthChecker.value.send, ...healthChecker.value.receive]) {
      const text = payload?.payload.case === 'text' ? payload.payload.value : '';
      if (!/^(?:[0-9a-fA-F]{2})*$/.test(text)) refuse(`invalid hex string '${text}'`);
    }
  }
  if (healthChecker.case === 'httpHealthCheck') {
    for (const { start, end } of healthChecker.value.expectedStatuses) {
      if (start < 100n) refuse(`Invalid http expected status range: expecting start >= 100, but found start=${start}`);
      if (end > 600n) refuse(`Invalid http expected status range: expecting end <= 600, but found end=${end}`);
      if (start >= end) refuse(`Invalid http expected status range: expecting start < end, but found start=${start} and end=${end}`);
    }
  }
  if (healthChecker.case === 'grpcHealthCheck' && !speaksHttp2(cluster)) refuse('a cluster must support HTTP/2 for gRPC healthchecking');
}

function speaksHttp2(cluster: Cluster): boolean {
  if (cluster.http2ProtocolOptions !== undefined) return true;
  const options = inside(cluster.typedExtensionProtocolOptions[httpOptionsName], HttpProtocolOptionsSchema)?.upstreamProtocolOptions;
  if (options?.case === 'explicitHttpConfig') return options.value.protocolConfig.case !== 'httpProtocolOptions';
  return (
    options?.case === 'autoConfig' || (options?.case === 'useDownstreamProtocolConfig' && options.value.http2ProtocolOptions !== undefined)
  );
}
