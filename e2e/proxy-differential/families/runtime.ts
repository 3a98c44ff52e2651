import {
  httpBootstrap,
  httpConnectionManager,
  httpFilter,
  listener,
  router,
  standardClusters,
  type,
  virtualHost,
} from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Json } from '../harness/family.ts';

const fraction = (key: string, numerator: number): Json => ({ runtime_key: key, default_value: { numerator, denominator: 'HUNDRED' } });
const perFilter = (name: string, message: string, config: Json): Json => ({
  typed_per_filter_config: { [`envoy.filters.http.${name}`]: { '@type': type(`envoy.extensions.filters.http.${message}`), ...config } },
});

const routes: Json[] = [
  { match: { prefix: '/some', runtime_fraction: fraction('routes.some', 0) }, direct_response: { status: 201 } },
  { match: { prefix: '/static', runtime_fraction: fraction('routes.static', 0) }, direct_response: { status: 201 } },
  { match: { prefix: '/fine', runtime_fraction: fraction('routes.fine', 100) }, direct_response: { status: 201 } },
  {
    match: { prefix: '/mirror' },
    route: { cluster: 'a', request_mirror_policies: [{ cluster: 'b', runtime_fraction: fraction('mirror.b', 0) }] },
  },
  {
    match: { prefix: '/cors' },
    route: { cluster: 'a' },
    ...perFilter('cors', 'cors.v3.CorsPolicy', {
      allow_origin_string_match: [{ exact: 'http://a.example' }],
      filter_enabled: fraction('cors.on', 100),
    }),
  },
  { match: { prefix: '/' }, route: { cluster: 'a' } },
];

const http_filters = [
  httpFilter('cors', 'cors.v3.Cors'),
  httpFilter('fault', 'fault.v3.HTTPFault', { abort: { http_status: 418, percentage: { numerator: 0 } } }),
  router(),
];

const modify = (query: string): Exchange => ({ kind: 'admin', method: 'POST', path: `/runtime_modify?${query}` });
const runtime: Exchange = { kind: 'admin', path: '/runtime', select: (text) => readable(JSON.parse(text)) };

/** Envoy prints fractions in its debug format, which is not for reading. */
function readable({ layers, entries }: { layers: unknown; entries: Record<string, unknown> }): unknown {
  const { 'routes.fine': _, ...others } = entries;
  return { layers, entries: others };
}
const origin: Exchange = { path: '/cors', headers: [['origin', 'http://a.example']] };

/** A value is there once workers have it. */
const soon: Exchange = { kind: 'pause', ms: 60 };

const cases: DifferentialCase[] = [
  { name: 'layers', does: runtime },
  { name: 'static fraction', does: { path: '/static' } },
  { name: 'static fraction of a million', does: { path: '/fine' } },
  { name: 'route off', does: { path: '/some' } },
  { name: 'route on', does: [modify('routes.some=100'), soon, { path: '/some' }, runtime] },
  { name: 'route off again', does: [modify('routes.some='), soon, { path: '/some' }, runtime] },
  { name: 'mirror on', does: [modify('mirror.b=100'), soon, { path: '/mirror' }, modify('mirror.b=0')], unordered: true },
  { name: 'cors on', does: origin },
  { name: 'cors off', does: [modify('cors.on=0'), soon, origin, modify('cors.on=')] },
  {
    name: 'fault on',
    does: [modify('fault.http.abort.abort_percent=100'), soon, { path: '/x' }, modify('fault.http.abort.abort_percent=0'), soon],
  },
  { name: 'fault off', does: { path: '/x' } },
  { name: 'several at once', does: [modify('one=1&two=text&three=true'), soon, runtime] },
  { name: 'nothing to modify', does: { kind: 'admin', method: 'POST', path: '/runtime_modify' } },
  { name: 'modify by GET', does: { kind: 'admin', path: '/runtime_modify?a=b' } },
];

export const runtimeFamily: DifferentialFamily = {
  name: 'runtime',
  about: 'layers of the runtime, `/runtime_modify`, and what follows it: routes, mirrors, CORS, faults',
  bootstrap: (site) => ({
    ...httpBootstrap([])(site),
    static_resources: {
      listeners: [listener(site, 'http', [httpConnectionManager(site, [virtualHost(routes)], { http_filters })])],
      clusters: standardClusters(site),
    },
    layered_runtime: {
      layers: [
        {
          name: 'base',
          static_layer: {
            routes: { static: 100, fine: { numerator: 0, denominator: 'MILLION' } },
            some: { text: 'a', yes: true, number: 1.5 },
          },
        },
        { name: 'more', static_layer: { 'some.text': 'b' } },
        { name: 'admin', admin_layer: {} },
      ],
    },
  }),
  cases,
  stats: ['runtime.num_layers', 'runtime.num_keys', 'runtime.admin_overrides_active', 'runtime.load_error'],
};
