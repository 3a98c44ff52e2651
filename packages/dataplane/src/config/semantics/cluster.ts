import {
  type Cluster,
  Cluster_DiscoveryType as Discovery,
  Cluster_LbPolicy as LbPolicy,
} from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { HealthCheck } from '@xebec/protos/envoy/config/core/v3/health_check';
import { UpstreamTlsContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import { HttpProtocolOptionsSchema } from '@xebec/protos/envoy/extensions/upstreams/http/v3/http_protocol_options';
import { inside, isIpAddress, refuse, requireTypedConfig } from './refuse.ts';

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
  checkBalancing(cluster, builtIn, kind);
  checkTransport(cluster);
  for (const check of cluster.healthChecks) checkHealth(check, cluster);
}

function checkBalancing(cluster: Cluster, builtIn: boolean, kind: Discovery): void {
  const { lbPolicy, lbConfig, loadBalancingPolicy } = cluster;
  if (loadBalancingPolicy !== undefined) {
    if (loadBalancingPolicy.policies.length === 0)
      refuse(`cluster: didn't find a registered load balancer factory implementation for cluster: '${cluster.name}' with names from []`);
    return;
  }
  if (builtIn && kind === Discovery.ORIGINAL_DST && lbPolicy !== LbPolicy.CLUSTER_PROVIDED) {
    refuse(
      `cluster: LB policy ${LbPolicy[lbPolicy]} is not valid for Cluster type ORIGINAL_DST. Only 'CLUSTER_PROVIDED' is allowed with cluster type 'ORIGINAL_DST'`,
    );
  }
  if (builtIn && kind !== Discovery.ORIGINAL_DST && lbPolicy === LbPolicy.CLUSTER_PROVIDED) {
    refuse(
      `cluster manager: cluster provided LB specified but cluster '${cluster.name}' did not provide one. Check cluster documentation.`,
    );
  }
  if (lbConfig.case === 'ringHashLbConfig') {
    const min = Number(lbConfig.value.minimumRingSize ?? 1024n);
    const max = Number(lbConfig.value.maximumRingSize ?? 8388608n);
    if (lbPolicy === LbPolicy.RING_HASH && min > max) refuse(`ring hash: minimum_ring_size (${min}) > maximum_ring_size (${max})`);
  }
  if (lbConfig.case === 'maglevLbConfig' && lbConfig.value.tableSize !== undefined && !isPrime(Number(lbConfig.value.tableSize)))
    refuse('The table size of maglev must be prime number');
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
    const { trustedCa, matchTypedSubjectAltNames, matchSubjectAltNames, caCertificateProviderInstance } = validation.value;
    if (
      trustedCa === undefined &&
      caCertificateProviderInstance === undefined &&
      (matchTypedSubjectAltNames.length > 0 || matchSubjectAltNames.length > 0)
    )
      refuse('SAN-based verification of peer certificates without trusted CA is insecure and not allowed');
    const inline = trustedCa?.specifier.case === 'inlineString' ? trustedCa.specifier.value : undefined;
    if (inline !== undefined && inline !== '' && !inline.includes('-----BEGIN '))
      refuse('Failed to load trusted CA certificates from <inline>');
  }
  const options = inside(
    cluster.typedExtensionProtocolOptions['envoy.extensions.upstreams.http.v3.HttpProtocolOptions'],
    HttpProtocolOptionsSchema,
  );
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
    for (const { start, end } of healthChecker.value.expectedStatuses)
      if (start >= end) refuse(`Invalid http expected status range: expecting start < end, but found start=${start} and end=${end}`);
  }
  if (healthChecker.case === 'grpcHealthCheck' && !speaksHttp2(cluster)) refuse('a cluster must support HTTP/2 for gRPC healthchecking');
}

function speaksHttp2(cluster: Cluster): boolean {
  if (cluster.http2ProtocolOptions !== undefined) return true;
  const options = inside(
    cluster.typedExtensionProtocolOptions['envoy.extensions.upstreams.http.v3.HttpProtocolOptions'],
    HttpProtocolOptionsSchema,
  )?.upstreamProtocolOptions;
  if (options?.case === 'explicitHttpConfig') return options.value.protocolConfig.case !== 'httpProtocolOptions';
  return (
    options?.case === 'autoConfig' || (options?.case === 'useDownstreamProtocolConfig' && options.value.http2ProtocolOptions !== undefined)
  );
}
