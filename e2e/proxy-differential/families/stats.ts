import type { CertificateFiles } from '../harness/certificates.ts';
import {
  accessLog,
  address,
  cluster,
  http2Upstream,
  httpConnectionManager,
  httpOptions,
  listener,
  tcpProxy,
  type,
  virtualHost,
} from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Json, Site } from '../harness/family.ts';

const tlsType = 'envoy.extensions.transport_sockets.tls.v3';
const pair = (files: CertificateFiles): Json => ({
  certificate_chain: { filename: files.certificate },
  private_key: { filename: files.key },
});

function clusters(site: Site): Json[] {
  const upstreamTls = {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': type(`${tlsType}.UpstreamTlsContext`),
      common_tls_context: { validation_context: { trusted_ca: { filename: site.certificates.ca } } },
    },
  };
  const zoned = { locality: { region: 'r', zone: 'far' }, lb_endpoints: [{ endpoint: { address: address(site.upstream('b')) } }] };
  return [
    cluster('a', [site.upstream('a')]),
    cluster('zoned', [], { load_assignment: { cluster_name: 'zoned', endpoints: [zoned] } }),
    cluster('h2', [site.upstream('h2')], http2Upstream),
    cluster('secure', [site.upstream('secure')], { transport_socket: upstreamTls }),
    cluster(
      'once',
      [site.upstream('a')],
      httpOptions({
        explicit_http_config: { http_protocol_options: {} },
        common_http_protocol_options: { max_requests_per_connection: 1 },
      }),
    ),
    cluster('named', [site.upstream('c')], { alt_stat_name: 'other_name' }),
    cluster('checked', [site.upstream('d')], {
      health_checks: [
        { timeout: '1s', interval: '60s', unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: { path: '/health' } },
      ],
    }),
    cluster('subsets', [site.upstream('a')], {
      lb_subset_config: { fallback_policy: 'ANY_ENDPOINT', subset_selectors: [{ keys: ['version'] }] },
    }),
    cluster('outliers', [site.upstream('a')], { outlier_detection: {} }),
    cluster('limited', [site.upstream('a')], { circuit_breakers: { thresholds: [{ max_pending_requests: 0, track_remaining: true }] } }),
    cluster('tcp', [site.upstream('tcp')]),
    cluster('dead', [site.deadPort]),
    cluster('empty', []),
  ];
}

const named = ['zoned', 'h2', 'secure', 'once', 'named', 'outliers', 'limited', 'subsets', 'dead', 'empty'];

function routes(): Json[] {
  return [
    ...named.map((name) => ({ match: { path_separated_prefix: `/${name}` }, route: { cluster: name } })),
    { match: { prefix: '/retry' }, route: { cluster: 'a', retry_policy: { retry_on: '5xx', num_retries: 1 } } },
    { match: { prefix: '/timeout' }, route: { cluster: 'a', timeout: '0.1s' } },
    {
      match: { prefix: '/try' },
      route: { cluster: 'a', timeout: '2s', retry_policy: { retry_on: '5xx', num_retries: 1, per_try_timeout: '0.1s' } },
    },
    { match: { prefix: '/redirect' }, redirect: { path_redirect: '/elsewhere' } },
    { match: { prefix: '/direct' }, direct_response: { status: 418, body: { inline_string: 'teapot' } } },
    { match: { prefix: '/nowhere' }, route: { cluster: 'absent' } },
    { match: { prefix: '/mirror' }, route: { cluster: 'a', request_mirror_policies: [{ cluster: 'zoned' }] } },
    { match: { prefix: '/counted' }, stat_prefix: 'counted', route: { cluster: 'a' } },
    { match: { prefix: '/upgrade' }, route: { cluster: 'a', upgrade_configs: [{ upgrade_type: 'websocket' }] } },
    { match: { path: '/found' }, route: { cluster: 'a' } },
    { match: { prefix: '/a' }, route: { cluster: 'a' } },
  ];
}

const virtualClusters = [
  {
    name: 'reads',
    headers: [
      { name: ':path', string_match: { prefix: '/a' } },
      { name: ':method', string_match: { exact: 'GET' } },
    ],
  },
];

function bootstrap(site: Site): Json {
  const { certificates } = site;
  const host = virtualHost(routes(), { virtual_clusters: virtualClusters });
  const manager = (prefix: string, more: Json = {}): Json =>
    httpConnectionManager(site, [host], { stat_prefix: prefix, request_timeout: '0.3s', stream_idle_timeout: '5s', ...more });
  const tls = {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': type(`${tlsType}.DownstreamTlsContext`),
      common_tls_context: {
        alpn_protocols: ['h2', 'http/1.1'],
        tls_certificates: [pair(certificates.server)],
        validation_context: { trusted_ca: { filename: certificates.ca } },
      },
    },
  };
  return {
    static_resources: {
      listeners: [
        listener(site, 'http', [manager('main')], { stat_prefix: 'plain' }),
        { ...listener(site, 'tls', [], { stat_prefix: 'tls' }), filter_chains: [{ filters: [manager('tls')], transport_socket: tls }] },
        listener(site, 'tcp', [tcpProxy(site, { cluster: 'tcp' })], { stat_prefix: 'tcp' }),
        listener(site, 'tcp-dead', [tcpProxy(site, { stat_prefix: 'dead', cluster: 'dead' })], { stat_prefix: 'dead' }),
        listener(site, 'logged', [manager('logged')], { stat_prefix: 'logged', access_log: [accessLog(site)] }),
      ],
      clusters: clusters(site),
    },
    node: { id: 'n', cluster: 'c', locality: { region: 'r', zone: 'near' } },
    stats_flush_on_admin: true,
    layered_runtime: {
      layers: [
        { name: 'static', static_layer: { some: { key: 1, other: true } } },
        { name: 'admin', admin_layer: {} },
      ],
    },
  };
}

const get = (path: string, more: Json = {}): Exchange => ({ path, ...more });

/** What happens before anything is read; what is answered is compared too. */
const traffic: DifferentialCase[] = [
  { name: 'traffic plain', does: [get('/a'), get('/a', { method: 'POST', body: 'hello' }), get('/counted'), get('/once'), get('/once')] },
  {
    name: 'traffic two on one connection',
    does: { responses: ['GET', 'GET'], raw: 'GET /a HTTP/1.1\r\nhost: app.example\r\n\r\nGET /a HTTP/1.1\r\nhost: app.example\r\n\r\n' },
  },
  { name: 'traffic close', does: get('/a', { headers: [['connection', 'close']] }) },
  { name: 'traffic statuses', does: [get('/a')], replies: { status: 404 } },
  { name: 'traffic 503', does: [get('/a')], replies: { status: 503 } },
  { name: 'traffic 302', does: [get('/a')], replies: { status: 302 } },
  { name: 'traffic internal', does: [get('/a', { headers: [['x-envoy-internal', 'true']] })] },
  { name: 'traffic canary', does: [get('/a')], replies: { headers: [['x-envoy-upstream-canary', 'true']] } },
  { name: 'traffic zone', does: get('/zoned') },
  {
    name: 'traffic h2',
    does: [
      { kind: 'http2', path: '/a' },
      { kind: 'http2', path: '/h2' },
      { kind: 'http2', path: '/h2', body: 'abc', method: 'POST' },
    ],
  },
  {
    name: 'traffic tls',
    does: [
      { to: 'tls', path: '/a', tls: { servername: 'server.example' } },
      { kind: 'http2', to: 'tls', path: '/a', tls: { servername: 'server.example', alpn: ['h2'], clientCertificate: true } },
      get('/secure'),
    ],
  },
  { name: 'traffic retry', ignoreHeaders: ['x-envoy-expected-rq-timeout-ms'], does: get('/retry'), replies: [{ status: 503 }, {}] },
  { name: 'traffic retry in vain', ignoreHeaders: ['x-envoy-expected-rq-timeout-ms'], does: get('/retry'), replies: [{ status: 503 }] },
  { name: 'traffic timeout', does: get('/timeout'), replies: { delayMs: 400 } },
  { name: 'traffic try timeout', ignoreHeaders: ['x-envoy-expected-rq-timeout-ms'], does: get('/try'), replies: [{ delayMs: 400 }, {}] },
  { name: 'traffic local replies', does: [get('/redirect'), get('/direct'), get('/nowhere'), get('/none'), get('/empty')] },
  { name: 'traffic dead', does: get('/dead') },
  { name: 'traffic reset', does: get('/a'), replies: { instead: 'reset' } },
  { name: 'traffic h2 reset', does: get('/h2'), replies: { instead: 'reset' } },
  { name: 'traffic overflow', does: get('/limited') },
  { name: 'traffic subsets', does: get('/subsets') },
  { name: 'traffic outliers', does: get('/outliers') },
  { name: 'traffic named', does: get('/named') },
  { name: 'traffic mirror', does: get('/mirror'), unordered: true },
  {
    name: 'traffic upgrade refused',
    does: get('/a', {
      headers: [
        ['connection', 'upgrade'],
        ['upgrade', 'websocket'],
      ],
    }),
  },
  { name: 'traffic abort', does: get('/a', { abortAfterMs: 50, timeoutMs: 300 }), replies: { delayMs: 200 } },
  {
    name: 'traffic request timeout',
    does: { raw: 'POST /a HTTP/1.1\r\nhost: app.example\r\ncontent-length: 5\r\n\r\nab', method: 'POST' },
  },
  { name: 'traffic malformed', does: { raw: 'GET / HTTP/1.1\r\nbad header\r\n\r\n' }, logs: 1 },
  { name: 'traffic tcp', does: { kind: 'tcp', to: 'tcp', send: 'hello' } },
  {
    name: 'traffic tcp to nobody',
    does: [],
    // Whether the client sees the end or a reset is a race.
    run: async (proxy) => {
      await proxy.exchange({ kind: 'tcp', to: 'tcp-dead', send: 'hello' });
      return (await proxy.takeLog(1)).length;
    },
  },
];

/** Envoy's histograms tell what had been recorded at the last look. */
const flush: Exchange = { kind: 'admin', path: '/stats', select: () => 'flushed' };

/** Counts bytes and times: that they are there, not how many. */
const measured =
  /(_bytes_total|_buffered$|memory_|uptime|heap_size|server\.version|stats_recent_lookups|flushed_by_timer|write_completed|expiration_unix_time)/;
/** Two peers may agree on others. */
const agreed = /\.ssl\.(ciphers|curves|sigalgs)\./;

/** Stats by name, of one part of the tree. */
function statsOf(text: string, part: RegExp): Json {
  const found: [string, string][] = [];
  for (const line of text.split('\n')) {
    const at = line.indexOf(': ');
    const name = line.slice(0, at);
    if (at === -1 || !part.test(name) || agreed.test(name)) continue;
    const value = line.slice(at + 2);
    const shown = value.startsWith('P0') ? value.replaceAll(/\d+(\.\d+)?(?=[,)])/g, 'N') : measured.test(name) ? 'N' : value;
    found.push([name, shown]);
  }
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const read = (what: string, part: RegExp): DifferentialCase => ({
  name: `stats ${what}`,
  does: { kind: 'admin', path: '/stats', select: (text) => statsOf(text, part) },
});

/** How often the suite has asked the admin server is not the same: names, and whether anything was counted. */
const readNames = (what: string, part: RegExp): DifferentialCase => ({
  name: `stats ${what}`,
  does: {
    kind: 'admin',
    path: '/stats',
    select: (text) =>
      Object.fromEntries(
        Object.entries(statsOf(text, part)).map(([name, value]) => [name, /5xx|rq_time/.test(name) ? 'any' : value === '0' ? '0' : 'some']),
      ),
  },
});

const clusterNames = [
  'a',
  'zoned',
  'h2',
  'secure',
  'once',
  'other_name',
  'checked',
  'subsets',
  'outliers',
  'limited',
  'tcp',
  'dead',
  'empty',
];

export const stats: DifferentialFamily = {
  name: 'stats',
  about: 'names and values of all statistics after the same traffic, in all formats',
  upstreams: { a: 'http1', b: 'http1', c: 'http1', d: 'http1', h2: 'http2', secure: 'https1', tcp: 'tcp' },
  bootstrap,
  cases: [
    ...traffic,
    { name: 'settled', does: [{ kind: 'pause', ms: 400 }, flush, flush] },
    ...clusterNames.map((name) => read(`of cluster ${name}`, new RegExp(`^cluster\\.${name}\\.`))),
    ...['main', 'tls', 'logged', 'async-client'].map((prefix) =>
      read(`of connection manager ${prefix}`, new RegExp(`^http\\.${prefix}\\.`)),
    ),
    ...['plain', 'tls', 'tcp', 'dead', 'logged'].map((name) => read(`of listener ${name}`, new RegExp(`^listener\\.${name}\\.`))),
    readNames('of connection manager admin', /^http\.admin\./),
    readNames('of listener admin', /^listener\.admin\./),
    read('of TCP proxies', /^tcp\./),
    read('of virtual hosts', /^vhost\./),
    read('of routes', /^route\./),
    read('of the server', /^(server|main_thread|workers|overload)\b/),
    read(
      'of managers',
      /^(listener_manager|cluster_manager|runtime|filesystem|control_plane|dns|thread_local|tls|http1|http2|access_logs|cluster_manager)\b/,
    ),
    read(
      'of anything else',
      /^(?!cluster\.|http\.|listener\.|tcp\.|vhost\.|route\.|server|main_thread|workers|overload|listener_manager|cluster_manager|runtime|filesystem|control_plane|dns|thread_local|http2\.)/,
    ),
  ],
  known: {
    'stats of cluster a': {
      why: 'Requests per connection are not recorded; the histogram is there and empty.',
      differs: {
        'answers.0.cluster.a.upstream_rq_per_cx': [
          'P0(nan,N) P25(nan,N) P50(nan,N) P75(nan,N) P90(nan,N) P95(nan,N) P99(nan,N) P99.5(nan,N) P99.9(nan,N) P100(nan,N)',
          'No recorded values',
        ],
      },
    },
    'stats of cluster h2': {
      why: 'The gauge of nghttp2 connections stays 0: there is no nghttp2.',
      differs: {
        'answers.0.cluster.h2.http2.nghttp2_upstream_connections': ['1', '0'],
      },
    },
    'stats of cluster once': {
      why: 'Requests per connection are not recorded; the histogram is there and empty.',
      differs: {
        'answers.0.cluster.once.upstream_rq_per_cx': [
          'P0(nan,N) P25(nan,N) P50(nan,N) P75(nan,N) P90(nan,N) P95(nan,N) P99(nan,N) P99.5(nan,N) P99.9(nan,N) P100(nan,N)',
          'No recorded values',
        ],
      },
    },
    'stats of cluster checked': {
      why: 'Health checks have codecs of their own, so their HTTP/1 names are not among the cluster’s.',
      differs: {
        'answers.0.cluster.checked.http1.dropped_headers_with_underscores': ['0', null],
        'answers.0.cluster.checked.http1.metadata_not_supported_error': ['0', null],
        'answers.0.cluster.checked.http1.requests_rejected_with_underscores_in_headers': ['0', null],
        'answers.0.cluster.checked.http1.response_flood': ['0', null],
      },
    },
    'stats of cluster limited': {
      why: 'Connection pools are not limited, so what is left of the limit is not shown.',
      differs: {
        'answers.0.cluster.limited.circuit_breakers.default.remaining_cx_pools': ['18446744073709551614', null],
      },
    },
    'stats of cluster dead': {
      why: 'A TCP connection that was refused is not counted as destroyed.',
      differs: {
        'answers.0.cluster.dead.upstream_cx_destroy_remote': ['2', '1'],
        'answers.0.cluster.dead.upstream_cx_length_ms': [
          'P0(nan,N) P25(nan,N) P50(nan,N) P75(nan,N) P90(nan,N) P95(nan,N) P99(nan,N) P99.5(nan,N) P99.9(nan,N) P100(nan,N)',
          'No recorded values',
        ],
      },
    },
    'stats of connection manager main': {
      why: 'After a request that timed out the connection is closed by the client that was told to, where Envoy closes first.',
      differs: {
        'answers.0.http.main.downstream_cx_destroy_local': ['1', '0'],
        'answers.0.http.main.downstream_cx_destroy_remote': ['37', '38'],
      },
    },
    'stats of managers': {
      why: 'The runtime is loaded once at start, where Envoy loads it twice and counts a deprecated feature of its own; there is no nghttp2 to have connections.',
      differs: {
        'answers.0.http2.nghttp2_downstream_connections': ['4', '0'],
        'answers.0.runtime.deprecated_feature_seen_since_process_start': ['1', '0'],
        'answers.0.runtime.deprecated_feature_use': ['1', '0'],
        'answers.0.runtime.load_success': ['2', '1'],
        'answers.0.runtime.override_dir_not_exists': ['2', '1'],
      },
    },
  },
};
