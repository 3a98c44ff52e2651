import { cluster, httpConnectionManager, httpOptions, listener, standardClusters, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Field, Json, Reply } from '../harness/family.ts';

/** Fields of requests that are sent twice; Envoy joins those that it keeps apart from the others. */
const requestNames = [
  ...['accept', 'accept-encoding', 'accept-language', 'authorization', 'cache-control', 'cookie', 'origin', 'user-agent', 'referer'],
  ...['content-type', 'content-encoding', 'via', 'x-request-id', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'forwarded'],
  ...['x-forwarded-client-cert', 'x-forwarded-port', 'x-envoy-ip-tags', 'x-envoy-decorator-operation', 'x-envoy-original-path'],
  ...['x-envoy-force-trace', 'x-envoy-downstream-service-cluster', 'x-envoy-downstream-service-node', 'x-envoy-attempt-count'],
  ...['grpc-timeout', 'grpc-accept-encoding', 'x-client-trace-id', 'x-ot-span-context', 'x-b3-traceid', 'traceparent', 'tracestate'],
  ...['access-control-request-method', 'access-control-request-headers', 'if-match', 'if-none-match', 'if-modified-since', 'range'],
  ...['te', 'pragma', 'from', 'date', 'server', 'location', 'vary', 'etag', 'set-cookie', 'x-a', 'trailer', 'warning', 'dnt', 'priority'],
  ...['sec-websocket-key', 'x-envoy-external-address', 'x-envoy-upstream-rq-timeout-ms', 'x-envoy-retry-on', 'x-envoy-max-retries'],
];
/** Fields of answers that are sent twice. */
const responseNames = [
  ...['content-type', 'content-encoding', 'cache-control', 'vary', 'etag', 'set-cookie', 'location', 'server', 'date', 'via', 'age'],
  ...['access-control-allow-origin', 'access-control-allow-headers', 'access-control-expose-headers', 'access-control-max-age'],
  ...['grpc-status', 'grpc-message', 'x-envoy-upstream-service-time', 'x-envoy-upstream-canary', 'x-envoy-attempt-count', 'x-a'],
  ...['x-request-id', 'link', 'www-authenticate', 'allow', 'last-modified', 'expires', 'retry-after', 'x-envoy-ratelimited'],
  ...['x-envoy-degraded', 'proxy-status', 'strict-transport-security', 'warning', 'accept-ranges', 'content-language', 'trailer'],
  ...['x-envoy-decorator-operation', 'x-envoy-immediate-health-check-fail', 'alt-svc'],
];
const twice = (name: string): Field[] => [
  [name, 'one'],
  ['x-between', '1'],
  [name, 'two'],
];
const sections = [
  ['HTTP/1 to HTTP/1', '/a', 'http1'],
  ['HTTP/1 to HTTP/2', '/h2', 'http1'],
  ['HTTP/2 to HTTP/1', '/a', 'http2'],
] as const;

const repeated: readonly DifferentialCase[] = [
  ...requestNames.map((name): DifferentialCase => ({ name: `request: ${name} twice`, does: { path: '/a', headers: twice(name) } })),
  ...sections.slice(1).map(
    ([name, path, kind]): DifferentialCase => ({
      name: `requests, ${name}`,
      does: [
        'accept',
        'authorization',
        'cookie',
        'origin',
        'user-agent',
        'content-type',
        'via',
        'x-forwarded-host',
        'cache-control',
        'x-a',
      ].map((field): Exchange => ({ kind, path, headers: twice(field) }) as Exchange),
    }),
  ),
  {
    name: 'request: accept three times, one empty',
    does: {
      path: '/a',
      headers: [
        ['accept', 'a'],
        ['accept', ''],
        ['Accept', 'c'],
      ],
    },
  },
  {
    name: 'request: empty accept twice',
    does: {
      path: '/a',
      headers: [
        ['accept', ''],
        ['accept', ''],
      ],
    },
  },
  ...responseNames.map(
    (name): DifferentialCase => ({
      name: `answer: ${name} twice`,
      does: { path: '/a' },
      replies: { headers: twice(name), body: 'x' },
    }),
  ),
  ...sections.slice(1).map(
    ([name, path, kind]): DifferentialCase => ({
      name: `answers, ${name}`,
      does: ['1', '2', '3', '4', '5'].map((): Exchange => ({ kind, path }) as Exchange),
      replies: ['x-a', 'cache-control', 'via', 'set-cookie', 'vary'].map((field): Reply => ({ headers: twice(field), body: 'x' })),
    }),
  ),
];

const formatter = (more: Json = {}): Json => ({
  header_key_format: {
    stateful_formatter: {
      name: 'preserve_case',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig',
        ...more,
      },
    },
  },
});
const proper: Json = { header_key_format: { proper_case_words: {} } };
const managers: Readonly<Record<string, Json>> = {
  http: {},
  preserve: { http_protocol_options: formatter() },
  'preserve-reason': { http_protocol_options: formatter({ forward_reason_phrase: true }) },
  'preserve-envoy': { http_protocol_options: formatter({ formatter_type_on_envoy_headers: 'PROPER_CASE' }) },
  proper: { http_protocol_options: proper },
};
const upstreams: Readonly<Record<string, Json>> = {
  plain: {},
  preserve: formatter(),
  'preserve-reason': formatter({ forward_reason_phrase: true }),
  'preserve-envoy': formatter({ formatter_type_on_envoy_headers: 'PROPER_CASE' }),
  proper,
};
const mixed: Field[] = [
  ['X-MiXeD', 'v'],
  ['Content-Type', 'text/plain'],
  ['x-MIXED', 'w'],
  ['SERVER', 's'],
  ['aCCEPT', 'a'],
  ['X-Request-ID', '12345678-1234-4234-8234-123456789012'],
];
const cased: readonly DifferentialCase[] = Object.keys(managers).flatMap((to) =>
  Object.keys(upstreams).flatMap((name): DifferentialCase[] => [
    {
      name: `case: ${to} to ${name}`,
      does: { to, path: `/to-${name}`, headers: mixed, method: 'POST', body: 'x' },
      replies: {
        raw: `HTTP/1.1 299 Whatever It Is\r\nX-ReSp: 1\r\nx-resp: 2\r\nSET-Cookie: a\r\nserver: up\r\nContent-Length: 2\r\nx-enVoy-a: 1\r\n\r\nok`,
      },
    },
    {
      name: `case: ${to} to ${name}, in chunks`,
      does: { to, path: `/to-${name}`, headers: mixed, method: 'POST', body: ['x', 'y'] },
      replies: { chunked: true, body: 'yes', headers: [['X-A', '1']] },
    },
  ]),
);
const others: readonly DifferentialCase[] = [
  { name: 'case: local reply', does: { to: 'preserve', path: '/none', headers: mixed } },
  {
    name: 'case: from HTTP/2',
    does: { to: 'preserve', kind: 'http2', path: '/to-preserve', headers: [['x-a', '1']] },
    replies: { headers: [['X-Resp', '1']], body: 'x' },
  },
  { name: 'case: to HTTP/2', does: { to: 'preserve', path: '/h2', headers: mixed }, replies: { headers: [['x-resp', '1']], body: 'x' } },
  {
    name: 'case: trailers',
    does: { to: 'preserve', path: '/to-preserve', method: 'POST', body: ['x'], trailers: [['X-TrAil', '1']] },
    replies: { body: 'x', trailers: [['X-TAIL', '1']] },
  },
  {
    name: 'case: 100 and final',
    does: { to: 'preserve', path: '/to-preserve', method: 'POST', headers: [['EXPECT', '100-continue']], body: 'x' },
  },
];

/** Several fields of one name, and the case of names. */
export const headerFields: DifferentialFamily = {
  name: 'header-fields',
  about: 'fields that come several times, in requests and answers of all versions, and the case of names on both sides',
  bootstrap: (site) => ({
    static_resources: {
      listeners: Object.entries(managers).map(([name, more]) =>
        listener(site, name, [
          httpConnectionManager(
            site,
            [
              virtualHost([
                ...Object.keys(upstreams).map((to) => ({ match: { prefix: `/to-${to}` }, route: { cluster: `to-${to}` } })),
                { match: { prefix: '/a' }, route: { cluster: 'a' } },
                { match: { prefix: '/h2' }, route: { cluster: 'h2' } },
              ]),
            ],
            more,
          ),
        ]),
      ),
      clusters: [
        ...standardClusters(site),
        ...Object.entries(upstreams).map(([name, more]) =>
          cluster(`to-${name}`, [site.upstream('a')], httpOptions({ explicit_http_config: { http_protocol_options: more } })),
        ),
      ],
    },
  }),
  cases: [...repeated, ...cased, ...others],
};
