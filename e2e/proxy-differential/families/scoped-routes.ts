import { httpConnectionManager, listener, standardClusters } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Json } from '../harness/family.ts';

const byIndex = (name: string, index: number, element_separator = ''): Json => ({
  header_value_extractor: { name, index, ...(element_separator === '' ? {} : { element_separator }) },
});
const byKey = (name: string, key: string, separator = '=', element_separator = ';'): Json => ({
  header_value_extractor: { name, element_separator, element: { separator, key } },
});
const answers = (name: string): Json => ({
  name,
  virtual_hosts: [
    {
      name,
      domains: ['*'],
      routes: [
        { name: `${name}-a`, match: { prefix: '/a' }, route: { cluster: 'a' } },
        { name: `${name}-text`, match: { prefix: '/text' }, direct_response: { status: 200, body: { inline_string: name } } },
      ],
    },
  ],
});
const scope = (name: string, ...key: string[]): Json => ({
  name,
  key: { fragments: key.map((string_key) => ({ string_key })) },
  route_configuration: answers(name),
});
const scopes = (fragments: readonly Json[], ...list: readonly Json[]): Json => ({
  name: 'scopes',
  scope_key_builder: { fragments },
  scoped_route_configurations_list: { scoped_route_configurations: list },
});

/** By listener: how the key is made, and what scopes there are. */
const setups: Readonly<Record<string, Json>> = {
  whole: scopes([byIndex('X-Tenant', 0)], scope('one', 'one'), scope('two', 'two'), scope('comma', 'one,two')),
  index: scopes([byIndex('x-tenant', 1, ',')], scope('one', 'one'), scope('two', 'two'), scope('empty', '')),
  element: scopes([byKey('x-tenant', 'name')], scope('one', 'one'), scope('two', 'two'), scope('empty', ''), scope('long', 'a=b')),
  both: scopes([byIndex('x-tenant', 0), byKey('x-zone', 'z')], scope('one-x', 'one', 'x'), scope('one-y', 'one', 'y')),
  twice: scopes([byIndex('x-tenant', 0)], scope('first', 'same'), scope('second', 'other')),
  host: scopes([byIndex(':authority', 0)], scope('app', 'app.example'), scope('upper', 'APP.example')),
};

const get = (to: string, headers: readonly (readonly [string, string])[], path = '/text', host?: string): Exchange => ({
  to,
  path,
  headers,
  ...(host === undefined ? {} : { host }),
});
const tenant = (to: string, value: string): DifferentialCase => ({
  name: `${to}: ${value === '' ? 'empty' : value}`,
  does: get(to, [['x-tenant', value]]),
});

export const scopedRoutes: DifferentialFamily = {
  name: 'scoped-routes',
  about: 'Route configurations chosen by keys made of request headers.',
  bootstrap: (site) => ({
    static_resources: {
      listeners: Object.entries(setups).map(([name, scoped_routes]) => {
        const manager = httpConnectionManager(site, [], { stat_prefix: name });
        const { route_config: _, ...config } = manager['typed_config'] as Json; // what httpConnectionManager has written
        return listener(site, name, [{ ...manager, typed_config: { ...config, scoped_routes } }]);
      }),
      clusters: standardClusters(site),
    },
  }),
  cases: [
    ...['one', 'two', 'three', 'ONE', 'one,two', ' one '].map((value) => tenant('whole', value)),
    { name: 'whole: no header', does: get('whole', []) },
    {
      name: 'whole: header twice',
      does: get('whole', [
        ['x-tenant', 'one'],
        ['x-tenant', 'two'],
      ]),
    },
    { name: 'whole: forwarded', does: get('whole', [['x-tenant', 'two']], '/a/b') },
    { name: 'whole: no route in scope', does: get('whole', [['x-tenant', 'one']], '/none') },
    ...['x,one', 'x,two,y', 'x', 'x,', 'x, one', ',one'].map((value) => tenant('index', value)),
    {
      name: 'index: header twice',
      does: get('index', [
        ['x-tenant', 'x'],
        ['x-tenant', 'one'],
      ]),
    },
    ...[
      'name=one',
      'a=b;name=two',
      'name',
      'name=',
      'name=a=b',
      'name=one;name=two',
      'Name=one',
      'name = one',
      ' name=one',
      'other=one',
      'one',
    ].map((value) => tenant('element', value)),
    {
      name: 'both: x',
      does: get('both', [
        ['x-tenant', 'one'],
        ['x-zone', 'a=b;z=x'],
      ]),
    },
    {
      name: 'both: y',
      does: get('both', [
        ['x-tenant', 'one'],
        ['x-zone', 'z=y'],
      ]),
    },
    { name: 'both: only one', does: get('both', [['x-tenant', 'one']]) },
    {
      name: 'both: unknown',
      does: get('both', [
        ['x-tenant', 'two'],
        ['x-zone', 'z=y'],
      ]),
    },
    tenant('twice', 'same'),
    { name: 'host', does: get('host', []) },
    { name: 'host in capitals', does: get('host', [], '/text', 'APP.example') },
    { name: 'HTTP/2', does: { kind: 'http2', to: 'whole', path: '/text', headers: [['x-tenant', 'two']] } },
  ],
  stats: ['http.whole.no_route', 'http.whole.downstream_rq_2xx', 'http.whole.downstream_rq_4xx', 'http.element.no_route'],
};
