/** The bootstraps that both proxies get, as plain objects: JSON is YAML. */

type Json = Record<string, unknown>;

/** PEM files of one workload and of the CA that both trust. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
  readonly ca: string;
}

export interface BootstrapPorts {
  readonly admin: number;
  readonly listener: number;
  readonly backend: number;
}

export interface BootstrapShape {
  readonly chain: 'router' | 'sidecar' | 'tcp';
  /** Routes before the one that matches. */
  readonly routes?: number;
  /** Clusters that nothing uses. */
  readonly clusters?: number;
  readonly upstream?: 'http2';
  readonly downstreamTls?: CertificateFiles & { readonly requireClient: boolean };
  readonly upstreamTls?: CertificateFiles;
}

const type = (name: string) => `type.googleapis.com/${name}`;
const httpFilter = (name: string, config: string, more: Json = {}): Json => ({
  name: `envoy.filters.http.${name}`,
  typed_config: { '@type': type(`envoy.extensions.filters.http.${name}.v3.${config}`), ...more },
});

const router = httpFilter('router', 'Router');
/** What istiod gives a sidecar's inbound listener, less what is Istio's own. */
const sidecarFilters: readonly Json[] = [
  httpFilter('rbac', 'RBAC', {
    rules: {
      policies: {
        readers: {
          permissions: [
            {
              and_rules: {
                rules: [{ header: { name: ':method', string_match: { exact: 'GET' } } }, { url_path: { path: { prefix: '/' } } }],
              },
            },
          ],
          principals: [{ or_ids: { ids: [{ direct_remote_ip: { address_prefix: '10.0.0.0', prefix_len: 8 } }, { any: true }] } }],
        },
      },
    },
  }),
  httpFilter('grpc_stats', 'FilterConfig', { emit_filter_state: true, stats_for_all_methods: false }),
  httpFilter('fault', 'HTTPFault'),
  httpFilter('cors', 'Cors'),
  router,
];

const address = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });

function cluster(name: string, port: number, shape: BootstrapShape): Json {
  const { upstreamTls, upstream } = shape;
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    circuit_breakers: { thresholds: [{ max_connections: 20_000, max_pending_requests: 20_000, max_requests: 20_000 }] },
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }] },
    ...(upstream === undefined
      ? {}
      : {
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': type('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
        }),
    ...(upstreamTls === undefined
      ? {}
      : {
          transport_socket: {
            name: 'envoy.transport_sockets.tls',
            typed_config: {
              '@type': type('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
              common_tls_context: tlsContext(upstreamTls),
            },
          },
        }),
  };
}

function tlsContext({ certificate, key, ca }: CertificateFiles): Json {
  return {
    tls_certificates: [{ certificate_chain: { filename: certificate }, private_key: { filename: key } }],
    validation_context: { trusted_ca: { filename: ca } },
  };
}

function terminalFilter(shape: BootstrapShape): Json {
  if (shape.chain === 'tcp') {
    return {
      name: 'envoy.filters.network.tcp_proxy',
      typed_config: { '@type': type('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'), stat_prefix: 'bench', cluster: 'backend' },
    };
  }
  const target = (i: number) => ((shape.clusters ?? 0) > i ? `unused-${i}` : 'backend');
  const others = Array.from({ length: shape.routes ?? 0 }, (_, i) => ({
    match: { prefix: `/service-${i}/`, ...(i % 2 === 0 ? {} : { headers: [{ name: 'x-version', string_match: { exact: `v${i}` } }] }) },
    route: { cluster: target(i), timeout: '15s' },
  }));
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
      stat_prefix: 'bench',
      http_filters: shape.chain === 'sidecar' ? sidecarFilters : [router],
      route_config: {
        name: 'bench',
        virtual_hosts: [{ name: 'all', domains: ['*'], routes: [...others, { match: { prefix: '/' }, route: { cluster: 'backend' } }] }],
      },
    },
  };
}

export function bootstrap(shape: BootstrapShape, ports: BootstrapPorts): string {
  const { downstreamTls } = shape;
  const unused = Array.from({ length: shape.clusters ?? 0 }, (_, i) => cluster(`unused-${i}`, ports.backend, shape));
  return JSON.stringify({
    node: { id: 'bench', cluster: 'bench' },
    admin: { address: address(ports.admin) },
    static_resources: {
      listeners: [
        {
          name: 'bench',
          address: address(ports.listener),
          filter_chains: [
            {
              filters: [terminalFilter(shape)],
              ...(downstreamTls === undefined
                ? {}
                : {
                    transport_socket: {
                      name: 'envoy.transport_sockets.tls',
                      typed_config: {
                        '@type': type('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
                        require_client_certificate: downstreamTls.requireClient,
                        common_tls_context: {
                          ...(downstreamTls.requireClient
                            ? tlsContext(downstreamTls)
                            : { tls_certificates: tlsContext(downstreamTls)['tls_certificates'] }),
                          alpn_protocols: ['http/1.1'],
                        },
                      },
                    },
                  }),
            },
          ],
        },
      ],
      clusters: [cluster('backend', ports.backend, shape), ...unused],
    },
  });
}
