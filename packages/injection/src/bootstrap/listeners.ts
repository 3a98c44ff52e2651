import type { BootstrapInput } from './input.ts';

type Json = Record<string, unknown>;

/** 15090 serves the proxy's statistics, 15021 its readiness, which the agent answers. */
export function agentListeners(input: BootstrapInput): Json[] {
  const address = input.listenAddress ?? '0.0.0.0';
  return [
    httpListener('', address, input.prometheusPort ?? 15090, 'stats', '/stats/prometheus', 'prometheus_stats'),
    httpListener('', address, input.readinessPort ?? 15021, 'agent', '/healthz/ready', 'agent'),
  ];
}

function httpListener(name: string, address: string, port: number, statPrefix: string, prefix: string, cluster: string): Json {
  return {
    ...(name === '' ? {} : { name }),
    address: { socket_address: { protocol: 'TCP', address, port_value: port } },
    ignore_global_conn_limit: true,
    bypass_overload_manager: true,
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
              codec_type: 'AUTO',
              stat_prefix: statPrefix,
              route_config: {
                virtual_hosts: [{ name: 'backend', domains: ['*'], routes: [{ match: { prefix }, route: { cluster } }] }],
              },
              http_filters: [
                {
                  name: 'envoy.filters.http.router',
                  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
                },
              ],
            },
          },
        ],
      },
    ],
  };
}
