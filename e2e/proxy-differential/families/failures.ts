import { cluster, http2Upstream, httpBootstrap } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Json, Reply } from '../harness/family.ts';
import { known } from './known/failures.ts';

const kinds: Readonly<Record<string, Exchange>> = {
  'HTTP/1': {},
  'HTTP/2': { kind: 'http2' },
  gRPC: { kind: 'http2', method: 'POST', headers: [['content-type', 'application/grpc']] },
  POST: { method: 'POST', body: 'hello' },
};

const upstreamFailures: Readonly<Record<string, Reply>> = {
  'reset before the head': { instead: 'reset' },
  'close before the head': { instead: 'close' },
  'reset in the body': { headers: [['content-length', '10']], body: 'half', cut: 'reset', bodyDelayMs: 5 },
  'close in the body': { headers: [['content-length', '10']], body: 'half', cut: 'close', bodyDelayMs: 5 },
  'close in chunks': { chunked: true, body: 'half', cut: 'close', bodyDelayMs: 5 },
  'no status line': { raw: 'nonsense\r\n\r\n' },
  'bad header': { raw: 'HTTP/1.1 200 OK\r\nbad header\r\n\r\n' },
  'two lengths': { raw: 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab' },
  'length and chunks': { raw: 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n' },
  'bad chunk size': { raw: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\na\r\n0\r\n\r\n' },
  'bad length': { raw: 'HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n' },
  'negative length': { raw: 'HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n' },
  'unknown transfer-encoding': { raw: 'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nx', thenClose: true },
  'head too large': { headers: [['x-large', 'x'.repeat(70_000)]], body: 'x' },
  'too many headers': { headers: Array.from({ length: 150 }, (_, i) => [`x-${i}`, 'v'] as const), body: 'x' },
  'body until close': { raw: 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nuntil close', thenClose: true },
  'HTTP/1.0 answer': { raw: 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok', thenClose: true },
  'HTTP/1.0 keep-alive': { raw: 'HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok' },
  'connection: close answer': { headers: [['connection', 'close']], body: 'bye', thenClose: true },
  'bytes after the answer': { raw: 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokEXTRA' },
  'two answers': { raw: 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok' },
  'status 204 with a body': { raw: 'HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok' },
  'status 304 with a length': { raw: 'HTTP/1.1 304 Not Modified\r\ncontent-length: 22\r\n\r\n' },
  'status 99': { raw: 'HTTP/1.1 99 Low\r\ncontent-length: 0\r\n\r\n' },
  'status 600': { raw: 'HTTP/1.1 600 High\r\ncontent-length: 0\r\n\r\n' },
  'status 1000': { raw: 'HTTP/1.1 1000 High\r\ncontent-length: 0\r\n\r\n' },
  'no reason': { raw: 'HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok' },
  'empty reason': { raw: 'HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok' },
  'bare line feeds': { raw: 'HTTP/1.1 200 OK\ncontent-length: 2\n\nok' },
  'HTTP/2 preface': { raw: 'HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\nok' },
  '101 that nobody asked for': { raw: 'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n', thenClose: true },
  '100 and then 200': { informational: [{ status: 100 }], body: 'after 100' },
  '102 and then 200': { informational: [{ status: 102 }], body: 'after 102' },
  '103 and then 200': { informational: [{ status: 103, headers: [['link', '</a>']] }], body: 'after 103' },
  'obs-fold': { raw: 'HTTP/1.1 200 OK\r\nx-a: one\r\n two\r\ncontent-length: 2\r\n\r\nok' },
  'NUL in a value': { raw: 'HTTP/1.1 200 OK\r\nx-a: o\0ne\r\ncontent-length: 2\r\n\r\nok' },
  'trailing spaces': { raw: 'HTTP/1.1 200 OK\r\nx-a:  one  \r\ncontent-length: 2 \r\n\r\nok' },
  'chunk extension': { raw: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\n\r\n' },
  trailers: { body: 'with trailers', trailers: [['x-end', 'yes']] },
  'hop-by-hop headers': {
    headers: [
      ['connection', 'x-hop'],
      ['x-hop', 'v'],
      ['keep-alive', 'timeout=1'],
      ['proxy-connection', 'close'],
      ['te', 'x'],
      ['upgrade', 'h3'],
    ],
    body: 'x',
  },
  'server and date': {
    headers: [
      ['server', 'upstream'],
      ['date', 'Thu, 01 Jan 1970 00:00:00 GMT'],
      ['via', '1.0 x'],
    ],
    body: 'x',
  },
  'x-envoy headers': {
    headers: [
      ['x-envoy-upstream-service-time', '999999'],
      ['x-envoy-upstream-canary', 'true'],
      ['x-envoy-overloaded', 'true'],
      ['x-envoy-ratelimited', 'true'],
      ['x-envoy-immediate-health-check-fail', 'true'],
      ['x-envoy-degraded', 'true'],
    ],
    body: 'x',
  },
  'set-cookie twice': {
    headers: [
      ['set-cookie', 'a=b'],
      ['set-cookie', 'c=d'],
      ['x-a', '1'],
      ['x-a', '2'],
    ],
    body: 'x',
  },
};

const http2Failures: Readonly<Record<string, Reply>> = {
  'RST_STREAM NO_ERROR': { instead: 'reset', errorCode: 0 },
  'RST_STREAM INTERNAL_ERROR': { instead: 'reset', errorCode: 2 },
  'RST_STREAM REFUSED_STREAM': { instead: 'reset', errorCode: 7 },
  'RST_STREAM ENHANCE_YOUR_CALM': { instead: 'reset', errorCode: 11 },
  'RST_STREAM in the body': { body: 'half', cut: 'reset', errorCode: 2 },
  'GOAWAY before the head': { instead: 'goaway', errorCode: 0 },
  'connection closed before the head': { instead: 'close' },
  'connection closed in the body': { body: 'half', cut: 'close' },
  'trailers only': {
    headers: [
      ['content-type', 'application/grpc'],
      ['grpc-status', '5'],
      ['grpc-message', 'not%20here'],
    ],
  },
  'body and trailers': { headers: [['content-type', 'application/grpc']], body: 'x', trailers: [['grpc-status', '0']] },
  'informational 103': { informational: [{ status: 103, headers: [['link', '</a>']] }], body: 'x' },
};

const clusterFailures: Readonly<Record<string, string>> = {
  'connection refused': 'dead',
  'no hosts': 'empty',
  'unknown cluster': 'unknown',
  'no pending requests allowed': 'no-pending',
  'no connections allowed': 'no-connections',
  'no requests allowed': 'no-requests',
  'maintenance mode': 'maintenance',
  'refused over HTTP/2': 'dead-h2',
  'HTTP/1 where HTTP/2 is spoken': 'h1-to-h2',
  'HTTP/2 where HTTP/1 is spoken': 'h2-to-h1',
  'TLS where none is spoken': 'tls-to-plain',
};

const route = (name: string, path: string, target: string, more: Json = {}): Json => ({
  name,
  match: { prefix: path },
  route: { cluster: target },
  ...more,
});

export const failures: DifferentialFamily = {
  name: 'failures',
  waits: true,
  known,
  about: 'what becomes of odd and broken upstream answers, and of requests that reach no upstream',
  bootstrap: httpBootstrap(
    [
      route('h2', '/h2', 'h2'),
      ...Object.values(clusterFailures).map((name) => route(name, `/cluster/${name}/`, name)),
      route('main', '/', 'a'),
    ],
    {
      clusters: (site) => [
        cluster('no-pending', [site.upstream('a')], { circuit_breakers: { thresholds: [{ max_pending_requests: 0 }] } }),
        cluster('no-connections', [site.upstream('a')], { circuit_breakers: { thresholds: [{ max_connections: 0 }] } }),
        cluster('no-requests', [site.upstream('h2')], { ...http2Upstream, circuit_breakers: { thresholds: [{ max_requests: 0 }] } }),
        cluster('maintenance', [site.upstream('a')]),
        cluster('dead-h2', [site.deadPort], http2Upstream),
        cluster('h1-to-h2', [site.upstream('h2')]),
        cluster('h2-to-h1', [site.upstream('b')], http2Upstream),
        cluster('tls-to-plain', [site.upstream('c')], {
          transport_socket: {
            name: 'tls',
            typed_config: { '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext' },
          },
        }),
      ],
    },
  ),
  cases: [
    ...Object.entries(upstreamFailures).flatMap(([name, replies]): DifferentialCase[] => [
      { name, does: {}, replies },
      { name: `${name}, HTTP/2 client`, does: { kind: 'http2' }, replies },
    ]),
    ...Object.entries(http2Failures).flatMap(([name, replies]): DifferentialCase[] => [
      { name: `HTTP/2: ${name}`, does: { path: '/h2' }, replies },
      { name: `HTTP/2: ${name}, HTTP/2 client`, does: { kind: 'http2', path: '/h2', method: 'POST', body: 'x' }, replies },
    ]),
    ...Object.entries(clusterFailures).flatMap(([name, target]) =>
      Object.entries(kinds).map(
        ([kind, exchange]): DifferentialCase => ({
          name: `${name}, ${kind}`,
          does: { ...exchange, path: `/cluster/${target}/` } as Exchange,
          ignoreSeen: true,
        }),
      ),
    ),
    { name: 'client resets HTTP/2', does: { kind: 'http2', resetAfterMs: 60 }, replies: { delayMs: 150, body: 'x' } },
    { name: 'client leaves HTTP/1', does: { abortAfterMs: 60 }, replies: { delayMs: 150, body: 'x' } },
    { name: 'client half-closes', does: { halfClose: true }, replies: { delayMs: 80, body: 'x' }, ignoreSeen: true, ignoreLog: ['host'] },
    { name: 'client leaves in its body', does: { raw: 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf', abortAfterMs: 60 } },
    { name: 'client leaves in its head', does: { raw: 'POST / HTTP/1.1\r\nhost: a\r\nconte', abortAfterMs: 60 } },
    {
      name: 'early answer to an unfinished body',
      does: { raw: 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf' },
      replies: { early: true, body: 'early' },
    },
    {
      name: 'early answer over HTTP/2',
      does: { kind: 'http2', method: 'POST', body: 'x', open: true },
      replies: { early: true, body: 'early' },
    },
    {
      name: 'early failure to an unfinished body',
      does: { raw: 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf' },
      replies: { early: true, status: 503, body: 'early', thenClose: true },
    },
  ],
  stats: [
    ...[
      'upstream_rq_total',
      'upstream_rq_completed',
      'upstream_rq_rx_reset',
      'upstream_rq_cancelled',
      'upstream_cx_protocol_error',
      'upstream_rq_2xx',
      'upstream_rq_5xx',
      'upstream_rq_503',
      'upstream_rq_502',
      'upstream_cx_none_healthy',
      'upstream_rq_pending_failure_eject',
    ].map((name) => `cluster.a.${name}`),
    'cluster.dead.upstream_cx_connect_fail',
    'cluster.dead.upstream_rq_pending_failure_eject',
    'cluster.empty.upstream_cx_none_healthy',
    'cluster.no-pending.upstream_rq_pending_overflow',
    'cluster.no-connections.upstream_cx_overflow',
    'cluster.no-requests.upstream_rq_pending_overflow',
    'http.main.downstream_rq_rx_reset',
    'http.main.downstream_cx_destroy_remote_active_rq',
    'http.main.downstream_rq_5xx',
  ],
};
