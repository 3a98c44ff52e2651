export interface BootstrapPorts {
  readonly listener: number;
  readonly backend: number;
  readonly mixer: number;
}

const type = (name: string) => ({ '@type': `type.googleapis.com/envoy.extensions.${name}` });

/** A proxy that asks Mixer's rate limit service and its external authorizer before it lets anybody through. */
export function bootstrap({ listener, backend, mixer }: BootstrapPorts): string {
  const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const assignment = (name: string, port: number) => ({
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
  });
  const grpc = { envoy_grpc: { cluster_name: 'mixer' }, timeout: '5s' };
  const limitedBy = (key: string, header: string) => ({ actions: [{ request_headers: { descriptor_key: key, header_name: header } }] });
  const route = (prefix: string, extensions: object, more: object = {}) => ({
    match: { prefix },
    route: { cluster: 'backend', ...more },
    typed_per_filter_config: {
      'envoy.filters.http.ext_authz': {
        ...type('filters.http.ext_authz.v3.ExtAuthzPerRoute'),
        check_settings: { context_extensions: extensions },
      },
    },
  });
  const routes = [
    route('/limited', {}, { rate_limits: [limitedBy('user', 'x-user'), limitedBy('plan', 'x-plan')] }),
    route('/quota', { 'mixer.quotas': 'requests' }),
    route('/admin', { 'destination.service.host': 'admin.shop.svc.cluster.local' }),
    route('/', {}),
  ];
  return JSON.stringify({
    node: { id: 'edge', cluster: 'edge' },
    static_resources: {
      listeners: [
        {
          name: 'edge',
          address: address(listener),
          filter_chains: [
            {
              filters: [
                {
                  name: 'envoy.filters.network.http_connection_manager',
                  typed_config: {
                    ...type('filters.network.http_connection_manager.v3.HttpConnectionManager'),
                    stat_prefix: 'edge',
                    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
                    http_filters: [
                      {
                        name: 'envoy.filters.http.ratelimit',
                        typed_config: {
                          ...type('filters.http.ratelimit.v3.RateLimit'),
                          domain: 'edge',
                          failure_mode_deny: true,
                          enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
                          rate_limit_service: { transport_api_version: 'V3', grpc_service: grpc },
                        },
                      },
                      {
                        name: 'envoy.filters.http.ext_authz',
                        typed_config: {
                          ...type('filters.http.ext_authz.v3.ExtAuthz'),
                          transport_api_version: 'V3',
                          grpc_service: grpc,
                        },
                      },
                      { name: 'envoy.filters.http.router', typed_config: type('filters.http.router.v3.Router') },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        { name: 'backend', type: 'STATIC', load_assignment: assignment('backend', backend) },
        {
          name: 'mixer',
          type: 'STATIC',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              ...type('upstreams.http.v3.HttpProtocolOptions'),
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: assignment('mixer', mixer),
        },
      ],
    },
  });
}
