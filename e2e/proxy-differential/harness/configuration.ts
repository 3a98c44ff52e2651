import type { DifferentialFamily, Json, Site } from './family.ts';

export const type = (name: string): string => `type.googleapis.com/${name}`;

export function address(port: number, host = '127.0.0.1'): Json {
  return { socket_address: { address: host, port_value: port } };
}

/** A STATIC cluster with one locality. */
export function cluster(name: string, ports: readonly number[], more: Json = {}): Json {
  const endpoints = ports.map((port) => ({ endpoint: { address: address(port) } }));
  return {
    name,
    connect_timeout: '1s',
    type: 'STATIC',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] },
    ...more,
  };
}

/** Options of an upstream for HTTP, to be spread into a cluster. Without argument: HTTP/2. */
export function httpOptions(options: Json = { explicit_http_config: { http2_protocol_options: {} } }): Json {
  const name = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return { typed_extension_protocol_options: { [name]: { '@type': type(name), ...options } } };
}

export const http2Upstream: Json = httpOptions();

/** The clusters of a family without upstreams of its own: `a`, `b`, `c`, `d`, `all` (these four), `h2`, `tcp`, `dead`, `empty`. */
export function standardClusters(site: Site): Json[] {
  const four = ['a', 'b', 'c', 'd'];
  return [
    ...four.map((name) => cluster(name, [site.upstream(name)])),
    cluster(
      'all',
      four.map((name) => site.upstream(name)),
    ),
    cluster('h2', [site.upstream('h2')], http2Upstream),
    cluster('tcp', [site.upstream('tcp')]),
    cluster('dead', [site.deadPort]),
    cluster('empty', []),
  ];
}

/** What every listener logs, as JSON lines to `site.logFile`. Nothing in it is a time. */
export function accessLog(site: Site, more: Json = {}): Json {
  return {
    name: 'file',
    typed_config: {
      '@type': type('envoy.extensions.access_loggers.file.v3.FileAccessLog'),
      path: site.logFile,
      log_format: {
        json_format: {
          code: '%RESPONSE_CODE%',
          flags: '%RESPONSE_FLAGS%',
          details: '%RESPONSE_CODE_DETAILS%',
          termination: '%CONNECTION_TERMINATION_DETAILS%',
          route: '%ROUTE_NAME%',
          cluster: '%UPSTREAM_CLUSTER%',
          host: '%UPSTREAM_HOST%',
          protocol: '%PROTOCOL%',
          method: '%REQ(:METHOD)%',
          path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
          authority: '%REQ(:AUTHORITY)%',
          received: '%BYTES_RECEIVED%',
          sent: '%BYTES_SENT%',
          failure: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
          attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
          ...more,
        },
      },
    },
  };
}

export function httpFilter(name: string, message: string, config: Json = {}): Json {
  return { name: `envoy.filters.http.${name}`, typed_config: { '@type': type(`envoy.extensions.filters.http.${message}`), ...config } };
}

export function router(config: Json = {}): Json {
  return httpFilter('router', 'router.v3.Router', config);
}

/** A network filter `http_connection_manager` with the router and the common access log; `more` overrides any field. */
export function httpConnectionManager(site: Site, virtualHosts: readonly Json[], more: Json = {}): Json {
  const { route_config: routeConfig, ...rest } = more;
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
      stat_prefix: 'main',
      codec_type: 'AUTO',
      access_log: [accessLog(site)],
      http_filters: [router()],
      route_config: {
        name: 'routes',
        validate_clusters: false,
        virtual_hosts: virtualHosts,
        ...(typeof routeConfig === 'object' ? routeConfig : {}),
      },
      ...rest,
    },
  };
}

export function tcpProxy(site: Site, config: Json): Json {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      '@type': type('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'),
      stat_prefix: 'tcp',
      access_log: [accessLog(site)],
      ...config,
    },
  };
}

/** A listener at `site.port(name)` with one filter chain. */
export function listener(site: Site, name: string, filters: readonly Json[], more: Json = {}): Json {
  return { name, address: address(site.port(name)), filter_chains: [{ filters }], ...more };
}

export function virtualHost(routes: readonly Json[], more: Json = {}): Json {
  return { name: 'all', domains: ['*'], routes, ...more };
}

/** Most families: one listener `http` with routes in one virtual host over the standard clusters. */
export function httpBootstrap(
  routes: readonly Json[],
  options: { readonly manager?: Json; readonly clusters?: (site: Site) => readonly Json[] } = {},
): DifferentialFamily['bootstrap'] {
  return (site) => ({
    static_resources: {
      listeners: [listener(site, 'http', [httpConnectionManager(site, [virtualHost(routes)], options.manager)])],
      clusters: [...standardClusters(site), ...(options.clusters?.(site) ?? [])],
    },
  });
}
