import { cluster, httpConnectionManager, httpOptions, listener, standardClusters, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Json, ProxyUnderTest, Reply } from '../harness/family.ts';
import { known } from './known/connection-drain.ts';

const common = (more: Json, others: Json = {}): Json => ({
  common_http_protocol_options: more,
  drain_timeout: '0.1s',
  delayed_close_timeout: '0.05s',
  ...others,
});
const managers: Readonly<Record<string, Json>> = {
  http: common({}),
  'max-2': common({ max_requests_per_connection: 2 }),
  'max-1': common({ max_requests_per_connection: 1 }),
  duration: common({ max_connection_duration: '0.1s' }),
  'duration-long-drain': common({ max_connection_duration: '0.1s' }, { drain_timeout: '5s' }),
  idle: common({ idle_timeout: '0.1s' }),
  'idle-h2': common({ idle_timeout: '0.1s' }, { codec_type: 'HTTP2' }),
  'no-delay': common({ max_connection_duration: '0.1s' }, { drain_timeout: '0.1s', delayed_close_timeout: '0s' }),
};
const get = 'GET /a HTTP/1.1\r\nhost: a\r\n\r\n';
const slow: Reply = { delayMs: 250, body: 'late' };
const http2 = (to: string, more: Json = {}): Exchange =>
  ({ to, kind: 'http2', path: '/a', lingerMs: 550, timeoutMs: 1500, ...more }) as Exchange;
const http1 = (to: string, more: Json = {}): Exchange => ({ to, path: '/a', lingerMs: 550, timeoutMs: 1500, ...more }) as Exchange;
const streams = [1, 2, 3].map(() => [
  [':method', 'GET'] as const,
  [':scheme', 'http'] as const,
  [':authority', 'app.example'] as const,
  [':path', '/a'] as const,
]);

/** Asks while something is failed or drained, and undoes it. */
const whileFailed =
  (exchanges: readonly Exchange[]) =>
  async (proxy: ProxyUnderTest): Promise<unknown> => {
    await proxy.exchange({ kind: 'admin', method: 'POST', path: '/healthcheck/fail' });
    try {
      const seen: unknown[] = [];
      for (const exchange of exchanges) seen.push(await proxy.exchange(exchange));
      return seen;
    } finally {
      await proxy.exchange({ kind: 'admin', method: 'POST', path: '/healthcheck/ok' });
      await proxy.takeLog(exchanges.length);
      proxy.takeSeen();
    }
  };
const upstreamPaths = ['upstream-max', 'upstream-idle', 'upstream-age', 'upstream-max2', 'upstream-idle2', 'upstream-age2'];

const cases: readonly DifferentialCase[] = [
  ...['max-1', 'max-2'].flatMap((to): DifferentialCase[] => [
    {
      name: `${to}: pipelined`,
      does: { to, raw: get + get + get, responses: ['GET', 'GET', 'GET'].slice(0, Number(to.at(-1))), lingerMs: 300 },
      logs: Number(to.at(-1)),
    },
    { name: `${to}: one`, does: http1(to, { lingerMs: 300 }) },
    { name: `${to}: HTTP/2, one`, does: http2(to) },
    {
      name: `${to}: HTTP/2, three at once`,
      does: http2(to, { more: streams.slice(0, 2) }),
      logs: 3,
      unordered: true,
      ignoreSeen: true,
    },
    { name: `${to}: HTTP/2, slow`, does: http2(to), replies: slow },
  ]),
  ...['duration', 'duration-long-drain', 'idle', 'no-delay'].flatMap((to): DifferentialCase[] => [
    { name: `${to}: HTTP/1`, does: http1(to) },
    { name: `${to}: HTTP/2`, does: http2(to) },
    { name: `${to}: HTTP/1, slow`, does: http1(to), replies: slow },
    { name: `${to}: HTTP/2, slow`, does: http2(to), replies: slow },
    { name: `${to}: HTTP/1, two in time`, does: { to, raw: [get, get], responses: ['GET', 'GET'], lingerMs: 550 }, logs: 2 },
    {
      name: `${to}: HTTP/1, body later`,
      does: {
        to,
        method: 'POST',
        raw: ['POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n', 'bo', '', '', '', '', '', 'dy'],
        lingerMs: 550,
      },
    },
    { name: `${to}: nothing is said`, does: { kind: 'tcp', to, open: true, timeoutMs: 450 }, logs: 0 },
    { name: `${to}: half a head`, does: { to, raw: 'GET /a HTTP/1.1\r\nho', timeoutMs: 450 }, logs: 0, ignoreLog: ['details', 'flags'] },
  ]),
  { name: 'idle-h2: nothing is said', does: { kind: 'tcp', to: 'idle-h2', open: true, timeoutMs: 450 }, logs: 0 },
  { name: 'failed: HTTP/1', does: [], run: whileFailed([http1('http', { lingerMs: 400 })]) },
  { name: 'failed: HTTP/2', does: [], run: whileFailed([http2('http')]) },
  {
    name: 'failed: HTTP/1.0 is no other',
    does: [],
    run: whileFailed([{ to: 'http', raw: 'GET /a HTTP/1.0\r\nhost: a\r\n\r\n', timeoutMs: 300 }]),
  },
  { name: 'failed: local reply', does: [], run: whileFailed([http1('http', { path: '/none', lingerMs: 100 })]) },
  { name: 'failed: gRPC', does: [], run: whileFailed([http2('http', { path: '/none', headers: [['content-type', 'application/grpc']] })]) },
  { name: 'well again: HTTP/1', does: http1('http', { lingerMs: 100 }) },
  ...upstreamPaths.map(
    (path): DifferentialCase => ({
      name: `${path}: three requests`,
      does: [{ path: `/${path}` }, { path: `/${path}` }, { kind: 'pause', ms: 250 }, { path: `/${path}` }],
      logs: 3,
    }),
  ),
];

/** How connections end: announced, drained, delayed; by their age, their requests, their rest, and because the proxy is failed. */
export const connectionDrain: DifferentialFamily = {
  name: 'connection-drain',
  waits: true,
  known,
  about: 'ends of connections on both sides: age, requests, idleness, drain_timeout and delayed_close_timeout, POST /healthcheck/fail',
  connections: true,
  bootstrap: (site) => ({
    static_resources: {
      listeners: Object.entries(managers).map(([name, more]) =>
        listener(site, name, [
          httpConnectionManager(
            site,
            [
              virtualHost([
                { match: { prefix: '/a' }, route: { cluster: 'a' } },
                ...upstreamPaths.map((path) => ({ match: { path: `/${path}` }, route: { cluster: path } })),
              ]),
            ],
            more,
          ),
        ]),
      ),
      clusters: [
        ...standardClusters(site),
        ...upstreamPaths.map((path) => {
          const version = path.endsWith('2') ? 'http2_protocol_options' : 'http_protocol_options';
          const limits = path.includes('max')
            ? { max_requests_per_connection: 1 }
            : path.includes('idle')
              ? { idle_timeout: '0.1s' }
              : { max_connection_duration: '0.1s' };
          return cluster(
            path,
            [site.upstream(path.endsWith('2') ? 'h2' : 'a')],
            httpOptions({ common_http_protocol_options: limits, explicit_http_config: { [version]: {} } }),
          );
        }),
      ],
    },
  }),
  cases,
  stats: [
    'http.main.downstream_cx_max_requests_reached',
    'http.main.downstream_cx_max_duration_reached',
    'http.main.downstream_cx_idle_timeout',
    'http.main.downstream_cx_drain_close',
    'http.main.downstream_rq_total',
    ...upstreamPaths.flatMap((path) =>
      ['upstream_cx_total', 'upstream_cx_max_requests', 'upstream_cx_idle_timeout', 'upstream_cx_max_duration_reached'].map(
        (stat) => `cluster.${path}.${stat}`,
      ),
    ),
  ],
};
