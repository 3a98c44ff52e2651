import {
  accessLog,
  address,
  cluster,
  httpConnectionManager,
  standardClusters,
  tcpProxy,
  type,
  virtualHost,
} from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Json, Site, TcpExchange } from '../harness/family.ts';

const network = (name: string, message: string, config: Json): Json => ({
  name: `envoy.filters.network.${name}`,
  typed_config: { '@type': type(`envoy.extensions.filters.network.${message}`), ...config },
});
const rbac = (prefix: string, rules: Json, more: Json = {}): Json =>
  network('rbac', 'rbac.v3.RBAC', { stat_prefix: prefix, rules, ...more });
const limit = (prefix: string, tokens: number): Json =>
  network('local_ratelimit', 'local_ratelimit.v3.LocalRateLimit', {
    stat_prefix: prefix,
    token_bucket: { max_tokens: tokens, tokens_per_fill: tokens, fill_interval: '1000s' },
  });
const connections = (prefix: string, most: number, more: Json = {}): Json =>
  network('connection_limit', 'connection_limit.v3.ConnectionLimit', { stat_prefix: prefix, max_connections: most, ...more });
const direct = (text: string): Json => network('direct_response', 'direct_response.v3.Config', { response: { inline_string: text } });
const echo: Json = network('echo', 'echo.v3.Echo', {});
const sniCluster: Json = network('sni_cluster', 'sni_cluster.v3.SniCluster', {});

const any = [{ any: true }];
const allow = (permission: Json): Json => ({ policies: { p: { permissions: [permission], principals: any } } });
const deny = (permission: Json): Json => ({ action: 'DENY', policies: { 'not these': { permissions: [permission], principals: any } } });

const inspector = { name: 'tls', typed_config: { '@type': type('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector') } };
const httpInspector = {
  name: 'http',
  typed_config: { '@type': type('envoy.extensions.filters.listener.http_inspector.v3.HttpInspector') },
};

const tls = (site: Site, which: 'server' | 'other' = 'server', more: Json = {}, context: Json = {}): Json => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: {
    '@type': type('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
    common_tls_context: {
      tls_certificates: [
        { certificate_chain: { filename: site.certificates[which].certificate }, private_key: { filename: site.certificates[which].key } },
      ],
      validation_context: { trusted_ca: { filename: site.certificates.ca } },
      ...more,
    },
    ...context,
  },
});

/** What a TCP log says beyond the usual. */
const logged = {
  sni: '%REQUESTED_SERVER_NAME%',
  chain: '%FILTER_CHAIN_NAME%',
  subject: '%DOWNSTREAM_PEER_SUBJECT%',
  uri: '%DOWNSTREAM_PEER_URI_SAN%',
  dns: '%DOWNSTREAM_PEER_DNS_SAN%',
  local: '%DOWNSTREAM_LOCAL_URI_SAN%',
  localSubject: '%DOWNSTREAM_LOCAL_SUBJECT%',
  localDns: '%DOWNSTREAM_LOCAL_DNS_SAN%',
  version: '%DOWNSTREAM_TLS_VERSION%',
  to: '%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%',
  from: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  upstream: '%UPSTREAM_REMOTE_ADDRESS%',
  upstreamPort: '%UPSTREAM_REMOTE_PORT%',
  logType: '%ACCESS_LOG_TYPE%',
  rbac: '%DYNAMIC_METADATA(envoy.filters.network.rbac)%',
};

const proxy = (site: Site, prefix: string, more: Json = {}): Json =>
  tcpProxy(site, {
    stat_prefix: prefix,
    access_log: [accessLog(site, logged)],
    ...('weighted_clusters' in more ? {} : { cluster: 'tcp' }),
    ...more,
  });

interface Chain {
  readonly filters: readonly Json[];
  readonly match?: Json;
  readonly name?: string;
  readonly socket?: Json;
}

const listening = (site: Site, name: string, chains: readonly Chain[], more: Json = {}): Json => ({
  name,
  address: address(site.port(name)),
  filter_chains: chains.map(({ filters, match, name: chain, socket }) => ({
    filters,
    ...(chain === undefined ? {} : { name: chain }),
    ...(match === undefined ? {} : { filter_chain_match: match }),
    ...(socket === undefined ? {} : { transport_socket: socket }),
  })),
  access_log: [
    accessLog(site, { listener: 'yes', chain: '%FILTER_CHAIN_NAME%', sni: '%REQUESTED_SERVER_NAME%', logType: '%ACCESS_LOG_TYPE%' }),
  ],
  ...more,
});

function http(site: Site, prefix: string): Json {
  const route = { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: prefix } } };
  return httpConnectionManager(site, [virtualHost([route])], { stat_prefix: prefix, access_log: [accessLog(site, logged)] });
}

const listeners = (site: Site): Json[] => [
  listening(site, 'two-rbac', [
    {
      filters: [
        rbac('first', allow({ destination_port: site.port('two-rbac') })),
        rbac('second', deny({ destination_ip: { address_prefix: '127.0.0.1', prefix_len: 32 } })),
        proxy(site, 'two'),
      ],
    },
  ]),
  listening(site, 'rbac-echo', [{ filters: [rbac('re', allow({ destination_port_range: { start: 1, end: 65535 } })), echo] }]),
  listening(site, 'rbac-direct', [{ filters: [rbac('rd', deny({ any: true })), direct('never seen')] }]),
  listening(site, 'rbac-http', [{ filters: [rbac('rh', deny({ not_rule: { destination_port: 1 } })), http(site, 'rh')] }]),
  listening(site, 'shadow-http', [
    {
      filters: [
        rbac('sh', {}, { rules: undefined, shadow_rules: deny({ any: true }), shadow_rules_stat_prefix: 'dry_' }),
        http(site, 'sh'),
      ],
    },
  ]),
  listening(site, 'limit-one', [{ filters: [limit('one', 1), proxy(site, 'one')] }]),
  listening(site, 'limit-http', [{ filters: [limit('lh', 1), http(site, 'lh')] }]),
  listening(site, 'limit-rbac', [{ filters: [limit('lr', 1), rbac('lr', deny({ any: true })), proxy(site, 'lr')] }]),
  listening(site, 'rbac-limit', [{ filters: [rbac('rl', deny({ any: true })), limit('rl', 1), proxy(site, 'rl')] }]),
  listening(site, 'connections-none', [{ filters: [connections('none', 1), limit('cn', 1), proxy(site, 'cn')] }]),
  listening(site, 'connections-delay', [{ filters: [connections('late', 1, { delay: '0.05s' }), proxy(site, 'late')] }]),
  listening(site, 'direct', [{ filters: [direct('hello from here\n')] }]),
  listening(site, 'direct-empty', [{ filters: [network('direct_response', 'direct_response.v3.Config', {})] }]),
  listening(site, 'direct-tls', [{ filters: [direct('secret\n')], socket: tls(site) }], { listener_filters: [inspector] }),
  listening(
    site,
    'sni',
    [
      { name: 'exact', match: { server_names: ['server.example'] }, filters: [proxy(site, 'sni-exact')], socket: tls(site) },
      { name: 'wild', match: { server_names: ['*.wild.example'] }, filters: [proxy(site, 'wild')], socket: tls(site) },
      { name: 'deeper', match: { server_names: ['*.deep.wild.example'] }, filters: [proxy(site, 'deeper')], socket: tls(site) },
      {
        name: 'h2',
        match: { transport_protocol: 'tls', application_protocols: ['h2'] },
        filters: [proxy(site, 'by-alpn')],
        socket: tls(site, 'other', { alpn_protocols: ['h2'] }),
      },
      {
        name: 'source',
        match: { source_prefix_ranges: [{ address_prefix: '127.0.0.9', prefix_len: 32 }] },
        filters: [direct('by source\n')],
      },
      {
        name: 'direct-source',
        match: { direct_source_prefix_ranges: [{ address_prefix: '127.0.0.10', prefix_len: 32 }], transport_protocol: 'raw_buffer' },
        filters: [direct('by direct source\n')],
      },
      { name: 'plain', match: { transport_protocol: 'raw_buffer' }, filters: [direct('plain\n')] },
    ],
    { listener_filters: [inspector] },
  ),
  listening(
    site,
    'passthrough',
    [{ name: 'pass', match: { server_names: ['server.example'] }, filters: [proxy(site, 'pass', { cluster: 'secure' })] }],
    {
      listener_filters: [inspector],
      default_filter_chain: { name: 'rest', filters: [proxy(site, 'rest', { cluster: 'tcp' })] },
    },
  ),
  listening(site, 'sni-cluster', [{ filters: [sniCluster, proxy(site, 'sc', { cluster: 'empty' })], socket: tls(site) }], {
    listener_filters: [inspector],
  }),
  listening(
    site,
    'versions',
    [
      { name: 'old', match: { application_protocols: ['http/1.0'] }, filters: [direct('one zero\n')] },
      { name: 'new', match: { application_protocols: ['http/1.1'] }, filters: [http(site, 'versions')] },
      { name: 'two', match: { application_protocols: ['h2c'] }, filters: [http(site, 'versions-two')] },
    ],
    { listener_filters: [inspector, httpInspector], default_filter_chain: { filters: [direct('other\n')] } },
  ),
  listening(
    site,
    'mutual',
    [
      {
        filters: [
          rbac('mu', {
            policies: {
              c: {
                permissions: [{ requested_server_name: { exact: 'server.example' } }],
                principals: [{ authenticated: { principal_name: { suffix: '/sa/client' } } }],
              },
            },
          }),
          proxy(site, 'mu'),
        ],
        socket: tls(site, 'server', {}, { require_client_certificate: true }),
      },
    ],
    { listener_filters: [inspector] },
  ),
  listening(site, 'dead', [{ filters: [proxy(site, 'dead', { cluster: 'dead', max_connect_attempts: 2 })] }]),
  listening(site, 'empty', [{ filters: [proxy(site, 'empty', { cluster: 'empty' })] }]),
  listening(site, 'missing', [{ filters: [proxy(site, 'missing', { cluster: 'no-such-cluster' })] }]),
  listening(site, 'weights', [
    {
      filters: [
        proxy(site, 'weights', {
          weighted_clusters: {
            clusters: [
              { name: 'tcp', weight: 100 },
              { name: 'dead', weight: 1 },
            ],
          },
          hash_policy: [{ source_ip: {} }],
        }),
      ],
    },
  ]),
  listening(site, 'idle', [{ filters: [proxy(site, 'idle', { idle_timeout: '0.1s' })] }]),
  listening(site, 'duration', [{ filters: [proxy(site, 'duration', { max_downstream_connection_duration: '0.1s' })] }]),
  listening(site, 'subset', [
    { filters: [proxy(site, 'subset', { cluster: 'subsets', metadata_match: { filter_metadata: { 'envoy.lb': { version: 'v2' } } } })] },
  ]),
  listening(site, 'subset-none', [
    {
      filters: [proxy(site, 'subset-none', { cluster: 'subsets', metadata_match: { filter_metadata: { 'envoy.lb': { version: 'v9' } } } })],
    },
  ]),
  listening(site, 'subset-weighted', [
    {
      filters: [
        proxy(site, 'subset-weighted', {
          metadata_match: { filter_metadata: { 'envoy.lb': { version: 'v1' } } },
          weighted_clusters: {
            clusters: [{ name: 'subsets', weight: 1, metadata_match: { filter_metadata: { 'envoy.lb': { version: 'v2' } } } }],
          },
        }),
      ],
    },
  ]),
  listening(site, 'tunnel', [
    {
      filters: [
        proxy(site, 'tunnel', {
          cluster: 'a',
          tunneling_config: {
            hostname: 'target.example:443',
            headers_to_add: [{ header: { key: 'x-from', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' } }],
          },
        }),
      ],
    },
  ]),
  listening(site, 'tunnel-post', [
    {
      filters: [
        proxy(site, 'tunnel-post', {
          cluster: 'h2',
          tunneling_config: { hostname: 'target.example:443', use_post: true, post_path: '/into' },
        }),
      ],
    },
  ]),
  listening(
    site,
    'tunnel-h2',
    [
      {
        filters: [proxy(site, 'tunnel-h2', { cluster: 'h2', tunneling_config: { hostname: '%REQUESTED_SERVER_NAME%:443' } })],
        socket: tls(site),
      },
    ],
    { listener_filters: [inspector] },
  ),
];

const to = (listener: string, more: Partial<TcpExchange> = {}): TcpExchange => ({ kind: 'tcp', to: listener, send: 'hello', ...more });
const client = { servername: 'server.example', clientCertificate: true } as const;
const one = (name: string, does: DifferentialCase['does'], more: Partial<DifferentialCase> = {}): DifferentialCase => ({
  name,
  does,
  logs: 2,
  ...more,
});
const connect = { status: 200, tunnel: true };

/** Closed by the proxy while the client has more to say: kept open by the client, so that no race decides how it closes. */
const refused = { open: true } as const;
const silent = { open: true, send: '' } as const;
/** Envoy does not answer a client that has closed its side. */
const stays = { open: true, timeoutMs: 200 } as const;

export const networkChains: DifferentialFamily = {
  name: 'network-chains',
  about:
    'Several network filters in a row, TLS by name, ALPN and source, subsets and tunnels of the TCP proxy, logs of listeners and connections.',
  bootstrap: (site) => ({
    static_resources: {
      listeners: listeners(site),
      clusters: [
        ...standardClusters(site),
        cluster('secure', [site.upstream('secure')]),
        cluster('server.example', [site.upstream('tcp')]),
        {
          ...cluster('subsets', []),
          load_assignment: {
            cluster_name: 'subsets',
            endpoints: [
              {
                lb_endpoints: [
                  { endpoint: { address: address(site.deadPort) }, metadata: { filter_metadata: { 'envoy.lb': { version: 'v1' } } } },
                  {
                    endpoint: { address: address(site.upstream('tcp')) },
                    metadata: { filter_metadata: { 'envoy.lb': { version: 'v2' } } },
                  },
                ],
              },
            ],
          },
          lb_subset_config: { fallback_policy: 'NO_FALLBACK', subset_selectors: [{ keys: ['version'] }] },
        },
      ],
    },
  }),
  upstreams: { a: 'http1', b: 'http1', c: 'http1', d: 'http1', h2: 'http2', tcp: 'tcp', secure: 'https1' },
  cases: [
    one('allowed, then denied', to('two-rbac', refused)),
    one('allowed, then echoed', to('rbac-echo', stays), { logs: 1 }),
    one('denied before a direct response', to('rbac-direct', refused), { logs: 1 }),
    one('denied before HTTP', { to: 'rbac-http' }, { logs: 1 }),
    one('shadow rules before HTTP', { to: 'shadow-http' }),
    one('limited to one', [to('limit-one'), to('limit-one', silent)], { logs: 4 }),
    one('HTTP limited to one', [{ to: 'limit-http' }, to('limit-http', silent)], { unordered: true, logs: 3 }),
    one('limit before denial', [to('limit-rbac', silent), to('limit-rbac', silent)], { logs: 4, unordered: true }),
    one('denial before limit', [to('rbac-limit', refused), to('rbac-limit', silent)], { logs: 4 }),
    one('one after the other, limited', [to('connections-none'), to('connections-none', silent)], { logs: 4 }),
    one('one after the other', [to('connections-delay'), to('connections-delay')], { logs: 4 }),
    one('direct', to('direct', stays), { logs: 1 }),
    one('direct, nothing sent', to('direct', { ...stays, send: '' }), { logs: 1 }),
    one('direct, empty', to('direct-empty', silent), { logs: 1 }),
    one('SNI exact', to('sni', { tls: client })),
    one('SNI exact in capitals', to('sni', { tls: { servername: 'SERVER.Example' } })),
    one('SNI wild', to('sni', { tls: { servername: 'a.wild.example' } })),
    one('SNI two levels', to('sni', { tls: { servername: 'a.b.wild.example' } })),
    one('SNI deeper', to('sni', { tls: { servername: 'x.deep.wild.example' } })),
    one('SNI of the deeper one itself', to('sni', { tls: { servername: 'deep.wild.example' } })),
    one('SNI unknown', to('sni', { ...stays, tls: { servername: 'unknown.example' } }), { logs: 1 }),
    one('SNI unknown with h2', to('sni', { tls: { servername: 'unknown.example', alpn: ['h2', 'http/1.1'] } })),
    one('no SNI with h2', to('sni', { tls: { alpn: ['h2'] } })),
    one('plain', to('sni', stays), { logs: 1 }),
    one('plain from a source', to('sni', { ...stays, from: '127.0.0.9' }), { logs: 1 }),
    one('plain from a direct source', to('sni', { ...stays, from: '127.0.0.10' }), { logs: 1 }),
    one('TLS from a source', to('sni', { from: '127.0.0.9', tls: client })),
    one('passed through', { to: 'passthrough', tls: { servername: 'server.example' } }, { ignoreLog: ['sent'] }),
    one('not passed through', to('passthrough', stays)),
    one('cluster by SNI', to('sni-cluster', { tls: { servername: 'server.example' } })),
    one('HTTP/1.1 seen', { to: 'versions' }),
    one('HTTP/1.0 seen', { to: 'versions', raw: 'GET / HTTP/1.0\r\n\r\n', timeoutMs: 300 }, { logs: 1 }),
    one('HTTP/2 seen', { kind: 'http2', to: 'versions' }, { ignoreLog: ['sent'] }),
    one('no HTTP seen', to('versions', { ...stays, send: 'quit\r\n' }), { logs: 1 }),
    one('mutual', to('mutual', { tls: client })),
    one('mutual, denied by name', to('mutual', { tls: { servername: 'a.wild.example', clientCertificate: true }, ...refused }), {
      ignoreLog: ['upstream', 'upstreamPort'],
    }),
    one('refused upstream', to('dead', silent)),
    one('empty cluster', to('empty', silent)),
    one('missing cluster', to('missing', silent)),
    one('weights', to('weights')),
    one('idle', to('idle', refused)),
    one('duration', to('duration', refused)),
    one('subset', [to('subset'), to('subset'), to('subset')], { logs: 6 }),
    one('subset that has no host', to('subset-none', silent)),
    one('subset of a weighted cluster', [to('subset-weighted'), to('subset-weighted')], { logs: 4 }),
    one('tunnel', to('tunnel', { ...stays, send: 'hello' }), { replies: connect }),
    one('tunnel refused', to('tunnel', { ...silent }), { replies: { status: 403, body: 'no' }, ignoreLog: ['upstream', 'upstreamPort'] }),
    one('tunnel with POST', to('tunnel-post', { ...stays, send: 'hello' }), { replies: { status: 200, body: 'world' } }),
    one('tunnel over HTTP/2', to('tunnel-h2', { ...stays, send: 'hello', tls: client }), { replies: connect }),
    one('tunnel over HTTP/2 refused', to('tunnel-h2', { tls: client, ...silent }), { replies: { status: 503 } }),
    one(
      'stats of TCP',
      { kind: 'admin', path: '/stats?filter=^tcp\\.(two|one|cn|late|dead|empty|missing|weights|idle|duration|subset|tunnel)' },
      { logs: 0 },
    ),
    one('stats of limits', { kind: 'admin', path: '/stats?filter=limit(ed)?\\.' }, { logs: 0 }),
    one('stats of RBAC', { kind: 'admin', path: '/stats/prometheus?filter=\\.rbac' }, { logs: 0 }),
    one('stats of inspectors', { kind: 'admin', path: '/stats?filter=inspector.*_(found|read_error)' }, { logs: 0 }),
    one('stats of limits as Prometheus', { kind: 'admin', path: '/stats/prometheus?filter=(local_rate|connection_)limit' }, { logs: 0 }),
  ],
};
