import {
  accessLog,
  httpConnectionManager,
  httpFilter,
  listener,
  router,
  standardClusters,
  type,
  virtualHost,
} from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Field, Json } from '../harness/family.ts';

const filterType = (message: string): string => type(`envoy.extensions.filters.http.${message}`);
const wrapper = (fields: Json): Json => ({ '@type': type('envoy.config.route.v3.FilterConfig'), ...fields });
const set = (key: string, value: string): Json => ({ append: { header: { key, value }, append_action: 'APPEND_IF_EXISTS_OR_ADD' } });

const mutation = (level: string): Json => ({
  '@type': filterType('header_mutation.v3.HeaderMutationPerRoute'),
  mutations: { request_mutations: [set('x-level', level)], response_mutations: [set('x-level-out', level)] },
});
const policy = (action: string, header?: string): Json => ({
  rules: {
    action,
    policies: {
      [`${action}-${header}`]: {
        permissions: [header === undefined ? { any: true } : { header: { name: header, present_match: true } }],
        principals: [{ any: true }],
      },
    },
  },
});
const rbac = (config: Json | undefined): Json => ({
  '@type': filterType('rbac.v3.RBACPerRoute'),
  ...(config === undefined ? {} : { rbac: config }),
});
const cors = (origin: string): Json => ({
  '@type': filterType('cors.v3.CorsPolicy'),
  allow_origin_string_match: [{ exact: origin }],
  allow_methods: origin,
});
const hundred = { numerator: 100, denominator: 'HUNDRED' };
const abort = (status: number): Json => ({
  '@type': filterType('fault.v3.HTTPFault'),
  abort: { http_status: status, percentage: hundred },
});

const mutationName = 'envoy.filters.http.header_mutation';
const rbacName = 'envoy.filters.http.rbac';
const faultName = 'envoy.filters.http.fault';
const corsName = 'envoy.filters.http.cors';

const route = (name: string, filters?: Json, action: Json | null = { cluster: 'a' }, more: Json = {}): Json => ({
  name,
  match: { path_separated_prefix: `/${name}` },
  ...(action === null ? {} : { route: action }),
  ...(filters === undefined ? {} : { typed_per_filter_config: filters }),
  ...more,
});

const weighted = (filters: Json): Json => ({
  weighted_clusters: { clusters: [{ name: 'b', weight: 100, typed_per_filter_config: filters }] },
});

const routes: Json[] = [
  route('none'),
  route('own', { [mutationName]: mutation('route') }),
  route('weighted', { [mutationName]: mutation('route') }, weighted({ [mutationName]: mutation('weighted') })),
  route('weighted-only', undefined, weighted({ [mutationName]: mutation('weighted'), [faultName]: abort(419) })),
  route('weighted-off', { [faultName]: abort(418) }, weighted({ [faultName]: wrapper({ disabled: true }) })),
  route('wrapped', { [mutationName]: wrapper({ config: mutation('wrapped') }) }),
  route('wrapped-optional', { [faultName]: wrapper({ config: abort(417), is_optional: true }) }),
  route('unknown-optional', { 'no.such.filter': wrapper({ config: { '@type': type('google.protobuf.Struct') }, is_optional: true }) }),
  route('off', { [mutationName]: wrapper({ disabled: true }) }),
  route('off-rbac', { [rbacName]: wrapper({ disabled: true }) }),
  route('empty-rbac', { [rbacName]: rbac(undefined) }),
  route('own-rbac', { [rbacName]: rbac(policy('DENY', 'x-deny-route')) }),
  route('on', { named: wrapper({ config: {} }) }),
  route('on-own', { named: mutation('named') }),
  route('cors-own', { [corsName]: cors('https://route.example') }),
  route('redirect', { [faultName]: abort(416) }, null, { redirect: { path_redirect: '/x' } }),
  route('direct', { [mutationName]: mutation('direct') }, null, {
    direct_response: { status: 202, body: { inline_string: 'direct' } },
  }),
];

const filters = (more: Json = {}): Json[] => [
  httpFilter('cors', 'cors.v3.Cors'),
  httpFilter('rbac', 'rbac.v3.RBAC', policy('DENY', 'x-deny-filter')),
  httpFilter('fault', 'fault.v3.HTTPFault'),
  httpFilter('header_mutation', 'header_mutation.v3.HeaderMutation', {
    mutations: { request_mutations: [set('x-level', 'filter')], response_mutations: [set('x-level-out', 'filter')] },
    ...more,
  }),
  {
    name: 'named',
    disabled: true,
    typed_config: {
      '@type': filterType('header_mutation.v3.HeaderMutation'),
      mutations: { request_mutations: [set('x-named', 'filter')] },
    },
  },
  {
    name: 'unknown',
    is_optional: true,
    typed_config: { '@type': type('xds.type.v3.TypedStruct'), type_url: type('no.such.Filter'), value: {} },
  },
  router(),
];

const hosts = (): Json[] => [
  virtualHost(routes, { name: 'plain', domains: ['plain.example'] }),
  virtualHost(routes, {
    name: 'levels',
    domains: ['levels.example'],
    typed_per_filter_config: {
      [mutationName]: mutation('host'),
      [rbacName]: rbac(policy('DENY', 'x-deny-host')),
      [corsName]: cors('https://host.example'),
    },
  }),
  virtualHost(routes, {
    name: 'off',
    domains: ['off.example'],
    typed_per_filter_config: {
      [mutationName]: wrapper({ disabled: true }),
      [rbacName]: wrapper({ disabled: true }),
      named: wrapper({ config: {} }),
    },
  }),
];

const request = (name: string, path: string, host: string, headers: Field[] = [], to = 'http'): DifferentialCase => ({
  name,
  does: { path, host, headers, to },
});

const listenerOf = (site: Parameters<DifferentialFamily['bootstrap']>[0], name: string, chain: Json[]): Json =>
  listener(site, name, [
    httpConnectionManager(site, hosts(), {
      http_filters: chain,
      stat_prefix: name,
      access_log: [accessLog(site, { rbac: '%DYNAMIC_METADATA(envoy.filters.http.rbac)%' })],
      route_config: {
        typed_per_filter_config: {
          [mutationName]: mutation('table'),
          [corsName]: cors('https://table.example'),
          [faultName]: wrapper({ config: {} }),
        },
      },
    }),
  ]);

const paths = routes.map((one) => String(one['name']));

export const filterLevels: DifferentialFamily = {
  name: 'filter-levels',
  about:
    'Configuration of HTTP filters at four levels: which one counts, what switches filters off and on again, optional and unknown ones.',
  bootstrap: (site) => ({
    static_resources: {
      listeners: [
        listenerOf(site, 'http', filters()),
        listenerOf(site, 'specific', filters({ most_specific_header_mutations_wins: true })),
      ],
      clusters: standardClusters(site),
    },
  }),
  cases: [
    ...['plain', 'levels', 'off'].flatMap((host) => paths.map((path) => request(`${path} of ${host}`, `/${path}`, `${host}.example`))),
    ...['plain', 'levels', 'off'].flatMap((host) =>
      ['own', 'weighted', 'off', 'wrapped'].map((path) =>
        request(`specific: ${path} of ${host}`, `/${path}`, `${host}.example`, [], 'specific'),
      ),
    ),
    ...['x-deny-filter', 'x-deny-host', 'x-deny-route'].flatMap((header) =>
      ['none', 'off-rbac', 'empty-rbac', 'own-rbac'].flatMap((path) =>
        ['plain', 'levels', 'off'].map((host) => request(`${header}: ${path} of ${host}`, `/${path}`, `${host}.example`, [[header, '1']])),
      ),
    ),
    ...['https://table.example', 'https://host.example', 'https://route.example'].flatMap((origin) =>
      ['none', 'cors-own'].flatMap((path) =>
        ['plain', 'levels'].map((host) => request(`${origin}: ${path} of ${host}`, `/${path}`, `${host}.example`, [['origin', origin]])),
      ),
    ),
    request('no host', '/none', 'unknown.example'),
    request('no route', '/nothing', 'levels.example', [['x-deny-filter', '1']]),
    request('no route, host', '/nothing', 'levels.example', [['x-deny-host', '1']]),
    { name: 'statistics', does: { kind: 'admin', path: '/stats?filter=^http.*(rbac|cors|fault)' } },
  ],
};
