import {
  cluster,
  http2Upstream,
  httpConnectionManager,
  httpFilter,
  listener,
  router,
  standardClusters,
  type,
  virtualHost,
} from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Field, Http2Exchange, Json, Reply } from '../harness/family.ts';
import { known } from './known/upgrades.ts';

const websocket: Field[] = [
  ['connection', 'upgrade'],
  ['upgrade', 'websocket'],
];
const upgradeTo = (upgrade: string, connection = 'upgrade'): Field[] => [
  ['connection', connection],
  ['upgrade', upgrade],
];
const switching = (upgrade = 'websocket', more: readonly Field[] = []): Reply => ({
  status: 101,
  headers: [['connection', 'upgrade'], ['upgrade', upgrade], ...more],
  tunnel: true,
});
const accepted: Reply = { status: 200, tunnel: true };
const long = 'abcdefgh'.repeat(40_000);

/** An extended CONNECT (RFC 8441), or with other fields anything else. */
function extended(
  path: string,
  more: Omit<Http2Exchange, 'kind' | 'rawHeaders'> & { readonly protocol?: string; readonly fields?: readonly Field[] } = {},
): Http2Exchange {
  const { protocol = 'websocket', fields = [], ...rest } = more;
  return {
    kind: 'http2',
    tunnel: 'hello',
    ...rest,
    rawHeaders: [
      [':method', 'CONNECT'],
      [':scheme', 'http'],
      [':authority', 'app.example'],
      [':path', path],
      [':protocol', protocol],
      ...fields,
    ],
  };
}
/** A plain CONNECT to an authority. */
function connect1(authority: string, more: Omit<Exchange, 'kind'> & Json = {}): Exchange {
  return { to: 'connect', method: 'CONNECT', path: authority, host: authority, tunnel: 'hello', timeoutMs: 1000, ...more } as Exchange;
}
function connect2(authority: string, more: Partial<Http2Exchange> & { readonly fields?: readonly Field[] } = {}): Http2Exchange {
  const { fields = [], ...rest } = more;
  return {
    to: 'connect',
    tunnel: 'hello',
    timeoutMs: 1000,
    ...rest,
    kind: 'http2',
    rawHeaders: [[':method', 'CONNECT'], [':authority', authority], ...fields],
  };
}

const off = { upgrade_configs: [{ upgrade_type: 'websocket', enabled: false }] };
const on = (name: string, more: Json = {}): Json => ({ upgrade_configs: [{ upgrade_type: name, ...more }] });
const addHeader = (name: string): Json =>
  httpFilter('header_mutation', 'header_mutation.v3.HeaderMutation', {
    mutations: { request_mutations: [{ append: { header: { key: 'x-filter', value: name } } }] },
  });

/** Connection managers, by listener. */
const managers: Readonly<Record<string, Json>> = {
  http: { ...on('websocket'), http2_protocol_options: { allow_connect: true } },
  none: { http2_protocol_options: { allow_connect: true } },
  'no-extended': { ...on('websocket'), http2_protocol_options: { allow_connect: false } },
  disabled: { ...on('websocket', { enabled: false }), http2_protocol_options: { allow_connect: true } },
  filters: {
    http_filters: [addHeader('plain'), router()],
    upgrade_configs: [{ upgrade_type: 'websocket', filters: [addHeader('upgrade'), router()] }, { upgrade_type: 'foo' }],
  },
  'stream-idle': { ...on('websocket'), stream_idle_timeout: '0.15s' },
  'request-timeout': { ...on('websocket'), request_timeout: '0.15s' },
  duration: { ...on('websocket'), common_http_protocol_options: { max_stream_duration: '0.2s' } },
  connect: { ...on('CONNECT'), http2_protocol_options: { allow_connect: true } },
  'connect-none': { http2_protocol_options: { allow_connect: true } },
};

const routes: readonly Json[] = [
  ['a', {}],
  ['h2', { cluster: 'h2' }],
  ['off', off],
  ['foo', on('foo')],
  ['FOO', on('FOO')],
  ['timeout', { timeout: '0.15s' }],
  ['idle', { idle_timeout: '0.15s' }],
  ['max', { max_stream_duration: { max_stream_duration: '0.2s' } }],
  ['dead', { cluster: 'dead' }],
  ['empty', { cluster: 'empty' }],
  ['retry', { retry_policy: { retry_on: '5xx,connect-failure', num_retries: 2, retry_back_off: { base_interval: '0.01s' } } }],
  ['rewrite', { prefix_rewrite: '/rewritten', host_rewrite_literal: 'other.example' }],
  ['mirror', { request_mirror_policies: [{ cluster: 'b' }] }],
  ['limited', { cluster: 'limited' }],
  ['auto', { cluster: 'downstream' }],
].map(([name, more]) => ({ name, match: { path_separated_prefix: `/${name}` }, route: { cluster: 'a', ...(more as Json) } }));
const others: readonly Json[] = [
  { name: 'direct', match: { prefix: '/direct' }, direct_response: { status: 200, body: { inline_string: 'direct' } } },
  { name: 'redirect', match: { prefix: '/redirect' }, redirect: { path_redirect: '/a' } },
];

const connectRoute = (domain: string, more: Json, upgrade?: Json): Json => ({
  name: domain,
  domains: [domain, `${domain}:*`],
  routes: [
    {
      name: domain,
      match: { connect_matcher: {} },
      route: { cluster: 'tcp', ...(upgrade === undefined ? {} : { upgrade_configs: [{ upgrade_type: 'CONNECT', ...upgrade }] }), ...more },
    },
    {
      name: 'post',
      match: { prefix: '/' },
      route: { cluster: 'tcp', upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: { allow_post: true } }] },
    },
  ],
});
const connectHosts: readonly Json[] = [
  connectRoute('tcp.example', {}, { connect_config: {} }),
  connectRoute('proxied.example', {}, { connect_config: { proxy_protocol_config: { version: 'V1' } } }),
  connectRoute('post.example', {}, { connect_config: { allow_post: true } }),
  connectRoute('dead.example', { cluster: 'dead' }, { connect_config: {} }),
  connectRoute('forward.example', { cluster: 'a' }),
  connectRoute('forward2.example', { cluster: 'h2' }),
  connectRoute('off.example', {}, { enabled: false, connect_config: {} }),
  connectRoute('timeout.example', { timeout: '0.15s' }, { connect_config: {} }),
  connectRoute('idle.example', { idle_timeout: '0.15s' }, { connect_config: {} }),
  connectRoute('rewrite.example', { cluster: 'a', host_rewrite_literal: 'rewritten.example:99' }),
  {
    name: 'prefix',
    domains: ['prefix.example', 'prefix.example:*'],
    routes: [{ name: 'prefix', match: { prefix: '/' }, route: { cluster: 'a' } }],
  },
];

const ws = (path: string, more: Json = {}): Exchange =>
  ({ path, headers: websocket, tunnel: 'hello', timeoutMs: 1000, ...more }) as Exchange;

const websocketCases: readonly DifferentialCase[] = [
  { name: 'HTTP/1 to HTTP/1', does: ws('/a'), replies: switching() },
  { name: 'HTTP/1 to HTTP/1, 320 kB', does: ws('/a', { tunnel: long }), replies: switching() },
  ...['Upgrade', 'keep-alive, Upgrade', 'upgrade, close', 'Upgrade,keep-alive', 'keep-alive', 'close', ''].map(
    (value): DifferentialCase => ({
      name: `connection: "${value}"`,
      does: ws('/a', { headers: upgradeTo('websocket', value) }),
      replies: [switching()],
      ...(/upgrade/i.test(value) ? {} : { replies: { status: 200, body: 'plain' } }),
    }),
  ),
  ...['WebSocket', 'websocket, foo', 'foo', 'foo, websocket', 'h2c', 'TLS/1.0', ''].map(
    (value): DifferentialCase => ({
      name: `upgrade: "${value}"`,
      does: ws('/a', { headers: upgradeTo(value) }),
      replies: /^websocket$/i.test(value) ? switching() : { status: 200, body: 'plain' },
    }),
  ),
  { name: 'two upgrade fields', does: ws('/a', { headers: [...websocket, ['upgrade', 'foo']] }), replies: { status: 200, body: 'plain' } },
  { name: 'upgrade without connection', does: ws('/a', { headers: [['upgrade', 'websocket']] }), replies: { status: 200, body: 'plain' } },
  { name: 'two connection fields', does: ws('/a', { headers: [['connection', 'keep-alive'], ...websocket] }), replies: switching() },
  {
    name: 'connection names another field',
    does: ws('/a', {
      headers: [
        ['connection', 'upgrade, x-a'],
        ['upgrade', 'websocket'],
        ['x-a', '1'],
      ],
    }),
    replies: switching(),
  },
  {
    name: 'sec-websocket fields',
    does: ws('/a', {
      headers: [
        ...websocket,
        ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
        ['sec-websocket-version', '13'],
        ['sec-websocket-protocol', 'chat'],
      ],
    }),
    replies: switching('websocket', [
      ['sec-websocket-accept', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='],
      ['sec-websocket-protocol', 'chat'],
    ]),
  },
  { name: 'POST with a body', does: ws('/a', { method: 'POST', body: 'body' }), replies: switching() },
  { name: 'POST in chunks', does: ws('/a', { method: 'POST', body: ['one', 'two'] }), replies: switching() },
  { name: 'content-length: 0', does: ws('/a', { headers: [...websocket, ['content-length', '0']] }), replies: switching() },
  { name: 'HTTP/1.0', does: ws('/a', { version: '1.0' }), replies: switching() },
  {
    name: 'data with the request',
    does: {
      method: 'GET',
      tunnel: '',
      raw: `GET /a HTTP/1.1\r\nhost: app.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nearly`,
      tunnelWait: 5,
    } as Exchange,
    replies: switching(),
  },
  ...[200, 201, 204, 304, 400, 403, 404, 426, 500, 501, 503].map(
    (status): DifferentialCase => ({
      name: `refused with ${status}`,
      does: ws('/a'),
      replies: { status, ...(status === 204 || status === 304 ? {} : { body: 'no' }) },
    }),
  ),
  { name: 'refused with 403 in chunks', does: ws('/a'), replies: { status: 403, body: 'no', chunked: true } },
  { name: '101 without fields', does: ws('/a'), replies: { status: 101, tunnel: true } },
  { name: '101 to another protocol', does: ws('/a'), replies: switching('foo') },
  { name: '101 with content-length', does: ws('/a'), replies: switching('websocket', [['content-length', '0']]) },
  { name: '101 with content-length 5', does: ws('/a'), replies: switching('websocket', [['content-length', '5']]) },
  { name: '101 with transfer-encoding', does: ws('/a'), replies: switching('websocket', [['transfer-encoding', 'chunked']]) },
  {
    name: '101 with hop-by-hop fields',
    does: ws('/a'),
    replies: switching('websocket', [
      ['keep-alive', 'x'],
      ['proxy-connection', 'x'],
      ['x-a', '1'],
    ]),
  },
  {
    name: '101 with data',
    does: ws('/a', { tunnel: 'hi' }),
    replies: { raw: 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nearly', tunnel: true },
  },
  { name: '100 before 101', does: ws('/a'), replies: { ...switching(), informational: [{ status: 100 }] } },
  { name: '103 before 101', does: ws('/a'), replies: { ...switching(), informational: [{ status: 103, headers: [['link', '</a>']] }] } },
  {
    name: 'upstream closes',
    does: ws('/a', { tunnel: '' }),
    replies: { raw: 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nbye', thenClose: true },
  },
  { name: 'upstream closes without an answer', does: ws('/a'), replies: { instead: 'close' } },
  { name: 'upstream resets', does: ws('/a'), replies: { instead: 'reset' } },
  { name: 'route switches it off', does: ws('/off'), replies: switching() },
  { name: 'route switches foo on', does: ws('/foo', { headers: upgradeTo('foo') }), replies: switching('foo') },
  { name: 'route switches FOO on', does: ws('/FOO', { headers: upgradeTo('Foo') }), replies: switching('foo') },
  { name: 'route switches foo on, websocket stays', does: ws('/foo'), replies: switching() },
  { name: 'dead', does: ws('/dead') },
  { name: 'empty', does: ws('/empty') },
  { name: 'no route', does: ws('/nowhere') },
  { name: 'direct response', does: ws('/direct') },
  { name: 'redirect', does: ws('/redirect') },
  { name: 'retried', does: ws('/retry'), replies: [{ status: 503 }, switching()] },
  { name: 'rewritten', does: ws('/rewrite/x?y'), replies: switching() },
  { name: 'mirrored', does: ws('/mirror'), replies: switching(), unordered: true },
  { name: 'route timeout', does: [ws('/timeout', { lingerMs: 250 })], replies: switching() },
  { name: 'route timeout before the answer', does: ws('/timeout'), replies: { instead: 'hang' } },
  { name: 'route idle timeout', does: ws('/idle', { lingerMs: 400 }), replies: switching() },
  {
    name: 'route idle timeout, HTTP/2',
    does: extended('/idle', { timeoutMs: 600, tunnel: undefined, open: true } as never),
    replies: switching(),
  },
  { name: 'route max stream duration', does: ws('/max', { lingerMs: 500 }), replies: switching() },
  { name: 'manager stream idle timeout', does: ws('/a', { to: 'stream-idle', lingerMs: 400 }), replies: switching() },
  { name: 'manager request timeout', does: ws('/a', { to: 'request-timeout', lingerMs: 300 }), replies: switching() },
  { name: 'manager max stream duration', does: ws('/a', { to: 'duration', lingerMs: 500 }), replies: switching() },
  { name: 'manager allows none', does: ws('/a', { to: 'none' }), replies: switching() },
  { name: 'manager has it off', does: ws('/a', { to: 'disabled' }), replies: switching() },
  { name: 'manager has it off, route on', does: ws('/foo', { to: 'disabled', headers: upgradeTo('foo') }), replies: switching('foo') },
  { name: 'filters of the upgrade', does: ws('/a', { to: 'filters' }), replies: switching() },
  { name: 'filters without upgrade', does: { to: 'filters', path: '/a' } },
  { name: 'filters of another upgrade', does: ws('/a', { to: 'filters', headers: upgradeTo('foo') }), replies: switching('foo') },
  { name: 'HTTP/1 to HTTP/2', does: ws('/h2'), replies: { status: 200, tunnel: true } },
  { name: 'HTTP/1 to HTTP/2, 320 kB', does: ws('/h2', { tunnel: long }), replies: { status: 200, tunnel: true } },
  {
    name: 'HTTP/1 to HTTP/2 with fields',
    does: ws('/h2', { headers: [...websocket, ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ==']] }),
    replies: { status: 200, headers: [['sec-websocket-protocol', 'chat']], tunnel: true },
  },
  ...[201, 204, 403, 500].map(
    (status): DifferentialCase => ({
      name: `HTTP/1 to HTTP/2, refused with ${status}`,
      does: ws('/h2', { timeoutMs: 400 }),
      replies: { status, tunnel: true },
    }),
  ),
  { name: 'HTTP/2 to HTTP/1', does: extended('/a'), replies: switching() },
  { name: 'HTTP/2 to HTTP/1, 320 kB', does: extended('/a', { tunnel: long }), replies: switching() },
  {
    name: 'HTTP/2 to HTTP/1 with fields',
    does: extended('/a', {
      fields: [
        ['sec-websocket-version', '13'],
        ['origin', 'http://app.example'],
      ],
    }),
    replies: switching('websocket', [['sec-websocket-protocol', 'chat']]),
  },
  ...[200, 204, 403, 500].map(
    (status): DifferentialCase => ({
      name: `HTTP/2 to HTTP/1, refused with ${status}`,
      does: extended('/a', { timeoutMs: 500 }),
      replies: { status, ...(status === 204 ? {} : { body: 'no' }) },
    }),
  ),
  { name: 'HTTP/2 to HTTP/1, upstream closes', does: extended('/a', { timeoutMs: 500 }), replies: { instead: 'close' } },
  {
    name: 'HTTP/2 to HTTP/1, upstream closes later',
    does: extended('/a', { timeoutMs: 500 }),
    replies: { raw: 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nbye', thenClose: true },
  },
  { name: 'HTTP/2 to HTTP/1, client resets', does: extended('/a', { resetAfterMs: 60 }), replies: switching() },
  { name: 'HTTP/2 to HTTP/1, another protocol', does: extended('/a', { protocol: 'foo', timeoutMs: 500 }), replies: switching('foo') },
  {
    name: 'HTTP/2 to HTTP/1, protocol of the route',
    does: extended('/foo', { protocol: 'foo', timeoutMs: 500 }),
    replies: switching('foo'),
  },
  { name: 'HTTP/2 to HTTP/2', does: extended('/h2'), replies: accepted },
  { name: 'HTTP/2 to HTTP/2, 320 kB', does: extended('/h2', { tunnel: long }), replies: accepted },
  { name: 'HTTP/2 to HTTP/2, refused', does: extended('/h2', { timeoutMs: 500 }), replies: { status: 403, tunnel: true } },
  { name: 'HTTP/2, switched off', does: extended('/off', { timeoutMs: 500 }) },
  { name: 'HTTP/2, none allowed', does: extended('/a', { to: 'none', timeoutMs: 500 }) },
  { name: 'HTTP/2, allow_connect is off', does: extended('/a', { to: 'no-extended', timeoutMs: 500 }) },
  { name: 'HTTP/2, dead', does: extended('/dead', { timeoutMs: 500 }) },
  { name: 'HTTP/2, no route', does: extended('/nowhere', { timeoutMs: 500 }) },
  { name: 'HTTP/2, direct response', does: extended('/direct', { timeoutMs: 500 }) },
  {
    name: ':protocol on a GET',
    does: {
      kind: 'http2',
      timeoutMs: 500,
      rawHeaders: [
        [':method', 'GET'],
        [':scheme', 'http'],
        [':authority', 'app.example'],
        [':path', '/a'],
        [':protocol', 'websocket'],
      ],
    },
  },
  {
    name: ':protocol without a path',
    does: {
      kind: 'http2',
      timeoutMs: 500,
      rawHeaders: [
        [':method', 'CONNECT'],
        [':scheme', 'http'],
        [':authority', 'app.example'],
        [':protocol', 'websocket'],
      ],
    },
  },
  { name: 'HTTP/2 with an upgrade field', does: { kind: 'http2', path: '/a', timeoutMs: 500, headers: [['upgrade', 'websocket']] } },
];

const connectCases: readonly DifferentialCase[] = [
  { name: 'CONNECT over HTTP/1', does: connect1('tcp.example:80') },
  { name: 'CONNECT over HTTP/1, 320 kB', does: connect1('tcp.example:80', { tunnel: long }) },
  { name: 'CONNECT over HTTP/1 without port', does: connect1('tcp.example') },
  { name: 'CONNECT over HTTP/1, host differs', does: connect1('tcp.example:80', { host: 'other.example' }) },
  { name: 'CONNECT over HTTP/1 with a path', does: connect1('/path', { host: 'tcp.example:80' }) },
  { name: 'CONNECT over HTTP/1 with a URL', does: connect1('http://tcp.example:80/', { host: 'tcp.example:80' }) },
  { name: 'CONNECT over HTTP/1 with content-length', does: connect1('tcp.example:80', { headers: [['content-length', '5']] }) },
  { name: 'CONNECT over HTTP/1 in chunks', does: connect1('tcp.example:80', { headers: [['transfer-encoding', 'chunked']] }) },
  {
    name: 'CONNECT over HTTP/1 with fields',
    does: connect1('tcp.example:80', {
      headers: [
        ['proxy-connection', 'keep-alive'],
        ['x-a', '1'],
      ],
    }),
  },
  { name: 'CONNECT over HTTP/1, HTTP/1.0', does: connect1('tcp.example:80', { version: '1.0' }) },
  { name: 'CONNECT over HTTP/1 and half-close', does: connect1('tcp.example:80', { halfClose: true, tunnel: undefined, lingerMs: 100 }) },
  {
    name: 'CONNECT over HTTP/1, PROXY protocol',
    does: [],
    // The client's port is another one each time.
    run: async (proxy) =>
      JSON.stringify(await proxy.exchange(connect1('proxied.example:80', { tunnel: 'hello' }))).replace(/127\.0\.0\.1 \d+ \d+/, 'ports'),
  },
  { name: 'CONNECT over HTTP/1, dead', does: connect1('dead.example:80') },
  { name: 'CONNECT over HTTP/1, no such host', does: connect1('nowhere.example:80') },
  { name: 'CONNECT over HTTP/1, switched off', does: connect1('off.example:80') },
  { name: 'CONNECT over HTTP/1, prefix route', does: connect1('prefix.example:80') },
  { name: 'CONNECT over HTTP/1, timeout', does: connect1('timeout.example:80', { lingerMs: 300 }) },
  { name: 'CONNECT over HTTP/1, idle timeout', does: connect1('idle.example:80', { lingerMs: 400 }) },
  { name: 'CONNECT over HTTP/1, no upgrade', does: connect1('tcp.example:80', { to: 'connect-none' }) },
  { name: 'CONNECT over HTTP/1, forwarded', does: connect1('forward.example:80'), replies: accepted },
  { name: 'CONNECT over HTTP/1, forwarded, refused', does: connect1('forward.example:80'), replies: { status: 403, body: 'no' } },
  { name: 'CONNECT over HTTP/1, forwarded, closed', does: connect1('forward.example:80'), replies: { instead: 'close' } },
  { name: 'CONNECT over HTTP/1, forwarded, host rewritten', does: connect1('rewrite.example:80'), replies: accepted },
  { name: 'CONNECT over HTTP/1, forwarded to HTTP/2', does: connect1('forward2.example:80'), replies: accepted },
  {
    name: 'CONNECT over HTTP/1, forwarded to HTTP/2, refused',
    does: connect1('forward2.example:80', { timeoutMs: 500 }),
    replies: { status: 403, tunnel: true },
  },
  { name: 'CONNECT over HTTP/2', does: connect2('tcp.example:80') },
  { name: 'CONNECT over HTTP/2, 320 kB', does: connect2('tcp.example:80', { tunnel: long }) },
  { name: 'CONNECT over HTTP/2 with a path', does: connect2('tcp.example:80', { fields: [[':path', '/x']] }) },
  {
    name: 'CONNECT over HTTP/2 with scheme and path',
    does: connect2('tcp.example:80', {
      fields: [
        [':scheme', 'http'],
        [':path', '/x'],
      ],
    }),
  },
  {
    name: 'CONNECT over HTTP/2, PROXY protocol',
    does: [],
    // The client's port is another one each time.
    run: async (proxy) => JSON.stringify(await proxy.exchange(connect2('proxied.example:80'))).replace(/127\.0\.0\.1 \d+ \d+/, 'ports'),
  },
  { name: 'CONNECT over HTTP/2, dead', does: connect2('dead.example:80') },
  { name: 'CONNECT over HTTP/2, no such host', does: connect2('nowhere.example:80') },
  { name: 'CONNECT over HTTP/2, prefix route', does: connect2('prefix.example:80') },
  { name: 'CONNECT over HTTP/2, forwarded', does: connect2('forward.example:80'), replies: accepted },
  { name: 'CONNECT over HTTP/2, forwarded, refused', does: connect2('forward.example:80'), replies: { status: 403, body: 'no' } },
  { name: 'CONNECT over HTTP/2, forwarded to HTTP/2', does: connect2('forward2.example:80'), replies: accepted },
  { name: 'CONNECT over HTTP/2, client resets', does: connect2('tcp.example:80', { resetAfterMs: 60 }) },
  { name: 'CONNECT over HTTP/2, idle timeout', does: connect2('idle.example:80', { tunnel: 'hello', timeoutMs: 600 }) },
  {
    name: 'POST as CONNECT over HTTP/1',
    ignoreHeaders: ['x-envoy-upstream-service-time'],
    does: { to: 'connect', method: 'POST', host: 'post.example', path: '/x', body: ['one', 'two'] },
  },
  {
    name: 'POST as CONNECT over HTTP/2',
    ignoreHeaders: ['x-envoy-upstream-service-time'],
    does: { to: 'connect', kind: 'http2', method: 'POST', authority: 'post.example', path: '/x', body: ['one', 'two'] },
  },
  { name: 'GET where CONNECT is meant', does: { to: 'connect', host: 'post.example', path: '/x' } },
  { name: 'websocket where CONNECT is meant', does: ws('/x', { to: 'connect', host: 'tcp.example' }) },
];

/** The tunnels of HTTP: who is let through, what either side sees of the handshake, and how tunnels end. */
export const upgrades: DifferentialFamily = {
  name: 'upgrades',
  waits: true,
  known,
  about: 'upgrades and CONNECT, between all versions of HTTP, terminated and forwarded; refusals, timeouts and ends of tunnels',
  bootstrap: (site) => ({
    static_resources: {
      listeners: Object.entries(managers).map(([name, more]) =>
        listener(site, name, [
          httpConnectionManager(site, name.startsWith('connect') ? connectHosts : [virtualHost([...routes, ...others])], {
            delayed_close_timeout: '0.03s',
            ...more,
          }),
        ]),
      ),
      clusters: [
        ...standardClusters(site).filter(({ name }) => name !== 'h2'),
        {
          ...cluster('h2', [site.upstream('h2')]),
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': type('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
              explicit_http_config: { http2_protocol_options: { allow_connect: true } },
            },
          },
        },
        cluster('limited', [site.upstream('a')], { circuit_breakers: { thresholds: [{ max_requests: 1 }] } }),
        cluster('downstream', [site.upstream('h2')], http2Upstream),
      ],
    },
  }),
  cases: [...websocketCases, ...connectCases],
  stats: ['http.main.downstream_cx_upgrades_active', 'cluster.a.upstream_rq_active'],
};
