import {
  accessLog,
  httpConnectionManager,
  httpFilter,
  listener,
  router,
  standardClusters,
  type,
  virtualHost,
} from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Field, Json, Site } from '../harness/family.ts';

/** Operators over what filters, routes, TLS and the upstream leave; typed as JSON. */
const operators: Json = {
  meta: '%DYNAMIC_METADATA(test.meta)%',
  metaText: '%DYNAMIC_METADATA(test.meta:text)%',
  metaNumber: '%DYNAMIC_METADATA(test.meta:number)%',
  metaDeep: '%DYNAMIC_METADATA(test.meta:deep:list)%',
  metaNone: '%DYNAMIC_METADATA(test.none:key)%',
  metaCut: '%DYNAMIC_METADATA(test.meta:text):3%',
  metaIn: 'a %DYNAMIC_METADATA(test.meta:deep)% z',
  metaBool: '%DYNAMIC_METADATA(test.meta:flag)%',
  state: '%FILTER_STATE(test.state)%',
  statePlain: '%FILTER_STATE(test.state:PLAIN)%',
  stateTyped: '%FILTER_STATE(test.state:TYPED)%',
  stateNone: '%FILTER_STATE(test.none)%',
  stateCut: '%FILTER_STATE(test.state:PLAIN):4%',
  withoutQuery: '%REQ_WITHOUT_QUERY(:PATH)%',
  originalWithoutQuery: '%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  withoutQueryCut: '%REQ_WITHOUT_QUERY(:PATH):5%',
  routeMeta: '%METADATA(ROUTE:route.meta:kind)%',
  clusterMeta: '%METADATA(CLUSTER:cluster.meta:tier)%',
  hostMeta: '%METADATA(UPSTREAM_HOST:host.meta:rack)%',
  dynamicMeta: '%METADATA(DYNAMIC:test.meta:number)%',
  upstream: '%UPSTREAM_REMOTE_ADDRESS%',
  upstreamAddress: '%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  upstreamRaw: '%UPSTREAM_CLUSTER_RAW%',
  upstreamProtocol: '%UPSTREAM_PROTOCOL%',
  upstreamTls: '%UPSTREAM_TLS_VERSION%',
  upstreamSubject: '%UPSTREAM_PEER_SUBJECT%',
  upstreamAttempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  local: '%DOWNSTREAM_LOCAL_ADDRESS%',
  localOnly: '%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%',
  remoteOnly: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  directOnly: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%',
  tls: '%DOWNSTREAM_TLS_VERSION%',
  subject: '%DOWNSTREAM_PEER_SUBJECT%',
  issuer: '%DOWNSTREAM_PEER_ISSUER%',
  uri: '%DOWNSTREAM_PEER_URI_SAN%',
  dns: '%DOWNSTREAM_PEER_DNS_SAN%',
  localUri: '%DOWNSTREAM_LOCAL_URI_SAN%',
  sni: '%REQUESTED_SERVER_NAME%',
  chain: '%FILTER_CHAIN_NAME%',
  host: '%VIRTUAL_CLUSTER_NAME%',
  longFlags: '%RESPONSE_FLAGS_LONG%',
  logType: '%ACCESS_LOG_TYPE%',
  grpc: '%GRPC_STATUS%',
  grpcSnake: '%GRPC_STATUS(SNAKE_STRING)%',
  grpcNumber: '%GRPC_STATUS_NUMBER%',
  requestHeaders: '%REQUEST_HEADERS_BYTES%',
  responseTrailers: '%RESPONSE_TRAILERS_BYTES%',
  upstreamSent: '%UPSTREAM_WIRE_BYTES_SENT%',
  trailer: '%TRAILER(x-t)%',
  response: '%RESP(x-a?x-b)%',
  responseCut: '%RESP(x-a):2%',
  status: '%RESP(:status)%',
  scheme: '%REQ(:SCHEME)%',
  trace: '%TRACE_ID%',
  mixed: '%RESPONSE_CODE%/%PROTOCOL%',
  nested: { code: '%RESPONSE_CODE%', list: ['%BYTES_SENT%', 'x', 3, true] },
  number: 7,
  flag: true,
  percent: '100%%',
};

/** With the formatters that some operators come from. */
function fullLog(site: Site): Json {
  const log = structuredClone(accessLog(site, operators)) as { typed_config: { log_format: Json } }; // as accessLog makes it
  log.typed_config.log_format['formatters'] = ['req_without_query.v3.ReqWithoutQuery', 'metadata.v3.Metadata'].map((message) => ({
    name: `envoy.formatter.${message.split('.')[0]}`,
    typed_config: { '@type': type(`envoy.extensions.formatter.${message}`) },
  }));
  return log;
}

const condition = (site: Site, tag: string, filter: Json): Json => ({ ...accessLog(site, { tag }), filter });
const status = (op: string, value: number): Json => ({
  status_code_filter: { comparison: { op, value: { default_value: value, runtime_key: 'none' } } },
});
const header = (name: string, exact: string): Json => ({ header_filter: { header: { name, string_match: { exact } } } });

const conditions: Readonly<Record<string, Json>> = {
  '5xx': status('GE', 500),
  exact: status('EQ', 201),
  small: status('LE', 204),
  header: header('x-log', 'yes'),
  both: { and_filter: { filters: [header('x-log', 'yes'), status('GE', 400)] } },
  either: { or_filter: { filters: [header('x-log', 'no'), status('EQ', 404)] } },
  flags: { response_flag_filter: { flags: ['NR', 'UF', 'RL', 'FI'] } },
  'any flag': { response_flag_filter: {} },
  grpc: { grpc_status_filter: { statuses: ['NOT_FOUND', 'UNKNOWN'] } },
  'not grpc': { grpc_status_filter: { statuses: ['OK'], exclude: true } },
  health: { not_health_check_filter: {} },
  metadata: {
    metadata_filter: {
      matcher: { filter: 'test.meta', path: [{ key: 'text' }], value: { string_match: { prefix: 'wo' } } },
      match_if_key_not_found: false,
    },
  },
  'metadata missing': { metadata_filter: { matcher: { filter: 'test.meta', path: [{ key: 'nothing' }], value: { bool_match: true } } } },
  slow: { duration_filter: { comparison: { op: 'GE', value: { default_value: 10_000, runtime_key: 'none' } } } },
  type: { log_type_filter: { types: ['DownstreamEnd'] } },
  'not type': { log_type_filter: { types: ['DownstreamEnd'], exclude: true } },
};

const filters = (): Json[] => [
  httpFilter('set_metadata', 'set_metadata.v3.Config', {
    metadata: [
      { metadata_namespace: 'test.meta', value: { text: 'words', number: 4.5, flag: false, deep: { list: [1, 'two', null], whole: 3 } } },
    ],
  }),
  httpFilter('set_filter_state', 'set_filter_state.v3.Config', {
    on_request_headers: [
      {
        object_key: 'test.state',
        factory_key: 'envoy.string',
        format_string: { text_format_source: { inline_string: '%REQ(:METHOD)% "quoted"' } },
      },
    ],
  }),
  httpFilter('fault', 'fault.v3.HTTPFault', {
    headers: [{ name: 'x-fault', present_match: true }],
    abort: { http_status: 503, percentage: { numerator: 100 } },
  }),
  router(),
];

const routes: Json[] = [
  { name: 'dead', match: { prefix: '/dead' }, route: { cluster: 'dead' } },
  { name: 'h2', match: { prefix: '/Service' }, route: { cluster: 'h2' } },
  { name: 'rewritten', match: { prefix: '/old/' }, route: { cluster: 'a', prefix_rewrite: '/new/' } },
  { name: 'direct', match: { prefix: '/direct' }, direct_response: { status: 201, body: { inline_string: 'direct' } } },
  {
    name: 'all',
    match: { prefix: '/a' },
    route: { cluster: 'meta' },
    metadata: { filter_metadata: { 'route.meta': { kind: 'special' } } },
  },
];

const tls = (site: Site): Json => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: {
    '@type': type('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
    common_tls_context: {
      tls_certificates: [
        { certificate_chain: { filename: site.certificates.server.certificate }, private_key: { filename: site.certificates.server.key } },
      ],
      validation_context: { trusted_ca: { filename: site.certificates.ca } },
    },
  },
});

const manager = (site: Site, logs: Json[], more: Json = {}): Json =>
  httpConnectionManager(site, [virtualHost(routes)], { http_filters: filters(), access_log: logs, ...more });

const requests: readonly (readonly [name: string, does: DifferentialCase['does'], replies?: DifferentialCase['replies']])[] = [
  [
    'GET',
    { path: '/a/b?q=1' },
    {
      headers: [
        ['x-a', 'first'],
        ['x-b', 'second'],
      ],
      body: 'x',
    },
  ],
  ['GET with no query and x-log', { path: '/a', headers: [['x-log', 'yes']] as Field[] }, { headers: [['x-b', 'second']], body: '' }],
  ['rewritten', { path: '/old/path?x=y' }],
  ['404 of the upstream', { path: '/a', headers: [['x-log', 'yes']] as Field[] }, { status: 404 }],
  ['500 of the upstream', { path: '/a' }, { status: 500 }],
  ['no route', { path: '/nothing?q' }],
  ['refused upstream', { path: '/dead' }],
  ['direct', { path: '/direct?x', headers: [['x-log', 'no']] as Field[] }],
  ['fault', { path: '/a', headers: [['x-fault', '1']] as Field[] }],
  ['trailers', { kind: 'http2', path: '/a' }, { body: 'x', trailers: [['x-t', 'tail']] }],
  [
    'gRPC',
    { kind: 'http2', method: 'POST', path: '/Service/M', headers: [['content-type', 'application/grpc']] },
    { headers: [['content-type', 'application/grpc']], body: '', trailers: [['grpc-status', '5']] },
  ],
  ['gRPC without a route', { kind: 'http2', method: 'POST', path: '/nothing/M', headers: [['content-type', 'application/grpc']] }],
  ['HEAD', { method: 'HEAD', path: '/a' }],
  ['204', { path: '/a' }, { status: 204, body: '' }],
];

export const filterLogs: DifferentialFamily = {
  name: 'filter-logs',
  about:
    'Access logs after filters: operators with JSON types, metadata and filter state, peers and certificates, every kind of condition.',
  bootstrap: (site) => ({
    static_resources: {
      listeners: [
        listener(site, 'http', [manager(site, [fullLog(site)])]),
        listener(site, 'conditions', [
          manager(
            site,
            Object.entries(conditions).map(([tag, filter]) => condition(site, tag, filter)),
          ),
        ]),
        {
          ...listener(site, 'tls', []),
          listener_filters: [
            { name: 'tls', typed_config: { '@type': type('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector') } },
          ],
          filter_chains: [{ name: 'over tls', filters: [manager(site, [fullLog(site)])], transport_socket: tls(site) }],
        },
      ],
      clusters: [
        ...standardClusters(site),
        {
          name: 'meta',
          type: 'STATIC',
          connect_timeout: '1s',
          metadata: { filter_metadata: { 'cluster.meta': { tier: 'gold' } } },
          load_assignment: {
            cluster_name: 'meta',
            endpoints: [
              {
                lb_endpoints: [
                  {
                    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: site.upstream('a') } } },
                    metadata: { filter_metadata: { 'host.meta': { rack: 12 } } },
                  },
                ],
              },
            ],
          },
        },
      ],
    },
  }),
  cases: [
    ...requests.map(
      ([name, does, replies]): DifferentialCase => ({
        name,
        does,
        ...(replies === undefined ? {} : { replies }),
        ignoreLog: ['upstreamSent'],
      }),
    ),
    ...requests
      .filter(([, does]) => !('kind' in does))
      .map(
        ([name, does, replies]): DifferentialCase => ({
          name: `${name} over TLS`,
          does: { ...does, to: 'tls', tls: { servername: 'server.example', clientCertificate: true } } as DifferentialCase['does'],
          ...(replies === undefined ? {} : { replies }),
          ignoreLog: ['upstreamSent'],
        }),
      ),
    ...requests.map(
      ([name, does, replies]): DifferentialCase => ({
        name: `conditions: ${name}`,
        does: { ...does, to: 'conditions' } as DifferentialCase['does'],
        ...(replies === undefined ? {} : { replies }),
        logs: 2,
        unordered: true,
      }),
    ),
  ],
};
