import { cluster, httpConnectionManager, httpFilter, listener, router, type, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Field, Json } from '../harness/family.ts';
import { known } from './known/route-match.ts';

const direct = (name: string, match: Json): Json => ({ name, match, direct_response: { status: 200, body: { inline_string: name } } });

/** Each matcher is asked at a path of its own; the answer names the route, or `default`. */
interface MatcherCase {
  readonly name: string;
  readonly match: Json;
  /** What is asked; headers as objects, or with a path of its own. */
  readonly asks: readonly (Exchange | readonly Field[])[];
}

const header = (name: string, matcher: Json, ...asks: (readonly Field[])[]): MatcherCase => ({
  name,
  match: { headers: [{ name: 'x-h', ...matcher }] },
  asks:
    asks.length > 0
      ? asks
      : [
          [],
          [['x-h', 'value']],
          [['x-h', 'VALUE']],
          [['x-h', '']],
          [['x-h', 'a value b']],
          [
            ['x-h', 'value'],
            ['x-h', 'other'],
          ],
        ],
});
const value = (...values: string[]): (readonly Field[])[] => values.map((one) => [['x-h', one]]);
const query = (name: string, parameters: readonly Json[], ...paths: string[]): MatcherCase => ({
  name,
  match: { query_parameters: parameters },
  asks: paths.map((path) => ({ path })),
});

const matchers: readonly MatcherCase[] = [
  header('exact', { string_match: { exact: 'value' } }),
  header('exact, ignoring case', { string_match: { exact: 'vAlue', ignore_case: true } }),
  header('exact empty', { string_match: { exact: '' } }),
  header('prefix', { string_match: { prefix: 'val' } }),
  header('prefix, ignoring case', { string_match: { prefix: 'VAL', ignore_case: true } }),
  header('suffix', { string_match: { suffix: 'lue' } }),
  header('suffix, ignoring case', { string_match: { suffix: 'LUE', ignore_case: true } }),
  header('contains', { string_match: { contains: 'value' } }),
  header('contains, ignoring case', { string_match: { contains: 'VaLuE', ignore_case: true } }),
  header('regex', { string_match: { safe_regex: { regex: 'v[a-z]+' } } }),
  header('regex with case flag', { string_match: { safe_regex: { regex: '(?i)VALUE' } } }),
  header('present', { present_match: true }),
  header('absent', { present_match: false }),
  header('inverted exact', { string_match: { exact: 'value' }, invert_match: true }),
  header('inverted present', { present_match: true, invert_match: true }),
  header('inverted absent', { present_match: false, invert_match: true }),
  header('missing is empty: exact', { string_match: { exact: '' }, treat_missing_header_as_empty: true }),
  header('missing is empty: inverted exact', { string_match: { exact: 'value' }, invert_match: true, treat_missing_header_as_empty: true }),
  header('missing is empty: present', { present_match: true, treat_missing_header_as_empty: true }),
  header('missing is empty: absent', { present_match: false, treat_missing_header_as_empty: true }),
  header('missing is empty: regex', { string_match: { safe_regex: { regex: '.*' } }, treat_missing_header_as_empty: true }),
  header('no specifier', {}),
  header('no specifier, inverted', { invert_match: true }),
  header('old exact', { exact_match: 'value' }),
  header('old prefix', { prefix_match: 'val' }),
  header('old suffix', { suffix_match: 'lue' }),
  header('old contains', { contains_match: 'alu' }),
  header('old regex', { safe_regex_match: { regex: 'v.*' } }),
  header('range', { range_match: { start: '-10', end: '10' } }, [], ...value('-10', '-11', '9', '10', '1.0', ' 5 ', '5x', '+5', '0x5', '')),
  header('inverted range', { range_match: { start: '0', end: '10' }, invert_match: true }, [], ...value('5', '10', 'x')),
  header('range of many values', { range_match: { start: '0', end: '10' } }, [
    ['x-h', '1'],
    ['x-h', '2'],
  ]),
  {
    name: 'method',
    match: { headers: [{ name: ':method', string_match: { exact: 'PUT' } }] },
    asks: [{ method: 'PUT' }, { method: 'put' }, {}],
  },
  {
    name: 'authority',
    match: { headers: [{ name: ':authority', string_match: { exact: 'app.example' } }] },
    asks: [{}, { host: 'APP.example' }, { host: 'app.example:80' }],
  },
  { name: 'host', match: { headers: [{ name: 'host', string_match: { exact: 'app.example' } }] }, asks: [{}, { kind: 'http2' }] },
  {
    name: 'scheme',
    match: { headers: [{ name: ':scheme', string_match: { exact: 'http' } }] },
    asks: [{}, { kind: 'http2', scheme: 'https' }],
  },
  { name: 'path as header', match: { headers: [{ name: ':path', string_match: { suffix: '?q' } }] }, asks: [{}, { path: '?q' }] },
  {
    name: 'header name in capitals',
    match: { headers: [{ name: 'X-Up', string_match: { exact: 'v' } }] },
    asks: [[['x-up', 'v']], [['X-UP', 'v']]],
  },
  {
    name: 'two headers',
    match: {
      headers: [
        { name: 'x-a', string_match: { exact: '1' } },
        { name: 'x-b', present_match: true },
      ],
    },
    asks: [
      [['x-a', '1']],
      [['x-b', '']],
      [
        ['x-a', '1'],
        ['x-b', '2'],
      ],
    ],
  },
  query(
    'query exact',
    [{ name: 'q', string_match: { exact: 'v' } }],
    '?q=v',
    '?q=V',
    '?q',
    '?q=v&q=w',
    '?q=w&q=v',
    '?Q=v',
    '?a=1&q=v',
    '?q=%76',
    '#q=v',
    '?q=v#f',
    '',
  ),
  query('query exact, ignoring case', [{ name: 'q', string_match: { exact: 'v', ignore_case: true } }], '?q=v', '?q=V'),
  query('query prefix', [{ name: 'q', string_match: { prefix: 'v' } }], '?q=vx', '?q=xv', '?q='),
  query('query regex', [{ name: 'q', string_match: { safe_regex: { regex: '\\d+' } } }], '?q=12', '?q=12a', '?q=', '?q=1+2', '?q=1%32'),
  query('query present', [{ name: 'q', present_match: true }], '?q', '?q=', '?q=1', '?qq=1', '?;q=1', '?%71=1'),
  query('query absent', [{ name: 'q', present_match: false }], '?q', '?p', ''),
  query('query name only', [{ name: 'q' }], '?q', '?p'),
  query(
    'two queries',
    [
      { name: 'q', present_match: true },
      { name: 'p', string_match: { exact: 'x y' } },
    ],
    '?q&p=x+y',
    '?q&p=x%20y',
    '?p=x%20y',
  ),
  {
    name: 'gRPC',
    match: { grpc: {} },
    asks: [
      [],
      ...[
        'application/grpc',
        'application/grpc+proto',
        'application/grpc-web',
        'application/grpcx',
        'Application/grpc',
        'application/grpc; charset=x',
      ].map((type): readonly Field[] => [['content-type', type]]),
    ],
  },
  { name: 'runtime fraction of none', match: { runtime_fraction: { default_value: { numerator: 0 }, runtime_key: 'none' } }, asks: [[]] },
  { name: 'runtime fraction of all', match: { runtime_fraction: { default_value: { numerator: 100 }, runtime_key: 'none' } }, asks: [[]] },
  {
    name: 'runtime fraction by key',
    match: { runtime_fraction: { default_value: { numerator: 0 }, runtime_key: 'routes.on' } },
    asks: [[]],
  },
  {
    name: 'runtime fraction off by key',
    match: { runtime_fraction: { default_value: { numerator: 100 }, runtime_key: 'routes.off' } },
    asks: [[]],
  },
  { name: 'client certificate presented', match: { tls_context: { presented: true } }, asks: [[]] },
  { name: 'no client certificate presented', match: { tls_context: { presented: false } }, asks: [[]] },
  { name: 'no client certificate validated', match: { tls_context: { validated: false } }, asks: [[]] },
  {
    name: 'dynamic metadata',
    match: { dynamic_metadata: [{ filter: 'envoy.lb', path: [{ key: 'who' }], value: { string_match: { exact: 'anna' } } }] },
    asks: [[], [['x-who', 'anna']], [['x-who', 'bert']]],
  },
  {
    name: 'inverted dynamic metadata',
    match: { dynamic_metadata: [{ filter: 'envoy.lb', path: [{ key: 'who' }], value: { string_match: { exact: 'anna' } }, invert: true }] },
    asks: [[], [['x-who', 'anna']], [['x-who', 'bert']]],
  },
];

function askOf(path: string, ask: Exchange | readonly Field[]): Exchange {
  if (Array.isArray(ask)) return { path, headers: ask };
  const exchange = ask as Extract<Exchange, { kind?: 'http1' } | { kind: 'http2' }>;
  return { ...exchange, path: `${path}${exchange.path ?? ''}` };
}

const matcherCases: DifferentialCase[] = matchers.map(({ name, asks }, i) => ({
  name,
  does: asks.map((ask) => askOf(`/m${i}/`, ask)),
}));

/** Paths, each matched by the first route that fits. */
const pathRoutes: readonly Json[] = [
  direct('exact', { path: '/exact' }),
  direct('exact with query', { path: '/never?q' }),
  direct('exact, any case', { path: '/Any/Case', case_sensitive: false }),
  direct('prefix, any case', { prefix: '/Prefix/Any', case_sensitive: false }),
  direct('separated', { path_separated_prefix: '/separated' }),
  direct('separated, any case', { path_separated_prefix: '/Sep/Any', case_sensitive: false }),
  direct('regex', { safe_regex: { regex: '/regex/[0-9]+' } }),
  direct('regex with alternatives', { safe_regex: { regex: '/alt/(a|b)|/other' } }),
  direct('regex any', { safe_regex: { regex: '/any/.*' } }),
  direct('regex class', { safe_regex: { regex: '/class/\\pL+/[[:digit:]]{2}' } }),
  direct('template', { path_match_policy: template('/t/{country}/{city=*}') }),
  direct('template rest', { path_match_policy: template('/rest/{all=**}') }),
  direct('template literal', { path_match_policy: template('/lit/*/end') }),
  direct('template tail', { path_match_policy: template('/tail/**.m3u8') }),
  direct('prefix', { prefix: '/prefix' }),
  direct('prefix with slash', { prefix: '/slash/' }),
];

function template(pattern: string): Json {
  return {
    name: 'envoy.path.match.uri_template.uri_template_matcher',
    typed_config: { '@type': type('envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig'), path_template: pattern },
  };
}

const paths = [
  ...['/exact', '/exact?q=1', '/exact/', '/EXACT', '/exact#f', '/exact%20', '/never?q'],
  ...['/any/case', '/ANY/CASE?x', '/any/case/', '/prefix/any', '/PREFIX/ANYTHING/x', '/sep/any', '/SEP/ANY/x', '/sep/anyx'],
  ...['/separated', '/separated/', '/separated/x', '/separatedx', '/separated?x', '/separated/x?y', '/Separated'],
  ...[
    '/regex/12',
    '/regex/12/',
    '/regex/12?a=b',
    '/regex/',
    '/regex/1x',
    '/alt/a',
    '/alt/c',
    '/other',
    '/other2',
    '/any/',
    '/any/%0a',
    '/any/x?y/z',
  ],
  ...['/class/abc/12', '/class/a1/12', '/class/abc/1'],
  ...[
    '/t/de/berlin',
    '/t/de',
    '/t/de/',
    '/t/de/berlin/x',
    '/t//berlin',
    '/t/d%20e/b',
    '/t/de/berlin?x',
    '/rest/',
    '/rest',
    '/rest/a',
    '/rest/a/b/c',
    '/rest/a?b',
  ],
  ...['/lit/x/end', '/lit/x/y/end', '/lit//end', '/tail/x.m3u8', '/tail/a/b.m3u8', '/tail/.m3u8', '/tail/x.m3u'],
  ...['/prefix', '/prefixed', '/prefi', '/slash', '/slash/', '/slash/x', '/', '/?prefix', '/nothing', '*', '/é', '//prefix', '/./prefix'],
];

export const routeMatch: DifferentialFamily = {
  name: 'route-match',
  known,
  about: 'which route a request takes: paths, headers, query parameters, cookies, gRPC, runtime, TLS, metadata, CONNECT',
  bootstrap: (site) => {
    const toMetadata = httpFilter('header_to_metadata', 'header_to_metadata.v3.Config', {
      request_rules: [{ header: 'x-who', on_header_present: { metadata_namespace: 'envoy.lb', key: 'who', type: 'STRING' } }],
    });
    const manager = {
      http_filters: [toMetadata, router()],
      upgrade_configs: [{ upgrade_type: 'CONNECT' }],
      http2_protocol_options: { allow_connect: true },
    };
    const tlsContext = (validated: boolean): Json => ({
      name: 'tls',
      typed_config: {
        '@type': type('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
        common_tls_context: {
          tls_certificates: [
            {
              certificate_chain: { filename: site.certificates.server.certificate },
              private_key: { filename: site.certificates.server.key },
            },
          ],
          ...(validated ? { validation_context: { trusted_ca: { filename: site.certificates.ca } } } : {}),
          alpn_protocols: ['h2', 'http/1.1'],
        },
      },
    });
    const tlsRoutes = [
      direct('validated', { prefix: '/', tls_context: { presented: true, validated: true } }),
      direct('presented', { prefix: '/', tls_context: { presented: true } }),
      direct('neither', { prefix: '/', tls_context: { presented: false } }),
      direct('rest', { prefix: '/' }),
    ];
    const secure = (name: string, validated: boolean): Json => ({
      ...listener(site, name, []),
      filter_chains: [{ transport_socket: tlsContext(validated), filters: [httpConnectionManager(site, [virtualHost(tlsRoutes)])] }],
    });
    return {
      layered_runtime: { layers: [{ name: 'static', static_layer: { routes: { on: 100, off: 0 } } }] },
      static_resources: {
        listeners: [
          listener(site, 'http', [
            httpConnectionManager(
              site,
              [
                virtualHost([
                  ...matchers.map(({ name, match }, i) => direct(name, { prefix: `/m${i}/`, ...match })),
                  direct('default', { prefix: '/' }),
                ]),
              ],
              manager,
            ),
          ]),
          listener(site, 'paths', [httpConnectionManager(site, [virtualHost([...pathRoutes])])]),
          listener(site, 'connect', [
            httpConnectionManager(
              site,
              [virtualHost([direct('connect', { connect_matcher: {} }), direct('rest', { prefix: '/' })])],
              manager,
            ),
          ]),
          listener(site, 'only-paths', [httpConnectionManager(site, [virtualHost([direct('root', { prefix: '/' })])], manager)]),
          secure('tls', true),
          secure('tls-unvalidated', false),
        ],
        clusters: [cluster('a', [site.upstream('a')])],
      },
    };
  },
  cases: [
    ...matcherCases,
    ...paths.map((path): DifferentialCase => ({ name: `path ${path}`, does: { to: 'paths', path } })),
    { name: 'path * of OPTIONS', does: { to: 'paths', path: '*', method: 'OPTIONS' } },
    { name: 'CONNECT matcher', does: { to: 'connect', method: 'CONNECT', path: 'app.example:443', host: 'app.example:443' } },
    {
      name: 'CONNECT matcher over HTTP/2',
      does: {
        to: 'connect',
        kind: 'http2',
        rawHeaders: [
          [':method', 'CONNECT'],
          [':authority', 'app.example:443'],
        ],
      },
    },
    { name: 'CONNECT matcher, other method', does: { to: 'connect' } },
    { name: 'CONNECT without matcher', does: { to: 'only-paths', method: 'CONNECT', path: 'app.example:443', host: 'app.example:443' } },
    { name: 'TLS with a client certificate', does: { to: 'tls', tls: { clientCertificate: true } } },
    { name: 'TLS without a client certificate', does: { to: 'tls', tls: {} } },
    { name: 'TLS with a client certificate that nobody validates', does: { to: 'tls-unvalidated', tls: { clientCertificate: true } } },
    {
      name: 'HTTP/2 over TLS with a client certificate',
      does: { to: 'tls', kind: 'http2', scheme: 'https', tls: { clientCertificate: true } },
    },
  ],
};
