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
import type { DifferentialCase, DifferentialFamily, Exchange, Json, Site } from '../harness/family.ts';

const rbacType = 'rbac.v3.RBAC';
const any = [{ any: true }];

/** One policy that allows by a permission, or by a principal. */
const byPermission = (permission: Json): Json => ({ rules: { policies: { p: { permissions: [permission], principals: any } } } });
const byPrincipal = (principal: Json): Json => ({ rules: { policies: { p: { permissions: any, principals: [principal] } } } });

const range = (start: number, end: number): Json => ({ destination_port_range: { start, end } });
const exactHeader = (name: string, exact: string): Json => ({ header: { name, string_match: { exact } } });
const spiffe = 'spiffe://cluster.local/ns/default/sa/client';
const custom = { filter: 'test.meta' };
const path = (...keys: string[]): Json[] => keys.map((key) => ({ key }));

/** Routes `/<name>…`, each with its rules. */
const rules: Readonly<Record<string, (site: Site) => Json>> = {
  'url-exact': () => byPermission({ url_path: { path: { exact: '/url-exact/x' } } }),
  'url-prefix-case': () => byPermission({ url_path: { path: { prefix: '/URL-PREFIX-CASE/a', ignore_case: true } } }),
  'url-regex': () => byPermission({ url_path: { path: { safe_regex: { regex: '/url-regex/[0-9]+' } } } }),
  'header-path': () => byPermission({ header: { name: ':path', string_match: { suffix: '?x=1' } } }),
  'header-authority': () => byPermission(exactHeader(':authority', 'app.example')),
  'header-host': () => byPermission(exactHeader('host', 'app.example')),
  'header-scheme': () => byPermission(exactHeader(':scheme', 'http')),
  'header-method-not': () => byPermission({ not_rule: exactHeader(':method', 'POST') }),
  'header-present': () => byPermission({ header: { name: 'x-here', present_match: true } }),
  'header-absent': () => byPermission({ header: { name: 'x-here', present_match: false } }),
  'header-invert': () => byPermission({ header: { name: 'x-a', string_match: { exact: '1' }, invert_match: true } }),
  'header-missing-empty': () => byPermission({ header: { name: 'x-a', string_match: { exact: '' }, treat_missing_header_as_empty: true } }),
  'header-range': () => byPermission({ header: { name: 'x-n', range_match: { start: '-5', end: '10' } } }),
  'header-contains': () => byPermission({ header: { name: 'x-a', string_match: { contains: 'ddl', ignore_case: true } } }),
  'header-regex-whole': () => byPermission({ header: { name: 'x-a', string_match: { safe_regex: { regex: 'a.c' } } } }),
  'port-here': (site) => byPermission({ destination_port: site.port('http') }),
  'port-range': (site) => byPermission(range(site.port('http'), site.port('http') + 1)),
  'port-range-end': (site) => byPermission(range(1, site.port('http'))),
  'destination-ip': () => byPermission({ destination_ip: { address_prefix: '127.0.0.0', prefix_len: 30 } }),
  'destination-ip-other': () => byPermission({ destination_ip: { address_prefix: '127.0.0.2', prefix_len: 32 } }),
  'destination-ip-whole': () => byPermission({ destination_ip: { address_prefix: '10.0.0.0' } }),
  sni: () => byPermission({ requested_server_name: { exact: 'server.example' } }),
  'sni-empty': () => byPermission({ requested_server_name: { exact: '' } }),
  'sni-suffix': () => byPermission({ requested_server_name: { suffix: '.wild.example' } }),
  'uri-template': () =>
    byPermission({
      uri_template: {
        name: 'envoy.path.match.uri_template.uri_template_matcher',
        typed_config: {
          '@type': type('envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig'),
          path_template: '/uri-template/{name}/*/end',
        },
      },
    }),
  metadata: () => byPermission({ metadata: { ...custom, path: path('role'), value: { string_match: { exact: 'admin' } } } }),
  'metadata-number': () =>
    byPermission({ metadata: { ...custom, path: path('level'), value: { double_match: { range: { start: 2, end: 5 } } } } }),
  'metadata-present': () => byPermission({ metadata: { ...custom, path: path('level'), value: { present_match: true } } }),
  'metadata-null': () => byPermission({ metadata: { ...custom, path: path('nothing'), value: { null_match: {} } } }),
  'metadata-invert': () =>
    byPermission({ metadata: { ...custom, path: path('role'), value: { string_match: { exact: 'admin' } }, invert: true } }),
  'metadata-list': () =>
    byPermission({
      metadata: { filter: 'test.fixed', path: path('groups'), value: { list_match: { one_of: { string_match: { exact: 'two' } } } } },
    }),
  'metadata-list-no': () =>
    byPermission({
      metadata: { filter: 'test.fixed', path: path('groups'), value: { list_match: { one_of: { string_match: { exact: 'four' } } } } },
    }),
  'metadata-nested': () => byPermission({ metadata: { filter: 'test.fixed', path: path('deep', 'inner'), value: { bool_match: true } } }),
  'metadata-or': () =>
    byPermission({
      metadata: {
        filter: 'test.fixed',
        path: path('deep', 'name'),
        value: { or_match: { value_matchers: [{ string_match: { exact: 'no' } }, { string_match: { prefix: 'ye' } }] } },
      },
    }),
  'metadata-route': () =>
    byPermission({
      sourced_metadata: {
        metadata_matcher: { filter: 'route.meta', path: path('kind'), value: { string_match: { exact: 'special' } } },
        metadata_source: 'ROUTE',
      },
    }),
  'and-or': () =>
    byPermission({
      and_rules: {
        rules: [{ or_rules: { rules: [exactHeader('x-a', '1'), exactHeader('x-b', '1')] } }, { not_rule: exactHeader('x-c', '1') }],
      },
    }),
  'authenticated-any': () => byPrincipal({ authenticated: {} }),
  'authenticated-uri': () => byPrincipal({ authenticated: { principal_name: { exact: spiffe } } }),
  'authenticated-dns': () => byPrincipal({ authenticated: { principal_name: { exact: 'client.example' } } }),
  'authenticated-regex': () =>
    byPrincipal({ authenticated: { principal_name: { safe_regex: { regex: 'spiffe://cluster.local/ns/(default|prod)/.*' } } } }),
  'authenticated-subject': () => byPrincipal({ authenticated: { principal_name: { contains: 'CN=' } } }),
  'authenticated-not': () => byPrincipal({ not_id: { authenticated: { principal_name: { exact: spiffe } } } }),
  'source-ip': () => byPrincipal({ source_ip: { address_prefix: '127.0.0.1', prefix_len: 32 } }),
  'direct-remote-ip': () => byPrincipal({ direct_remote_ip: { address_prefix: '127.0.0.3', prefix_len: 32 } }),
  'remote-ip': () => byPrincipal({ remote_ip: { address_prefix: '203.0.113.0', prefix_len: 24 } }),
  'principal-header': () => byPrincipal(exactHeader('x-a', '1')),
  'principal-path': () => byPrincipal({ url_path: { path: { prefix: '/principal-path/ok' } } }),
  'principal-metadata': () => byPrincipal({ metadata: { ...custom, path: path('role'), value: { string_match: { exact: 'admin' } } } }),
  'principal-state': () => byPrincipal({ filter_state: { key: 'test.state', string_match: { exact: 'GET-v1' } } }),
  'principal-state-missing': () => byPrincipal({ filter_state: { key: 'test.none', string_match: { exact: '' } } }),
  'principal-and': () =>
    byPrincipal({ and_ids: { ids: [exactHeader('x-a', '1'), { source_ip: { address_prefix: '127.0.0.0', prefix_len: 8 } }] } }),
  'principal-or': () => byPrincipal({ or_ids: { ids: [exactHeader('x-a', '1'), exactHeader('x-a', '2')] } }),
  'no-policies': () => ({ rules: {} }),
  'no-rules': () => ({}),
  'deny-none': () => ({ rules: { action: 'DENY' } }),
  'deny-two': () => ({
    rules: {
      action: 'DENY',
      policies: {
        zeta: { permissions: any, principals: any },
        'ns[foo]-policy[a]-rule[0]': { permissions: [exactHeader('x-a', '1')], principals: any },
      },
    },
  }),
  'spaced name': () => ({ rules: { action: 'DENY', policies: { 'with space and "quotes"': { permissions: any, principals: any } } } }),
  log: () => ({ rules: { action: 'LOG', policies: { seen: { permissions: [exactHeader('x-a', '1')], principals: any } } } }),
  shadow: () => ({
    rules: { policies: { real: { permissions: [exactHeader('x-a', '1')], principals: any } } },
    shadow_rules: { policies: { dry: { permissions: [exactHeader('x-b', '1')], principals: any } } },
    shadow_rules_stat_prefix: 'istio_dry_run_allow_',
  }),
  'shadow-deny': () => ({
    shadow_rules: { action: 'DENY', policies: { 'dry-deny': { permissions: any, principals: any } } },
    shadow_rules_stat_prefix: 'istio_dry_run_deny_',
  }),
  'shadow-log': () => ({ shadow_rules: { action: 'LOG', policies: { l: { permissions: any, principals: any } } } }),
  'prefixed-stats': () => ({ ...byPermission(exactHeader('x-a', '1')), rules_stat_prefix: 'mine_' }),
};

const routeOf = (site: Site, name: string): Json => ({
  name,
  match: { prefix: `/${name.replaceAll(' ', '%20')}` },
  route: { cluster: 'a' },
  metadata: { filter_metadata: { 'route.meta': { kind: 'special' } } },
  typed_per_filter_config: { rbac: { '@type': type('envoy.extensions.filters.http.rbac.v3.RBACPerRoute'), rbac: rules[name]?.(site) } },
});

function filters(): Json[] {
  return [
    httpFilter('header_to_metadata', 'header_to_metadata.v3.Config', {
      request_rules: [
        { header: 'x-role', on_header_present: { metadata_namespace: 'test.meta', key: 'role' } },
        { header: 'x-level', on_header_present: { metadata_namespace: 'test.meta', key: 'level', type: 'NUMBER' } },
      ],
    }),
    httpFilter('set_metadata', 'set_metadata.v3.Config', {
      metadata: [
        {
          metadata_namespace: 'test.fixed',
          value: { groups: ['one', 'two', 3], deep: { inner: true, name: 'yes' } },
        },
      ],
    }),
    httpFilter('set_filter_state', 'set_filter_state.v3.Config', {
      on_request_headers: [
        {
          object_key: 'test.state',
          factory_key: 'envoy.string',
          format_string: { text_format_source: { inline_string: '%REQ(:METHOD)%-%REQ(x-state)%' } },
        },
      ],
    }),
    { ...httpFilter('rbac', rbacType), name: 'rbac' },
    router(),
  ];
}

const dynamic = {
  rbac: '%DYNAMIC_METADATA(envoy.filters.http.rbac)%',
  meta: '%DYNAMIC_METADATA(test.meta)%',
  logged: '%DYNAMIC_METADATA(envoy.common)%',
};

const manager = (site: Site): Json =>
  httpConnectionManager(site, [virtualHost(Object.keys(rules).map((name) => routeOf(site, name)))], {
    http_filters: filters(),
    use_remote_address: false,
    access_log: [accessLog(site, dynamic)],
  });

const tlsContext = (site: Site): Json => ({
  name: 'envoy.transport_sockets.tls',
  typed_config: {
    '@type': type('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
    common_tls_context: {
      tls_certificates: [
        { certificate_chain: { filename: site.certificates.server.certificate }, private_key: { filename: site.certificates.server.key } },
      ],
      validation_context: { trusted_ca: { filename: site.certificates.ca } },
    },
  },
});

const networkRbac = (config: Json): Json => ({
  name: 'envoy.filters.network.rbac',
  typed_config: { '@type': type('envoy.extensions.filters.network.rbac.v3.RBAC'), stat_prefix: 'net', ...config },
});

/** TCP listeners, each with the network filter and a proxy to the echo. */
const tcpRules: Readonly<Record<string, Json>> = {
  'tcp-identity': {
    rules: { policies: { p: { permissions: any, principals: [{ authenticated: { principal_name: { exact: spiffe } } }] } } },
  },
  'tcp-not-identity': {
    rules: {
      action: 'DENY',
      policies: { 'no-client': { permissions: any, principals: [{ not_id: { authenticated: { principal_name: { exact: spiffe } } } }] } },
    },
    shadow_rules: { policies: { s: { permissions: [{ requested_server_name: { exact: 'server.example' } }], principals: any } } },
    shadow_rules_stat_prefix: 'istio_dry_run_allow_',
  },
  'tcp-sni': { rules: { policies: { p: { permissions: [{ requested_server_name: { suffix: 'example' } }], principals: any } } } },
  'tcp-path': { rules: { action: 'DENY', policies: { p: { permissions: [{ url_path: { path: { prefix: '/' } } }], principals: any } } } },
  'tcp-continuous': {
    rules: { policies: { p: { permissions: any, principals: [{ authenticated: {} }] } } },
    enforcement_type: 'CONTINUOUS',
  },
  'tcp-log': { rules: { action: 'LOG', policies: { l: { permissions: any, principals: any } } } },
  'tcp-delay': { rules: { action: 'DENY', policies: { d: { permissions: any, principals: any } } }, delay_deny: '0.15s' },
};

const http = (name: string, does: Partial<Exchange> = {}, more: Partial<DifferentialCase> = {}): DifferentialCase => {
  const exchange = { path: `/${name.replaceAll(' ', '%20')}/x`, ...does } as Exchange;
  const detail = { ...does };
  return { name: `${name} ${JSON.stringify(detail)}`, does: exchange, ...more };
};
/** Closed by the proxy in both cases or without a certificate: clients that would close too make it a race. */
const refused = new Set(['tcp-identity', 'tcp-not-identity', 'tcp-delay']);
const mtls = { servername: 'server.example', clientCertificate: true } as const;
const header = (...pairs: [string, string][]): { headers: [string, string][] } => ({ headers: pairs });

export const rbacRules: DifferentialFamily = {
  name: 'rbac-rules',
  about: 'RBAC: each kind of permission and principal, all actions, shadow rules with metadata and stats, over TLS and on TCP.',
  bootstrap: (site) => ({
    static_resources: {
      listeners: [
        listener(site, 'http', [manager(site)]),
        {
          name: 'tls',
          address: { socket_address: { address: '127.0.0.1', port_value: site.port('tls') } },
          listener_filters: [
            { name: 'tls', typed_config: { '@type': type('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector') } },
          ],
          filter_chains: [{ filters: [manager(site)], transport_socket: tlsContext(site) }],
        },
        ...Object.entries(tcpRules).map(([name, config]) => ({
          name,
          address: { socket_address: { address: '127.0.0.1', port_value: site.port(name) } },
          listener_filters: [
            { name: 'tls', typed_config: { '@type': type('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector') } },
          ],
          filter_chains: [
            {
              filters: [
                networkRbac({ ...config, stat_prefix: `${name}.` }),
                tcpProxy(site, {
                  cluster: 'tcp',
                  stat_prefix: name,
                  access_log: [
                    accessLog(site, {
                      rbac: '%DYNAMIC_METADATA(envoy.filters.network.rbac)%',
                      sni: '%REQUESTED_SERVER_NAME%',
                      peer: '%DOWNSTREAM_PEER_URI_SAN%',
                    }),
                  ],
                }),
              ],
              transport_socket: tlsContext(site),
            },
          ],
        })),
      ],
      clusters: standardClusters(site),
    },
  }),
  cases: [
    http('url-exact'),
    http('url-exact', { path: '/url-exact/x?query=1' }),
    http('url-exact', { path: '/url-exact/x?#fragment' }),
    http('url-exact', { path: '/url-exact/X' }),
    http('url-exact', { path: '/url-exact/%78' }),
    http('url-prefix-case', { path: '/url-prefix-case/ABC' }),
    http('url-regex', { path: '/url-regex/12?a' }),
    http('url-regex', { path: '/url-regex/12a' }),
    http('header-path', { path: '/header-path?x=1' }),
    http('header-path', { path: '/header-path?x=12' }),
    http('header-authority'),
    http('header-authority', { host: 'app.example:80' }),
    http('header-host'),
    http('header-scheme'),
    http('header-method-not', { method: 'POST', body: 'body' }),
    http('header-method-not', { method: 'HEAD' }),
    http('header-present'),
    http('header-present', header(['X-Here', ''])),
    http('header-absent'),
    http('header-absent', header(['X-Here', 'a'])),
    http('header-invert'),
    http('header-invert', header(['x-a', '1'])),
    http('header-invert', header(['x-a', '1'], ['x-a', '2'])),
    http('header-missing-empty'),
    http('header-range', header(['x-n', '-5'])),
    http('header-range', header(['x-n', '10'])),
    http('header-range', header(['x-n', '3.5'])),
    http('header-contains', header(['x-a', 'miDDLe'])),
    http('header-regex-whole', header(['x-a', 'abcd'])),
    http('header-regex-whole', header(['x-a', 'a,c'])),
    http('header-regex-whole', header(['x-a', 'a'], ['x-a', 'c'])),
    http('port-here'),
    http('port-here', { to: 'tls', tls: mtls }),
    http('port-range'),
    http('port-range-end'),
    http('destination-ip'),
    http('destination-ip-other'),
    http('destination-ip-whole'),
    http('sni'),
    http('sni', { to: 'tls', tls: { servername: 'server.example' } }),
    http('sni', { to: 'tls', tls: { servername: 'SERVER.example' } }),
    http('sni-empty'),
    http('sni-empty', { to: 'tls', tls: {} }),
    http('sni-suffix', { to: 'tls', tls: { servername: 'a.wild.example' } }),
    http('uri-template', { path: '/uri-template/a/b/end?x' }),
    http('uri-template', { path: '/uri-template/a/b/c/end' }),
    http('metadata', header(['x-role', 'admin'])),
    http('metadata', header(['x-role', 'user'])),
    http('metadata'),
    http('metadata-number', header(['x-level', '2'])),
    http('metadata-number', header(['x-level', '5'])),
    http('metadata-number', header(['x-level', 'many'])),
    http('metadata-present', header(['x-level', '1'])),
    http('metadata-present'),
    http('metadata-null'),
    http('metadata-invert', header(['x-role', 'admin'])),
    http('metadata-invert'),
    http('metadata-list'),
    http('metadata-list-no'),
    http('metadata-nested'),
    http('metadata-or'),
    http('metadata-route'),
    http('and-or', header(['x-a', '1'])),
    http('and-or', header(['x-b', '1'], ['x-c', '1'])),
    http('authenticated-any'),
    http('authenticated-any', { to: 'tls', tls: { servername: 'server.example' } }),
    http('authenticated-any', { to: 'tls', tls: mtls }),
    http('authenticated-uri', { to: 'tls', tls: mtls }),
    http('authenticated-uri', { to: 'tls', tls: { servername: 'server.example' } }),
    http('authenticated-dns', { to: 'tls', tls: mtls }),
    http('authenticated-regex', { to: 'tls', tls: mtls }),
    http('authenticated-subject', { to: 'tls', tls: mtls }),
    http('authenticated-not', { to: 'tls', tls: mtls }),
    http('authenticated-not'),
    http('source-ip'),
    http('source-ip', { from: '127.0.0.2' }),
    http('source-ip', { from: '127.0.0.2', ...header(['x-forwarded-for', '127.0.0.1']) }),
    http('direct-remote-ip', { from: '127.0.0.3', ...header(['x-forwarded-for', '127.0.0.1']) }),
    http('remote-ip', header(['x-forwarded-for', '198.51.100.1, 203.0.113.9'])),
    http('remote-ip', header(['x-forwarded-for', '203.0.113.9, 198.51.100.1'])),
    http('remote-ip', header(['x-forwarded-for', 'nonsense'])),
    http('principal-header', header(['x-a', '1'])),
    http('principal-path', { path: '/principal-path/ok?no' }),
    http('principal-metadata', header(['x-role', 'admin'])),
    http('principal-state', header(['x-state', 'v1'])),
    http('principal-state'),
    http('principal-state-missing'),
    http('principal-and', header(['x-a', '1'])),
    http('principal-or', header(['x-a', '2'])),
    http('no-policies'),
    http('no-rules'),
    http('deny-none'),
    http('deny-two', header(['x-a', '1'])),
    http('deny-two'),
    http('spaced name'),
    http('log', header(['x-a', '1'])),
    http('log'),
    http('shadow', header(['x-a', '1'], ['x-b', '1'])),
    http('shadow', header(['x-a', '1'])),
    http('shadow', header(['x-b', '1'])),
    http('shadow-deny'),
    http('shadow-log'),
    http('prefixed-stats', header(['x-a', '1'])),
    http('prefixed-stats'),
    { name: 'gRPC denied', does: { kind: 'http2', method: 'POST', path: '/deny-two', headers: [['content-type', 'application/grpc']] } },
    ...Object.keys(tcpRules).flatMap((name): DifferentialCase[] => [
      { name: `${name} with certificate`, does: { kind: 'tcp', to: name, tls: mtls, send: 'hello' } },
      {
        name: `${name} without`,
        does: { kind: 'tcp', to: name, tls: { servername: 'a.wild.example' }, send: 'hello', ...(refused.has(name) ? { open: true } : {}) },
      },
    ]),
    { name: 'admin stats by filter', does: { kind: 'admin', path: '/stats?filter=(main|identity|sni|log|delay|path).rbac' } },
    { name: 'admin stats of shadow rules as Prometheus', does: { kind: 'admin', path: '/stats/prometheus?filter=rbac.*shadow' } },
  ],
};
