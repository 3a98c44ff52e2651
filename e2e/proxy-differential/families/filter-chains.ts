import {
  accessLog,
  cluster,
  httpConnectionManager,
  httpFilter,
  httpOptions,
  listener,
  router,
  standardClusters,
  type,
  virtualHost,
} from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Field, Json, Reply, Site } from '../harness/family.ts';

const perRoute = (message: string, config: Json): Json => ({ '@type': type(`envoy.extensions.filters.http.${message}`), ...config });
/** Switches on a filter that the chain has switched off, as it is configured there. */
const on: Json = { '@type': type('envoy.config.route.v3.FilterConfig'), config: {} };
const hundred = { numerator: 100, denominator: 'HUNDRED' };

const abort = (status: number, more: Json = {}): Json =>
  perRoute('fault.v3.HTTPFault', { abort: { http_status: status, percentage: hundred }, ...more });
const deny: Json = perRoute('rbac.v3.RBACPerRoute', {
  rbac: { rules: { action: 'DENY', policies: { all: { permissions: [{ any: true }], principals: [{ any: true }] } } } },
});
const cors: Json = perRoute('cors.v3.CorsPolicy', {
  allow_origin_string_match: [{ exact: 'https://good.example' }],
  allow_methods: 'GET,POST',
  expose_headers: 'x-exposed',
  allow_credentials: true,
  max_age: '60',
});
const set = (key: string, value: string, action = 'OVERWRITE_IF_EXISTS_OR_ADD'): Json => ({
  append: { header: { key, value }, append_action: action },
});
const mutate = (request: Json[], response: Json[]): Json =>
  perRoute('header_mutation.v3.HeaderMutationPerRoute', { mutations: { request_mutations: request, response_mutations: response } });
const limit = (tokens: number, more: Json = {}): Json =>
  perRoute('local_ratelimit.v3.LocalRateLimit', {
    stat_prefix: 'route_limit',
    token_bucket: { max_tokens: tokens, tokens_per_fill: tokens, fill_interval: '1000s' },
    filter_enabled: { default_value: hundred },
    filter_enforced: { default_value: hundred },
    ...more,
  });
const bufferOf = (bytes: number): Json => perRoute('buffer.v3.BufferPerRoute', { buffer: { max_request_bytes: bytes } });

const gzip = httpFilter('compressor', 'compressor.v3.Compressor', {
  compressor_library: { name: 'text_optimized', typed_config: { '@type': type('envoy.extensions.compression.gzip.compressor.v3.Gzip') } },
  response_direction_config: { common_config: { min_content_length: 30, content_type: ['text/plain', 'application/json'] } },
});

const authorization = (more: Json = {}): Json =>
  httpFilter('ext_authz', 'ext_authz.v3.ExtAuthz', {
    http_service: {
      server_uri: { uri: 'http://authz', cluster: 'b', timeout: '0.5s' },
      authorization_request: { allowed_headers: { patterns: [{ prefix: 'x-' }] } },
      authorization_response: {
        allowed_upstream_headers: { patterns: [{ exact: 'x-user' }] },
        allowed_client_headers: { patterns: [{ exact: 'x-reason' }] },
        allowed_client_headers_on_success: { patterns: [{ exact: 'x-checked' }] },
      },
    },
    ...more,
  });

const off = (filter: Json): Json => ({ ...filter, disabled: true });

/** What passes which filters; on each route some are on. The order is Istio's where Istio has one. */
const chain = (): Json[] => [
  off(authorization()),
  off(httpFilter('rbac', 'rbac.v3.RBAC')),
  httpFilter('grpc_stats', 'grpc_stats.v3.FilterConfig', { emit_filter_state: true, stats_for_all_methods: false }),
  off(httpFilter('fault', 'fault.v3.HTTPFault')),
  httpFilter('cors', 'cors.v3.Cors'),
  off(httpFilter('local_ratelimit', 'local_ratelimit.v3.LocalRateLimit', { stat_prefix: 'limit' })),
  off(httpFilter('header_mutation', 'header_mutation.v3.HeaderMutation')),
  off(httpFilter('buffer', 'buffer.v3.Buffer', { max_request_bytes: 64 })),
  off(gzip),
  router(),
];

const filterNames = ['ext_authz', 'rbac', 'fault', 'cors', 'local_ratelimit', 'header_mutation', 'buffer', 'compressor'] as const;
type Filters = Partial<Record<(typeof filterNames)[number], Json>>;

const route = (name: string, filters: Filters, action: Json = {}): Json => ({
  name,
  match: { path_separated_prefix: `/${name}` },
  route: { cluster: 'a', ...action },
  typed_per_filter_config: Object.fromEntries(Object.entries(filters).map(([filter, config]) => [`envoy.filters.http.${filter}`, config])),
});

const retry = { retry_policy: { retry_on: '5xx', num_retries: 2, retry_back_off: { base_interval: '0.005s' } } };
const websocket = { upgrade_configs: [{ upgrade_type: 'websocket' }] };

const routes = (): Json[] => [
  route('plain', {}),
  route('fault-rbac', { fault: abort(418), rbac: deny }),
  route('fault-cors', { fault: abort(503), cors }),
  route('fault-delay', { fault: abort(504, { delay: { fixed_delay: '0.05s', percentage: hundred } }), compressor: on }),
  route('fault-header', {
    fault: perRoute('fault.v3.HTTPFault', {
      abort: { header_abort: {}, percentage: hundred },
      headers: [{ name: 'x-fault-me', present_match: true }],
    }),
  }),
  route('fault-grpc', { fault: perRoute('fault.v3.HTTPFault', { abort: { grpc_status: 5, percentage: hundred } }) }),
  route('rbac-cors', { rbac: deny, cors }),
  route('cors', { cors }),
  route('cors-limit', { cors, local_ratelimit: limit(1) }),
  route('limit-mutation', {
    local_ratelimit: limit(1, {
      response_headers_to_add: [{ header: { key: 'x-limited', value: 'yes' } }],
      enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
    }),
    header_mutation: mutate([], [set('x-mutated', '%RESPONSE_CODE%')]),
  }),
  route('limit-grpc', { local_ratelimit: limit(1, { rate_limited_as_resource_exhausted: true }) }),
  route('limit-status', { local_ratelimit: limit(1, { status: { code: 503 } }) }),
  route('mutation', {
    header_mutation: mutate(
      [
        set('x-path', '%REQ(:PATH)%'),
        { remove: 'x-gone' },
        set('x-append', 'two', 'APPEND_IF_EXISTS_OR_ADD'),
        set('x-new', 'n', 'ADD_IF_ABSENT'),
      ],
      [set('x-code', '%RESPONSE_CODE%'), { remove: 'server' }, set('x-was', 'changed', 'OVERWRITE_IF_EXISTS')],
    ),
  }),
  route('mutation-gzip', { header_mutation: mutate([set('accept-encoding', 'gzip')], []), compressor: on }),
  route('gzip', { compressor: on }),
  route('gzip-cors', { compressor: on, cors }),
  route('gzip-direct', { compressor: on }),
  route('buffer', { buffer: on }),
  route('buffer-small', { buffer: bufferOf(5) }),
  route('buffer-off', { buffer: perRoute('buffer.v3.BufferPerRoute', { disabled: true }) }),
  route('buffer-retry', { buffer: on }, retry),
  route('retry', {}, retry),
  route('authz', { ext_authz: on }),
  route('authz-rbac', { ext_authz: on, rbac: deny }),
  route('authz-cors', { ext_authz: on, cors }),
  route('authz-buffer', { ext_authz: on, buffer: on }),
  route('authz-buffer-gzip', { ext_authz: on, buffer: on, compressor: on, header_mutation: mutate([set('x-seen', '%REQ(x-user)%')], []) }),
  route('authz-retry', { ext_authz: on, buffer: on }, retry),
  route('authz-limit', { ext_authz: on, local_ratelimit: limit(1) }),
  route('authz-off', { ext_authz: perRoute('ext_authz.v3.ExtAuthzPerRoute', { disabled: true }) }),
  route('authz-context', {
    ext_authz: perRoute('ext_authz.v3.ExtAuthzPerRoute', {
      check_settings: { context_extensions: { a: 'b' }, disable_request_body_buffering: true },
    }),
  }),
  route('ws', { ext_authz: on, header_mutation: mutate([], [set('x-ws', '%RESPONSE_CODE%')]) }, websocket),
  route('ws-buffer', { buffer: on, compressor: on }, websocket),
  route('ws-deny', { rbac: deny }, websocket),
  route('Service', { compressor: on, header_mutation: mutate([set('x-grpc', 'yes')], [set('x-out', '%GRPC_STATUS%')]) }, { cluster: 'h2' }),
  route('grpc-authz', { ext_authz: on }, { cluster: 'h2' }),
  route('grpc-buffer', { buffer: on }, { cluster: 'h2' }),
  {
    name: 'direct',
    match: { prefix: '/direct' },
    direct_response: { status: 200, body: { inline_string: 'a body that is long enough to be compressed by the filter' } },
    typed_per_filter_config: {
      'envoy.filters.http.compressor': on,
      'envoy.filters.http.cors': cors,
      'envoy.filters.http.ext_authz': on,
      'envoy.filters.http.header_mutation': mutate([], [set('x-direct', '%RESPONSE_CODE_DETAILS%')]),
    },
  },
  {
    name: 'redirect',
    match: { prefix: '/redirect' },
    redirect: { path_redirect: '/elsewhere' },
    typed_per_filter_config: { 'envoy.filters.http.rbac': deny, 'envoy.filters.http.cors': cors },
  },
  {
    name: 'dead',
    match: { prefix: '/dead' },
    route: { cluster: 'dead' },
    typed_per_filter_config: { 'envoy.filters.http.compressor': on, 'envoy.filters.http.cors': cors },
  },
];

/** Bodies held by several filters at once, and what answers when they are too long. */
const holding = (): Json[] => [
  { ...httpFilter('buffer', 'buffer.v3.Buffer', { max_request_bytes: 100 }), name: 'first' },
  authorization({ with_request_body: { max_request_bytes: 20, allow_partial_message: true } }),
  { ...httpFilter('buffer', 'buffer.v3.Buffer', { max_request_bytes: 50 }), name: 'second' },
  gzip,
  httpFilter('header_mutation', 'header_mutation.v3.HeaderMutation', {
    mutations: { request_mutations: [set('x-length', '%REQ(content-length)%')], response_mutations: [set('x-end', '%RESPONSE_CODE%')] },
  }),
  router(),
];

const strict = (): Json[] => [
  authorization({ with_request_body: { max_request_bytes: 20, allow_partial_message: false }, failure_mode_allow: true }),
  router(),
];

const more = { grpc: '%FILTER_STATE(envoy.filters.http.grpc_stats)%', grpcStatus: '%GRPC_STATUS%', trailer: '%TRAILER(grpc-status)%' };

const http = (site: Site, name: string, filters: Json[], manager: Json = {}): Json =>
  listener(site, name, [
    httpConnectionManager(site, [virtualHost(routes())], {
      http_filters: filters,
      stat_prefix: name,
      access_log: [accessLog(site, more)],
      upgrade_configs: [{ upgrade_type: 'websocket', enabled: false }],
      ...manager,
    }),
  ]);

const long = 'the body of the answer, long enough to be compressed by what compresses it';
const origin: Field = ['origin', 'https://good.example'];
const preflight = { method: 'OPTIONS', headers: [origin, ['access-control-request-method', 'POST']] as Field[] };
const gzipped: Field = ['accept-encoding', 'gzip'];
const allow: Reply = {
  status: 200,
  headers: [
    ['x-user', 'ann'],
    ['x-checked', '1'],
    ['x-secret', 's'],
  ],
};
const forbid: Reply = {
  status: 401,
  headers: [
    ['x-reason', 'because'],
    ['x-secret', 's'],
    ['www-authenticate', 'Basic'],
  ],
  body: 'go away, said the authorizer, and meant it',
};
const grpcHeaders: Field[] = [
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
];
const message = (text: string): Buffer => Buffer.concat([Buffer.from([0, 0, 0, 0, text.length]), Buffer.from(text)]);
const upgrade: Field[] = [
  ['connection', 'Upgrade'],
  ['upgrade', 'websocket'],
  ['sec-websocket-key', 'k'],
];
const switching: Reply = {
  status: 101,
  headers: [
    ['connection', 'Upgrade'],
    ['upgrade', 'websocket'],
  ],
  tunnel: true,
};

const cases: DifferentialCase[] = [
  { name: 'nothing is on', does: { path: '/plain' } },
  { name: 'rbac before fault', does: { path: '/fault-rbac' } },
  { name: 'fault passes cors', does: { path: '/fault-cors', headers: [origin] } },
  { name: 'fault with delay', does: { path: '/fault-delay', headers: [gzipped] } },
  { name: 'fault by header, without it', does: { path: '/fault-header' } },
  {
    name: 'fault by header',
    does: {
      path: '/fault-header',
      headers: [
        ['x-fault-me', ''],
        ['x-envoy-fault-abort-request', '451'],
      ],
    },
  },
  {
    name: 'fault by header, no number',
    does: {
      path: '/fault-header',
      headers: [
        ['x-fault-me', ''],
        ['x-envoy-fault-abort-request', 'x'],
      ],
    },
  },
  {
    name: 'fault by header, gRPC',
    does: {
      path: '/fault-header',
      headers: [
        ['x-fault-me', ''],
        ['x-envoy-fault-abort-grpc-request', '8'],
      ],
    },
  },
  { name: 'fault with a gRPC status over HTTP/1', does: { path: '/fault-grpc' } },
  {
    name: 'fault with a gRPC status',
    does: { kind: 'http2', method: 'POST', path: '/fault-grpc', headers: grpcHeaders },
  },
  { name: 'rbac and the origin', does: { path: '/rbac-cors', headers: [origin] } },
  { name: 'rbac and a preflight', does: { path: '/rbac-cors', ...preflight } },
  { name: 'preflight', does: { path: '/cors', ...preflight } },
  {
    name: 'preflight of another origin',
    does: {
      path: '/cors',
      method: 'OPTIONS',
      headers: [
        ['origin', 'https://bad.example'],
        ['access-control-request-method', 'POST'],
      ],
    },
  },
  { name: 'preflight with a body', does: { path: '/cors', ...preflight, body: 'body' } },
  { name: 'options without a method', does: { path: '/cors', method: 'OPTIONS', headers: [origin] } },
  {
    name: 'simple request',
    does: { path: '/cors', headers: [origin] },
    replies: {
      headers: [
        ['access-control-allow-origin', '*'],
        ['x-exposed', '1'],
      ],
      body: 'x',
    },
  },
  {
    name: 'two limited with an origin',
    does: [
      { path: '/cors-limit', headers: [origin] },
      { path: '/cors-limit', headers: [origin] },
    ],
  },
  { name: 'preflight and limit', does: { path: '/cors-limit', ...preflight } },
  {
    name: 'limit and mutation',
    does: [{ path: '/limit-mutation' }, { path: '/limit-mutation' }, { path: '/limit-mutation', method: 'HEAD' }],
  },
  {
    name: 'limit and gRPC',
    does: [1, 2].map(() => ({ kind: 'http2' as const, method: 'POST', path: '/limit-grpc', headers: grpcHeaders })),
  },
  { name: 'limit with a body', does: [{ path: '/limit-status' }, { path: '/limit-status', method: 'POST', body: 'body' }] },
  {
    name: 'limit with a body that comes late',
    does: { raw: ['POST /limit-status HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n', 'body'], method: 'POST' },
  },
  {
    name: 'mutation',
    does: {
      path: '/mutation?q',
      headers: [
        ['x-gone', '1'],
        ['x-append', 'one'],
      ],
    },
    replies: {
      headers: [
        ['x-was', 'old'],
        ['server', 'up'],
      ],
      body: 'x',
    },
  },
  {
    name: 'mutation of a header that is there',
    does: {
      path: '/mutation',
      headers: [
        ['x-new', 'mine'],
        ['X-Gone', '1'],
        ['x-gone', '2'],
      ],
    },
  },
  {
    name: 'mutation makes it compress',
    does: { path: '/mutation-gzip' },
    replies: { headers: [['content-type', 'text/plain']], body: long },
  },
  {
    name: 'compressed',
    does: { path: '/gzip', headers: [gzipped] },
    replies: {
      headers: [
        ['content-type', 'text/plain'],
        ['etag', '"abc"'],
      ],
      body: long,
    },
  },
  {
    name: 'compressed HEAD',
    does: { path: '/gzip', method: 'HEAD', headers: [gzipped] },
    replies: {
      headers: [
        ['content-type', 'text/plain'],
        ['content-length', '100'],
      ],
      body: '',
    },
  },
  {
    name: 'compressed 204',
    does: { path: '/gzip', headers: [gzipped] },
    replies: { status: 204, headers: [['content-type', 'text/plain']], body: '' },
  },
  {
    name: 'compressed 304',
    does: { path: '/gzip', headers: [gzipped] },
    replies: {
      status: 304,
      headers: [
        ['content-type', 'text/plain'],
        ['etag', '"abc"'],
      ],
      body: '',
    },
  },
  {
    name: 'compressed 206',
    does: { path: '/gzip', headers: [gzipped, ['range', 'bytes=0-1']] },
    replies: {
      status: 206,
      headers: [
        ['content-type', 'text/plain'],
        ['content-range', 'bytes 0-73/200'],
      ],
      body: long,
    },
  },
  {
    name: 'compressed with trailers',
    does: { path: '/gzip', headers: [gzipped] },
    replies: { headers: [['content-type', 'text/plain']], body: long, trailers: [['x-t', '1']] },
  },
  {
    name: 'compressed after 103',
    does: { path: '/gzip', headers: [gzipped] },
    replies: { informational: [{ status: 103, headers: [['link', '</a>']] }], headers: [['content-type', 'text/plain']], body: long },
  },
  {
    name: 'compressed and cors',
    does: { path: '/gzip-cors', headers: [gzipped, origin] },
    replies: {
      headers: [
        ['content-type', 'text/plain'],
        ['vary', 'origin'],
      ],
      body: long,
    },
  },
  {
    name: 'compressed in parts',
    does: { path: '/gzip', headers: [gzipped] },
    replies: { headers: [['content-type', 'application/json']], body: long, bodyParts: 3, chunked: true },
  },
  {
    name: 'compressed HTTP/2',
    does: { kind: 'http2', path: '/gzip', headers: [gzipped] },
    replies: { headers: [['content-type', 'text/plain']], body: long },
  },
  { name: 'buffered', does: { path: '/buffer', method: 'POST', body: ['one', 'two'] } },
  { name: 'buffered with trailers', does: { path: '/buffer', method: 'POST', body: ['one', 'two'], trailers: [['x-t', '1']] } },
  {
    name: 'buffered HTTP/2 with trailers',
    does: { kind: 'http2', path: '/buffer', method: 'POST', body: ['one', 'two'], trailers: [['x-t', '1']] },
  },
  { name: 'buffered, too long by length', does: { path: '/buffer-small', method: 'POST', body: 'sixsix' } },
  { name: 'buffered, too long in chunks', does: { path: '/buffer-small', method: 'POST', body: ['four', 'more'] } },
  { name: 'buffered, as long as may be', does: { path: '/buffer-small', method: 'POST', body: '12345' } },
  { name: 'buffered, expects 100', does: { path: '/buffer', method: 'POST', headers: [['expect', '100-continue']], body: 'body' } },
  { name: 'buffer off', does: { path: '/buffer-off', method: 'POST', body: ['a'.repeat(100), 'b'] } },
  {
    name: 'buffered and retried',
    does: { path: '/buffer-retry', method: 'POST', body: ['one', 'two'], trailers: [['x-t', '1']] },
    replies: [{ status: 503 }, { status: 500 }, { status: 201 }],
  },
  {
    name: 'retried with trailers',
    does: { path: '/retry', method: 'POST', body: ['one', 'two'], trailers: [['x-t', '1']] },
    replies: [{ status: 503 }, { status: 201 }],
  },
  {
    name: 'authorized',
    does: {
      path: '/authz',
      headers: [
        ['x-user', 'forged'],
        ['x-other', 'o'],
      ],
    },
    replies: { b: allow },
  },
  {
    name: 'authorized with a body',
    does: { path: '/authz', method: 'POST', body: ['one', 'two'] },
    replies: { b: { ...allow, delayMs: 40 } },
  },
  { name: 'forbidden', does: { path: '/authz' }, replies: { b: forbid } },
  { name: 'forbidden HEAD', does: { path: '/authz', method: 'HEAD' }, replies: { b: forbid } },
  {
    name: 'forbidden while the body comes',
    does: { raw: ['POST /authz HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\n', 'body', 'body'], method: 'POST' },
    replies: { b: forbid },
  },
  {
    name: 'forbidden gRPC',
    does: { kind: 'http2', method: 'POST', path: '/grpc-authz', headers: grpcHeaders, body: message('a') },
    replies: { b: forbid },
  },
  { name: 'forbidden with an origin', does: { path: '/authz-cors', headers: [origin] }, replies: { b: forbid } },
  { name: 'preflight asks the authorizer', does: { path: '/authz-cors', ...preflight }, replies: { b: allow } },
  { name: 'authorizer is late', does: { path: '/authz' }, replies: { b: { delayMs: 700 } } },
  { name: 'authorizer closes', does: { path: '/authz' }, replies: { b: { instead: 'close' } } },
  { name: 'authorizer fails', does: { path: '/authz' }, replies: { b: { status: 500 } } },
  { name: 'authorized and denied', does: { path: '/authz-rbac' }, replies: { b: allow } },
  {
    name: 'authorized, buffered',
    does: { path: '/authz-buffer', method: 'POST', body: ['one', 'two', 'three'] },
    replies: { b: { ...allow, delayMs: 50 } },
  },
  {
    name: 'authorized, buffered, with trailers',
    does: { path: '/authz-buffer', method: 'POST', body: ['one'], trailers: [['x-t', '1']] },
    replies: { b: { ...allow, delayMs: 30 } },
  },
  {
    name: 'authorized, buffered, too long',
    does: { path: '/authz-buffer', method: 'POST', body: ['x'.repeat(60), 'y'.repeat(60)] },
    replies: { b: { ...allow, delayMs: 30 } },
  },
  {
    name: 'authorized, buffered, compressed',
    does: { path: '/authz-buffer-gzip', method: 'POST', headers: [gzipped], body: ['a', 'b'] },
    replies: { b: allow, a: { headers: [['content-type', 'text/plain']], body: long } },
  },
  {
    name: 'authorized and retried',
    does: { path: '/authz-retry', method: 'POST', body: 'body' },
    replies: { b: allow, a: [{ status: 503 }, { status: 200 }] },
  },
  { name: 'authorized and limited', does: [{ path: '/authz-limit' }, { path: '/authz-limit' }], replies: { b: allow } },
  { name: 'authorization off on the route', does: { path: '/authz-off' } },
  { name: 'authorization settings on the route', does: { path: '/authz-context', method: 'POST', body: 'body' }, replies: { b: allow } },
  {
    name: 'authorized, expects 100',
    does: { path: '/authz', method: 'POST', headers: [['expect', '100-continue']], body: 'body' },
    replies: { b: allow },
  },
  {
    name: 'forbidden, expects 100',
    does: { raw: 'POST /authz HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n', method: 'POST' },
    replies: { b: forbid },
  },
  { name: 'client gone while authorizing', does: { path: '/authz', abortAfterMs: 60 }, replies: { b: { delayMs: 200 } } },
  {
    name: 'websocket through authorization',
    does: { path: '/ws', headers: upgrade, tunnel: 'hello' },
    replies: { b: allow, a: switching },
  },
  { name: 'websocket forbidden', does: { path: '/ws', headers: upgrade }, replies: { b: forbid } },
  {
    name: 'websocket refused by the upstream',
    does: { path: '/ws', headers: upgrade },
    replies: { b: allow, a: { status: 403, body: 'no' } },
  },
  { name: 'websocket through buffer', does: { path: '/ws-buffer', headers: [...upgrade, gzipped], tunnel: 'hello' }, replies: switching },
  { name: 'websocket denied', does: { path: '/ws-deny', headers: upgrade } },
  { name: 'websocket where none is', does: { path: '/plain', headers: upgrade } },
  { name: 'direct response through filters', does: { path: '/direct', headers: [gzipped, origin] }, replies: { b: allow } },
  { name: 'direct response forbidden', does: { path: '/direct', headers: [gzipped] }, replies: { b: forbid } },
  { name: 'redirect denied', does: { path: '/redirect', headers: [origin] } },
  { name: 'failed upstream, compressed', does: { path: '/dead', headers: [gzipped, origin] } },
  { name: 'no route with filters', does: { path: '/nothing', headers: [gzipped, origin] } },
  {
    name: 'gRPC unary',
    does: { kind: 'http2', method: 'POST', path: '/Service/Unary', headers: [...grpcHeaders, gzipped], body: message('hello') },
    replies: { headers: [['content-type', 'application/grpc']], body: message('world'), trailers: [['grpc-status', '0']] },
  },
  {
    name: 'gRPC trailers only',
    does: { kind: 'http2', method: 'POST', path: '/Service/Fails?q', headers: grpcHeaders, body: message('hello') },
    replies: {
      headers: [
        ['content-type', 'application/grpc'],
        ['grpc-status', '5'],
        ['grpc-message', 'nope'],
      ],
      body: '',
    },
  },
  {
    name: 'gRPC with many messages',
    does: {
      kind: 'http2',
      method: 'POST',
      path: '/Service/Stream',
      headers: grpcHeaders,
      body: [message('a'), message('b'), message('c')].map((part) => part.toString('latin1')),
    },
    replies: {
      headers: [['content-type', 'application/grpc']],
      body: Buffer.concat([message('1'), message('2'), message('3'), message('4')]),
      bodyParts: 4,
      trailers: [
        ['grpc-status', '0'],
        ['grpc-message', ''],
      ],
    },
  },
  {
    name: 'gRPC buffered',
    does: {
      kind: 'http2',
      method: 'POST',
      path: '/grpc-buffer/Service/Stream',
      headers: grpcHeaders,
      body: [message('a').toString('latin1'), message('b').toString('latin1')],
    },
    replies: { headers: [['content-type', 'application/grpc']], body: message('1'), trailers: [['grpc-status', '2']] },
  },
  {
    name: 'gRPC buffered, too long',
    does: { kind: 'http2', method: 'POST', path: '/grpc-buffer/Service/Stream', headers: grpcHeaders, body: message('a'.repeat(100)) },
  },
  { name: 'held by several', does: { to: 'holding', method: 'POST', path: '/plain', body: ['one', 'two'] }, replies: { b: allow } },
  {
    name: 'held by several, with trailers',
    does: { to: 'holding', method: 'POST', path: '/plain', body: ['one', 'two'], trailers: [['x-t', '1']] },
    replies: { b: allow },
  },
  {
    name: 'held by several, with length',
    does: { to: 'holding', method: 'POST', path: '/plain', body: 'x'.repeat(30) },
    replies: { b: allow },
  },
  {
    name: 'held by several, too long for the second',
    does: { to: 'holding', method: 'POST', path: '/plain', body: ['x'.repeat(30), 'y'.repeat(30)] },
    replies: { b: allow },
  },
  {
    name: 'held by several, too long for the first',
    does: { to: 'holding', method: 'POST', path: '/plain', body: ['x'.repeat(60), 'y'.repeat(60)] },
    replies: { b: allow },
  },
  {
    name: 'held by several, forbidden',
    does: { to: 'holding', method: 'POST', path: '/plain', headers: [gzipped], body: ['x', 'y'] },
    replies: { b: forbid },
  },
  {
    name: 'held by several, none',
    does: { to: 'holding', method: 'POST', path: '/plain', headers: [['content-length', '0']] },
    replies: { b: allow },
  },
  {
    name: 'held by several, GET',
    does: { to: 'holding', path: '/plain', headers: [gzipped] },
    replies: { b: allow, a: { headers: [['content-type', 'text/plain']], body: long } },
  },
  {
    name: 'held by several, HTTP/2',
    does: { kind: 'http2', to: 'holding', method: 'POST', path: '/plain', body: ['one', 'two'], trailers: [['x-t', '1']] },
    replies: { b: allow },
  },
  {
    name: 'held by several, 100',
    does: { to: 'holding', method: 'POST', path: '/plain', headers: [['expect', '100-continue']], body: 'body' },
    replies: { b: allow },
  },
  {
    name: 'held by several, aborted',
    does: { raw: 'POST /plain HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nbody', to: 'holding', method: 'POST', abortAfterMs: 50 },
    replies: { b: allow },
  },
  {
    name: 'strict body, as long as may be',
    does: { to: 'strict', method: 'POST', path: '/plain', body: 'x'.repeat(20) },
    replies: { b: allow },
  },
  { name: 'strict body, too long', does: { to: 'strict', method: 'POST', path: '/plain', body: 'x'.repeat(21) }, replies: { b: allow } },
  {
    name: 'strict body, too long in chunks',
    does: { to: 'strict', method: 'POST', path: '/plain', body: ['x'.repeat(15), 'y'.repeat(15)] },
    replies: { b: allow },
  },
  { name: 'failure is let through', does: { to: 'strict', method: 'POST', path: '/plain', body: 'x' }, replies: { b: { status: 503 } } },
  { name: 'failure is let through, closed', does: { to: 'strict', path: '/plain' }, replies: { b: { instead: 'close' } } },
  ...['ext_authz', 'fault', 'cors', 'compressor'].map((filter) => ({
    name: `stats of ${filter}`,
    does: {
      kind: 'admin' as const,
      path: `/stats?filter=^http.*${filter}`,
      select: (text: string) => text.split('\n').filter((line) => !line.includes('total_')),
    },
  })),
  { name: 'stats of local rate limits', does: { kind: 'admin', path: '/stats?filter=rate_limit\\.' } },
  { name: 'stats of gRPC', does: { kind: 'admin', path: '/stats?filter=cluster.h2.grpc' } },
  {
    name: 'stats as Prometheus',
    does: { kind: 'admin', path: '/stats/prometheus?filter=(ext_authz|http.*fault|cors|rate_limit\\.|cluster.h2.grpc)' },
  },
];

export const filterChains: DifferentialFamily = {
  name: 'filter-chains',
  about:
    'Several HTTP filters in one chain: who answers first, what passes the others, bodies held by more than one, upgrades, gRPC, stats.',
  bootstrap: (site) => ({
    static_resources: {
      listeners: [http(site, 'http', chain()), http(site, 'holding', holding()), http(site, 'strict', strict())],
      clusters: [...standardClusters(site), cluster('any', [site.upstream('a')], httpOptions({ use_downstream_protocol_config: {} }))],
    },
  }),
  cases,
};
