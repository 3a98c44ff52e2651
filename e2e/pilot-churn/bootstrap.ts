export interface AdsBootstrapOptions {
  /** Name of the proxy, and value of its label `proxy`. */
  readonly name: string;
  readonly grpcPort: number;
  readonly adminPort: number;
  readonly variant: 'GRPC' | 'DELTA_GRPC';
}

const HTTP2 = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  },
};

/** The bootstrap of a gateway that takes everything from a pilot on this machine. */
export function adsBootstrap({ name, grpcPort, adminPort, variant }: AdsBootstrapOptions): string {
  const source = { ads: {}, resource_api_version: 'V3' };
  const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const pilot = {
    name: 'xds-grpc',
    type: 'STATIC',
    typed_extension_protocol_options: HTTP2,
    load_assignment: { cluster_name: 'xds-grpc', endpoints: [{ lb_endpoints: [{ endpoint: { address: address(grpcPort) } }] }] },
  };
  return JSON.stringify({
    node: {
      id: `router~127.0.0.1~${name}.default~default.svc.cluster.local`,
      cluster: name,
      metadata: { NAMESPACE: 'default', LABELS: { proxy: name } },
    },
    admin: { address: address(adminPort) },
    dynamic_resources: {
      ads_config: { api_type: variant, transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }] },
      cds_config: source,
      lds_config: source,
    },
    static_resources: { clusters: [pilot] },
  });
}
