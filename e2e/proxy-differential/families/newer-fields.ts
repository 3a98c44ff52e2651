import { httpConnectionManager, httpFilter, listener, router, standardClusters, type, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Field, Json } from '../harness/family.ts';

const text = (name: string, match: Json): Json => ({
  name,
  match: { prefix: '/', ...match },
  direct_response: { status: 200, body: { inline_string: name } },
});
const cookie = (name: string, string_match: Json, more: Json = {}): Json => ({ cookies: [{ name, string_match, ...more }] });

const cookieRoutes: readonly Json[] = [
  text('exact', { prefix: '/exact', ...cookie('user', { exact: 'ann' }) }),
  text('prefix', { prefix: '/prefix', ...cookie('user', { prefix: 'a' }) }),
  text('regex', { prefix: '/regex', ...cookie('user', { safe_regex: { regex: 'a.*' } }) }),
  text('inverted', { prefix: '/inverted', ...cookie('user', { exact: 'ann' }, { invert_match: true }) }),
  text('two', {
    prefix: '/two',
    cookies: [
      { name: 'user', string_match: { exact: 'ann' } },
      { name: 'b', string_match: { exact: '2' } },
    ],
  }),
  text('any case', { prefix: '/case', ...cookie('User', { exact: 'ANN', ignore_case: true }) }),
];
const faulty = (name: string, abort: Json): Json => ({
  name,
  match: { prefix: `/${name}` },
  route: { cluster: 'a' },
  typed_per_filter_config: {
    fault: { '@type': type('envoy.extensions.filters.http.fault.v3.HTTPFault'), abort: { percentage: { numerator: 100 }, ...abort } },
  },
});

const get = (path: string, headers: readonly Field[] = [], more: Json = {}): Exchange => ({ path, headers, ...more });
const cookies: readonly (readonly [name: string, headers: readonly Field[]])[] = [
  ['none', []],
  ['ann', [['cookie', 'user=ann']]],
  ['bob', [['cookie', 'user=bob']]],
  ['among others', [['cookie', 'a=1; user=ann; b=2']]],
  [
    'in two headers',
    [
      ['cookie', 'a=1'],
      ['cookie', 'user=ann; b=2'],
    ],
  ],
  ['twice', [['cookie', 'user=ann; user=bob']]],
  ['quoted', [['cookie', 'user="ann"']]],
  ['without a space', [['cookie', 'a=1;user=ann']]],
  ['in capitals', [['cookie', 'USER=ann']]],
  ['empty', [['cookie', 'user=']]],
];

export const newerFields: DifferentialFamily = {
  name: 'newer-fields',
  about: 'Fields that came to the API late: cookie matchers, the header that chooses the virtual host, bodies of faults.',
  bootstrap: (site) => ({
    static_resources: {
      listeners: [
        listener(site, 'http', [
          httpConnectionManager(
            site,
            [
              virtualHost([
                ...cookieRoutes,
                faulty('body', { http_status: 418, response_body: 'no tea' }),
                faulty('grpc', { grpc_status: 5, response_body: 'gone' }),
              ]),
            ],
            { http_filters: [{ ...httpFilter('fault', 'fault.v3.HTTPFault'), name: 'fault' }, router()] },
          ),
        ]),
        listener(site, 'hosts', [
          httpConnectionManager(
            site,
            [
              { name: 'one', domains: ['one.example'], routes: [text('one', {})] },
              { name: 'two', domains: ['*.two.example', '/path'], routes: [text('two', {})] },
              { name: 'rest', domains: ['app.example'], routes: [text('rest', {})] },
            ],
            { stat_prefix: 'hosts', route_config: { vhost_header: 'X-Host' } },
          ),
        ]),
      ],
      clusters: standardClusters(site),
    },
  }),
  cases: [
    ...cookies.map(
      ([name, headers]): DifferentialCase => ({
        name: `cookie ${name}`,
        does: ['exact', 'prefix', 'regex', 'inverted', 'two', 'case'].map((path) => get(`/${path}`, headers)),
      }),
    ),
    { name: 'body of a fault', does: get('/body') },
    { name: 'message of a fault', does: get('/grpc', [['content-type', 'application/grpc']]) },
    { name: 'host by header', does: get('/', [['x-host', 'one.example']], { to: 'hosts' }) },
    { name: 'host by header, wildcard', does: get('/', [['x-host', 'a.TWO.example']], { to: 'hosts' }) },
    { name: 'host by header with port', does: get('/', [['x-host', 'one.example:80']], { to: 'hosts' }) },
    {
      name: 'host by header twice',
      does: get(
        '/',
        [
          ['x-host', 'one.example'],
          ['x-host', 'a.two.example'],
        ],
        { to: 'hosts' },
      ),
    },
    { name: 'no such header', does: get('/', [], { to: 'hosts' }) },
    { name: 'unknown host', does: get('/', [['x-host', 'three.example']], { to: 'hosts' }) },
  ],
};
