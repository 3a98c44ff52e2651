import { httpOptions } from '../harness/configuration.ts';
import type { DifferentialFamily, Json, PauseExchange } from '../harness/family.ts';
import { type OwnClusterCase, ownClusters } from '../harness/own-clusters.ts';
import { known } from './known/upstream-connections.ts';

const pause = (ms: number): PauseExchange => ({ kind: 'pause', ms });
const http1 = (common: Json, own: Json = {}): Json =>
  httpOptions({ common_http_protocol_options: common, explicit_http_config: { http_protocol_options: own } });
const twice = [{ path: '/1' }, { path: '/2' }];
const thrice = [{ path: '/1' }, { path: '/2' }, { path: '/3' }];
const head = (lines: string, body = ''): { raw: string } => ({ raw: `${lines.split('\n').join('\r\n')}\r\n\r\n${body}` });
const ok = (more = '', body = 'hi'): string => `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n${more}\r\n${body}`;

const reuse: readonly OwnClusterCase[] = [
  { name: 'keeps a connection', does: thrice },
  { name: 'one request per connection', cluster: http1({ max_requests_per_connection: 1 }), does: thrice },
  { name: 'two requests per connection', cluster: http1({ max_requests_per_connection: 2 }), does: [...thrice, { path: '/4' }] },
  { name: 'deprecated max_requests_per_connection', cluster: { max_requests_per_connection: 1 }, does: twice },
  { name: 'idle timeout between requests', cluster: http1({ idle_timeout: '0.4s' }), does: [{ path: '/1' }, pause(800), { path: '/2' }] },
  { name: 'idle timeout leaves none', cluster: http1({ idle_timeout: '0.1s' }), does: [{ path: '/1' }], settleMs: 300 },
  { name: 'idle timeout of zero', cluster: http1({ idle_timeout: '0s' }), does: [{ path: '/1' }, pause(100), { path: '/2' }] },
  {
    name: 'idle timeout does not end a slow answer',
    cluster: http1({ idle_timeout: '0.4s' }),
    does: { path: '/1' },
    replies: { body: 'late', delayMs: 600 },
  },
  {
    name: 'max_connection_duration between requests',
    cluster: http1({ max_connection_duration: '0.4s' }),
    does: [{ path: '/1' }, pause(800), { path: '/2' }],
  },
  {
    name: 'max_connection_duration waits for the answer',
    cluster: http1({ max_connection_duration: '0.1s' }),
    does: [{ path: '/1' }],
    replies: { body: 'late', delayMs: 300 },
    settleMs: 100,
  },
  { name: 'max_connection_duration leaves none', cluster: http1({ max_connection_duration: '0.1s' }), does: twice, settleMs: 300 },
  { name: 'upstream says connection: close', does: twice, replies: { headers: [['connection', 'close']], body: 'bye' } },
  {
    name: 'upstream says connection: close and closes',
    does: twice,
    replies: { headers: [['connection', 'close']], body: 'bye', thenClose: true },
  },
  { name: 'upstream says Connection: Close, X-Other', does: twice, replies: { raw: ok('Connection: Close, X-Other\r\nX-Other: 1\r\n') } },
  {
    name: 'upstream says connection: keep-alive',
    does: twice,
    replies: { raw: ok('Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n') },
  },
  { name: 'upstream says proxy-connection: close', does: twice, replies: { raw: ok('Proxy-Connection: close\r\n') } },
  {
    name: 'upstream closes after a full answer',
    does: [{ path: '/1' }, pause(50), { path: '/2' }],
    replies: { body: 'x', thenClose: true },
  },
  { name: 'upstream resets after a full answer', does: [{ path: '/1' }, pause(50), { path: '/2' }], replies: { raw: ok(), cut: 'reset' } },
  { name: 'HTTP/1.0 answer with length', does: twice, replies: { raw: 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi' } },
  {
    name: 'HTTP/1.0 answer with length and keep-alive',
    does: twice,
    replies: { raw: 'HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi' },
  },
  { name: 'HTTP/1.0 answer until close', does: twice, replies: { raw: 'HTTP/1.0 200 OK\r\n\r\nuntil close', cut: 'close' } },
  { name: 'HTTP/1.1 answer until close', does: twice, replies: { raw: 'HTTP/1.1 200 OK\r\nx: y\r\n\r\nuntil close', cut: 'close' } },
  {
    name: 'HTTP/1.1 answer until reset',
    does: { path: '/1' },
    replies: { raw: 'HTTP/1.1 200 OK\r\nx: y\r\n\r\nuntil reset', cut: 'reset' },
  },
  {
    name: 'HTTP/1.1 answer until close, HTTP/2 client',
    does: { kind: 'http2', path: '/1' },
    replies: { raw: 'HTTP/1.1 200 OK\r\nx: y\r\n\r\nuntil close', cut: 'close' },
  },
  { name: 'request says connection: close', does: [{ path: '/1', headers: [['connection', 'close']] }, { path: '/2' }] },
  { name: 'HTTP/1.0 request', cluster: {}, does: [{ path: '/1' }, { path: '/2', version: 'HTTP/1.0' }] },
  {
    name: 'answer longer than its length',
    does: [{ path: '/1' }, pause(30), { path: '/2' }],
    replies: [{ raw: 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi and more' }, { raw: ok() }],
  },
  {
    name: 'second answer that nobody asked for',
    does: [{ path: '/1' }, pause(30), { path: '/2' }],
    replies: [{ raw: `${ok()}${ok('x-second: 1\r\n', 'two')}` }, { raw: ok('x-third: 1\r\n', 'three') }],
  },
  {
    name: 'answer to HEAD with a body',
    does: [{ method: 'HEAD', path: '/1' }, pause(30), { path: '/2' }],
    replies: [{ raw: ok() }, { raw: ok('', 'two') }],
  },
  {
    name: 'HEAD, chunked',
    does: [{ method: 'HEAD', path: '/1' }, { path: '/2' }],
    replies: [{ raw: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n' }, { raw: ok('', 'two') }],
  },
  {
    name: '204 with content-length',
    does: twice,
    replies: [{ raw: 'HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n' }, { raw: ok() }],
  },
  {
    name: '204 with chunks',
    does: { path: '/1' },
    replies: { raw: 'HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n' },
  },
  {
    name: '304 with content-length',
    does: twice,
    replies: [{ raw: 'HTTP/1.1 304 Not Modified\r\ncontent-length: 50\r\netag: "x"\r\n\r\n' }, { raw: ok() }],
  },
  { name: '205 with a body', does: twice, replies: { raw: 'HTTP/1.1 205 Reset Content\r\ncontent-length: 2\r\n\r\nhi' } },
];

const cuts: readonly OwnClusterCase[] = [
  { name: 'closed before the head', does: { path: '/1' }, replies: { instead: 'close' } },
  { name: 'reset before the head', does: { path: '/1' }, replies: { instead: 'reset' } },
  { name: 'closed in the status line', does: { path: '/1' }, replies: { raw: 'HTTP/1.1 200', cut: 'close' } },
  { name: 'reset in the status line', does: { path: '/1' }, replies: { raw: 'HTTP/1.1 200', cut: 'reset' } },
  { name: 'closed in the fields', does: { path: '/1' }, replies: { raw: 'HTTP/1.1 200 OK\r\ncontent-type: te', cut: 'close' } },
  { name: 'closed in the body', does: { path: '/1' }, replies: { raw: 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', cut: 'close' } },
  { name: 'reset in the body', does: { path: '/1' }, replies: { raw: 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', cut: 'reset' } },
  { name: 'closed before the body', does: { path: '/1' }, replies: { raw: 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n', cut: 'close' } },
  {
    name: 'closed in a chunk',
    does: { path: '/1' },
    replies: { raw: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel', cut: 'close' },
  },
  {
    name: 'closed before the last chunk',
    does: { path: '/1' },
    replies: { raw: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n', cut: 'close' },
  },
  {
    name: 'closed in the trailers',
    does: { path: '/1' },
    replies: { raw: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-tr', cut: 'close' },
  },
  {
    name: 'closed in the body, HTTP/2 client',
    does: { kind: 'http2', path: '/1' },
    replies: { raw: 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', cut: 'close' },
  },
  { name: 'closed before the head, HTTP/2 client', does: { kind: 'http2', path: '/1' }, replies: { instead: 'close' } },
  {
    name: 'closed while the body is sent',
    does: { path: '/1', method: 'POST', body: ['one', 'two'] },
    replies: { early: true, instead: 'close' },
    ignoreStats: ['upstream_cx_tx_bytes_total'],
  },
  { name: 'second request on a connection that resets', does: twice, replies: [{ raw: ok() }, { instead: 'reset' }] },
  { name: 'second request on a connection that closes', does: twice, replies: [{ raw: ok() }, { instead: 'close' }] },
  { name: 'refused', hosts: ['dead'], does: twice },
  { name: 'refused, HTTP/2 upstream', hosts: ['dead'], cluster: httpOptions(), does: { path: '/1' } },
  { name: 'refused, POST with a body', hosts: ['dead'], does: { path: '/1', method: 'POST', body: 'lost' } },
  { name: 'no host at all', hosts: [], does: [{ path: '/1' }, { kind: 'http2', path: '/2' }] },
];

const badHeads: readonly OwnClusterCase[] = [
  ['no version', 'GARBAGE'],
  ['wrong protocol', 'ICY 200 OK'],
  ['version 2.0', 'HTTP/2.0 200 OK\ncontent-length: 0'],
  ['version 1.2', 'HTTP/1.2 200 OK\ncontent-length: 0'],
  ['status of two digits', 'HTTP/1.1 20 OK\ncontent-length: 0'],
  ['status of four digits', 'HTTP/1.1 2000 OK\ncontent-length: 0'],
  ['status that is no number', 'HTTP/1.1 abc OK\ncontent-length: 0'],
  ['status 000', 'HTTP/1.1 000 Zero\ncontent-length: 0'],
  ['status 600', 'HTTP/1.1 600 Custom\ncontent-length: 0'],
  ['no reason', 'HTTP/1.1 200\ncontent-length: 0'],
  ['empty reason', 'HTTP/1.1 200 \ncontent-length: 0'],
  ['reason in Latin-1', 'HTTP/1.1 200 Schön\ncontent-length: 0'],
  ['content-length twice, equal', 'HTTP/1.1 200 OK\ncontent-length: 0\ncontent-length: 0'],
  ['content-length twice, unequal', 'HTTP/1.1 200 OK\ncontent-length: 0\ncontent-length: 1'],
  ['content-length list', 'HTTP/1.1 200 OK\ncontent-length: 0, 0'],
  ['content-length negative', 'HTTP/1.1 200 OK\ncontent-length: -1'],
  ['content-length with plus', 'HTTP/1.1 200 OK\ncontent-length: +0'],
  ['content-length empty', 'HTTP/1.1 200 OK\ncontent-length: '],
  ['content-length huge', 'HTTP/1.1 200 OK\ncontent-length: 99999999999999999999'],
  ['length and chunks', 'HTTP/1.1 200 OK\ncontent-length: 3\ntransfer-encoding: chunked', '3\r\nabc\r\n0\r\n\r\n'],
  ['transfer-encoding gzip, chunked', 'HTTP/1.1 200 OK\ntransfer-encoding: gzip, chunked', '3\r\nabc\r\n0\r\n\r\n'],
  ['transfer-encoding identity', 'HTTP/1.1 200 OK\ntransfer-encoding: identity\ncontent-length: 0'],
  ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\ntransfer-encoding: chunked', '3\r\nabc\r\n0\r\n\r\n'],
  ['folded field', 'HTTP/1.1 200 OK\ncontent-length: 0\nx-a: one\n two'],
  ['field without colon', 'HTTP/1.1 200 OK\ncontent-length: 0\nnonsense'],
  ['space before the colon', 'HTTP/1.1 200 OK\ncontent-length: 0\nx-a : one'],
  ['empty name', 'HTTP/1.1 200 OK\ncontent-length: 0\n: one'],
  ['control character in a value', 'HTTP/1.1 200 OK\ncontent-length: 0\nx-a: o\u0001e'],
  ['NUL in a value', 'HTTP/1.1 200 OK\ncontent-length: 0\nx-a: o\u0000e'],
  ['Latin-1 in a value', 'HTTP/1.1 200 OK\ncontent-length: 0\nx-a: \u00e4\u00ff'],
  ['name with underscore', 'HTTP/1.1 200 OK\ncontent-length: 0\nx_a: one'],
  ['name with bracket', 'HTTP/1.1 200 OK\ncontent-length: 0\nx(a): one'],
  ['pseudo-header name', 'HTTP/1.1 200 OK\ncontent-length: 0\n:status: 404'],
  ['empty value', 'HTTP/1.1 200 OK\ncontent-length: 0\nx-a:'],
  ['value with spaces and tabs around', 'HTTP/1.1 200 OK\ncontent-length: 0\nx-a: \t one two \t '],
  [
    'fields that the proxy owns',
    'HTTP/1.1 200 OK\ncontent-length: 0\nx-envoy-upstream-service-time: 99999\nserver: mine\ndate: yesterday\nx-envoy-attempt-count: 7\nx-envoy-overloaded: 1\nvia: 1.1 x',
  ],
  [
    'hop-by-hop fields',
    'HTTP/1.1 200 OK\ncontent-length: 0\nupgrade: foo\nte: trailers\ntrailer: x-a\nproxy-authenticate: Basic\nkeep-alive: 3',
  ],
  ['bad chunk size', 'HTTP/1.1 200 OK\ntransfer-encoding: chunked', 'zz\r\nabc\r\n0\r\n\r\n'],
  ['chunk extension', 'HTTP/1.1 200 OK\ntransfer-encoding: chunked', '3;a=b\r\nabc\r\n0\r\n\r\n'],
  ['chunk without end', 'HTTP/1.1 200 OK\ntransfer-encoding: chunked', '3\r\nabcd\r\n0\r\n\r\n'],
  ['trailers of the answer', 'HTTP/1.1 200 OK\ntransfer-encoding: chunked', '3\r\nabc\r\n0\r\nx-tr: 1\r\n\r\n'],
  ['trailer that is malformed', 'HTTP/1.1 200 OK\ntransfer-encoding: chunked', '3\r\nabc\r\n0\r\nnonsense\r\n\r\n'],
].map(([name = '', lines = '', body = '']) => ({ name: `answer: ${name}`, does: { path: '/1' }, replies: head(lines, body) }));

const large = (count: number, size: number): string =>
  `HTTP/1.1 200 OK\r\ncontent-length: 0\r\n${Array.from({ length: count }, (_, i) => `x-${i}: ${'v'.repeat(size)}\r\n`).join('')}\r\n`;

const sizes: readonly OwnClusterCase[] = [
  { name: '59 kB of response headers', does: { path: '/1' }, replies: { raw: large(10, 5900) } },
  { name: '61 kB of response headers', does: { path: '/1' }, replies: { raw: large(10, 6200) } },
  { name: '61 kB in one field', does: { path: '/1' }, replies: { raw: large(1, 62_000) } },
  { name: '99 response headers', does: { path: '/1' }, replies: { raw: large(98, 1) } },
  { name: '101 response headers', does: { path: '/1' }, replies: { raw: large(101, 1) } },
  {
    name: 'max_headers_count of the upstream',
    cluster: http1({ max_headers_count: 5 }),
    does: { path: '/1' },
    replies: { raw: large(5, 1) },
  },
  { name: 'max_headers_count just met', cluster: http1({ max_headers_count: 5 }), does: { path: '/1' }, replies: { raw: large(4, 1) } },
  {
    name: 'max_response_headers_kb',
    cluster: http1({ max_response_headers_kb: 1 }),
    does: { path: '/1' },
    replies: { raw: large(2, 600) },
  },
  {
    name: 'max_response_headers_kb raised',
    cluster: http1({ max_response_headers_kb: 96 }),
    does: { path: '/1' },
    replies: { raw: large(10, 7000) },
  },
];

const informational: readonly OwnClusterCase[] = [
  { name: '103 before 200', does: { path: '/1' }, replies: { informational: [{ status: 103, headers: [['link', '</a>']] }], body: 'x' } },
  {
    name: '103 twice',
    does: { path: '/1' },
    replies: { informational: [{ status: 103 }, { status: 103, headers: [['link', '</b>']] }], body: 'x' },
  },
  { name: '102 before 200', does: { path: '/1' }, replies: { informational: [{ status: 102 }], body: 'x' } },
  { name: '199 before 200', does: { path: '/1' }, replies: { informational: [{ status: 199 }], body: 'x' } },
  { name: '100 nobody asked for', does: { path: '/1' }, replies: { informational: [{ status: 100 }], body: 'x' } },
  { name: '100 twice', does: { path: '/1' }, replies: { informational: [{ status: 100 }, { status: 100 }], body: 'x' } },
  {
    name: '103, HTTP/2 client',
    does: { kind: 'http2', path: '/1' },
    replies: { informational: [{ status: 103, headers: [['link', '</a>']] }], body: 'x' },
  },
  {
    name: '101 nobody asked for',
    does: { path: '/1' },
    replies: { raw: 'HTTP/1.1 101 Switching Protocols\r\nupgrade: foo\r\nconnection: upgrade\r\n\r\n' },
  },
  { name: '103 and then close', does: { path: '/1' }, replies: { raw: 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', cut: 'close' } },
  {
    name: '103 with content-length',
    does: { path: '/1' },
    replies: { raw: `HTTP/1.1 103 Early Hints\r\ncontent-length: 2\r\n\r\n${ok()}` },
  },
  {
    name: 'expect: 100-continue, upstream refuses',
    does: { path: '/1', method: 'POST', headers: [['expect', '100-continue']], body: 'data' },
    replies: { status: 417, early: true, body: 'no', thenClose: true },
    ignoreSeen: true,
    ignoreStats: ['upstream_cx_tx_bytes_total', 'upstream_cx_rx_bytes_total'],
    ignoreLog: ['received'],
  },
];

const early: readonly OwnClusterCase[] = [
  {
    name: 'answer before the body has come, then reuse',
    does: [
      { path: '/1', raw: ['POST /OWN/1 HTTP/1.1\r\nhost: app.example\r\ncontent-length: 6\r\n\r\nabc', 'def'] },
      pause(50),
      { path: '/2' },
    ],
    replies: [{ early: true, body: 'early' }, { body: 'second' }],
    ignoreSeen: true,
    ignoreStats: ['upstream_cx_tx_bytes_total'],
  },
  {
    name: 'early error answer and close',
    does: { path: '/1', raw: ['POST /OWN/1 HTTP/1.1\r\nhost: app.example\r\ncontent-length: 6\r\n\r\nabc', 'def'] },
    replies: { status: 413, early: true, body: 'too much', thenClose: true },
    ignoreSeen: true,
    ignoreStats: ['upstream_cx_tx_bytes_total'],
  },
];

const waits: readonly OwnClusterCase[] = [
  {
    name: 'route timeout while the head is awaited',
    route: { timeout: '0.1s' },
    does: [{ path: '/1' }, { path: '/2' }],
    replies: [{ instead: 'hang' }, { body: 'x' }],
  },
  {
    name: 'route timeout in the body',
    route: { timeout: '0.1s' },
    does: { path: '/1' },
    replies: { raw: 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', cut: 'hang' },
  },
  {
    name: 'client leaves while the answer is awaited',
    does: [{ path: '/1', abortAfterMs: 60 }, pause(30), { path: '/2' }],
    replies: [{ body: 'late', delayMs: 150 }, { body: 'x' }],
    logs: 2,
    ignoreSeen: true,
  },
];

const limits: readonly OwnClusterCase[] = [
  {
    name: 'max_connections 1, two in a row',
    ignoreStats: ['circuit_breakers.default.remaining_cx_pools'],
    cluster: { circuit_breakers: { thresholds: [{ max_connections: 1, track_remaining: true }] } },
    does: twice,
  },
  { name: 'max_pending_requests 0', cluster: { circuit_breakers: { thresholds: [{ max_pending_requests: 0 }] } }, does: twice },
  { name: 'max_requests 0', cluster: { circuit_breakers: { thresholds: [{ max_requests: 0 }] } }, does: twice },
  { name: 'max_connections 0', cluster: { circuit_breakers: { thresholds: [{ max_connections: 0 }] } }, does: twice },
  { name: 'max_connection_pools 0', cluster: { circuit_breakers: { thresholds: [{ max_connection_pools: 0 }] } }, does: twice },
  { name: 'per_host max_connections 0', cluster: { circuit_breakers: { per_host_thresholds: [{ max_connections: 0 }] } }, does: twice },
  {
    name: 'track_timeout_budgets',
    cluster: { track_cluster_stats: { timeout_budgets: true, request_response_sizes: true } },
    does: { path: '/1', method: 'POST', body: 'abc' },
  },
  { name: 'track_timeout_budgets, deprecated', cluster: { track_timeout_budgets: true }, does: { path: '/1' } },
];

const spelling: readonly OwnClusterCase[] = [
  {
    name: 'proper case towards the upstream',
    cluster: http1({}, { header_key_format: { proper_case_words: {} } }),
    does: {
      path: '/1',
      headers: [
        ['x-some-name', '1'],
        ['te', 'trailers'],
      ],
    },
  },
  {
    name: 'underscores towards the upstream',
    does: { path: '/1', headers: [['x_under', '1']] },
    replies: { headers: [['x_under', '2']], body: 'x' },
  },
  {
    name: 'underscores in answers dropped',
    cluster: http1({ headers_with_underscores_action: 'DROP_HEADER' }),
    does: { path: '/1' },
    replies: { headers: [['x_under', '2']], body: 'x' },
  },
  {
    name: 'request trailers with enable_trailers',
    cluster: http1({}, { enable_trailers: true }),
    does: { path: '/1', method: 'POST', body: ['a'], trailers: [['x-t', '1']] },
  },
  {
    name: 'answer trailers with enable_trailers',
    cluster: http1({}, { enable_trailers: true }),
    does: { kind: 'http2', path: '/1' },
    replies: { body: 'b', trailers: [['x-t', '1']] },
  },
  {
    name: 'allow_chunked_length',
    cluster: http1({}, { allow_chunked_length: true }),
    does: { path: '/1' },
    replies: head('HTTP/1.1 200 OK\ncontent-length: 3\ntransfer-encoding: chunked', '3\r\nabc\r\n0\r\n\r\n'),
  },
];

/** What the HTTP/1 pool and codec do with upstreams of all kinds; each case has its own cluster, whose statistics and hosts are compared too. */
export const upstreamConnections: DifferentialFamily = {
  name: 'upstream-connections',
  waits: true,
  about: 'HTTP/1 connections to upstreams: reuse, limits, malformed and cut answers, with statistics and hosts after each',
  known,
  ...ownClusters([...reuse, ...cuts, ...badHeads, ...sizes, ...informational, ...early, ...waits, ...limits, ...spelling]),
};
