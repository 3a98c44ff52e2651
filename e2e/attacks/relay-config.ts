const type = (name: string) => `type.googleapis.com/envoy.extensions.${name}`;

/** HTTP settings of a listener in the spelling of Envoy's JSON, over the usual ones. */
export type ManagerSettings = Readonly<Record<string, unknown>>;

/** A bootstrap with one listener for each entry: port and settings; all send everything to one upstream over HTTP/1. */
export function relayConfig(listeners: ReadonlyMap<number, ManagerSettings>, upstreamPort: number): string {
  const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  return JSON.stringify({
    static_resources: {
      listeners: [...listeners].map(([port, settings]) => ({
        name: `l${port}`,
        address: address(port),
        filter_chains: [
          {
            filters: [
              {
                name: 'envoy.filters.network.http_connection_manager',
                typed_config: {
                  '@type': type('filters.network.http_connection_manager.v3.HttpConnectionManager'),
                  stat_prefix: 'relay',
                  use_remote_address: true,
                  normalize_path: true,
                  merge_slashes: true,
                  route_config: {
                    virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'up' } }] }],
                  },
                  http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': type('filters.http.router.v3.Router') } }],
                  ...settings,
                },
              },
            ],
          },
        ],
      })),
      clusters: [
        {
          name: 'up',
          type: 'STATIC',
          connect_timeout: '2s',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': type('upstreams.http.v3.HttpProtocolOptions'),
              explicit_http_config: { http_protocol_options: { enable_trailers: true } },
            },
          },
          load_assignment: { cluster_name: 'up', endpoints: [{ lb_endpoints: [{ endpoint: { address: address(upstreamPort) } }] }] },
        },
      ],
    },
  });
}
