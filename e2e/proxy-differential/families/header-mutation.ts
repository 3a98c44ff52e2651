import { httpConnectionManager, listener, standardClusters } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Field, Json } from '../harness/family.ts';

const add = (key: string, value: string, action?: string, more: Json = {}): Json => ({
  header: { key, value },
  ...(action === undefined ? {} : { append_action: action }),
  ...more,
});
const forward = (prefix: string, more: Json, action: Json = {}): Json => ({
  name: prefix,
  match: { prefix },
  route: { cluster: 'a', ...action },
  ...more,
});
const actions = ['APPEND_IF_EXISTS_OR_ADD', 'ADD_IF_ABSENT', 'OVERWRITE_IF_EXISTS_OR_ADD', 'OVERWRITE_IF_EXISTS'];

/** Adds `x-order: level` at each level in both directions, removes one header at each and overwrites one. */
const level = (name: string): Json => ({
  request_headers_to_add: [add('x-order', name), add('x-set', name, 'OVERWRITE_IF_EXISTS_OR_ADD'), add('x-absent', name, 'ADD_IF_ABSENT')],
  request_headers_to_remove: [`x-remove-${name}`],
  response_headers_to_add: [add('x-order', name), add('x-set', name, 'OVERWRITE_IF_EXISTS_OR_ADD'), add('x-absent', name, 'ADD_IF_ABSENT')],
  response_headers_to_remove: [`x-remove-${name}`],
});

const levels = (mostSpecific: boolean): Json => ({
  route_config: { most_specific_header_mutations_wins: mostSpecific, ...level('table') },
});
const levelHosts: Json[] = [
  {
    name: 'all',
    domains: ['*'],
    ...level('host'),
    routes: [
      {
        match: { prefix: '/weighted' },
        ...level('route'),
        route: { weighted_clusters: { clusters: [{ name: 'a', weight: 1, ...level('cluster') }] } },
      },
      { match: { prefix: '/direct' }, ...level('route'), direct_response: { status: 200, body: { inline_string: 'direct' } } },
      { match: { prefix: '/redirect' }, ...level('route'), redirect: { host_redirect: 'other.example' } },
      { match: { prefix: '/' }, ...level('route'), route: { cluster: 'a' } },
    ],
  },
];

/** Operators whose value is the same in every run. */
const formats: Readonly<Record<string, string>> = {
  protocol: '%PROTOCOL%',
  'remote-address': '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  'direct-remote': '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%',
  'local-address': '%DOWNSTREAM_LOCAL_ADDRESS%',
  'local-host': '%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(:PATH)%',
  authority: '%REQ(:AUTHORITY)%',
  'other-path': '%REQ(X-NONE?:PATH)%',
  'short-path': '%REQ(:PATH):3%',
  agent: '%REQ(user-agent)%',
  none: '%REQ(x-none)%',
  many: '%REQ(x-many)%',
  percent: '100%%',
  mixed: 'a %REQ(:METHOD)% b %REQ(x-none)% c',
  upstream: '%UPSTREAM_HOST%',
  'upstream-cluster': '%UPSTREAM_CLUSTER%',
  'route-name': '%ROUTE_NAME%',
  hostname: '%REQUESTED_SERVER_NAME%',
  metadata: '%METADATA(ROUTE:com.example:key)%',
  'metadata-struct': '%METADATA(ROUTE:com.example)%',
  'metadata-none': '%METADATA(ROUTE:com.example:none)%',
  'cluster-metadata': '%METADATA(CLUSTER:com.example:key)%',
  'dynamic-metadata': '%DYNAMIC_METADATA(com.example:key)%',
  'filter-state': '%FILTER_STATE(none)%',
  code: '%RESPONSE_CODE%',
  details: '%RESPONSE_CODE_DETAILS%',
  flags: '%RESPONSE_FLAGS%',
  'long-flags': '%RESPONSE_FLAGS_LONG%',
  'response-header': '%RESP(x-mine)%',
  attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  tls: '%DOWNSTREAM_TLS_VERSION%',
  subject: '%DOWNSTREAM_PEER_SUBJECT%',
  'virtual-cluster': '%VIRTUAL_CLUSTER_NAME%',
  trailer: '%TRAILER(x-end)%',
  'query-param': '%QUERY_PARAM(q)%',
  'path-only': '%PATH(NQ:ORIG)%',
  'path-query': '%PATH(WQ:PATH)%',
  environment: '%ENVIRONMENT(XEBEC_NO_SUCH_VARIABLE)%',
  'bytes-received': '%BYTES_RECEIVED%',
  'access-log-type': '%ACCESS_LOG_TYPE%',
  'grpc-status': '%GRPC_STATUS%',
  'chain-name': '%FILTER_CHAIN_NAME%',
};

const formatRoutes = Object.entries(formats).map(([name, format]) =>
  forward(`/format/${name}/`, {
    name: `route-${name}`,
    metadata: { filter_metadata: { 'com.example': { key: 'of route', other: [1, true] } } },
    request_headers_to_add: [add('x-format', format)],
    response_headers_to_add: [add('x-format', format)],
  }),
);

const actionRoutes = actions.flatMap((action) => [
  forward(`/action/${action}/`, {
    request_headers_to_add: [add('x-new', 'new', action), add('x-old', 'new', action)],
    response_headers_to_add: [add('x-new', 'new', action), add('x-old', 'new', action)],
  }),
]);

const withOld: Field[] = [
  ['x-old', 'old'],
  ['x-old', 'older'],
];

const special: readonly [string, Json, Json?][] = [
  ['remove several', { request_headers_to_remove: ['x-a', 'X-B', 'user-agent', 'x-forwarded-proto', 'x-request-id'] }],
  [
    'remove response headers',
    { response_headers_to_remove: ['x-a', 'content-type', 'server', 'date', 'x-envoy-upstream-service-time', 'content-length'] },
  ],
  ['add then remove', { request_headers_to_add: [add('x-a', 'added')], request_headers_to_remove: ['x-a'] }],
  [
    'empty value dropped',
    { request_headers_to_add: [add('x-a', ''), add('x-b', '%REQ(x-none)%')], response_headers_to_add: [add('x-a', '')] },
  ],
  [
    'empty value kept',
    {
      request_headers_to_add: [
        add('x-a', '', undefined, { keep_empty_value: true }),
        add('x-b', '%REQ(x-none)%', undefined, { keep_empty_value: true }),
      ],
      response_headers_to_add: [add('x-a', '', undefined, { keep_empty_value: true })],
    },
  ],
  ['empty overwrites', { request_headers_to_add: [add('x-a', '%REQ(x-none)%', 'OVERWRITE_IF_EXISTS_OR_ADD')] }],
  ['old append false', { request_headers_to_add: [{ header: { key: 'x-a', value: 'new' }, append: false }] }],
  ['old append true', { request_headers_to_add: [{ header: { key: 'x-a', value: 'new' }, append: true }] }],
  ['name in capitals', { request_headers_to_add: [add('X-Upper', 'v')], response_headers_to_add: [add('X-Upper', 'v')] }],
  ['user-agent appended', { request_headers_to_add: [add('user-agent', 'more')] }],
  ['cookie appended', { request_headers_to_add: [add('cookie', 'c=d')] }],
  ['content-type overwritten', { response_headers_to_add: [add('content-type', 'text/html', 'OVERWRITE_IF_EXISTS_OR_ADD')] }],
  ['server overwritten', { response_headers_to_add: [add('server', 'mine', 'OVERWRITE_IF_EXISTS_OR_ADD')] }],
  ['set-cookie added', { response_headers_to_add: [add('set-cookie', 'a=b'), add('set-cookie', 'c=d')] }],
  ['raw value', { request_headers_to_add: [{ header: { key: 'x-a', raw_value: Buffer.from('raw').toString('base64') } }] }],
  ['same twice', { request_headers_to_add: [add('x-a', '1'), add('x-a', '2'), add('x-a', '1', 'ADD_IF_ABSENT')] }],
  ['reads what it wrote', { request_headers_to_add: [add('x-a', 'one'), add('x-b', '%REQ(x-a)%')] }],
  ['rewritten path', { request_headers_to_add: [add('x-b', '%REQ(:PATH)% %REQ(X-ENVOY-ORIGINAL-PATH)%')] }, { prefix_rewrite: '/new' }],
];

const cases: DifferentialCase[] = [
  ...actions.map(
    (action): DifferentialCase => ({
      name: action,
      does: { path: `/action/${action}/`, headers: withOld },
      replies: { headers: withOld, body: 'x' },
    }),
  ),
  ...Object.keys(formats).map((name): DifferentialCase => {
    const headers: Field[] = [
      ['user-agent', 'suite'],
      ['x-many', 'one'],
      ['x-many', 'two'],
    ];
    return {
      name: `format ${name}`,
      does: { path: `/format/${name}/?q=v&p`, headers },
      replies: { headers: [['x-mine', 'response']], body: 'x' },
    };
  }),
  { name: 'format of a local reply', does: { path: '/nobody' } },
  ...special.map(
    ([name], i): DifferentialCase => ({
      name,
      does: {
        path: `/special/${i}/`,
        headers: [
          ['x-a', 'here'],
          ['x-b', 'here'],
          ['user-agent', 'suite'],
          ['cookie', 'a=b'],
        ],
      },
      replies: {
        headers: [
          ['x-a', 'here'],
          ['content-type', 'text/plain'],
          ['server', 'upstream'],
        ],
        body: 'x',
      },
    }),
  ),
  ...['levels', 'levels-specific'].flatMap((to) =>
    ['/weighted', '/direct', '/redirect', '/'].map((path): DifferentialCase => {
      const removed = ['table', 'host', 'route', 'cluster'].map((name): Field => [`x-remove-${name}`, 'here']);
      const headers: Field[] = [...removed, ['x-set', 'client'], ['x-order', 'client']];
      return { name: `${to} ${path}`, does: { to, path, headers }, replies: { headers, body: 'x' } };
    }),
  ),
];

export const headerMutation: DifferentialFamily = {
  name: 'header-mutation',
  about: 'headers added, overwritten and removed at all levels, and what format operators give there',
  bootstrap: (site) => {
    const all = [
      ...actionRoutes,
      ...formatRoutes,
      ...special.map(([, more, action], i) => forward(`/special/${i}/`, more, action)),
      {
        match: { prefix: '/nobody' },
        response_headers_to_add: [
          add('x-code', '%RESPONSE_CODE%'),
          add('x-details', '%RESPONSE_CODE_DETAILS%'),
          add('x-flags', '%RESPONSE_FLAGS%'),
        ],
        route: { cluster: 'empty' },
      },
    ];
    return {
      static_resources: {
        listeners: [
          listener(site, 'http', [httpConnectionManager(site, [{ name: 'all', domains: ['*'], routes: all }])]),
          listener(site, 'levels', [httpConnectionManager(site, levelHosts, levels(false))]),
          listener(site, 'levels-specific', [httpConnectionManager(site, levelHosts, levels(true))]),
        ],
        clusters: standardClusters(site),
      },
    };
  },
  cases,
};
