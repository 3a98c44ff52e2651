import type { Ports } from './exchange.ts';
import type { Upstreams } from './upstream.ts';

type Json = Record<string, unknown>;

const type = (name: string): string => `type.googleapis.com/${name}`;
const httpFilters = 'envoy.extensions.filters.http';

function address(port: number): Json {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

function cluster(name: string, ports: readonly number[], more: Json = {}): Json {
  const endpoints = ports.map((port) => ({ endpoint: { address: address(port) } }));
  return {
    name,
    connect_timeout: '1s',
    type: 'STATIC',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] },
    ...more,
  };
}

const http2: Json = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': type('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};

function forward(prefix: string, route: Json, more: Json = {}): Json {
  return { name: prefix, match: { prefix }, route: { cluster: 'main', ...route }, ...more };
}

const fault = (config: Json): Json => ({
  typed_per_filter_config: { 'envoy.filters.http.fault': { '@type': type(`${httpFilters}.fault.v3.HTTPFault`), ...config } },
});
const always: Json = { numerator: 100, denominator: 'HUNDRED' };
const hashed = (cluster: string, policy: Json): Json => ({ cluster, hash_policy: [policy] });

function routes(): Json[] {
  return [
    { name: 'direct', match: { prefix: '/direct' }, direct_response: { status: 418, body: { inline_string: 'teapot' } } },
    { name: 'redirect', match: { prefix: '/redirect/host' }, redirect: { host_redirect: 'example.com' } },
    {
      name: 'redirect-path',
      match: { prefix: '/redirect/path' },
      redirect: { path_redirect: '/new', response_code: 'TEMPORARY_REDIRECT', strip_query: true },
    },
    {
      name: 'redirect-https',
      match: { prefix: '/redirect/https' },
      redirect: { https_redirect: true, response_code: 'PERMANENT_REDIRECT' },
    },
    forward('/rewrite/prefix', { prefix_rewrite: '/echo/rewritten' }),
    forward('/rewrite/regex', { regex_rewrite: { pattern: { regex: '^/rewrite/regex/(\\d+)' }, substitution: '/echo/id-\\1' } }),
    forward('/rewrite/host', { host_rewrite_literal: 'inner.example' }),
    forward(
      '/mutate',
      {},
      {
        request_headers_to_add: [
          { header: { key: 'x-added', value: 'one' } },
          { header: { key: 'x-protocol', value: '%PROTOCOL%' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
        ],
        request_headers_to_remove: ['x-unwanted'],
        response_headers_to_add: [{ header: { key: 'x-from', value: '%RESPONSE_CODE%' } }],
        response_headers_to_remove: ['content-type'],
      },
    ),
    {
      name: 'weighted',
      match: { prefix: '/weighted' },
      route: {
        weighted_clusters: {
          clusters: [
            { name: 'main', weight: 50 },
            { name: 'other', weight: 50 },
          ],
        },
      },
    },
    forward('/retry', { retry_policy: { retry_on: '5xx', num_retries: 3, retry_back_off: { base_interval: '0.001s' } } }),
    forward('/exhausted', { retry_policy: { retry_on: '5xx', num_retries: 1, retry_back_off: { base_interval: '0.001s' } } }),
    forward('/timeout', { timeout: '0.15s' }),
    forward('/pertry', { timeout: '5s', retry_policy: { retry_on: 'connect-failure', num_retries: 1, per_try_timeout: '0.1s' } }),
    forward('/fault/abort', {}, fault({ abort: { http_status: 429, percentage: always } })),
    forward('/fault/delay', {}, fault({ delay: { fixed_delay: '0.1s', percentage: always } })),
    forward(
      '/denied',
      {},
      {
        typed_per_filter_config: {
          'envoy.filters.http.rbac': {
            '@type': type(`${httpFilters}.rbac.v3.RBACPerRoute`),
            rbac: { rules: { action: 'DENY', policies: { 'no-one': { permissions: [{ any: true }], principals: [{ any: true }] } } } },
          },
        },
      },
    ),
    forward(
      '/cors',
      {},
      {
        typed_per_filter_config: {
          'envoy.filters.http.cors': {
            '@type': type(`${httpFilters}.cors.v3.CorsPolicy`),
            allow_origin_string_match: [{ exact: 'http://good.example' }],
            allow_methods: 'GET,PUT',
            allow_headers: 'x-one',
            expose_headers: 'x-two',
            max_age: '60',
          },
        },
      },
    ),
    forward('/nocluster', { cluster: 'missing' }),
    forward('/empty-cluster', { cluster: 'empty' }),
    forward('/dead', { cluster: 'dead' }),
    forward('/overflow', { cluster: 'overflow' }),
    forward('/h2c', { cluster: 'h2c' }),
    forward('/ring/header', hashed('ring', { header: { header_name: 'x-user' } })),
    forward('/ring/query', hashed('ring', { query_parameter: { name: 'user' } })),
    forward('/ring/source', hashed('ring', { connection_properties: { source_ip: true } })),
    forward('/ring/cookie', hashed('ring', { cookie: { name: 'sticky', ttl: '60s', path: '/' } })),
    forward('/maglev', hashed('maglev', { header: { header_name: 'x-user' } })),
    forward('/echo', {}),
  ];
}

/** One static bootstrap for either proxy. Port `dead` refuses connections; access logs go to `logFile` as JSON lines. */
export function bootstrap(upstreams: Upstreams, ports: Ports & { readonly admin: number; readonly dead: number }, logFile: string): Json {
  const [main = 0, other = 0] = upstreams.ports;
  const accessLog = {
    name: 'file',
    typed_config: {
      '@type': type('envoy.extensions.access_loggers.file.v3.FileAccessLog'),
      path: logFile,
      log_format: {
        json_format: {
          id: '%REQ(X-CASE)%',
          code: '%RESPONSE_CODE%',
          flags: '%RESPONSE_FLAGS%',
          details: '%RESPONSE_CODE_DETAILS%',
          route: '%ROUTE_NAME%',
          cluster: '%UPSTREAM_CLUSTER%',
          protocol: '%PROTOCOL%',
          method: '%REQ(:METHOD)%',
          path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
          received: '%BYTES_RECEIVED%',
          sent: '%BYTES_SENT%',
          failure: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
          attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
        },
      },
    },
  };
  const filter = (name: string, message: string): Json => ({
    name: `envoy.filters.http.${name}`,
    typed_config: { '@type': type(`${httpFilters}.${message}`) },
  });
  const manager = {
    '@type': type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'main',
    codec_type: 'AUTO',
    access_log: [accessLog],
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    http_filters: [
      filter('cors', 'cors.v3.Cors'),
      filter('rbac', 'rbac.v3.RBAC'),
      filter('fault', 'fault.v3.HTTPFault'),
      filter('router', 'router.v3.Router'),
    ],
    route_config: { name: 'main', validate_clusters: false, virtual_hosts: [{ name: 'all', domains: ['*'], routes: routes() }] },
  };
  const tcp = (clusterName: string): Json => ({
    '@type': type('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'),
    stat_prefix: clusterName,
    cluster: clusterName,
    access_log: [accessLog],
  });
  const listener = (name: keyof Ports, config: Json): Json => ({
    name,
    address: address(ports[name]),
    filter_chains: [{ filters: [{ name: 'terminal', typed_config: config }] }],
  });
  return {
    admin: { address: address(ports.admin) },
    static_resources: {
      listeners: [listener('http', manager), listener('tcp', tcp('tcp')), listener('tcp-dead', tcp('dead'))],
      clusters: [
        cluster('main', [main]),
        cluster('other', [other]),
        cluster('empty', []),
        cluster('dead', [ports.dead]),
        cluster('overflow', [main], { circuit_breakers: { thresholds: [{ max_pending_requests: 0, max_requests: 0 }] } }),
        cluster('h2c', [upstreams.h2cPort], http2),
        cluster('tcp', [upstreams.tcpPort]),
        cluster('ring', upstreams.ports, { lb_policy: 'RING_HASH' }),
        cluster('maglev', upstreams.ports, { lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 1031 } }),
      ],
    },
  };
}
