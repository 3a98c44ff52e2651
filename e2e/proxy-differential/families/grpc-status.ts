import { httpConnectionManager, httpFilter, listener, router, standardClusters, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Field, Json, Reply } from '../harness/family.ts';

const statuses = [200, 204, 301, 400, 401, 403, 404, 408, 413, 429, 499, 500, 501, 502, 503, 504, 599];
const types = [
  'application/grpc',
  'application/grpc+proto',
  'application/grpc-web',
  'application/grpc; x=1',
  'application/grpcx',
  'APPLICATION/GRPC',
];
const grpc: Field = ['content-type', 'application/grpc'];
const timeoutFields: readonly Field[][] = [[], [['grpc-timeout', '50m']], [['grpc-timeout', '150m']]];
const frame = '\0\0\0\0\x02hi';
const call = (path: string, more: Json = {}): Exchange =>
  ({ kind: 'http2', method: 'POST', path, headers: [grpc, ['te', 'trailers']], body: frame, timeoutMs: 1000, ...more }) as Exchange;
const call1 = (path: string, more: Json = {}): Exchange =>
  ({ method: 'POST', path, headers: [grpc, ['te', 'trailers']], body: frame, timeoutMs: 1000, ...more }) as Exchange;

const routes: readonly Json[] = [
  ...statuses.map((status) => ({
    match: { prefix: `/direct-${status}` },
    direct_response: { status, body: { inline_string: `told ${status}` } },
  })),
  { match: { prefix: '/encoded' }, direct_response: { status: 503, body: { inline_string: 'a%b\nc\té "quoted"\u0001' } } },
  { match: { prefix: '/empty-body' }, direct_response: { status: 503 } },
  { match: { prefix: '/redirect' }, redirect: { path_redirect: '/a' } },
  ...[
    ['a', {}],
    ['h2', { cluster: 'h2' }],
    ['dead', { cluster: 'dead' }],
    ['empty', { cluster: 'empty' }],
    ['missing', { cluster: 'nowhere' }],
    ['timeout', { timeout: '0.1s' }],
    ['timeout2', { timeout: '0.1s', cluster: 'h2' }],
    ['idle', { idle_timeout: '0.1s' }],
    ['max', { max_stream_duration: { max_stream_duration: '0.1s' } }],
    ['per-try', { retry_policy: { retry_on: '5xx', num_retries: 0, per_try_timeout: '0.1s' } }],
    ['retry', { retry_policy: { retry_on: 'unavailable,cancelled,internal', num_retries: 1, retry_back_off: { base_interval: '0.01s' } } }],
    ['retry2', { cluster: 'h2', retry_policy: { retry_on: 'unavailable', num_retries: 1, retry_back_off: { base_interval: '0.01s' } } }],
    ['max-both', { max_stream_duration: { max_stream_duration: '0.1s', grpc_timeout_header_max: '5s' } }],
    ['max-zero', { max_stream_duration: { max_stream_duration: '0s' } }],
    ['grpc-timeout', { max_stream_duration: { grpc_timeout_header_max: '5s' } }],
  ].map(([name, more]) => ({ match: { path_separated_prefix: `/${name}` }, route: { cluster: 'a', ...(more as Json) } })),
];
const onlyTrailers = (status: string, message?: string): Reply => ({
  headers: [grpc, ['grpc-status', status], ...(message === undefined ? [] : [['grpc-message', message] as Field])],
});
const answered = (status: string): Reply => ({
  headers: [grpc],
  body: frame,
  trailers: [
    ['grpc-status', status],
    ['grpc-message', 'why'],
  ],
});

const cases: readonly DifferentialCase[] = [
  ...statuses.flatMap((status): DifferentialCase[] => [
    { name: `direct ${status}`, does: call(`/direct-${status}`, { body: undefined }) },
    { name: `direct ${status}, HTTP/1`, does: call1(`/direct-${status}`) },
    { name: `upstream answers ${status}`, does: call('/a'), replies: { status, ...(status === 204 ? {} : { body: 'text' }) } },
    { name: `HTTP/2 upstream answers ${status}`, does: call('/h2'), replies: { status, ...(status === 204 ? {} : { body: 'text' }) } },
  ]),
  ...types.flatMap((type): DifferentialCase[] => [
    { name: `local reply to ${type}`, does: call('/none', { body: undefined, headers: [['content-type', type]] }) },
    { name: `local reply to ${type}, HTTP/1`, does: call1('/none', { headers: [['content-type', type]] }) },
  ]),
  { name: 'local reply to a GET', does: call('/none', { method: 'GET', body: undefined }) },
  { name: 'local reply to a HEAD', does: call('/none', { method: 'HEAD', body: undefined }) },
  { name: 'local reply to two content types', does: call1('/none', { headers: [grpc, ['content-type', 'text/plain']] }) },
  { name: 'message encoded', does: call('/encoded', { body: undefined }) },
  { name: 'without a body', does: call('/empty-body', { body: undefined }) },
  { name: 'redirect', does: call('/redirect', { body: undefined }) },
  ...['dead', 'empty', 'missing', 'timeout', 'timeout2', 'idle', 'max', 'per-try'].flatMap((path): DifferentialCase[] => [
    { name: path, does: call(`/${path}`, { body: undefined }), replies: { instead: 'hang' } },
    { name: `${path}, HTTP/1`, does: call1(`/${path}`), replies: { instead: 'hang' } },
  ]),
  ...(['close', 'reset'] as const).flatMap((instead): DifferentialCase[] => [
    { name: `upstream: ${instead}`, does: call('/a'), replies: { instead } },
    { name: `upstream: ${instead}, HTTP/1`, does: call1('/a'), replies: { instead } },
    { name: `HTTP/2 upstream: ${instead}`, does: call('/h2'), replies: { instead } },
  ]),
  { name: 'upstream cuts the body', does: call('/a'), replies: { headers: [grpc, ['content-length', '20']], body: frame, cut: 'close' } },
  { name: 'HTTP/2 upstream cuts the body', does: call('/h2'), replies: { headers: [grpc], body: frame, cut: 'reset' } },
  { name: 'HTTP/2 upstream ends without trailers', does: call('/h2'), replies: { headers: [grpc], body: frame } },
  ...['0', '1', '2', '4', '8', '13', '14', '16', '17', '99', 'x', '-1', ''].flatMap((status): DifferentialCase[] => [
    { name: `grpc-status "${status}" in trailers`, does: call('/h2'), replies: answered(status) },
    { name: `grpc-status "${status}" alone`, does: call('/h2'), replies: onlyTrailers(status, 'why') },
  ]),
  { name: 'retried by grpc-status alone', does: call('/retry2'), replies: [onlyTrailers('14'), answered('0')] },
  {
    name: 'retried by grpc-status from HTTP/1',
    does: call('/retry'),
    replies: [onlyTrailers('1'), { headers: [grpc, ['grpc-status', '0']] }],
  },
  { name: 'not retried by grpc-status in trailers', does: call('/retry2'), replies: [answered('14'), answered('0')] },
  { name: 'not retried by 503', does: call('/retry2'), replies: [{ status: 503 }, answered('0')] },
  ...['1S', '50m', '90m', '100000u', '1x', '', '999999999S'].map(
    (value): DifferentialCase => ({
      name: `grpc-timeout ${value}`,
      does: call('/grpc-timeout', { headers: [grpc, ['grpc-timeout', value]] }),
      replies: { delayMs: 250, headers: [grpc, ['grpc-status', '0']] },
    }),
  ),
  ...['max', 'max-both', 'max-zero', 'a'].flatMap((path) =>
    timeoutFields.flatMap((fields, i): DifferentialCase[] => [
      {
        name: `durations: ${path} ${i}`,
        does: call(`/${path}`, { headers: [grpc, ...fields], to: 'duration', body: undefined }),
        replies: { delayMs: 200, headers: [grpc, ['grpc-status', '0']] },
      },
      {
        name: `durations: ${path} ${i}, no gRPC`,
        does: { path: `/${path}`, headers: fields, to: 'duration' },
        replies: { delayMs: 200, body: 'x' },
      },
    ]),
  ),
  { name: 'fault', does: call('/a', { to: 'fault', body: undefined }) },
  { name: 'fault of gRPC', does: call('/a', { to: 'fault-grpc', body: undefined }) },
  { name: 'fault of gRPC to HTTP', does: { to: 'fault-grpc', path: '/a' } },
  { name: 'RBAC', does: call('/a', { to: 'rbac', body: undefined }) },
  { name: 'RBAC, HTTP/1', does: call1('/a', { to: 'rbac' }) },
  { name: 'local rate limit', does: call('/a', { to: 'limited' }) },
  { name: 'local rate limit of gRPC', does: call('/a', { to: 'limited-grpc' }) },
  { name: 'buffer', does: call('/a', { to: 'buffer', body: 'x'.repeat(100) }) },
  { name: 'grpc-stats enriched', does: call('/a'), replies: onlyTrailers('0') },
];

const bucket = (more: Json = {}): Json =>
  httpFilter('local_ratelimit', 'local_ratelimit.v3.LocalRateLimit', {
    stat_prefix: 'limit',
    token_bucket: { max_tokens: 1, tokens_per_fill: 1, fill_interval: '3600s' },
    filter_enabled: { default_value: { numerator: 100 } },
    filter_enforced: { default_value: { numerator: 100 } },
    descriptors: [],
    status: { code: 'ServiceUnavailable' },
    ...more,
  });
const always: Json = { percentage: { numerator: 100 } };
const managers: Readonly<Record<string, Json>> = {
  http: {},
  duration: { common_http_protocol_options: { max_stream_duration: '0.12s' } },
  fault: { http_filters: [httpFilter('fault', 'fault.v3.HTTPFault', { abort: { http_status: 429, ...always } }), router()] },
  'fault-grpc': { http_filters: [httpFilter('fault', 'fault.v3.HTTPFault', { abort: { grpc_status: 8, ...always } }), router()] },
  rbac: { http_filters: [httpFilter('rbac', 'rbac.v3.RBAC', { rules: { action: 'ALLOW', policies: {} } }), router()] },
  limited: { http_filters: [bucket({ token_bucket: { max_tokens: 1, tokens_per_fill: 1, fill_interval: '3600s' } }), bucket(), router()] },
  'limited-grpc': {
    http_filters: [bucket({ rate_limited_as_resource_exhausted: true }), bucket({ rate_limited_as_resource_exhausted: true }), router()],
  },
  buffer: { http_filters: [httpFilter('buffer', 'buffer.v3.Buffer', { max_request_bytes: 10 }), router()] },
};

/** How failures are told to gRPC clients, and how gRPC's statuses count. */
export const grpcStatus: DifferentialFamily = {
  name: 'grpc-status',
  about: 'gRPC statuses: local replies as trailers-only answers, HTTP statuses of upstreams, timeouts, retries and statistics',
  bootstrap: (site) => ({
    static_resources: {
      listeners: Object.entries(managers).map(([name, more]) =>
        listener(site, name, [httpConnectionManager(site, [virtualHost(routes)], { ...more, route_config: { validate_clusters: false } })]),
      ),
      clusters: standardClusters(site),
    },
  }),
  cases,
  stats: [
    'cluster.a.upstream_rq_2xx',
    'cluster.a.upstream_rq_5xx',
    'cluster.a.upstream_rq_completed',
    'cluster.h2.upstream_rq_2xx',
    'cluster.h2.upstream_rq_5xx',
    'cluster.h2.upstream_rq_retry',
    'cluster.h2.upstream_rq_retry_success',
    'http.main.downstream_rq_2xx',
    'http.main.downstream_rq_4xx',
    'http.main.downstream_rq_5xx',
  ],
};
