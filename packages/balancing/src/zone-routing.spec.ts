import { seededRandom } from '@xebec/core';
import { expect, test } from 'vitest';
import { createHost } from './host.ts';
import { createLoadBalancer } from './load-balancer.ts';
import type { ZoneAwareness } from './zone-routing.ts';

function spread(upstream: Record<string, number>, peers: Record<string, number>, more: Partial<ZoneAwareness> = {}) {
  const events = new Set<string>();
  const hosts = Object.entries(upstream).flatMap(([locality, count]) =>
    Array.from({ length: count }, (_v, i) => createHost(`${locality}-${i}`, { locality })),
  );
  const balancer = createLoadBalancer(hosts, {
    policy: { kind: 'round-robin' },
    zone: {
      ownLocality: 'a',
      enabledPercent: 100,
      minClusterSize: 1,
      peers: () => ({ byLocality: new Map(Object.entries(peers)), inPanic: false }),
      ...more,
    },
    onEvent: (event) => events.add(event),
  });
  const random = seededRandom(4);
  const counts: Record<string, number> = {};
  for (let i = 0; i < 2000; i++) {
    const locality = balancer.choose({ random })?.locality ?? 'none';
    counts[locality] = (counts[locality] ?? 0) + 1;
  }
  return { counts, events };
}

test('the own zone takes all while its share of hosts is at least its share of callers', () => {
  const { counts, events } = spread({ a: 2, b: 2 }, { a: 1, b: 1 });
  expect(counts).toEqual({ a: 2000 });
  expect(events).toContain('lb_zone_routing_all_directly');
});

test('what is over goes where there is room', () => {
  const { counts, events } = spread({ a: 1, b: 3 }, { a: 1, b: 1 });
  expect((counts['a'] ?? 0) / 2000).toBeCloseTo(0.5, 1);
  expect(events).toContain('lb_zone_routing_cross_zone');
});

test('small clusters and panicking peers are balanced over all zones', () => {
  const small = spread({ a: 2, b: 2 }, { a: 1, b: 1 }, { minClusterSize: 6 });
  expect(small.counts).toEqual({ a: 1000, b: 1000 });
  expect(small.events).toContain('lb_zone_cluster_too_small');
  const panic = spread(
    { a: 2, b: 2 },
    { a: 1, b: 1 },
    {
      peers: () => ({
        byLocality: new Map([
          ['a', 1],
          ['b', 1],
        ]),
        inPanic: true,
      }),
    },
  );
  expect(panic.counts).toEqual({ a: 1000, b: 1000 });
});
