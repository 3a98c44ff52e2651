import { cluster, httpConnectionManager, listener } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Json, Site } from '../harness/family.ts';

const direct = (name: string, more: Json = {}): Json => ({
  name,
  domains: [name],
  routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: name } } }],
  ...more,
});

const domains = [
  'app.example',
  'Mixed.Example',
  '*.example',
  '*.app.example',
  '*-tail.example',
  'www.*',
  'www.app.*',
  'ported.example:8080',
  '*.ported.example:8080',
  '10.0.0.1',
  '[::1]',
  '[::1]:80',
  '*',
];

const hosts = [
  'app.example',
  'APP.Example',
  'app.example:80',
  'app.example:8443',
  'app.example.',
  'mixed.example',
  'x.example',
  'x.app.example',
  'x.y.app.example',
  '.app.example',
  '.example',
  'example',
  'x-tail.example',
  '-tail.example',
  'www.other',
  'www.app.other',
  'www.app.example',
  'www.',
  'ported.example',
  'ported.example:8080',
  'x.ported.example:8080',
  'x.ported.example',
  '10.0.0.1',
  '10.0.0.1:80',
  '[::1]',
  '[::1]:80',
  '[::1]:81',
  'nothing',
  '',
];

/** One listener for each way of reading the host. */
const listeners: Readonly<Record<string, Json>> = {
  http: {},
  'ignore-port': { route_config: { ignore_port_in_host_matching: true } },
  'strip-any': { strip_any_host_port: true },
  'strip-matching': { strip_matching_host_port: true },
  'strip-dot': { strip_trailing_host_dot: true },
};

const hostCases: DifferentialCase[] = hosts.flatMap((host) => [
  { name: `host '${host}'`, does: { host } },
  { name: `host '${host}' over HTTP/2`, does: { kind: 'http2', authority: host } },
]);

const optionCases: DifferentialCase[] = ['ignore-port', 'strip-any', 'strip-matching', 'strip-dot'].flatMap((to) =>
  [
    'app.example',
    'app.example:80',
    'app.example:12',
    'ported.example:8080',
    'app.example.',
    'app.example.:80',
    '[::1]:80',
    'app.example:',
    'app.example:x',
  ].map((host) => ({ name: `${to}: host '${host}'`, does: { to, host } })),
);

export const virtualHosts: DifferentialFamily = {
  name: 'virtual-hosts',
  about: 'which virtual host a request belongs to, and what virtual hosts do by themselves',
  bootstrap: (site: Site) => ({
    static_resources: {
      listeners: [
        ...Object.entries(listeners).map(([name, more]) =>
          listener(site, name, [
            httpConnectionManager(
              site,
              domains.map((domain) => direct(domain)),
              more,
            ),
          ]),
        ),
        listener(site, 'no-default', [httpConnectionManager(site, [direct('app.example')])]),
        listener(site, 'no-hosts', [httpConnectionManager(site, [])]),
        listener(site, 'forward', [
          httpConnectionManager(
            site,
            [
              {
                name: 'all',
                domains: ['*'],
                virtual_clusters: [
                  { name: 'posts', headers: [{ name: ':method', string_match: { exact: 'POST' } }] },
                  { name: 'items', headers: [{ name: ':path', string_match: { safe_regex: { regex: '/items/\\d+' } } }] },
                ],
                routes: [{ match: { prefix: '/' }, route: { cluster: 'a' } }],
              },
            ],
            { strip_any_host_port: true },
          ),
        ]),
        listener(site, 'tls', [
          httpConnectionManager(site, [
            direct('all.example', { require_tls: 'ALL' }),
            direct('external.example', { require_tls: 'EXTERNAL_ONLY' }),
          ]),
        ]),
      ],
      clusters: [cluster('a', [site.upstream('a')])],
    },
  }),
  cases: [
    ...hostCases,
    ...optionCases,
    { name: 'no virtual host of that name', does: { to: 'no-default', host: 'other.example' } },
    { name: 'no virtual host of that name, with a body', does: { to: 'no-default', host: 'other.example', method: 'POST', body: 'x' } },
    {
      name: 'no virtual host of that name, gRPC',
      does: { to: 'no-default', host: 'other.example', headers: [['content-type', 'application/grpc']] },
    },
    { name: 'no virtual hosts', does: { to: 'no-hosts' } },
    { name: 'the port is stripped before the upstream', does: { to: 'forward', host: 'app.example:12' } },
    { name: 'virtual cluster by method', does: { to: 'forward', method: 'POST' } },
    { name: 'virtual cluster by path', does: { to: 'forward', path: '/items/12' } },
    { name: 'virtual cluster by path with query', does: { to: 'forward', path: '/items/12?x' } },
    { name: 'TLS required', does: { to: 'tls', host: 'all.example', path: '/x?y=1' } },
    { name: 'TLS required, with a port', does: { to: 'tls', host: 'all.example:80' } },
    { name: 'TLS required and said to be there', does: { to: 'tls', host: 'all.example', headers: [['x-forwarded-proto', 'https']] } },
    { name: 'TLS required, POST', does: { to: 'tls', host: 'all.example', method: 'POST', body: 'x' } },
    { name: 'TLS required of outsiders', does: { to: 'tls', host: 'external.example' } },
    {
      name: 'TLS required of outsiders, from inside',
      does: { to: 'tls', host: 'external.example', headers: [['x-envoy-internal', 'true']] },
    },
    {
      name: 'TLS required of outsiders, with their address',
      does: { to: 'tls', host: 'external.example', headers: [['x-forwarded-for', '9.9.9.9']] },
    },
  ],
  stats: [
    'http.main.no_route',
    'http.main.downstream_rq_2xx',
    'http.main.downstream_rq_3xx',
    'http.main.downstream_rq_4xx',
    'vhost.all.vcluster.posts.upstream_rq_2xx',
    'vhost.all.vcluster.items.upstream_rq_200',
    'vhost.all.vcluster.other.upstream_rq_total',
  ],
};
