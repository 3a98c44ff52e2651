import { httpConnectionManager, listener, standardClusters, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Field, Json, Reply } from '../harness/family.ts';
import { known } from './known/timeouts.ts';

interface TimeoutCase {
  readonly name: string;
  readonly route?: Json;
  readonly to?: string;
  readonly asks?: Exchange;
  readonly reply?: Reply;
  readonly logs?: number;
}

const late: Reply = { delayMs: 250, body: 'late' };
const halting: Reply = { body: 'abcd', bodyParts: 2, bodyDelayMs: 200, headers: [['content-type', 'text/plain']] };
const header = (...headers: Field[]): Exchange => ({ headers });
const grpc: Field = ['content-type', 'application/grpc'];
const managers: Readonly<Record<string, Json>> = {
  http: {},
  'stream-idle': { stream_idle_timeout: '0.1s' },
  'request-timeout': { request_timeout: '0.1s' },
  'headers-timeout': { request_headers_timeout: '0.1s' },
  'max-stream': { common_http_protocol_options: { max_stream_duration: '0.1s' } },
  'idle-connection': { common_http_protocol_options: { idle_timeout: '0.1s' } },
  'connection-duration': { common_http_protocol_options: { max_connection_duration: '0.1s' }, drain_timeout: '0.1s' },
};
const half = 'POST / HTTP/1.1\r\nhost: app.example\r\ncontent-length: 10\r\n\r\nhalf';

const cases: readonly TimeoutCase[] = [
  { name: 'route timeout', route: { timeout: '0.1s' } },
  { name: 'route timeout, HTTP/2', route: { timeout: '0.1s' }, asks: { kind: 'http2' } },
  { name: 'route timeout, gRPC', route: { timeout: '0.1s' }, asks: header(grpc) },
  { name: 'route timeout, gRPC over HTTP/2', route: { timeout: '0.1s' }, asks: { kind: 'http2', headers: [grpc] } },
  { name: 'route timeout in the body', route: { timeout: '0.1s' }, reply: halting },
  { name: 'route timeout in the body, HTTP/2', route: { timeout: '0.1s' }, reply: halting, asks: { kind: 'http2' } },
  { name: 'route timeout 0', route: { timeout: '0s' } },
  { name: 'route timeout with HEAD', route: { timeout: '0.1s' }, asks: { method: 'HEAD' } },
  { name: 'route timeout while uploading', route: { timeout: '0.1s' }, asks: { raw: half } },
  { name: 'header timeout', asks: header(['x-envoy-upstream-rq-timeout-ms', '80']) },
  { name: 'header timeout 0', route: { timeout: '0.1s' }, asks: header(['x-envoy-upstream-rq-timeout-ms', '0']) },
  { name: 'header timeout nonsense', route: { timeout: '0.1s' }, asks: header(['x-envoy-upstream-rq-timeout-ms', 'x']) },
  { name: 'header timeout raises', route: { timeout: '0.1s' }, asks: header(['x-envoy-upstream-rq-timeout-ms', '1000']) },
  { name: 'header alternative response', route: { timeout: '0.1s' }, asks: header(['x-envoy-upstream-rq-timeout-alt-response', '1']) },
  { name: 'header per-try above the timeout', route: { timeout: '0.1s' }, asks: header(['x-envoy-upstream-rq-per-try-timeout-ms', '500']) },
  { name: 'header per-try below the timeout', asks: header(['x-envoy-upstream-rq-per-try-timeout-ms', '80']) },
  { name: 'header expected timeout', asks: header(['x-envoy-expected-rq-timeout-ms', '80']) },
  { name: 'header stream duration', asks: header(['x-envoy-upstream-stream-duration-ms', '80']) },
  { name: 'route idle timeout', route: { idle_timeout: '0.1s' } },
  { name: 'route idle timeout in the body', route: { idle_timeout: '0.1s' }, reply: halting },
  { name: 'route idle timeout in the body, HTTP/2', route: { idle_timeout: '0.1s' }, reply: halting, asks: { kind: 'http2' } },
  { name: 'route idle timeout while uploading', route: { idle_timeout: '0.1s' }, asks: { raw: half } },
  { name: 'route idle timeout 0 over the manager', to: 'stream-idle', route: { idle_timeout: '0s' } },
  { name: 'route max stream duration', route: { max_stream_duration: { max_stream_duration: '0.1s' } } },
  { name: 'route max stream duration in the body', route: { max_stream_duration: { max_stream_duration: '0.1s' } }, reply: halting },
  { name: 'route max stream duration 0 over the manager', to: 'max-stream', route: { max_stream_duration: { max_stream_duration: '0s' } } },
  { name: 'grpc-timeout ignored', asks: header(grpc, ['grpc-timeout', '80m']) },
  { name: 'grpc-timeout by max_grpc_timeout', route: { max_grpc_timeout: '1s' }, asks: header(grpc, ['grpc-timeout', '80m']) },
  { name: 'grpc-timeout capped', route: { max_grpc_timeout: '0.1s' }, asks: header(grpc, ['grpc-timeout', '10S']) },
  { name: 'grpc-timeout uncapped', route: { max_grpc_timeout: '0s' }, asks: header(grpc, ['grpc-timeout', '80m']) },
  {
    name: 'grpc-timeout with offset',
    route: { max_grpc_timeout: '1s', grpc_timeout_offset: '0.02s' },
    asks: header(grpc, ['grpc-timeout', '100m']),
  },
  { name: 'grpc-timeout absent', route: { max_grpc_timeout: '0.1s' }, asks: header(grpc) },
  { name: 'grpc-timeout nonsense', route: { max_grpc_timeout: '0.1s', timeout: '0.2s' }, asks: header(grpc, ['grpc-timeout', '1x']) },
  {
    name: 'grpc-timeout by max_stream_duration',
    route: { max_stream_duration: { grpc_timeout_header_max: '1s' } },
    asks: header(grpc, ['grpc-timeout', '80m']),
  },
  {
    name: 'grpc-timeout capped by max_stream_duration',
    route: { max_stream_duration: { grpc_timeout_header_max: '0.1s' } },
    asks: header(grpc, ['grpc-timeout', '10S']),
  },
  ...['5S', '300m', '2M', '1H', '99999999u', '123456789m'].map((value) => ({
    name: `grpc-timeout ${value} seen upstream`,
    route: { max_grpc_timeout: '0s', timeout: '3s' },
    asks: header(grpc, ['grpc-timeout', value]),
    reply: { body: 'x' },
  })),
  { name: 'manager stream idle timeout', to: 'stream-idle' },
  { name: 'manager stream idle timeout in the body', to: 'stream-idle', reply: halting },
  { name: 'manager stream idle timeout while uploading', to: 'stream-idle', asks: { raw: half } },
  { name: 'manager stream idle timeout over HTTP/2', to: 'stream-idle', asks: { kind: 'http2', method: 'POST', body: 'x', open: true } },
  { name: 'manager request timeout while uploading', to: 'request-timeout', asks: { raw: half } },
  { name: 'manager request timeout over HTTP/2', to: 'request-timeout', asks: { kind: 'http2', method: 'POST', body: 'x', open: true } },
  { name: 'manager request timeout of a late answer', to: 'request-timeout' },
  { name: 'manager request timeout in the head', to: 'request-timeout', asks: { raw: 'GET / HTTP/1.1\r\nhost:' } },
  { name: 'manager headers timeout in the head', to: 'headers-timeout', asks: { raw: 'GET / HTTP/1.1\r\nhost:' } },
  ...['stream-idle', 'request-timeout', 'headers-timeout', 'max-stream'].flatMap((to): TimeoutCase[] => [
    { name: `${to} in a head without end`, to, asks: { raw: ['GET / HTTP', '/1.1\r\n', 'ho', 's', 't', ':'] } },
    {
      name: `${to} in the second head`,
      to,
      asks: { raw: ['GET / HTTP/1.1\r\nhost: a\r\n\r\n', 'GET '], responses: 2 },
      reply: { body: 'x' },
      logs: 2,
    },
    { name: `${to}, head in time`, to, asks: { raw: ['GET / HTTP', '/1.1\r\nhost: a\r\n\r\n'] }, reply: { body: 'x' } },
    { name: `${to}, nothing is said`, to, asks: { raw: '', timeoutMs: 250 }, logs: 0 },
    { name: `${to}, empty lines`, to, asks: { raw: '\r\n\r\n', timeoutMs: 250 } },
  ]),
  { name: 'manager headers timeout in the body', to: 'headers-timeout', asks: { raw: half, timeoutMs: 300 } },
  { name: 'manager max stream duration', to: 'max-stream' },
  { name: 'manager max stream duration, HTTP/2', to: 'max-stream', asks: { kind: 'http2' } },
  { name: 'manager max stream duration in the body', to: 'max-stream', reply: halting },
  { name: 'manager idle connection', to: 'idle-connection', reply: { body: 'x' }, asks: { lingerMs: 1000 } },
  { name: 'manager idle connection, HTTP/2', to: 'idle-connection', reply: { body: 'x' }, asks: { kind: 'http2', lingerMs: 1000 } },
  { name: 'manager idle connection of a late answer', to: 'idle-connection' },
  { name: 'manager connection duration', to: 'connection-duration', reply: { body: 'x' }, asks: { lingerMs: 400 } },
  { name: 'manager connection duration, HTTP/2', to: 'connection-duration', reply: { body: 'x' }, asks: { kind: 'http2', lingerMs: 400 } },
  { name: 'manager connection duration of a late answer', to: 'connection-duration', asks: { lingerMs: 300 } },
  { name: 'cluster timeout: idle upstream stream', route: { cluster: 'limited' } },
];

const path = (i: number): string => `/t${String(i).padStart(3, '0')}`;

export const timeouts: DifferentialFamily = {
  name: 'timeouts',
  waits: true,
  known,
  about: 'timeouts of routes, connection managers, request headers and gRPC',
  bootstrap: (site) => {
    const routes = cases.map(({ name, route }, i) => ({ name, match: { prefix: path(i) }, route: { cluster: 'a', ...route } }));
    const limited = {
      ...standardClusters(site)[0],
      name: 'limited',
      typed_extension_protocol_options: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
          common_http_protocol_options: { max_stream_duration: '0.1s' },
          explicit_http_config: { http_protocol_options: {} },
        },
      },
    };
    return {
      static_resources: {
        listeners: Object.entries(managers).map(([name, more]) =>
          listener(site, name, [
            httpConnectionManager(site, [virtualHost([...routes, { match: { prefix: '/' }, route: { cluster: 'a' } }])], more),
          ]),
        ),
        clusters: [...standardClusters(site), limited],
      },
    };
  },
  cases: cases.map(({ name, to, asks, reply, logs }, i): DifferentialCase => {
    const plain = (asks ?? {}) as { raw?: string | readonly string[] };
    const at = (text: string): string => text.replace(' / ', ` ${path(i)} `);
    const raw = typeof plain.raw === 'string' ? at(plain.raw) : plain.raw?.map(at);
    return {
      name,
      does: {
        timeoutMs: 1500,
        ...plain,
        ...(raw === undefined ? {} : { raw }),
        ...(to === undefined ? {} : { to }),
        path: path(i),
      } as Exchange,
      replies: reply ?? late,
      ...(logs === undefined ? {} : { logs }),
    };
  }),
  stats: [
    'http.main.downstream_rq_idle_timeout',
    'http.main.downstream_rq_timeout',
    'http.main.downstream_rq_header_timeout',
    'http.main.downstream_rq_max_duration_reached',
    'http.main.downstream_cx_idle_timeout',
    'http.main.downstream_cx_max_duration_reached',
    'cluster.a.upstream_rq_timeout',
    'cluster.a.upstream_rq_per_try_timeout',
    'cluster.a.upstream_rq_max_duration_reached',
    'cluster.limited.upstream_rq_max_duration_reached',
  ],
};
