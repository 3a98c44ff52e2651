import {
  accessLog,
  httpConnectionManager,
  httpFilter,
  listener,
  router,
  standardClusters,
  tcpProxy,
  type,
  virtualHost,
} from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Json } from '../harness/family.ts';

const network = 'envoy.extensions.matching.common_inputs.network.v3.';
const input = (typeName: string, more: Json = {}): Json => ({ name: 'input', typed_config: { '@type': type(typeName), ...more } });
const headerInput = (header: string): Json => input('envoy.type.matcher.v3.HttpRequestHeaderMatchInput', { header_name: header });
const net = (name: string, more: Json = {}): Json => input(`${network}${name}`, more);
const custom = (typeName: string, more: Json): Json => ({ name: 'custom', typed_config: { '@type': type(typeName), ...more } });

const value = (from: Json, match: Json): Json => ({ single_predicate: { input: from, value_match: match } });
const byCustom = (from: Json, matcher: Json): Json => ({ single_predicate: { input: from, custom_match: matcher } });
const list = (...entries: readonly (readonly [predicate: Json, then: Json])[]): Json => ({
  matcher_list: { matchers: entries.map(([predicate, on_match]) => ({ predicate, on_match })) },
});
const tree = (from: Json, kind: 'exact_match_map' | 'prefix_match_map', map: Json): Json => ({
  matcher_tree: { input: from, [kind]: { map } },
});
const nested = (matcher: Json): Json => ({ matcher });

const act = (name: string, action = 'ALLOW'): Json => ({
  action: { name, typed_config: { '@type': type('envoy.config.rbac.v3.Action'), name, action } },
});
const cel = (expr: Json): Json =>
  byCustom(
    input('xds.type.matcher.v3.HttpAttributesCelMatchInput'),
    custom('xds.type.matcher.v3.CelMatcher', { expr_match: { cel_expr_parsed: { expr } } }),
  );
let ids = 0;
const node = (kind: Json): Json => ({ id: String(++ids), ...kind });
const ident = (name: string): Json => node({ ident_expr: { name } });
const select = (operand: Json, field: string, testOnly = false): Json =>
  node({ select_expr: { operand, field, ...(testOnly ? { test_only: true } : {}) } });
const text = (string_value: string): Json => node({ const_expr: { string_value } });
const int = (int64_value: number): Json => node({ const_expr: { int64_value: String(int64_value) } });
const call = (name: string, ...args: Json[]): Json => node({ call_expr: { function: name, args } });
const method = (name: string, target: Json, ...args: Json[]): Json => node({ call_expr: { function: name, target, args } });
const eq = (a: Json, b: Json): Json => call('_==_', a, b);
const requestField = (name: string): Json => select(ident('request'), name);
const requestHeader = (name: string): Json => call('_[_]', requestField('headers'), text(name));

const xa = headerInput('x-a');
/** RBAC matchers by the path's first part; each in the per-route configuration of its route. */
const rbacMatchers: Readonly<Record<string, Json>> = {
  'header-exact': list([value(xa, { exact: 'yes' }), act('p')]),
  'header-repeated': list([value(xa, { exact: 'one,two' }), act('p')]),
  'header-missing-empty': list([value(xa, { exact: '' }), act('p')]),
  'header-prefix': list([value(xa, { prefix: 'YE', ignore_case: true }), act('p')]),
  'header-suffix': list([value(xa, { suffix: 'es' }), act('p')]),
  'header-contains': list([value(xa, { contains: 'e' }), act('p')]),
  'header-regex': list([value(xa, { safe_regex: { google_re2: {}, regex: 'y.*s' } }), act('p')]),
  path: list([value(headerInput(':path'), { exact: '/path/x?q=1' }), act('p')]),
  method: list([value(headerInput(':method'), { exact: 'POST' }), act('p')]),
  authority: list([value(headerInput(':authority'), { exact: 'app.example' }), act('p')]),
  host: list([value(headerInput('host'), { exact: 'app.example' }), act('p')]),
  and: list([{ and_matcher: { predicate: [value(xa, { exact: 'yes' }), value(headerInput('x-b'), { exact: 'yes' })] } }, act('p')]),
  or: list([{ or_matcher: { predicate: [value(xa, { exact: 'yes' }), value(headerInput('x-b'), { exact: 'yes' })] } }, act('p')]),
  not: list([{ not_matcher: value(xa, { exact: 'yes' }) }, act('p')]),
  'first-wins': list([value(xa, { prefix: 'y' }), act('first', 'DENY')], [value(xa, { exact: 'yes' }), act('second')]),
  'nested-falls-through': list(
    [value(xa, { exact: 'yes' }), nested(list([value(headerInput('x-b'), { exact: 'yes' }), act('inner')]))],
    [value(xa, { prefix: 'y' }), act('second', 'DENY')],
  ),
  'nested-no-match': {
    ...list([value(xa, { exact: 'yes' }), nested(list([value(headerInput('x-b'), { exact: 'yes' }), act('inner')]))]),
    on_no_match: act('otherwise'),
  },
  otherwise: { ...list([value(xa, { exact: 'yes' }), act('p', 'DENY')]), on_no_match: act('otherwise') },
  'otherwise-nested': {
    ...list([value(xa, { exact: 'yes' }), act('p', 'DENY')]),
    on_no_match: nested(list([value(headerInput('x-b'), { exact: 'yes' }), act('inner')])),
  },
  'only-otherwise': { on_no_match: act('always') },
  'tree-exact': tree(xa, 'exact_match_map', { yes: act('yes'), no: act('no', 'DENY') }),
  'tree-exact-otherwise': { ...tree(xa, 'exact_match_map', { no: act('no', 'DENY') }), on_no_match: act('otherwise') },
  'tree-exact-nested': {
    ...tree(xa, 'exact_match_map', { yes: nested(tree(headerInput('x-b'), 'exact_match_map', { yes: act('both') })) }),
    on_no_match: act('otherwise', 'DENY'),
  },
  'tree-prefix': tree(headerInput(':path'), 'prefix_match_map', {
    '/tree-prefix/a': act('a'),
    '/tree-prefix/ab': act('ab', 'DENY'),
    '/tree-prefix/abc': nested(tree(xa, 'exact_match_map', { yes: act('abc') })),
  }),
  'ip-list': list([
    byCustom(
      net('SourceIPInput'),
      custom('envoy.extensions.matching.input_matchers.ip.v3.Ip', {
        cidr_ranges: [
          { address_prefix: '127.0.0.2', prefix_len: 32 },
          { address_prefix: '10.0.0.0', prefix_len: 8 },
        ],
        stat_prefix: 'ips',
      }),
    ),
    act('p'),
  ]),
  'ip-forwarded': list([
    byCustom(
      net('SourceIPInput'),
      custom('envoy.extensions.matching.input_matchers.ip.v3.Ip', {
        cidr_ranges: [{ address_prefix: '203.0.113.0', prefix_len: 24 }],
        stat_prefix: 'ips',
      }),
    ),
    act('p'),
  ]),
  'ip-direct': list([value(net('DirectSourceIPInput'), { exact: '127.0.0.1' }), act('p')]),
  'ip-destination': list([value(net('DestinationIPInput'), { exact: '127.0.0.1' }), act('p')]),
  'ip-tree': {
    matcher_tree: {
      input: net('SourceIPInput'),
      custom_match: custom('xds.type.matcher.v3.IPMatcher', {
        range_matchers: [
          { ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }], on_match: act('wide'), exclusive: true },
          {
            ranges: [{ address_prefix: '127.0.0.2', prefix_len: 31 }],
            on_match: nested(list([value(xa, { exact: 'yes' }), act('narrow')])),
          },
          { ranges: [{ address_prefix: '127.0.0.0', prefix_len: 29 }], on_match: act('middle', 'DENY') },
        ],
      }),
    },
  },
  metadata: list([
    byCustom(
      net('DynamicMetadataInput', { filter: 'test.fixed', path: [{ key: 'deep' }, { key: 'name' }] }),
      custom('envoy.extensions.matching.input_matchers.metadata.v3.Metadata', { value: { string_match: { exact: 'here' } } }),
    ),
    act('p'),
  ]),
  'metadata-invert': list([
    byCustom(
      net('DynamicMetadataInput', { filter: 'test.fixed', path: [{ key: 'deep' }, { key: 'name' }] }),
      custom('envoy.extensions.matching.input_matchers.metadata.v3.Metadata', {
        value: { string_match: { exact: 'there' } },
        invert: true,
      }),
    ),
    act('p'),
  ]),
  'filter-state': list([value(net('FilterStateInput', { key: 'test.state' }), { prefix: 'GET-' }), act('p')]),
  log: list([value(xa, { exact: 'yes' }), act('logged', 'LOG')], [value(xa, { exact: 'no' }), act('quiet')]),
  'cel-path': list([cel(eq(requestField('path'), text('/cel-path/x?q=1'))), act('p')]),
  'cel-url-path': list([cel(eq(requestField('url_path'), text('/cel-url-path/x'))), act('p')]),
  'cel-header': list([cel(eq(requestHeader('x-a'), text('yes'))), act('p')]),
  'cel-header-in': list([cel(call('@in', text('x-a'), requestField('headers'))), act('p')]),
  'cel-method': list([cel(method('startsWith', requestField('method'), text('P'))), act('p')]),
  'cel-matches': list([cel(method('matches', requestField('host'), text('^app[.].*'))), act('p')]),
  'cel-and-not': list([
    cel(call('_&&_', eq(requestField('scheme'), text('http')), call('!_', eq(requestHeader('x-a'), text('no'))))),
    act('p'),
  ]),
  'cel-port': list([cel(call('_>_', select(ident('destination'), 'port'), int(1))), act('p')]),
  'cel-source': list([cel(method('startsWith', select(ident('source'), 'address'), text('127.0.0.2:'))), act('p')]),
  'cel-has': list([cel(call('_&&_', select(ident('request'), 'useragent', true), eq(requestField('query'), text('q=1')))), act('p')]),
  'cel-protocol': list([cel(eq(requestField('protocol'), text('HTTP/1.1'))), act('p')]),
  'cel-mtls': list([cel(call('!_', select(ident('connection'), 'mtls'))), act('p')]),
  'cel-metadata': list([
    cel(eq(call('_[_]', call('_[_]', select(ident('metadata'), 'filter_metadata'), text('test.fixed')), text('kind')), text('fixed'))),
    act('p'),
  ]),
  'cel-unknown': list([cel(eq(ident('nothing'), text('x'))), act('p')]),
  'cel-no-boolean': list([cel(requestField('path')), act('p')]),
  'cel-error-or': list([cel(call('_||_', eq(requestHeader('x-none'), text('x')), eq(requestHeader('x-a'), text('yes')))), act('p')]),
};

/** Conditions of ordinary RBAC policies. */
const conditions: Readonly<Record<string, Json>> = {
  'condition-header': eq(requestHeader('x-a'), text('yes')),
  'condition-size': call('_==_', call('size', requestField('method')), int(3)),
};

const perRoute = (rbac: Json): Json => ({ rbac: { '@type': type('envoy.extensions.filters.http.rbac.v3.RBACPerRoute'), rbac } });
const ruleRoutes = [
  ...Object.entries(rbacMatchers).map(([name, matcher]) => [name, { matcher }] as const),
  ...Object.entries(conditions).map(
    ([name, condition]) =>
      [name, { rules: { policies: { c: { permissions: [{ any: true }], principals: [{ any: true }], condition } } } }] as const,
  ),
  ['shadow', { shadow_matcher: list([value(xa, { exact: 'yes' }), act('dry')]), shadow_rules_stat_prefix: 'dry_' }] as const,
].map(([name, rbac]) => ({ name, match: { prefix: `/${name}/` }, route: { cluster: 'a' }, typed_per_filter_config: perRoute(rbac) }));

const filters: Json[] = [
  httpFilter('set_metadata', 'set_metadata.v3.Config', {
    metadata: [{ metadata_namespace: 'test.fixed', value: { kind: 'fixed', deep: { name: 'here' } } }],
  }),
  httpFilter('set_filter_state', 'set_filter_state.v3.Config', {
    on_request_headers: [
      {
        object_key: 'test.state',
        factory_key: 'envoy.string',
        format_string: { text_format_source: { inline_string: '%REQ(:METHOD)%-v1' } },
      },
    ],
  }),
  { ...httpFilter('rbac', 'rbac.v3.RBAC', {}), name: 'rbac' },
  router(),
];

const routeAction = (name: string, route: Json): Json => ({
  action: { name, typed_config: { '@type': type('envoy.config.route.v3.Route'), ...route } },
});
const answer = (name: string, match: Json = { prefix: '/' }): Json => ({
  name,
  match,
  direct_response: { status: 200, body: { inline_string: name } },
});
const routeTree: Json = {
  ...tree(headerInput('x-tenant'), 'exact_match_map', {
    one: routeAction('one', { ...answer('one'), response_headers_to_add: [{ header: { key: 'x-tree', value: 'one' } }] }),
    strict: routeAction('strict', answer('strict', { path: '/exactly' })),
    many: {
      action: {
        name: 'many',
        typed_config: {
          '@type': type('envoy.config.route.v3.RouteList'),
          routes: [answer('first', { prefix: '/first' }), answer('second', { prefix: '/' })],
        },
      },
    },
    forward: routeAction('forward', { name: 'forward', match: { prefix: '/' }, route: { cluster: 'b', prefix_rewrite: '/new/' } }),
    nested: nested(list([value(headerInput(':path'), { prefix: '/in' }), routeAction('inner', answer('inner'))])),
  }),
  on_no_match: routeAction('rest', answer('rest', { prefix: '/rest' })),
};

const chain = (name: string): Json => ({
  action: { name, typed_config: { '@type': 'type.googleapis.com/google.protobuf.StringValue', value: name } },
});
const chainOf = (site: Parameters<DifferentialFamily['bootstrap']>[0], name: string): Json => ({
  name,
  filters: [
    httpConnectionManager(site, [virtualHost([answer(name)])], {
      stat_prefix: name,
      access_log: [accessLog(site, { chain: '%FILTER_CHAIN_NAME%' })],
    }),
  ],
});
const tlsChain = (site: Parameters<DifferentialFamily['bootstrap']>[0], name: string): Json => ({
  ...chainOf(site, name),
  transport_socket: {
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
      },
    },
  },
});

const get = (
  path: string,
  headers: readonly (readonly [string, string])[] = [],
  more: Partial<Extract<Exchange, { kind?: 'http1' }>> = {},
): Exchange => ({ path, headers, ...more });
const yes = [['x-a', 'yes']] as const;

const simple = (name: string, ...does: Exchange[]): DifferentialCase => ({ name, does });
const tried = Object.keys({ ...rbacMatchers, ...conditions, shadow: 0 }).map((name) =>
  simple(
    `rbac ${name}`,
    get(`/${name}/x?q=1`),
    get(`/${name}/x?q=1`, yes),
    get(`/${name}/x?q=a%20b%2Fc`, [...yes, ['x-b', 'yes']]),
    get(
      `/${name}/abc?q=`,
      [
        ['x-a', 'one'],
        ['x-a', 'two'],
        ['user-agent', 'u'],
      ],
      { method: 'POST' },
    ),
    get(`/${name}/ab`, yes, { from: '127.0.0.2' }),
    get(`/${name}/a`, [['x-a', 'no']], { from: '127.0.0.3' }),
  ),
);

export const matchers: DifferentialFamily = {
  name: 'matchers',
  about: 'Matcher trees of xDS: RBAC, CEL conditions, routes of virtual hosts and filter chains.',
  bootstrap: (site) => ({
    static_resources: {
      listeners: [
        listener(site, 'http', [
          httpConnectionManager(site, [virtualHost(ruleRoutes)], {
            http_filters: filters,
            access_log: [
              accessLog(site, {
                meta: '%DYNAMIC_METADATA(envoy.filters.http.rbac)%',
                hint: '%DYNAMIC_METADATA(envoy.common:access_log_hint)%',
              }),
            ],
          }),
        ]),
        listener(site, 'routes', [
          httpConnectionManager(site, [{ name: 'tree', domains: ['*'], matcher: routeTree }], { stat_prefix: 'routes' }),
        ]),
        {
          ...listener(site, 'chains', []),
          filter_chains: [
            chainOf(site, 'plain'),
            chainOf(site, 'other'),
            tlsChain(site, 'tls'),
            tlsChain(site, 'wild'),
            tlsChain(site, 'h2'),
          ],
          default_filter_chain: chainOf(site, 'default'),
          listener_filters: [
            { name: 'tls', typed_config: { '@type': type('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector') } },
          ],
          filter_chain_matcher: tree(net('TransportProtocolInput'), 'exact_match_map', {
            raw_buffer: nested({
              ...tree(net('SourceIPInput'), 'exact_match_map', { '127.0.0.1': chain('plain'), '127.0.0.4': chain('missing') }),
              on_no_match: nested({
                matcher_tree: {
                  input: net('SourceIPInput'),
                  custom_match: custom('xds.type.matcher.v3.IPMatcher', {
                    range_matchers: [{ ranges: [{ address_prefix: '127.0.0.2', prefix_len: 31 }], on_match: chain('other') }],
                  }),
                },
              }),
            }),
            tls: nested({
              ...list([value(net('ApplicationProtocolInput'), { exact: "'h2','http/1.1'" }), chain('h2')]),
              on_no_match: nested({
                matcher_tree: {
                  input: net('ServerNameInput'),
                  custom_match: custom('xds.type.matcher.v3.ServerNameMatcher', {
                    domain_matchers: [
                      { domains: ['server.example'], on_match: chain('tls') },
                      { domains: ['*.wild.example', '*.example'], on_match: chain('wild') },
                    ],
                  }),
                },
              }),
            }),
          }),
        },
        listener(site, 'tcp', [
          {
            name: 'envoy.filters.network.rbac',
            typed_config: {
              '@type': type('envoy.extensions.filters.network.rbac.v3.RBAC'),
              stat_prefix: 'tcp',
              matcher: list(
                [value(net('SourceIPInput'), { exact: '127.0.0.1' }), act('local')],
                [value(net('SourcePortInput'), { exact: '1' }), act('never', 'DENY')],
              ),
              shadow_matcher: {
                ...list([value(net('DestinationPortInput'), { exact: '1' }), act('x')]),
                on_no_match: act('shadowed', 'DENY'),
              },
            },
          },
          tcpProxy(site, { cluster: 'tcp' }),
        ]),
      ],
      clusters: standardClusters(site),
    },
  }),
  cases: [
    ...tried,
    simple('route by tree', get('/x', [['x-tenant', 'one']], { to: 'routes' })),
    simple(
      'route by tree, its match not met',
      get('/x', [['x-tenant', 'strict']], { to: 'routes' }),
      get('/exactly', [['x-tenant', 'strict']], { to: 'routes' }),
    ),
    simple('route list', get('/first/x', [['x-tenant', 'many']], { to: 'routes' }), get('/x', [['x-tenant', 'many']], { to: 'routes' })),
    simple('forwarding route', get('/x', [['x-tenant', 'forward']], { to: 'routes' })),
    simple(
      'nested route',
      get('/in/x', [['x-tenant', 'nested']], { to: 'routes' }),
      get('/out', [['x-tenant', 'nested']], { to: 'routes' }),
      get('/rest/x', [['x-tenant', 'nested']], { to: 'routes' }),
    ),
    simple('no tenant', get('/rest', [], { to: 'routes' }), get('/other', [], { to: 'routes' })),
    simple(
      'unknown tenant',
      get('/rest', [['x-tenant', 'none']], { to: 'routes' }),
      get('/other', [['x-tenant', 'none']], { to: 'routes' }),
    ),
    simple('chain plain', get('/', [], { to: 'chains' })),
    simple('chain by range', get('/', [], { to: 'chains', from: '127.0.0.2' }), get('/', [], { to: 'chains', from: '127.0.0.3' })),
    simple('no chain but the default', get('/', [], { to: 'chains', from: '127.0.0.9' })),
    {
      name: 'chain that is not there',
      does: { kind: 'tcp', send: 'GET / HTTP/1.1\r\nhost: a\r\n\r\n', to: 'chains', from: '127.0.0.4' },
      logs: 0,
    },
    simple('chain by name', get('/', [], { to: 'chains', tls: { servername: 'server.example' } })),
    simple(
      'chain by wildcard',
      get('/', [], { to: 'chains', tls: { servername: 'a.wild.example' } }),
      get('/', [], { to: 'chains', tls: { servername: 'b.a.wild.example' } }),
    ),
    simple('chain by ALPN', get('/', [], { to: 'chains', tls: { servername: 'x.test', alpn: ['h2', 'http/1.1'] } })),
    simple('TCP allowed', { kind: 'tcp', send: 'hello', to: 'tcp' }),
    simple('TCP denied', { kind: 'tcp', send: 'hello', to: 'tcp', from: '127.0.0.2' }),
  ],
  stats: [
    'http.main.rbac.allowed',
    'http.main.rbac.denied',
    'http.main.rbac.shadow_allowed',
    'http.main.rbac.shadow_denied',
    'tcp.rbac.allowed',
    'tcp.rbac.denied',
    'tcp.rbac.shadow_allowed',
    'tcp.rbac.shadow_denied',
    'http.routes.no_route',
    'http.plain.downstream_rq_total',
  ],
};
