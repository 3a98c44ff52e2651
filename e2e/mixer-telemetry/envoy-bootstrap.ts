export interface EnvoyPorts {
  readonly http: number;
  readonly tcp: number;
  readonly backend: number;
  readonly mixer: number;
}

const type = (name: string) => ({ '@type': `type.googleapis.com/envoy.${name}` });
export const CLUSTER = 'outbound|9080|v1|reviews.default.svc.cluster.local';

/** A stock Envoy of a mesh that logs to Mixer's access log service and pushes its statistics to its metrics service. */
export function envoyBootstrap({ http, tcp, backend, mixer }: EnvoyPorts): string {
  const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const grpc = { envoy_grpc: { cluster_name: 'mixer' } };
  const cluster = (name: string, port: number, more: object = {}) => ({
    name,
    type: 'STATIC',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }] },
    ...more,
  });
  const log = (name: string, of: string, more: object) => ({
    name: `envoy.access_loggers.${of.toLowerCase()}_grpc`,
    typed_config: {
      ...type(`extensions.access_loggers.grpc.v3.${name}`),
      common_config: {
        log_name: `${of.toLowerCase()}_log`,
        grpc_service: grpc,
        transport_api_version: 'V3',
        buffer_flush_interval: '0.1s',
      },
      ...more,
    },
  });
  const listener = (name: string, port: number, filter: object) => ({
    name,
    address: address(port),
    filter_chains: [{ filters: [filter] }],
  });
  const manager = {
    ...type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'reviews',
    access_log: [
      log('HttpGrpcAccessLogConfig', 'HTTP', {
        additional_request_headers_to_log: ['end-user'],
        additional_response_headers_to_log: ['x-from'],
      }),
    ],
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: CLUSTER } }] }] },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: type('extensions.filters.http.router.v3.Router') }],
  };
  const proxy = {
    ...type('extensions.filters.network.tcp_proxy.v3.TcpProxy'),
    stat_prefix: 'tcp',
    cluster: CLUSTER,
    access_log: [log('TcpGrpcAccessLogConfig', 'TCP', {})],
  };
  return JSON.stringify({
    node: {
      id: 'sidecar~10.0.0.1~productpage-v1-abc.default~default.svc.cluster.local',
      cluster: 'productpage.default',
      metadata: { LABELS: { app: 'productpage', version: 'v1' }, WORKLOAD_NAME: 'productpage-v1', NAMESPACE: 'default' },
    },
    stats_flush_interval: '0.2s',
    stats_sinks: [
      {
        name: 'envoy.stat_sinks.metrics_service',
        typed_config: {
          ...type('config.metrics.v3.MetricsServiceConfig'),
          grpc_service: grpc,
          transport_api_version: 'V3',
          emit_tags_as_labels: true,
        },
      },
    ],
    static_resources: {
      listeners: [
        listener('http', http, { name: 'envoy.filters.network.http_connection_manager', typed_config: manager }),
        listener('tcp', tcp, { name: 'envoy.filters.network.tcp_proxy', typed_config: proxy }),
      ],
      clusters: [
        // Without it Envoy takes the host's name apart at its dots, as names of statistics have them.
        cluster(CLUSTER, backend, { alt_stat_name: 'reviews' }),
        cluster('mixer', mixer, {
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              ...type('extensions.upstreams.http.v3.HttpProtocolOptions'),
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        }),
      ],
    },
  });
}
