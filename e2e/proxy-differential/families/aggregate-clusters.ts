import {
  cluster,
  http2Upstream,
  httpConnectionManager,
  listener,
  standardClusters,
  tcpProxy,
  type,
  virtualHost,
} from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Json } from '../harness/family.ts';

const aggregate = (name: string, clusters: readonly string[], more: Json = {}): Json => ({
  name,
  connect_timeout: '1s',
  lb_policy: 'CLUSTER_PROVIDED',
  cluster_type: {
    name: 'envoy.clusters.aggregate',
    typed_config: { '@type': type('envoy.extensions.clusters.aggregate.v3.ClusterConfig'), clusters },
  },
  ...more,
});
const withHealth = (
  name: string,
  hosts: readonly (readonly [port: number, health: string, priority?: number])[],
  more: Json = {},
): Json => ({
  name,
  connect_timeout: '1s',
  type: 'STATIC',
  load_assignment: {
    cluster_name: name,
    endpoints: [0, 1].flatMap((priority) => {
      const own = hosts.filter(([, , at]) => (at ?? 0) === priority);
      if (own.length === 0) return [];
      const lb_endpoints = own.map(([port, health_status]) => ({
        health_status,
        endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
      }));
      return [{ priority, lb_endpoints }];
    }),
  },
  ...more,
});
const noPanic: Json = { common_lb_config: { healthy_panic_threshold: { value: 0 } } };

const names = [
  'first',
  'spill',
  'second-priority',
  'missing',
  'all-missing',
  'all-dead',
  'none-healthy',
  'no-panic',
  'protocols',
  'nested',
  'hashed',
  'limited',
  'retried',
  'degraded',
];
const route = (name: string, more: Json = {}): Json => ({ name, match: { prefix: `/${name}/` }, route: { cluster: name, ...more } });
const get = (name: string, path = 'x', headers: readonly (readonly [string, string])[] = []): Exchange => ({
  path: `/${name}/${path}`,
  headers,
});
const stats = (pattern: string): Exchange => ({
  kind: 'admin',
  path: `/stats?usedonly&filter=${pattern}`,
  select: (text) => text.split('\n').filter((line) => /\.upstream_(rq|cx)_[a-z0-9_]+: \d+$/.test(line) && !/_active|bytes/.test(line)),
});
const one = (name: string, ...does: Exchange[]): DifferentialCase => ({ name, does });

export const aggregateClusters: DifferentialFamily = {
  name: 'aggregate-clusters',
  about: 'Clusters made of clusters: which member gets a request, whose statistics count it, failover, retries and limits.',
  bootstrap: (site) => {
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => site.upstream(name)) as [number, number, number, number];
    return {
      static_resources: {
        listeners: [
          listener(site, 'http', [
            httpConnectionManager(site, [
              virtualHost(
                names.map((name) =>
                  route(
                    name,
                    name === 'hashed'
                      ? { hash_policy: [{ header: { header_name: 'x-hash' } }] }
                      : name === 'retried'
                        ? {
                            retry_policy: {
                              retry_on: '5xx,connect-failure',
                              num_retries: 2,
                              retry_host_predicate: [],
                              retry_back_off: { base_interval: '0.001s' },
                            },
                          }
                        : {},
                  ),
                ),
              ),
            ]),
          ]),
          listener(site, 'tcp', [tcpProxy(site, { cluster: 'aggregate-tcp' })]),
        ],
        clusters: [
          ...standardClusters(site),
          withHealth('m-a', [[a, 'HEALTHY']]),
          withHealth('m-b', [[b, 'HEALTHY']]),
          withHealth('m-sick', [[c, 'UNHEALTHY']], noPanic),
          withHealth('m-sick-panic', [[c, 'UNHEALTHY']]),
          withHealth('m-degraded', [[c, 'DEGRADED']], noPanic),
          withHealth(
            'm-two',
            [
              [c, 'UNHEALTHY'],
              [d, 'HEALTHY', 1],
            ],
            noPanic,
          ),
          withHealth('m-none', []),
          withHealth(
            'm-hash',
            [
              [a, 'HEALTHY'],
              [b, 'HEALTHY'],
              [c, 'HEALTHY'],
              [d, 'HEALTHY'],
            ],
            { lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 101 } },
          ),
          withHealth('m-limited', [[a, 'HEALTHY']], { circuit_breakers: { thresholds: [{ max_requests: 0 }] } }),
          cluster('m-dead', [site.deadPort]),
          cluster('m-h2', [site.upstream('h2')], http2Upstream),
          aggregate('first', ['m-a', 'm-b']),
          aggregate('spill', ['m-sick', 'm-b'], noPanic),
          aggregate('second-priority', ['m-two', 'm-a'], noPanic),
          aggregate('missing', ['nowhere', 'm-b']),
          aggregate('all-missing', ['nowhere']),
          aggregate('all-dead', ['m-dead', 'm-dead']),
          aggregate('none-healthy', ['m-sick', 'm-none'], noPanic),
          aggregate('no-panic', ['m-sick-panic'], noPanic),
          aggregate('protocols', ['m-h2', 'm-a']),
          aggregate('nested', ['first', 'm-b']),
          aggregate('hashed', ['m-hash']),
          aggregate('limited', ['m-limited', 'm-b']),
          aggregate('retried', ['m-a', 'm-b']),
          aggregate('degraded', ['m-degraded', 'm-b'], noPanic),
          aggregate('aggregate-tcp', ['m-sick', 'tcp'], noPanic),
        ],
      },
    };
  },
  cases: [
    one('the first member', get('first'), get('first', 'y')),
    one('failover to the second', get('spill'), get('spill', 'y')),
    one('failover within a member', get('second-priority')),
    one('a member that does not exist', get('missing')),
    one('no member exists', get('all-missing')),
    one('connections fail', get('all-dead')),
    one('no host is healthy', get('none-healthy')),
    one('panic of a member alone', get('no-panic')),
    one('the protocol is the member’s', get('protocols')),
    one('an aggregate in an aggregate', get('nested')),
    ...['a', 'b', 'c', 'd', 'e', 'f'].map((value) => one(`hash ${value}`, get('hashed', 'x', [['x-hash', value]]))),
    one('a member at its limit', get('limited')),
    { name: 'retries', does: get('retried'), replies: [{ status: 503 }, { status: 503 }, { status: 200 }] },
    { name: 'retries in vain', does: get('retried'), replies: { status: 503 } },
    one('degraded before the next', get('degraded')),
    one('TCP', { kind: 'tcp', send: 'hello', to: 'tcp' }),
    one('statistics of the aggregate', stats('%5Ecluster%5C.(first|spill)%5C.')),
    one('statistics of members', stats('%5Ecluster%5C.m-(a|b|limited)%5C.')),
    one('statistics of a retried one', stats('%5Ecluster%5C.retried%5C.')),
  ],
};
