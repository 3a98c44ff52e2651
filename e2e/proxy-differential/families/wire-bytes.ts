import {
  cluster,
  httpConnectionManager,
  httpOptions,
  listener,
  router,
  standardClusters,
  tcpProxy,
  type,
  virtualHost,
} from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Field, Json, Site } from '../harness/family.ts';

/** `downstream_wire_received: %DOWNSTREAM_WIRE_BYTES_RECEIVED%` and its like, for both ends, all kinds and both directions. */
const meters = Object.fromEntries(
  ['downstream', 'upstream'].flatMap((end) =>
    ['wire', 'header', 'decompressed_header'].flatMap((kind) =>
      ['received', 'sent'].map((way) => [`${end}_${kind}_${way}`, `%${end}_${kind}_BYTES_${way}%`.toUpperCase()]),
    ),
  ),
);

const log = (site: Site, about: string): Json => ({
  name: 'file',
  typed_config: {
    '@type': type('envoy.extensions.access_loggers.file.v3.FileAccessLog'),
    path: site.logFile,
    log_format: {
      json_format: { about, code: '%RESPONSE_CODE%', details: '%RESPONSE_CODE_DETAILS%', flags: '%RESPONSE_FLAGS%', ...meters },
    },
  },
});

const plain = (name: string, cluster = name, more: Json = {}): Json => ({
  name,
  match: { path_separated_prefix: `/${name}` },
  route: { cluster, ...more },
});

const routes: readonly Json[] = [
  plain('a'),
  plain('h2'),
  plain('trailers'),
  plain('dead'),
  plain('retry', 'a', { retry_policy: { retry_on: '5xx', num_retries: 2, retry_back_off: { base_interval: '0.01s' } } }),
  plain('retry2', 'h2', { retry_policy: { retry_on: '5xx', num_retries: 2, retry_back_off: { base_interval: '0.01s' } } }),
  plain('timeout', 'a', { timeout: '0.1s' }),
  plain('redirected', 'a', { internal_redirect_policy: {} }),
  plain('mirrored', 'a', { request_mirror_policies: [{ cluster: 'b' }] }),
  { match: { prefix: '/direct' }, direct_response: { status: 418, body: { inline_string: 'teapot' } } },
];

function bootstrap(site: Site): Json {
  const host = virtualHost(routes);
  const connect = {
    name: 'connect',
    domains: ['tcp.example:1', 'tcp.example'],
    routes: [
      { match: { connect_matcher: {} }, route: { cluster: 'tcp', upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] } },
    ],
  };
  const manager = (more: Json = {}): Json =>
    httpConnectionManager(site, [host, connect], {
      access_log: [log(site, 'request')],
      // How long the upstream took has a digit more now and then.
      http_filters: [router({ suppress_envoy_headers: true })],
      upgrade_configs: [{ upgrade_type: 'websocket' }, { upgrade_type: 'CONNECT' }],
      http2_protocol_options: { allow_connect: true },
      ...more,
    });
  const tcp = (cluster: string, more: Json = {}): Json => tcpProxy(site, { cluster, access_log: [log(site, 'connection')], ...more });
  return {
    static_resources: {
      listeners: [
        listener(site, 'http', [manager()]),
        listener(site, 'trailers', [manager({ http_protocol_options: { enable_trailers: true } })]),
        listener(site, 'h10', [manager({ http_protocol_options: { accept_http_10: true } })]),
        listener(site, 'logged', [manager()], { access_log: [log(site, 'listener')] }),
        listener(site, 'tcp', [tcp('tcp')], { access_log: [log(site, 'listener')] }),
        listener(site, 'tcp-dead', [tcp('dead')]),
        listener(site, 'tunnel', [tcp('a', { tunneling_config: { hostname: 'tcp.example:1' } })]),
        listener(site, 'tunnel2', [tcp('h2', { tunneling_config: { hostname: 'tcp.example:1' } })]),
      ],
      clusters: [
        ...standardClusters(site),
        cluster(
          'trailers',
          [site.upstream('a')],
          httpOptions({ explicit_http_config: { http_protocol_options: { enable_trailers: true } } }),
        ),
      ],
    },
  };
}

/** The log lines of one exchange are the observation. */
const logged = (
  name: string,
  does: Exchange,
  replies?: NonNullable<DifferentialCase['replies']>,
  lines = 1,
  shown: (line: Json) => Json = (line) => line,
): DifferentialCase => ({
  name,
  does: [],
  run: async (proxy) => {
    proxy.reply(replies ?? {});
    await proxy.exchange(does);
    return (await proxy.takeLog(lines)).map(shown);
  },
});

type End = 'downstream' | 'upstream';

/**
 * HPACK makes of a header section what the encoder chooses, and what the connection has carried before: of the ends that speak HTTP/2
 * it is only compared whether there is one where they do so, and how many bytes are not of it.
 */
const overHttp2 =
  (ends: readonly End[]) =>
  (line: Json): Json => {
    const result: Json = { ...line };
    for (const column of ends.flatMap((end) => (end === 'upstream' ? ['upstream_sent', 'upstream_received'] : ['downstream_sent']))) {
      const [end, way] = column.split('_');
      const header = Number(line[`${end}_header_${way}`]);
      result[`${end}_header_${way}`] = header > 0 ? 'some' : 'none';
      result[`${end}_wire_${way}`] = `headers and ${Number(line[`${end}_wire_${way}`]) - header}`;
    }
    return result;
  };

/** As `logged`. */
const framed = (ends: readonly End[], ...[name, does, replies, lines]: Parameters<typeof logged>): DifferentialCase =>
  logged(name, does, replies, lines, overHttp2(ends));

const long = 'abcdefgh'.repeat(2000);
const post = { method: 'POST', body: 'hello' } as const;
const h2 = { kind: 'http2' } as const;
const websocket: readonly Field[] = [
  ['connection', 'upgrade'],
  ['upgrade', 'websocket'],
];
const second: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'app.example'],
  [':path', '/a/2'],
];
const extendedConnect: readonly Field[] = [
  [':method', 'CONNECT'],
  [':scheme', 'http'],
  [':authority', 'app.example'],
  [':path', '/a'],
  [':protocol', 'websocket'],
];

const http1: readonly DifferentialCase[] = [
  logged('GET', { path: '/a?x=y' }),
  logged('POST', { path: '/a', ...post }),
  logged('large bodies', { path: '/a', method: 'POST', body: long }, { body: long }),
  logged('chunks', { path: '/a', method: 'POST', body: ['hello', 'world'] }, { body: 'hello', chunked: true }),
  logged('trailers that are dropped', { path: '/a', ...post, trailers: [['x-end', 'yes']] }, { body: 'x', trailers: [['x-t', 'u']] }),
  logged('trailers', { to: 'trailers', path: '/trailers', ...post, trailers: [['x-end', 'yes']] }, { body: 'x', trailers: [['x-t', 'u']] }),
  logged('HEAD', { method: 'HEAD', path: '/a' }),
  logged('204', { path: '/a' }, { status: 204 }),
  logged('304', { path: '/a' }, { status: 304, headers: [['etag', '"x"']] }),
  logged('304 with a length', { path: '/a' }, { raw: 'HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n' }),
  logged('until close', { path: '/a' }, { raw: 'HTTP/1.1 200 OK\r\n\r\nall of it', thenClose: true }),
  logged('early hints', { path: '/a' }, { informational: [{ status: 103, headers: [['link', '</x>']] }] }),
  logged('expectation', { path: '/a', ...post, headers: [['expect', '100-continue']] }),
  logged('odd spaces and case', { raw: 'GET /a HTTP/1.1\r\nHOST:   app.example  \r\nX-Odd:\tvalue \r\nX-Empty:\r\n\r\n' }),
  logged('a leading empty line', { raw: '\r\n\r\nGET /a HTTP/1.1\r\nhost: app.example\r\n\r\n' }),
  logged('absolute target', { raw: 'GET http://other.example/a HTTP/1.1\r\nhost: app.example\r\n\r\n' }),
  logged('head in two pieces', { raw: ['GET /a HTTP/1.1\r\nhost: app', '.example\r\n\r\n'] }),
  logged('body in three pieces', { raw: ['POST /a HTTP/1.1\r\nhost: app.example\r\ncontent-length: 9\r\n\r\nabc', 'def', 'ghi'] }),
  logged('HTTP/1.0', { to: 'h10', raw: 'GET /a HTTP/1.0\r\nhost: app.example\r\n\r\n' }),
  logged(
    'several on one connection',
    { raw: ['GET /a HTTP/1.1\r\nhost: app.example\r\n\r\n', 'GET /a/second HTTP/1.1\r\nhost: app.example\r\nx: y\r\n\r\n'], responses: 2 },
    {},
    2,
  ),
  logged(
    'pipelined',
    {
      raw: 'GET /a HTTP/1.1\r\nhost: app.example\r\n\r\nGET /a/second HTTP/1.1\r\nhost: app.example\r\n\r\nGET /a/3 HTTP/1.1\r\nhost: app.example\r\n\r\n',
      responses: 3,
    },
    {},
    3,
  ),
  logged(
    'pipelined in two reads',
    { raw: ['GET /a HTTP/1.1\r\nhost: app.example\r\n\r\nGET /a', '/second HTTP/1.1\r\nhost: app.example\r\n\r\n'], responses: 2 },
    { delayMs: 60 },
    2,
  ),
  logged('answer before the request’s end', { path: '/a', method: 'POST', body: ['a', 'b'] }, { early: true }),
  logged('redirect followed', { path: '/redirected' }, [{ status: 302, headers: [['location', 'http://app.example/a/b']] }, {}]),
  logged('mirrored', { path: '/mirrored', ...post }),
];

const failures: readonly DifferentialCase[] = [
  logged('direct response', { path: '/direct' }),
  logged('no route', { path: '/none' }),
  logged('no route for a body', { path: '/none', ...post }),
  logged('refused', { path: '/dead' }),
  logged('timeout', { path: '/timeout' }, { delayMs: 300 }),
  logged('retry', { path: '/retry', ...post }, [{ status: 503 }, {}]),
  logged('retry in vain', { path: '/retry' }, { status: 503 }),
  framed(['upstream'], 'retry over HTTP/2', { path: '/retry2', ...post }, [{ status: 503 }, {}]),
  logged('reset by upstream', { path: '/a' }, { instead: 'reset' }),
  framed(['upstream'], 'reset by HTTP/2 upstream', { path: '/h2' }, { instead: 'reset' }),
  logged('cut by upstream', { path: '/a' }, { body: 'half', headers: [['content-length', '10']], cut: 'close' }),
  logged('no HTTP from upstream', { path: '/a' }, { raw: 'rubbish\r\n\r\n' }),
  logged('aborted by the client', { path: '/a', abortAfterMs: 50, timeoutMs: 200 }, { delayMs: 150 }),
  framed(['downstream'], 'reset by the client', { ...h2, path: '/a', resetAfterMs: 50, timeoutMs: 200 }, { delayMs: 150 }),
  logged('malformed header', { raw: 'GET / HTTP/1.1\r\nhost: app.example\r\nbad header\r\n\r\n' }),
  logged('malformed chunk', { raw: 'POST /a HTTP/1.1\r\nhost: app.example\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n' }),
  logged('no host', { host: null, path: '/a' }),
  logged('no HTTP', { raw: '\x16\x03\x01\x00\x01rubbish' }),
  logged('unfinished head', { raw: 'GET /a HTTP/1.1\r\nhost: app.example\r\nx-unfin', abortAfterMs: 50, timeoutMs: 200 }),
];

const http2: readonly DifferentialCase[] = [
  framed(['downstream'], 'HTTP/2 GET', { ...h2, path: '/a' }),
  framed(['downstream'], 'HTTP/2 POST', { ...h2, path: '/a', ...post }),
  framed(['downstream', 'upstream'], 'HTTP/2 on both sides', { ...h2, path: '/h2', ...post }),
  framed(['downstream', 'upstream'], 'HTTP/2 large bodies', { ...h2, path: '/h2', method: 'POST', body: long }, { body: long }),
  framed(
    ['downstream', 'upstream'],
    'HTTP/2 trailers',
    { ...h2, path: '/h2', ...post, trailers: [['x-end', 'yes']] },
    { body: 'x', trailers: [['x-t', 'u']] },
  ),
  framed(['upstream'], 'HTTP/2 upstream', { path: '/h2', ...post }),
  framed(['upstream'], 'HTTP/2 upstream again', { path: '/h2', ...post }),
  framed(['downstream', 'upstream'], 'HTTP/2 HEAD', { ...h2, method: 'HEAD', path: '/h2' }),
  framed(['downstream'], 'HTTP/2 no route', { ...h2, path: '/none', ...post }),
  framed(['downstream'], 'HTTP/2 direct response', { ...h2, path: '/direct' }),
  framed(['downstream'], 'HTTP/2 refused', { ...h2, path: '/dead' }),
  framed(['downstream'], 'HTTP/2 timeout', { ...h2, path: '/timeout' }, { delayMs: 300 }),
  framed(['downstream', 'upstream'], 'HTTP/2 large head', {
    ...h2,
    path: '/h2',
    headers: [
      ['x-large', long.slice(0, 15_000)],
      ['x-more', long.slice(0, 10_000)],
    ],
  }),
  framed(
    ['downstream'],
    'HTTP/2 several streams',
    {
      ...h2,
      path: '/a',
      more: [second],
    },
    {},
    2,
  ),
  framed(
    ['downstream', 'upstream'],
    'gRPC',
    { ...h2, method: 'POST', path: '/h2', headers: [['content-type', 'application/grpc']], body: 'x' },
    { headers: [['content-type', 'application/grpc']], trailers: [['grpc-status', '5']] },
  ),
];

const tunnels: readonly DifferentialCase[] = [
  logged(
    'websocket',
    { path: '/a', headers: websocket, tunnel: 'hello', timeoutMs: 1000 },
    { status: 101, headers: websocket, tunnel: true },
  ),
  logged('websocket refused', { path: '/a', headers: websocket, timeoutMs: 1000 }, { status: 403 }),
  logged('CONNECT', { method: 'CONNECT', path: 'tcp.example:1', host: 'tcp.example:1', tunnel: 'hello', timeoutMs: 1000 }),
  framed(
    ['downstream'],
    'extended CONNECT',
    {
      ...h2,
      tunnel: 'hello',
      timeoutMs: 1000,
      rawHeaders: extendedConnect,
    },
    { status: 101, headers: websocket, tunnel: true },
  ),
  logged('TCP', { kind: 'tcp', to: 'tcp', send: 'hello' }, undefined, 2),
  logged('TCP with much to say', { kind: 'tcp', to: 'tcp', send: long }, undefined, 2),
  logged('TCP to nobody', { kind: 'tcp', to: 'tcp-dead', send: 'hello' }),
  // A client that ends at once would race with what comes back.
  logged('TCP through HTTP/1', { kind: 'tcp', to: 'tunnel', send: 'hello', open: true, timeoutMs: 200 }, { status: 200, tunnel: true }),
  framed(
    ['upstream'],
    'TCP through HTTP/2',
    { kind: 'tcp', to: 'tunnel2', send: 'hello', open: true, timeoutMs: 200 },
    { status: 200, tunnel: true },
  ),
  logged('a listener’s line', { to: 'logged', path: '/a', ...post, headers: [['connection', 'close']] }, {}, 2),
];

const endFrame = 'The end of an HTTP/1 body goes on in the frame of its last bytes; Envoy sends an empty frame of nine bytes after it.';
const after = (bytes: number): [string, string] => [`headers and ${bytes}`, `headers and ${bytes - 9}`];

export const wireBytes: DifferentialFamily = {
  name: 'wire-bytes',
  about: 'bytes on the wire and of header sections at both ends of an exchange',
  bootstrap,
  cases: [...http1, ...failures, ...http2, ...tunnels],
  known: {
    chunks: {
      why: 'Chunks go on as they came; Envoy makes one of those that it reads at once.',
      differs: { 'result.0.upstream_wire_sent': [164, 169] },
    },
    'answer before the request’s end': {
      why: 'Chunks go on as they came; Envoy makes one of those that it reads at once.',
      differs: { 'result.0.upstream_wire_sent': [156, 161] },
    },
    ...Object.fromEntries(
      [
        ['HTTP/2 GET', 'result.0.downstream_wire_sent', 36],
        ['HTTP/2 POST', 'result.0.downstream_wire_sent', 37],
        ['HTTP/2 upstream', 'result.0.upstream_wire_sent', 23],
        ['HTTP/2 upstream again', 'result.0.upstream_wire_sent', 23],
      ].map(([name, path, bytes]) => [name, { why: endFrame, differs: { [String(path)]: after(Number(bytes)) } }]),
    ),
    'HTTP/2 several streams': {
      why: endFrame,
      differs: { 'result.0.downstream_wire_sent': after(36), 'result.1.downstream_wire_sent': after(38) },
    },
    'HTTP/2 no route': {
      why: 'Envoy logs an answer that comes before the request’s end before its frames are written, and counts none; here it is counted.',
      differs: { 'result.0.downstream_header_sent': ['none', 'some'] },
    },
  },
};
