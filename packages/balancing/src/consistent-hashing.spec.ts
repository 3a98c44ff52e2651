import { seededRandom } from '@xebec/core';
import { expect, test } from 'vitest';
import { createHost } from './host.ts';
import { createLoadBalancer } from './load-balancer.ts';
import { mersenneTwister } from './mersenne-twister.ts';
import { murmurHash2 } from './murmur-hash2.ts';
import { xxHash64 } from './xxhash64.ts';

test('mt19937 gives its published numbers', () => {
  const next = mersenneTwister(5489);
  expect([next(), next(), next()]).toEqual([3_499_211_612, 581_869_302, 3_890_346_734]);
  for (let i = 3; i < 9999; i++) next();
  expect(next()).toBe(4_123_659_995);
});

test('murmurHash2 is the standard hash of libstdc++', () => {
  expect(murmurHash2('')).toBe(6_142_509_188_972_423_790n);
  expect(murmurHash2('a')).toBe(4_993_892_634_952_068_459n);
});

test('bounded loads hand over to another host, always the same one', () => {
  const random = seededRandom(1);
  const hosts = ['a', 'b', 'c'].map((name) => createHost(name));
  const balancer = createLoadBalancer(hosts, { policy: { kind: 'maglev', tableSize: 251, balanceFactor: 110 } });
  const hash = xxHash64('key');
  const first = balancer.choose({ hash, random });
  if (first === undefined) throw new Error('no host');
  first.activeRequests = 50;
  const second = balancer.choose({ hash, random });
  expect(second).not.toBe(first);
  expect(balancer.choose({ hash, random })).toBe(second);
});

test('locality weights are part of the table', () => {
  const random = seededRandom(2);
  const hosts = [createHost('a', { locality: 'near' }), createHost('b', { locality: 'far' }), createHost('c', { locality: 'far' })];
  const balancer = createLoadBalancer(hosts, {
    policy: { kind: 'maglev', tableSize: 1031 },
    localityWeightOf: (host) => (host.locality === 'near' ? 9 : 1),
  });
  let near = 0;
  for (let i = 0; i < 1000; i++) if (balancer.choose({ hash: xxHash64(`key-${i}`), random })?.address === 'a') near++;
  expect(near).toBeGreaterThan(860);
  expect(near).toBeLessThan(940);
});
