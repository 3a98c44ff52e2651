import { fromJson, type JsonObject } from '@bufbuild/protobuf';
import { xxHash64 } from '@xebec/balancing';
import { seededRandom, silentLogger, systemClock } from '@xebec/core';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { createStats } from '@xebec/telemetry';
import { afterEach, expect, it } from 'vitest';
import { SecretStore } from '../tls/secret-store.ts';
import { Cluster, type ClusterEnvironment, type HostRequest } from './cluster.ts';
import type { Host } from './host.ts';

const clusters: Cluster[] = [];
afterEach(() => {
  for (const cluster of clusters.splice(0)) cluster.close();
});

function endpoint(port: number, more: JsonObject = {}): JsonObject {
  return { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } }, ...more };
}

function start(json: JsonObject, groups: JsonObject[]): Cluster {
  const stats = createStats();
  const subscribe: ClusterEnvironment['subscribe'] = () => () => undefined;
  const cluster = new Cluster(
    fromJson(ClusterSchema, { name: 'c', load_assignment: { cluster_name: 'c', endpoints: groups }, ...json }),
    '',
    {
      secrets: new SecretStore(subscribe, () => 0),
      subscribe,
      stats,
      clock: systemClock,
      random: seededRandom(3),
      logger: silentLogger,
      resolve: () => Promise.resolve([]),
      inspector: undefined,
    },
  );
  clusters.push(cluster);
  cluster.start(() => undefined);
  return cluster;
}

const ask = (hash?: bigint, avoid?: ReadonlySet<Host>): HostRequest => ({ hash, avoid, destination: undefined, header: undefined });
const ports = Array.from({ length: 5 }, (_v, i) => endpoint(7001 + i));

it.each(['RING_HASH', 'MAGLEV'])('%s: one key, one host; another where it has been tried', (policy) => {
  const cluster = start({ lb_policy: policy }, [{ lb_endpoints: ports }]);
  expect(cluster.usesHash).toBe(true);
  const used = new Set<string>();
  let unmoved = 0;
  for (let i = 0; i < 50; i++) {
    const hash = xxHash64(`user-${i}`);
    const host = cluster.choose(ask(hash));
    if (host === undefined) throw new Error('no host');
    used.add(host.text);
    expect(cluster.choose(ask(hash))).toBe(host);
    if (cluster.choose(ask(hash, new Set([host]))) === host) unmoved++;
  }
  expect(used.size).toBe(5);
  // Five places in a row on the ring may be one host's.
  expect(unmoved).toBeLessThan(5);
});

it('keeps its hosts and their turn when an update changes nothing, and follows changed health', () => {
  const cluster = start({}, [{ lb_endpoints: ports.slice(0, 2) }]);
  const first = cluster.choose(ask());
  cluster.setHosts([...cluster.hosts].map((host) => ({ ...host.config })));
  const second = cluster.choose(ask());
  expect(second).not.toBe(first);
  cluster.setHosts([...cluster.hosts].map((host) => ({ ...host.config, eds: host === first ? 'unhealthy' : 'healthy' })));
  expect(new Set([cluster.choose(ask()), cluster.choose(ask()), cluster.choose(ask())])).toEqual(new Set([second]));
});

it('ejects after consecutive failures and fails over to the next priority', () => {
  const cluster = start(
    { outlier_detection: { consecutive_5xx: 2, max_ejection_percent: 50 }, common_lb_config: { healthy_panic_threshold: { value: 0 } } },
    [
      { priority: 0, lb_endpoints: [endpoint(7001)] },
      { priority: 1, lb_endpoints: [endpoint(7002)] },
    ],
  );
  const first = cluster.choose(ask());
  expect(first?.text).toBe('127.0.0.1:7001');
  if (first === undefined) return;
  cluster.outliers?.onStatus(first, 500);
  cluster.outliers?.onLocalFailure(first);
  expect(first.ejected).toBe(true);
  expect(cluster.choose(ask())?.text).toBe('127.0.0.1:7002');
  expect(cluster.stats.scope.counter('outlier_detection.ejections_enforced_consecutive_5xx').value).toBe(1);
  expect(cluster.stats.membershipHealthy.value).toBe(1);
});

it('weighs localities, and a new host less while it starts', () => {
  const weighted = start({ common_lb_config: { locality_weighted_lb_config: {} } }, [
    { locality: { region: 'a' }, load_balancing_weight: 90, lb_endpoints: [endpoint(7001)] },
    { locality: { region: 'b' }, load_balancing_weight: 10, lb_endpoints: [endpoint(7002)] },
  ]);
  let near = 0;
  for (let i = 0; i < 1000; i++) if (weighted.choose(ask())?.text === '127.0.0.1:7001') near++;
  expect(near).toBeGreaterThan(850);
  expect(near).toBeLessThan(950);
  const starting = start({ lb_policy: 'ROUND_ROBIN', round_robin_lb_config: { slow_start_config: { slow_start_window: '60s' } } }, [
    { lb_endpoints: ports.slice(0, 2) },
  ]);
  expect(new Set([starting.choose(ask())?.text, starting.choose(ask())?.text]).size).toBe(2);
});

it('refuses what cannot be', () => {
  expect(() => start({ lb_policy: 'RING_HASH', ring_hash_lb_config: { minimum_ring_size: 10, maximum_ring_size: 5 } }, [])).toThrow(
    'cluster "c": ring hash: minimum_ring_size (10) > maximum_ring_size (5)',
  );
  expect(() => start({ lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 1000 } }, [])).toThrow('must be prime number, not 1000');
});
