import { seededRandom } from '@xebec/core';
import { describe, expect, test } from 'vitest';
import { createHost, type Host } from './host.ts';
import { type BalancingPolicy, createLoadBalancer, type LoadBalancerOptions } from './load-balancer.ts';
import { xxHash64 } from './xxhash64.ts';

function spread(hosts: readonly Host[], options: LoadBalancerOptions, requests: number, hashed = false): Record<string, number> {
  const random = seededRandom(7);
  const balancer = createLoadBalancer(hosts, options);
  const counts: Record<string, number> = {};
  for (let i = 0; i < requests; i++) {
    const host = balancer.choose(hashed ? { random, hash: xxHash64(`key-${i}`) } : { random });
    if (host !== undefined) counts[host.address] = (counts[host.address] ?? 0) + 1;
  }
  return counts;
}

const policies: BalancingPolicy[] = [
  { kind: 'round-robin' },
  { kind: 'least-request' },
  { kind: 'random' },
  { kind: 'ring-hash' },
  { kind: 'maglev', tableSize: 5003 },
];

describe('load balancer', () => {
  test.each(policies)('$kind uses every healthy host and no other', (policy) => {
    const hosts = ['a', 'b', 'c', 'd'].map((name) => createHost(name));
    const last = hosts[3];
    if (last !== undefined) last.ejected = true;
    const counts = spread(hosts, { policy }, 3000, true);
    expect(Object.keys(counts).sort()).toEqual(['a', 'b', 'c']);
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(700);
  });
  test.each(policies)('$kind has nothing to choose without hosts', (policy) => {
    expect(createLoadBalancer([], { policy }).choose({ random: seededRandom(1) })).toBeUndefined();
  });
  test.each(policies.filter((policy) => policy.kind !== 'random'))('$kind follows weights', (policy) => {
    const counts = spread([createHost('a', { weight: 1 }), createHost('b', { weight: 3 })], { policy }, 4000, true);
    expect((counts['b'] ?? 0) / (counts['a'] ?? 1)).toBeGreaterThan(2.5);
    expect((counts['b'] ?? 0) / (counts['a'] ?? 1)).toBeLessThan(3.6);
  });
  test('round robin with equal weights is exactly even', () => {
    expect(spread([createHost('a'), createHost('b')], { policy: { kind: 'round-robin' } }, 10)).toEqual({ a: 5, b: 5 });
  });
  test('least request prefers the idle host', () => {
    const busy = createHost('busy', { activeRequests: 10 });
    const counts = spread([busy, createHost('idle')], { policy: { kind: 'least-request' } }, 1000);
    expect(counts['idle']).toBeGreaterThan(700);
  });
  test.each(['ring-hash', 'maglev'] as const)('%s keeps most keys when a host goes', (kind) => {
    const hosts = Array.from({ length: 10 }, (_v, i) => createHost(`10.0.0.${i}:80`));
    const random = seededRandom(1);
    const before = createLoadBalancer(hosts, { policy: { kind } });
    const after = createLoadBalancer(hosts.slice(1), { policy: { kind } });
    let moved = 0;
    for (let i = 0; i < 500; i++) {
      const hash = xxHash64(`user-${i}`);
      const host = before.choose({ hash, random });
      expect(before.choose({ hash, random })).toBe(host);
      if (host !== hosts[0] && after.choose({ hash, random }) !== host) moved++;
    }
    expect(moved).toBeLessThan(50);
  });
  test('panic spreads over all hosts, panic off leaves nothing', () => {
    const hosts = [createHost('a', { health: 'unhealthy' }), createHost('b', { health: 'unhealthy' })];
    expect(Object.keys(spread(hosts, { policy: { kind: 'random' } }, 100)).sort()).toEqual(['a', 'b']);
    expect(spread(hosts, { policy: { kind: 'random' }, panicPercent: 0 }, 100)).toEqual({});
  });
  test('locality weights split the load', () => {
    const hosts = [createHost('a', { locality: 'r/1' }), createHost('b', { locality: 'r/2' })];
    const counts = spread(
      hosts,
      { policy: { kind: 'round-robin' }, localityWeightOf: (host) => (host.locality === 'r/1' ? 80 : 20) },
      5000,
    );
    expect((counts['a'] ?? 0) / 5000).toBeCloseTo(0.8, 1);
  });
  test('slow start gives a new host less', () => {
    const hosts = [createHost('old', { healthySinceMs: 0 }), createHost('new', { healthySinceMs: 99_000 })];
    const policy: BalancingPolicy = { kind: 'round-robin', slowStart: { windowMs: 10_000 } };
    const counts = spread(hosts, { policy, now: () => 100_000 }, 1100);
    expect(counts['new']).toBeLessThan(120);
    expect(counts['new']).toBeGreaterThan(80);
  });
});

test.each([
  ['', 0n, 0xef46db3751d8e999n],
  ['a', 0n, 0xd24ec4f1a98c6e5bn],
  ['abc', 0n, 0x44bc2cf5ad770999n],
  ['Nobody inspects the spammish repetition', 0n, 0xfbcea83c8a378bf1n],
])('xxHash64(%j)', (text, seed, expected) => {
  expect(xxHash64(text, seed)).toBe(expected);
});
