import { MemoryQuotaStore, type QuotaLimit, RedisQuotaStore } from '@xebec/adapters';
import { seededRandom, silentLogger } from '@xebec/core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RunningRedis, startRedis } from './redis-server.ts';

let redis: RunningRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.process.stop());

const limits: readonly QuotaLimit[] = [
  { algorithm: 'FIXED_WINDOW', maxAmount: 20, windowMs: 100, grainMs: 1 },
  { algorithm: 'ROLLING_WINDOW', maxAmount: 20, windowMs: 100, grainMs: 0.5 },
  { algorithm: 'ROLLING_WINDOW', maxAmount: 500, windowMs: 100, grainMs: 10 },
  { algorithm: 'FAIR_SHARE', maxAmount: 40, windowMs: 100, grainMs: 1 },
  { algorithm: 'HITS', maxAmount: 30, windowMs: 100, grainMs: 1 },
];

it.each(limits)('Redis and memory give the same answers to 3,000 random requests: $algorithm of $maxAmount', async (limit) => {
  const random = seededRandom(limit.maxAmount);
  const pick = <T>(values: readonly [T, ...T[]]): T => values[Math.floor(random.next() * values.length)] ?? values[0];
  // Redis is given the test's time, in microseconds.
  let now = 1_700_000_000_000_000;
  const memory = new MemoryQuotaStore({ now: () => now / 1000, deduplicationMs: 1000 });
  const address = { host: '127.0.0.1', port: redis.port, database: 0, tls: false };
  const prefix = `test:${limit.algorithm}:${limit.maxAmount}:`;
  const options = { address, connections: 1, timeLimitMs: 5000, prefix, logger: silentLogger, now: () => now };
  const store = new RedisQuotaStore(options);
  try {
    for (let i = 0; i < 3000; i++) {
      now += pick([0, 7, 120, 990, 5_000, random.next() < 0.03 ? 180_000 : 2_500]);
      const tenant = pick([
        { name: 'a', weight: 1 },
        { name: 'b', weight: 3 },
        { name: 'c', weight: 1 },
      ]);
      const holders = limit.algorithm === 'FAIR_SHARE' ? [tenant, { name: pick(['x', 'y', 'z']), weight: 1 }] : [];
      const amount = random.next() < 0.1 ? -Math.ceil(random.next() * 6) : Math.ceil(random.next() * 4);
      const request = { key: pick(['k1', 'k2']), limit, holders, amount, bestEffort: random.next() < 0.3, deduplicationId: '' };
      const [mine, theirs] = [memory.take(request), await store.take(request)];
      expect(theirs, `request ${i}: ${JSON.stringify(request)} at ${now}`).toEqual(mine);
    }
  } finally {
    store.close();
  }
});
