import { httpBootstrap, type } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Field, Http1Exchange, Json } from '../harness/family.ts';
import { known } from './known/route-actions.ts';

interface Action {
  readonly name: string;
  readonly match?: Json;
  readonly route?: Json;
  readonly redirect?: Json;
  readonly direct?: Json;
  readonly more?: Json;
  readonly asks?: readonly Http1Exchange[];
}

const regex = (pattern: string, substitution: string): Json => ({ pattern: { regex: pattern }, substitution });
const template = (rewrite: string): Json => ({
  path_rewrite_policy: {
    name: 'envoy.path.rewrite.uri_template.uri_template_rewriter',
    typed_config: {
      '@type': type('envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig'),
      path_template_rewrite: rewrite,
    },
  },
});
const templateMatch = (pattern: string): Json => ({
  path_match_policy: {
    name: 'envoy.path.match.uri_template.uri_template_matcher',
    typed_config: { '@type': type('envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig'), path_template: pattern },
  },
});
const at = (...paths: string[]): Http1Exchange[] => paths.map((path) => ({ path }));
const usual = at('', '/', '/x', '/x?y=1', '?y=1', 'x');

const rewrites: readonly Action[] = [
  { name: 'prefix rewrite', route: { prefix_rewrite: '/new' }, asks: usual },
  { name: 'prefix rewrite with slash', route: { prefix_rewrite: '/new/' }, asks: usual },
  { name: 'prefix rewrite to root', route: { prefix_rewrite: '/' }, asks: usual },
  {
    name: 'prefix rewrite of a separated prefix',
    match: { path_separated_prefix: 'HERE' },
    route: { prefix_rewrite: '/new' },
    asks: usual,
  },
  { name: 'prefix rewrite of an exact path', match: { path: 'HERE' }, route: { prefix_rewrite: '/new' }, asks: at('', '?y=1') },
  {
    name: 'prefix rewrite of a regex',
    match: { safe_regex: { regex: 'HERE/[a-z]+' } },
    route: { prefix_rewrite: '/new' },
    asks: at('/x', '/x?y=1'),
  },
  { name: 'prefix rewrite without case', match: { prefix: 'HERE', case_sensitive: false }, route: { prefix_rewrite: '/new' }, asks: usual },
  {
    name: 'regex rewrite',
    route: { regex_rewrite: regex('/(\\d+)/([a-z]+)', '/\\2/\\1') },
    asks: at('/12/ab', '/12/ab/34/cd', '/none', '/12/ab?q=/12/ab'),
  },
  { name: 'regex rewrite of all', route: { regex_rewrite: regex('^/.*$', '/whole\\0') }, asks: at('/x', '/x?y') },
  { name: 'regex rewrite, empty', route: { regex_rewrite: regex('.*', '/fixed') }, asks: at('/x') },
  { name: 'regex rewrite, many places', route: { regex_rewrite: regex('x', 'yy') }, asks: at('/xax', '/x?x') },
  { name: 'regex rewrite, backslash', route: { regex_rewrite: regex('/a', '/\\\\') }, asks: at('/a') },
  {
    name: 'template rewrite',
    match: templateMatch('HERE/{country}/{rest=**}'),
    route: template('/r/{rest}/in/{country}'),
    asks: at('/de/a/b', '/de/a?q=1'),
  },
  {
    name: 'template rewrite, suffix',
    match: templateMatch('HERE/{file=*}.txt'),
    route: template('/files/{file}'),
    asks: at('/a.txt', '/a.txt?x'),
  },
  { name: 'host literal', route: { host_rewrite_literal: 'inner.example:99' }, asks: at('') },
  {
    name: 'host literal and x-forwarded-host',
    route: { host_rewrite_literal: 'inner.example', append_x_forwarded_host: true },
    asks: [{}, { headers: [['x-forwarded-host', 'before']] }, { host: 'inner.example' }],
  },
  {
    name: 'host from header',
    route: { host_rewrite_header: 'x-host' },
    asks: [
      {},
      { headers: [['x-host', 'from.example']] },
      { headers: [['x-host', '']] },
      {
        headers: [
          ['x-host', 'a'],
          ['x-host', 'b'],
        ],
      },
    ],
  },
  {
    name: 'host from header with x-forwarded-host',
    route: { host_rewrite_header: 'x-host', append_x_forwarded_host: true },
    asks: [{}, { headers: [['x-host', 'from.example']] }],
  },
  {
    name: 'host from path',
    route: { host_rewrite_path_regex: regex('^/a[0-9]+/([^/]+)/.*$', '\\1.example') },
    asks: at('/x/y', '/x/y?q', '/none'),
  },
  { name: 'host from DNS name', route: { auto_host_rewrite: true, cluster: 'dns' }, asks: at('') },
  {
    name: 'host from DNS name with x-forwarded-host',
    route: { auto_host_rewrite: true, cluster: 'dns', append_x_forwarded_host: true },
    asks: at(''),
  },
  { name: 'host from address', route: { auto_host_rewrite: true }, asks: at('') },
  { name: 'x-forwarded-host without rewrite', route: { append_x_forwarded_host: true }, asks: at('') },
];

const redirects: readonly Action[] = [
  { name: 'redirect to nothing else', redirect: {} },
  { name: 'redirect https', redirect: { https_redirect: true } },
  {
    name: 'redirect https with port',
    redirect: { https_redirect: true },
    asks: [{ host: 'app.example:80' }, { host: 'app.example:8080' }, { host: 'app.example:443' }, { host: '[::1]:80' }],
  },
  { name: 'redirect scheme', redirect: { scheme_redirect: 'https' }, asks: [{}, { host: 'app.example:80' }] },
  { name: 'redirect other scheme', redirect: { scheme_redirect: 'ftp' } },
  {
    name: 'redirect http',
    redirect: { scheme_redirect: 'http' },
    asks: [{ host: 'app.example:443', headers: [['x-forwarded-proto', 'https']] }],
  },
  { name: 'redirect host', redirect: { host_redirect: 'other.example' }, asks: [...usual, { host: 'app.example:99' }] },
  { name: 'redirect host with port', redirect: { host_redirect: 'other.example:99' } },
  { name: 'redirect port', redirect: { port_redirect: 8443 }, asks: [{}, { host: 'app.example:99' }, { host: '[::1]:99' }] },
  { name: 'redirect host and port', redirect: { host_redirect: 'other.example', port_redirect: 8443 }, asks: [{ host: 'app.example:99' }] },
  { name: 'redirect path', redirect: { path_redirect: '/new' }, asks: usual },
  { name: 'redirect path with query', redirect: { path_redirect: '/new?a=b' }, asks: usual },
  { name: 'redirect path, no query', redirect: { path_redirect: '/new', strip_query: true }, asks: usual },
  { name: 'redirect prefix', redirect: { prefix_rewrite: '/new' }, asks: usual },
  { name: 'redirect prefix, no query', redirect: { prefix_rewrite: '/new', strip_query: true }, asks: usual },
  { name: 'redirect regex', redirect: { regex_rewrite: regex('/a(\\d+)/x', '/b\\1') }, asks: usual },
  { name: 'redirect without query', redirect: { strip_query: true }, asks: usual },
  ...['MOVED_PERMANENTLY', 'FOUND', 'SEE_OTHER', 'TEMPORARY_REDIRECT', 'PERMANENT_REDIRECT'].map((code) => ({
    name: `redirect ${code}`,
    redirect: { path_redirect: '/new', response_code: code },
  })),
  { name: 'redirect of a body', redirect: { host_redirect: 'other.example' }, asks: [{ method: 'POST', body: 'x' }, { method: 'HEAD' }] },
  {
    name: 'redirect with headers',
    redirect: { host_redirect: 'other.example' },
    more: { response_headers_to_add: [{ header: { key: 'x-why', value: '%RESPONSE_CODE%' } }] },
  },
  { name: 'redirect behind https', redirect: { host_redirect: 'other.example' }, asks: [{ headers: [['x-forwarded-proto', 'https']] }] },
];

const directs: readonly Action[] = [
  { name: 'direct 200', direct: { status: 200 } },
  {
    name: 'direct with body',
    direct: { status: 200, body: { inline_string: 'hello' } },
    asks: [{}, { method: 'HEAD' }, { method: 'POST', body: 'x' }],
  },
  { name: 'direct with bytes', direct: { status: 200, body: { inline_bytes: Buffer.from('bytes').toString('base64') } } },
  ...[
    201, 204, 205, 206, 300, 301, 304, 400, 401, 403, 404, 405, 408, 409, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 425, 426, 429,
    431, 451, 500, 501, 502, 503, 504, 505, 511, 599,
  ].map((status) => ({
    name: `direct ${status}`,
    direct: { status, body: { inline_string: `body ${status}` } },
  })),
  {
    name: 'direct with content-type',
    direct: { status: 200, body: { inline_string: '{}' } },
    more: {
      response_headers_to_add: [
        { header: { key: 'content-type', value: 'application/json' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' },
      ],
    },
  },
  {
    name: 'direct with appended content-type',
    direct: { status: 200, body: { inline_string: '{}' } },
    more: { response_headers_to_add: [{ header: { key: 'content-type', value: 'application/json' } }] },
  },
  {
    name: 'direct to gRPC',
    direct: { status: 403, body: { inline_string: 'no, you "may" not' } },
    asks: [{ headers: [['content-type', 'application/grpc']] }],
  },
  {
    name: 'direct 200 to gRPC',
    direct: { status: 200, body: { inline_string: 'fine' } },
    asks: [{ headers: [['content-type', 'application/grpc']] }],
  },
  {
    name: 'direct with removed headers',
    direct: { status: 200, body: { inline_string: 'x' } },
    more: { response_headers_to_remove: ['content-type', 'date', 'server'] },
  },
  { name: 'non-forwarding', more: { non_forwarding_action: {} } },
];

const clusters: readonly Action[] = [
  {
    name: 'cluster by header',
    route: { cluster: undefined, cluster_header: 'x-cluster' },
    asks: [
      { headers: [['x-cluster', 'b']] },
      { headers: [['x-cluster', 'none']] },
      {},
      {
        headers: [
          ['x-cluster', 'c'],
          ['x-cluster', 'd'],
        ],
      },
    ],
  },
  { name: 'unknown cluster', route: { cluster: 'unknown' } },
  { name: 'unknown cluster is 404', route: { cluster: 'unknown', cluster_not_found_response_code: 'NOT_FOUND' } },
  { name: 'unknown cluster is 500', route: { cluster: 'unknown', cluster_not_found_response_code: 'INTERNAL_SERVER_ERROR' } },
  {
    name: 'weights of one',
    route: {
      cluster: undefined,
      weighted_clusters: {
        clusters: [
          { name: 'a', weight: 0 },
          { name: 'b', weight: 1 },
        ],
      },
    },
  },
  {
    name: 'weights with host rewrite',
    route: { cluster: undefined, weighted_clusters: { clusters: [{ name: 'b', weight: 1, host_rewrite_literal: 'weighted.example' }] } },
  },
  {
    name: 'weights by runtime',
    route: {
      cluster: undefined,
      weighted_clusters: {
        runtime_key_prefix: 'weights',
        clusters: [
          { name: 'a', weight: 1 },
          { name: 'b', weight: 0 },
        ],
      },
    },
  },
  {
    name: 'weights by header value',
    route: {
      cluster: undefined,
      weighted_clusters: {
        header_name: 'x-random',
        clusters: [
          { name: 'a', weight: 10 },
          { name: 'b', weight: 20 },
          { name: 'c', weight: 70 },
        ],
      },
    },
    asks: ['0', '9', '10', '29', '30', '99', '100', '105', '12345'].map((value) => ({ headers: [['x-random', value]] })),
  },
  {
    name: 'weights by cluster header',
    route: { cluster: undefined, weighted_clusters: { clusters: [{ cluster_header: 'x-cluster', weight: 1 }] } },
    asks: [{ headers: [['x-cluster', 'b']] }],
  },
  {
    name: 'weights without known cluster',
    route: { cluster: undefined, weighted_clusters: { clusters: [{ name: 'unknown', weight: 1 }] } },
  },
];

const mirror = (more: Json): Json => ({ request_mirror_policies: [{ cluster: 'b', ...more }] });
const mirrors: readonly Action[] = [
  { name: 'mirror', route: mirror({}), asks: [{}, { method: 'POST', body: 'copied', host: 'app.example:80' }] },
  { name: 'mirror of no request', route: mirror({ runtime_fraction: { default_value: { numerator: 0 } } }) },
  { name: 'mirror of all requests', route: mirror({ runtime_fraction: { default_value: { numerator: 100 } } }) },
  { name: 'mirror without suffix', route: mirror({ disable_shadow_host_suffix_append: true }) },
  {
    name: 'mirror to cluster by header',
    route: { request_mirror_policies: [{ cluster_header: 'x-mirror' }] },
    asks: [{ headers: [['x-mirror', 'c']] }, {}],
  },
  { name: 'mirror to unknown', route: { request_mirror_policies: [{ cluster: 'unknown' }] } },
  { name: 'two mirrors', route: { request_mirror_policies: [{ cluster: 'b' }, { cluster: 'c' }] }, asks: [{ method: 'POST', body: 'x' }] },
  {
    name: 'mirror with rewrite',
    route: { ...mirror({}), prefix_rewrite: '/new', host_rewrite_literal: 'inner.example' },
    more: { request_headers_to_add: [{ header: { key: 'x-a', value: 'b' } }] },
  },
  { name: 'mirror to nobody', route: { request_mirror_policies: [{ cluster: 'dead' }] } },
];

const hashed = (...policies: Json[]): Json => ({ cluster: 'ring', hash_policy: policies });
const users = ['anna', 'bert', 'carla', 'dora', 'emil', ''];
const hashes: readonly Action[] = [
  {
    name: 'hash of header',
    route: hashed({ header: { header_name: 'x-user' } }),
    asks: users.map((user) => ({ headers: [['x-user', user]] })),
  },
  {
    name: 'hash of many header values',
    route: hashed({ header: { header_name: 'x-user' } }),
    asks: [['a', 'b'], ['b', 'a'], ['a,b']].map((values) => ({ headers: values.map((value): Field => ['x-user', value]) })),
  },
  {
    name: 'hash of rewritten header',
    route: hashed({ header: { header_name: 'x-user', regex_rewrite: regex('^(\\w+)-.*', '\\1') } }),
    asks: [{ headers: [['x-user', 'anna-1']] }, { headers: [['x-user', 'anna-2']] }],
  },
  { name: 'hash of path', route: hashed({ header: { header_name: ':path' } }), asks: usual },
  {
    name: 'hash of query',
    route: hashed({ query_parameter: { name: 'u' } }),
    asks: at('?u=anna', '?u=bert', '?u=carla', '?u=a%20b', '?x=1&u=dora'),
  },
  {
    name: 'hash of cookie',
    route: hashed({ cookie: { name: 'u' } }),
    asks: users.slice(0, 4).map((user) => ({ headers: [['cookie', `a=b; u=${user}`]] })),
  },
  {
    name: 'hash of source',
    route: hashed({ connection_properties: { source_ip: true } }),
    asks: ['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4'].map((from) => ({ from })),
  },
  {
    name: 'hash of two',
    route: hashed({ header: { header_name: 'x-user' } }, { query_parameter: { name: 'u' } }),
    asks: [{ path: '?u=1', headers: [['x-user', 'anna']] }, { path: '?u=2', headers: [['x-user', 'anna']] }, { path: '?u=3' }],
  },
  {
    name: 'hash, terminal',
    route: hashed({ header: { header_name: 'x-user' }, terminal: true }, { query_parameter: { name: 'u' } }),
    asks: [{ path: '?u=1', headers: [['x-user', 'anna']] }, { path: '?u=2', headers: [['x-user', 'anna']] }, { path: '?u=3' }],
  },
  {
    name: 'hash by maglev',
    route: { cluster: 'maglev', hash_policy: [{ header: { header_name: 'x-user' } }] },
    asks: users.slice(0, 5).map((user) => ({ headers: [['x-user', user]] })),
  },
];

const actions = [...rewrites, ...redirects, ...directs, ...clusters, ...mirrors, ...hashes];

function routeOf({ name, match, route, redirect, direct, more }: Action, i: number): Json {
  const here = `/a${String(i).padStart(3, '0')}`;
  const placed = JSON.parse(JSON.stringify(match ?? { prefix: 'HERE' }).replaceAll('HERE', here));
  const action =
    redirect !== undefined
      ? { redirect }
      : direct !== undefined
        ? { direct_response: direct }
        : more?.['non_forwarding_action'] !== undefined
          ? {}
          : { route: { cluster: 'a', ...route } };
  return { name, match: placed, ...action, ...more };
}

export const routeActions: DifferentialFamily = {
  name: 'route-actions',
  known,
  about: 'rewrites, redirects, direct responses, clusters by weight and header, mirrors, hash policies',
  bootstrap: httpBootstrap(actions.map(routeOf), {
    clusters: (site) => {
      const four = ['a', 'b', 'c', 'd'].map((name) => ({
        endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: site.upstream(name) } } },
      }));
      const balanced = (name: string, more: Json): Json => ({
        name,
        connect_timeout: '1s',
        type: 'STATIC',
        load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: four }] },
        ...more,
      });
      return [
        balanced('ring', { lb_policy: 'RING_HASH' }),
        balanced('maglev', { lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 1031 } }),
        {
          name: 'dns',
          connect_timeout: '1s',
          type: 'STRICT_DNS',
          dns_lookup_family: 'V4_ONLY',
          load_assignment: {
            cluster_name: 'dns',
            endpoints: [
              { lb_endpoints: [{ endpoint: { address: { socket_address: { address: 'localhost', port_value: site.upstream('a') } } } }] },
            ],
          },
        },
      ];
    },
  }),
  cases: actions.map(
    ({ name, asks = [{}] }, i): DifferentialCase => ({
      name,
      does: asks.map((ask) => ({ ...ask, path: `/a${String(i).padStart(3, '0')}${ask.path ?? ''}` })),
      // A mirrored request arrives when it likes.
      ...(name.includes('mirror')
        ? {
            unordered: true,
            does: asks.flatMap((ask) => [
              { ...ask, path: `/a${String(i).padStart(3, '0')}${ask.path ?? ''}` },
              { kind: 'pause' as const, ms: 20 },
            ]),
          }
        : {}),
    }),
  ),
  stats: [
    'cluster.b.upstream_rq_total',
    'cluster.a.upstream_rq_2xx',
    'cluster.a.upstream_rq_200',
    'cluster.a.internal.upstream_rq_200',
    'cluster.a.external.upstream_rq_200',
    'cluster.b.internal.upstream_rq_200',
    'http.main.no_cluster',
    'http.main.rq_direct_response',
    'http.main.rq_redirect',
    'http.main.rq_total',
    'http.main.no_route',
  ],
};
