import type { BootstrapInput } from './input.ts';

type Json = Record<string, unknown>;

/** The static clusters: where xDS and SDS come from, and what the two static listeners forward to. */
export function bootstrapClusters(input: BootstrapInput): Json[] {
  const admin = { address: input.adminAddress ?? '127.0.0.1', port: input.adminPort ?? 15000 };
  const status = { address: input.statusAddress ?? '127.0.0.1', port: input.statusPort ?? 15020 };
  const clusters = [
    tcpCluster('prometheus_stats', admin.address, admin.port),
    tcpCluster('agent', status.address, status.port),
    grpcSocketCluster('sds-grpc', input.sdsSocket ?? './var/run/secrets/workload-spiffe-uds/socket'),
    xdsCluster(input.xdsSocket ?? './etc/istio/proxy/XDS'),
  ];
  if (input.sdsFilesSocket !== undefined) clusters.push(grpcSocketCluster('sds-files-grpc', input.sdsFilesSocket));
  if (input.zipkin !== undefined) {
    clusters.push({ ...tcpCluster('zipkin', input.zipkin.host, input.zipkin.port), type: 'STRICT_DNS', dns_lookup_family: 'V4_PREFERRED' });
  }
  return clusters;
}

function tcpCluster(name: string, address: string, port: number): Json {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '0.250s',
    lb_policy: 'ROUND_ROBIN',
    load_assignment: assignment(name, { socket_address: { protocol: 'TCP', address, port_value: port } }),
  };
}

function grpcSocketCluster(name: string, path: string): Json {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '1s',
    lb_policy: 'ROUND_ROBIN',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: assignment(name, { pipe: { path } }),
  };
}

function xdsCluster(path: string): Json {
  const circuit = (priority: string) => ({ priority, max_connections: 100000, max_pending_requests: 100000, max_requests: 100000 });
  return {
    ...grpcSocketCluster('xds-grpc', path),
    max_requests_per_connection: 1,
    circuit_breakers: { thresholds: [circuit('DEFAULT'), circuit('HIGH')] },
    // A dead agent is noticed by the keepalive rather than by the next push that never comes.
    upstream_connection_options: { tcp_keepalive: { keepalive_time: 300 } },
  };
}

function assignment(name: string, address: Json): Json {
  return { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
}
