import { cluster, httpConnectionManager, httpOptions, listener, standardClusters, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Field, Json, Reply } from '../harness/family.ts';
import { known } from './known/exchange-order.ts';

const expects: Field = ['expect', '100-continue'];
const post = (more: string, path = '/a', version = '1.1'): string =>
  `POST ${path} HTTP/${version}\r\nhost: app.example\r\nexpect: 100-continue\r\n${more}\r\n`;
const early: Reply = { early: true, body: 'early' };
const interim = (...statuses: number[]): Reply => ({
  informational: statuses.map((status) => ({ status, headers: [['x-interim', String(status)]] })),
  body: 'final',
});
const trailing: Reply = {
  body: 'x',
  trailers: [
    ['x-tail', 'v'],
    ['X-Other', 'w'],
  ],
};
const tail: Field[] = [
  ['x-end', 'yes'],
  ['X-Other', 'no'],
];

const lowerTail: Field[] = tail.map(([name, value]) => [name.toLowerCase(), value]);

const continued: readonly DifferentialCase[] = ['http', 'proxied'].flatMap((to): DifferentialCase[] => [
  { name: `${to}: body at once`, does: { to, method: 'POST', path: '/a', headers: [expects], body: 'body' } },
  { name: `${to}: body in chunks`, does: { to, method: 'POST', path: '/a', headers: [expects], body: ['one', 'two'] } },
  { name: `${to}: body later`, does: { to, method: 'POST', raw: [post('content-length: 4\r\n'), 'body'] } },
  { name: `${to}: no body`, does: { to, method: 'POST', raw: post('content-length: 0\r\n') } },
  { name: `${to}: GET`, does: { to, path: '/a', headers: [expects] } },
  { name: `${to}: upper case`, does: { to, method: 'POST', path: '/a', headers: [['Expect', '100-CONTINUE']], body: 'body' } },
  { name: `${to}: two expectations`, does: { to, method: 'POST', path: '/a', headers: [expects, expects], body: 'body' } },
  {
    name: `${to}: list of expectations`,
    does: { to, method: 'POST', path: '/a', headers: [['expect', '100-continue, other']], body: 'body' },
  },
  { name: `${to}: another expectation`, does: { to, method: 'POST', path: '/a', headers: [['expect', 'other']], body: 'body' } },
  { name: `${to}: HTTP/2`, does: { to, kind: 'http2', method: 'POST', path: '/a', headers: [expects], body: 'body' } },
  { name: `${to}: HTTP/2 upstream`, does: { to, method: 'POST', path: '/h2', headers: [expects], body: 'body' } },
  { name: `${to}: HTTP/2 both`, does: { to, kind: 'http2', method: 'POST', path: '/h2', headers: [expects], body: 'body' } },
  { name: `${to}: HTTP/1.0`, does: { to: `${to}10`, method: 'POST', raw: `${post('content-length: 4\r\n', '/a', '1.0')}body` } },
  { name: `${to}: answered early`, does: { to, method: 'POST', raw: post('content-length: 4\r\n'), timeoutMs: 400 }, replies: early },
  { name: `${to}: refused by the proxy`, does: { to, method: 'POST', raw: post('content-length: 4\r\n', '/none'), timeoutMs: 400 } },
  {
    name: `${to}: refused by the proxy, body at once`,
    does: { to, method: 'POST', raw: `${post('content-length: 4\r\n', '/none')}body`, timeoutMs: 400 },
  },
  { name: `${to}: direct response`, does: { to, method: 'POST', raw: post('content-length: 4\r\n', '/direct'), timeoutMs: 400 } },
  {
    name: `${to}: then another request`,
    does: { to, raw: `${post('content-length: 4\r\n')}bodyGET /a HTTP/1.1\r\nhost: app.example\r\n\r\n`, responses: ['POST', 'GET'] },
  },
  ...[[100], [100, 100], [102], [103], [100, 103], [103, 103], [110], [199]].flatMap((statuses): DifferentialCase[] => [
    { name: `${to}: interim ${statuses.join(', ')}`, does: { to, path: '/a' }, replies: interim(...statuses) },
    { name: `${to}: interim ${statuses.join(', ')}, HTTP/2`, does: { to, kind: 'http2', path: '/a' }, replies: interim(...statuses) },
  ]),
  { name: `${to}: interim and nothing`, does: { to, path: '/a' }, replies: { ...interim(100), instead: 'close' } },
  { name: `${to}: interim and reset`, does: { to, path: '/a' }, replies: { raw: 'HTTP/1.1 100 Continue\r\n\r\n', cut: 'reset' } },
  { name: `${to}: interim and 500`, does: { to, path: '/retry' }, replies: [{ ...interim(103), status: 500 }, { body: 'second' }] },
]);

const http10: readonly DifferentialCase[] = [
  ...['', 'connection: keep-alive\r\n', 'connection: close\r\n', 'connection: Keep-Alive, x\r\n'].flatMap(
    (connection): DifferentialCase[] => [
      {
        name: `1.0 with "${connection.trim()}": length`,
        does: { to: 'http10', raw: `GET /a HTTP/1.0\r\nhost: app.example\r\n${connection}\r\n` },
      },
      {
        name: `1.0 with "${connection.trim()}": chunks`,
        does: { to: 'http10', raw: `GET /a HTTP/1.0\r\nhost: app.example\r\n${connection}\r\n` },
        replies: { body: 'chunked', chunked: true },
      },
      {
        name: `1.0 with "${connection.trim()}": 204`,
        does: { to: 'http10', raw: `GET /a HTTP/1.0\r\nhost: app.example\r\n${connection}\r\n` },
        replies: { status: 204 },
      },
      {
        name: `1.0 with "${connection.trim()}": HEAD`,
        does: { to: 'http10', method: 'HEAD', raw: `HEAD /a HTTP/1.0\r\nhost: app.example\r\n${connection}\r\n` },
        replies: { body: 'unseen' },
      },
      {
        name: `1.0 with "${connection.trim()}": local reply`,
        does: { to: 'http10', raw: `GET /none HTTP/1.0\r\nhost: app.example\r\n${connection}\r\n` },
      },
      {
        name: `1.0 with "${connection.trim()}": HTTP/2 upstream`,
        does: { to: 'http10', raw: `GET /h2 HTTP/1.0\r\nhost: app.example\r\n${connection}\r\n` },
        replies: { body: 'x', trailers: [['x-tail', 'v']] },
      },
    ],
  ),
  {
    name: '1.0 with a body',
    does: { to: 'http10', method: 'POST', raw: 'POST /a HTTP/1.0\r\nhost: app.example\r\ncontent-length: 4\r\n\r\nbody' },
  },
  { name: '1.0 without length', does: { to: 'http10', method: 'POST', raw: 'POST /a HTTP/1.0\r\nhost: app.example\r\n\r\nbody' } },
  { name: '1.0 without host', does: { to: 'http10', raw: 'GET /a HTTP/1.0\r\n\r\n' } },
  { name: '1.0 without host, default', does: { to: 'default-host', raw: 'GET /a HTTP/1.0\r\n\r\n' } },
  { name: '1.0 absolute', does: { to: 'http10', raw: 'GET http://other.example/a HTTP/1.0\r\n\r\n' } },
  { name: '1.0 not accepted', does: { raw: 'GET /a HTTP/1.0\r\nhost: app.example\r\n\r\n' } },
  {
    name: '1.0 twice',
    does: {
      to: 'http10',
      raw: 'GET /a HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\nGET /a HTTP/1.0\r\nhost: a\r\n\r\n',
      responses: ['GET', 'GET'],
    },
  },
  {
    name: '1.0, then 1.1',
    does: {
      to: 'http10',
      raw: 'GET /a HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\nGET /a HTTP/1.1\r\nhost: a\r\n\r\n',
      responses: ['GET', 'GET'],
    },
  },
];

const trailers: readonly DifferentialCase[] = ['http', 'trailers'].flatMap((to) =>
  ['/a', '/trailers', '/h2'].flatMap((path): DifferentialCase[] => [
    { name: `trailers: ${to}${path}, HTTP/1`, does: { to, path, method: 'POST', body: ['x', 'y'], trailers: tail }, replies: trailing },
    {
      name: `trailers: ${to}${path}, HTTP/2`,
      does: { to, path, kind: 'http2', method: 'POST', body: ['x', 'y'], trailers: lowerTail },
      replies: trailing,
    },
    {
      name: `trailers: ${to}${path}, te`,
      does: {
        to,
        path,
        headers: [
          ['te', 'trailers'],
          ['connection', 'te'],
        ],
      },
      replies: trailing,
    },
    {
      name: `trailers: ${to}${path}, without body`,
      does: { to, path, kind: 'http2', method: 'POST', trailers: lowerTail },
      replies: { trailers: tail },
    },
    {
      name: `trailers: ${to}${path}, forbidden names`,
      does: {
        to,
        path,
        method: 'POST',
        body: ['x'],
        trailers: [
          ['content-length', '9'],
          ['host', 'b'],
          ['transfer-encoding', 'x'],
          ['x-ok', '1'],
          ['connection', 'x'],
          ['cookie', 'c'],
        ],
      },
    },
    {
      name: `trailers: ${to}${path}, repeated`,
      does: {
        to,
        path,
        method: 'POST',
        body: ['x'],
        trailers: [
          ['x-a', '1'],
          ['x-a', '2'],
        ],
      },
    },
    { name: `trailers: ${to}${path}, HEAD`, does: { to, path, method: 'HEAD' }, replies: trailing },
  ]),
);

const others: readonly DifferentialCase[] = [
  {
    name: 'pipelined',
    does: {
      raw: 'GET /a HTTP/1.1\r\nhost: a\r\n\r\nGET /a?2 HTTP/1.1\r\nhost: a\r\n\r\nGET /none HTTP/1.1\r\nhost: a\r\n\r\n',
      responses: ['GET', 'GET', 'GET'],
    },
  },
  {
    name: 'pipelined, the first closes',
    does: { raw: 'GET /a HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\nGET /a?2 HTTP/1.1\r\nhost: a\r\n\r\n', responses: ['GET'] },
    logs: 1,
  },
  {
    name: 'pipelined, the first fails',
    does: { raw: 'GET /dead HTTP/1.1\r\nhost: a\r\n\r\nGET /a HTTP/1.1\r\nhost: a\r\n\r\n', responses: ['GET', 'GET'] },
  },
  { name: 'pipelined, the second is none', does: { raw: 'GET /a HTTP/1.1\r\nhost: a\r\n\r\nnonsense\r\n\r\n', responses: ['GET', 'GET'] } },
  { name: 'empty lines before', does: { raw: '\r\n\r\nGET /a HTTP/1.1\r\nhost: a\r\n\r\n' } },
  {
    name: 'answered before the body',
    does: { method: 'POST', raw: ['POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nhalf'] },
    replies: early,
  },
  {
    name: 'refused before the body',
    does: { method: 'POST', raw: ['POST /none HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nhalf'] },
  },
  { name: 'connection: close', does: { path: '/a', headers: [['connection', 'close']] } },
  { name: 'proxy-connection: close', does: { path: '/a', headers: [['proxy-connection', 'close']] } },
  { name: 'proxy-connection: keep-alive', does: { path: '/a', headers: [['proxy-connection', 'keep-alive']] } },
  { name: 'answer says close', does: { path: '/a' }, replies: { headers: [['connection', 'close']], body: 'x' } },
  {
    name: 'HTTP/2: connection of an answer',
    does: { path: '/a', kind: 'http2' },
    replies: { headers: [['connection', 'close']], body: 'x' },
  },
  {
    name: 'HTTP/2: trailers in upper case',
    does: { path: '/a', kind: 'http2', method: 'POST', body: 'x', trailers: tail },
    ignoreSeen: true,
    ignoreLog: ['host'],
  },
  { name: 'client leaves in its head', does: { raw: 'GET /a HTTP/1.1\r\nho', abortAfterMs: 30 } },
  {
    name: 'client leaves in its body',
    does: { method: 'POST', raw: 'POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nhalf', abortAfterMs: 30 },
    ignoreSeen: true,
  },
  {
    name: 'client closes its side',
    does: { raw: 'GET /slow HTTP/1.1\r\nhost: a\r\n\r\n', halfClose: true },
    replies: { delayMs: 100, body: 'x' },
    ignoreSeen: true,
    // Whether the upstream was connected before the end was read is a race.
    ignoreLog: ['host'],
  },
  { name: 'client closes its side in its head', does: { raw: 'GET /a HTTP/1.1\r\nho', halfClose: true, timeoutMs: 300 } },
  { name: 'client says nothing', does: { raw: '', halfClose: true, timeoutMs: 300 }, logs: 0 },
  { name: 'head in pieces', does: { raw: ['GET /a HT', 'TP/1.1\r\nho', 'st: a\r\n', '\r\n'] } },
  { name: 'head in pieces, refused', does: { raw: ['GET /a HT', 'TP/1.1\r\nho', 'st: a\r\nx y: 1\r\n', '\r\n'] } },
  { name: 'head in pieces, none', does: { raw: ['NON', 'SENSE'], timeoutMs: 300 } },
];

/** In which order the parts of an exchange may come, and what of them goes on. */
export const exchangeOrder: DifferentialFamily = {
  name: 'exchange-order',
  known,
  about: 'expectations and interim answers in all orders, HTTP/1.0, trailers in both directions, pipelining, clients that leave',
  bootstrap: (site) => {
    const routes: readonly Json[] = [
      { match: { prefix: '/a' }, route: { cluster: 'a' } },
      { match: { prefix: '/slow' }, route: { cluster: 'a' } },
      { match: { prefix: '/h2' }, route: { cluster: 'h2' } },
      { match: { prefix: '/dead' }, route: { cluster: 'dead' } },
      { match: { prefix: '/trailers' }, route: { cluster: 'trailers' } },
      { match: { prefix: '/direct' }, direct_response: { status: 200, body: { inline_string: 'direct' } } },
      {
        match: { prefix: '/retry' },
        route: { cluster: 'a', retry_policy: { retry_on: '5xx', num_retries: 1, retry_back_off: { base_interval: '0.01s' } } },
      },
    ];
    const managers: Readonly<Record<string, Json>> = {
      http: {},
      http10: { http_protocol_options: { accept_http_10: true } },
      'default-host': { http_protocol_options: { accept_http_10: true, default_host_for_http_10: 'default.example' } },
      proxied: { proxy_100_continue: true },
      proxied10: { proxy_100_continue: true, http_protocol_options: { accept_http_10: true } },
      trailers: { http_protocol_options: { enable_trailers: true } },
    };
    return {
      static_resources: {
        listeners: Object.entries(managers).map(([name, more]) =>
          listener(site, name, [httpConnectionManager(site, [virtualHost(routes)], { delayed_close_timeout: '0.05s', ...more })]),
        ),
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
  },
  cases: [...continued, ...http10, ...trailers, ...others],
  stats: [
    'http.main.downstream_rq_total',
    'http.main.downstream_rq_http1_total',
    'http.main.downstream_rq_http2_total',
    'http.main.downstream_rq_completed',
    'http.main.downstream_rq_1xx',
    'http.main.downstream_rq_2xx',
    'http.main.downstream_rq_4xx',
    'http.main.downstream_rq_active',
    'http.main.downstream_cx_protocol_error',
    'cluster.a.upstream_rq_1xx',
    'cluster.a.upstream_rq_2xx',
  ],
};
