import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { address, httpConnectionManager, listener, type as typeName, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Json, ProxyUnderTest, Site } from '../harness/family.ts';
import { hostsOf } from '../harness/own-clusters.ts';

const endpoint = (site: Site, name: string, more: Json = {}): Json => ({
  endpoint: { address: address(name === 'dead' ? site.deadPort : site.upstream(name)) },
  ...more,
});
type Localities = (site: Site) => readonly Json[];
const level = (site: Site, names: readonly string[], more: Json = {}): Json => ({
  lb_endpoints: names.map((name) => endpoint(site, name)),
  ...more,
});

function write(site: Site, endpoints: readonly Json[], policy: Json | undefined): void {
  const assignment = {
    '@type': typeName('envoy.config.endpoint.v3.ClusterLoadAssignment'),
    cluster_name: 'found',
    endpoints,
    ...(policy === undefined ? {} : { policy }),
  };
  const file = join(site.directory, 'eds.json');
  writeFileSync(`${file}.new`, JSON.stringify({ resources: [assignment] }));
  renameSync(`${file}.new`, file);
}

const stats =
  /^cluster\.found\.(membership_(change|healthy|degraded|total)|update_(rejected|empty)|upstream_cx_none_healthy|upstream_rq_(drop_overload|dropped|completed|[2-5]xx)|assignment_.*|lb_healthy_panic|max_host_weight|upstream_rq_503): /;

async function read(proxy: ProxyUnderTest, path: string): Promise<readonly string[]> {
  const text = await (await fetch(`http://127.0.0.1:${proxy.adminPort}${path}`)).text();
  return text.split('\n');
}

async function attempts(proxy: ProxyUnderTest): Promise<number> {
  const lines = await read(proxy, '/stats?filter=cluster.found.update_attempt');
  return Number(lines.find((line) => line.startsWith('cluster.found.update_attempt'))?.split(': ')[1] ?? 0);
}

/** Where a choice is random. */
const uneven = /degraded|unhealthy|overprovisioning/;

/** Writes an assignment, waits until it has been read, and sends twelve requests. */
function step(name: string, endpoints: Localities, policy?: Json): DifferentialCase {
  return {
    name,
    does: [],
    run: async (proxy) => {
      const before = await attempts(proxy);
      write(proxy.site, endpoints(proxy.site), policy);
      for (let i = 0; i < 200 && (await attempts(proxy)) === before; i++) await wait(10);
      await wait(30);
      const answers = new Map<string, number>();
      for (let i = 0; i < 12; i++) {
        const answer = await proxy.exchange({ path: '/x', headers: [['x-n', String(i)]] });
        const { answers: list } = answer as {
          answers: readonly { status: string; body: string; headers: readonly (readonly [string, string])[] }[];
        }; // what an HTTP/1 exchange gives
        const own = list[0]?.headers.filter(([key]) => key.startsWith('x-envoy') && !key.includes('time')) ?? [];
        const key = `${list[0]?.status} ${list[0]?.body} ${own.join()}`;
        answers.set(key, (answers.get(key) ?? 0) + 1);
      }
      const log = await proxy.takeLog(12);
      const seen = [...new Set(log.map(({ code, flags, details, host }) => `${code} ${flags} ${details} ${host}`))].sort();
      const counted = (await read(proxy, '/stats?filter=^cluster%5C.found%5C.')).filter((line) => stats.test(line)).sort();
      return {
        answers: uneven.test(name) ? [...answers.keys()].sort() : [...answers].sort(),
        seen,
        stats: counted,
        hosts: ((await proxy.exchange(hostsOf('found'))) as readonly string[]).filter((line) => !/::(rq|cx)_/.test(line)),
      };
    },
  };
}

/** Changes of an EDS file, one after another: each case begins where the one before it ended. */
export const upstreamDiscovery: DifferentialFamily = {
  name: 'upstream-discovery',
  waits: true,
  about: 'EDS from a file: hosts come, go, move between priorities, change health and weight; drops, with statistics and hosts after each',
  bootstrap(site) {
    write(site, [level(site, ['a'])], undefined);
    return {
      node: { id: 'test', cluster: 'test' },
      static_resources: {
        listeners: [
          listener(site, 'http', [httpConnectionManager(site, [virtualHost([{ match: { prefix: '/' }, route: { cluster: 'found' } }])])]),
        ],
        clusters: [
          {
            name: 'found',
            type: 'EDS',
            connect_timeout: '1s',
            common_lb_config: { update_merge_window: '0s' },
            eds_cluster_config: { eds_config: { path_config_source: { path: join(site.directory, 'eds.json') } } },
          },
        ],
      },
    };
  },
  cases: [
    step('a second host', (site) => [level(site, ['a', 'b'])]),
    step('the same again', (site) => [level(site, ['a', 'b'])]),
    step('the first host goes', (site) => [level(site, ['b'])]),
    step('another one in its place', (site) => [level(site, ['c'])]),
    step('no host', () => []),
    step('a locality without hosts', () => [{ lb_endpoints: [] }]),
    step('three hosts come back', (site) => [level(site, ['a', 'b', 'c'])]),
    step('one to the second priority', (site) => [level(site, ['a', 'b']), level(site, ['c'], { priority: 1 })]),
    step('the first priority to the second', (site) => [level(site, ['c']), level(site, ['a', 'b'], { priority: 1 })]),
    step('the second priority alone', (site) => [level(site, ['a'], { priority: 1 })]),
    step('the same host twice', (site) => [level(site, ['a', 'a'])]),
    step('the same host in two priorities', (site) => [level(site, ['a']), level(site, ['a'], { priority: 1 })]),
    step('one unhealthy', (site) => [
      { lb_endpoints: [endpoint(site, 'a', { health_status: 'UNHEALTHY' }), endpoint(site, 'b'), endpoint(site, 'c')] },
    ]),
    step('one draining', (site) => [{ lb_endpoints: [endpoint(site, 'a', { health_status: 'DRAINING' }), endpoint(site, 'b')] }]),
    step('one timed out', (site) => [{ lb_endpoints: [endpoint(site, 'a', { health_status: 'TIMEOUT' }), endpoint(site, 'b')] }]),
    step('all degraded', (site) => [{ lb_endpoints: [endpoint(site, 'a', { health_status: 'DEGRADED' })] }]),
    step('all unhealthy: panic', (site) => [
      { lb_endpoints: [endpoint(site, 'a', { health_status: 'UNHEALTHY' }), endpoint(site, 'b', { health_status: 'UNHEALTHY' })] },
    ]),
    step('first priority unhealthy', (site) => [
      { lb_endpoints: [endpoint(site, 'a', { health_status: 'UNHEALTHY' })] },
      level(site, ['b'], { priority: 1 }),
    ]),
    step('healthy again', (site) => [level(site, ['a', 'b'])]),
    step('weights', (site) => [
      { lb_endpoints: [endpoint(site, 'a', { load_balancing_weight: 3 }), endpoint(site, 'b', { load_balancing_weight: 1 })] },
    ]),
    step('weights the other way round', (site) => [
      { lb_endpoints: [endpoint(site, 'a', { load_balancing_weight: 1 }), endpoint(site, 'b', { load_balancing_weight: 3 })] },
    ]),
    step('localities named', (site) => [
      level(site, ['a'], { locality: { region: 'r', zone: 'z1' } }),
      level(site, ['b'], { locality: { region: 'r', zone: 'z2' } }),
    ]),
    step('dead and alive', (site) => [
      { lb_endpoints: [endpoint(site, 'dead', { load_balancing_weight: 1 }), endpoint(site, 'a', { load_balancing_weight: 1 })] },
    ]),
    step('canary', (site) => [
      { lb_endpoints: [endpoint(site, 'a', { metadata: { filter_metadata: { 'envoy.lb': { canary: true } } } })] },
    ]),
    step('a hostname', (site) => [{ lb_endpoints: [{ endpoint: { address: address(site.upstream('a')), hostname: 'a.example' } }] }]),
    step('everything dropped', (site) => [level(site, ['a'])], {
      drop_overloads: [{ category: 'lb', drop_percentage: { numerator: 100 } }],
    }),
    step('nothing dropped again', (site) => [level(site, ['b'])], { overprovisioning_factor: 140 }),
    step(
      'overprovisioning',
      (site) => [
        { lb_endpoints: [endpoint(site, 'a'), endpoint(site, 'b', { health_status: 'UNHEALTHY' })] },
        level(site, ['c'], { priority: 1 }),
      ],
      { overprovisioning_factor: 200 },
    ),
    step('refused: a priority is missing', (site) => [level(site, ['a']), level(site, ['b'], { priority: 3 })]),
    step('after refusal', (site) => [level(site, ['d'])]),
  ],
};
