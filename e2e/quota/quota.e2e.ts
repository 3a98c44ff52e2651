import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../src/daemon-process.ts';
import { type MixerReplica, startMixerReplica } from './mixer-replica.ts';
import { monitorRedis, type RunningRedis, startRedis } from './redis-server.ts';

const quotas = [
  { name: 'rolling', maxAmount: 100, validDuration: '1s', bucketDuration: '100ms', rateLimitAlgorithm: 'ROLLING_WINDOW' },
  { name: 'fixed', maxAmount: 100, validDuration: '1s' },
  { name: 'fair', maxAmount: 100, validDuration: '500ms', fairShare: { dimensions: ['tenant', 'user'] } },
  { name: 'long', maxAmount: 100, validDuration: '1h' },
];

function manifest(redisPort: number): string {
  const object = (kind: string, name: string, spec: object) =>
    JSON.stringify({ apiVersion: 'config.istio.io/v1alpha2', kind, metadata: { name, namespace: 'istio-system' }, spec });
  const dimensions = { tenant: 'source.labels["tenant"] | ""', user: 'source.labels["user"] | ""' };
  const names = quotas.map(({ name }) => name);
  return [
    object('handler', 'redis', { compiledAdapter: 'redisquota', params: { redisServerUrl: `127.0.0.1:${redisPort}`, quotas } }),
    ...names.map((name) => object('instance', name, { compiledTemplate: 'quota', params: { dimensions } })),
    object('rule', 'quotas', { actions: [{ handler: 'redis', instances: names }] }),
  ].join('\n---\n');
}

const cleanups: (() => unknown)[] = [];
let redis: RunningRedis;
let mixers: readonly [MixerReplica, MixerReplica, MixerReplica];

/** Three Mixers that share one Redis. */
beforeAll(async () => {
  redis = await startRedis();
  cleanups.push(() => redis.process.stop());
  const directory = await mkdtemp(join(tmpdir(), 'xebec-quota-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  await writeFile(join(directory, 'quota.yaml'), manifest(redis.port));
  mixers = await Promise.all([startMixerReplica(directory), startMixerReplica(directory), startMixerReplica(directory)]);
  cleanups.push(() => Promise.all(mixers.map((mixer) => mixer.close())));
});
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** One client asks one Mixer, 8 at a time, at most `perSecond` in all, for `ms`; counts grants. */
async function hammer(mixer: MixerReplica, quota: string, perSecond: number, ms: number, dimensions = {}): Promise<number> {
  const end = performance.now() + ms;
  let granted = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < end) {
      const { grantedAmount, status } = await mixer.take(quota, dimensions);
      if (status?.code !== 0 && status?.code !== 8) throw new Error(`quota: ${status?.code} ${status?.message}`);
      granted += Number(grantedAmount);
      await sleep((8 / perSecond) * 1000);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return granted;
}

/** The most that any stretch of `length` seconds holds. */
function mostWithin(times: readonly number[], length: number): number {
  let [most, from] = [0, 0];
  for (const [to, time] of times.entries()) {
    while (time - (times[from] ?? time) >= length) from++;
    most = Math.max(most, to - from + 1);
  }
  return most;
}

const SECONDS = 6;

describe('a quota of 100/s over three replicas and three clients', () => {
  it('ROLLING_WINDOW: 100 in every second by the clock of Redis, never more, and within 2 % of it', async () => {
    const monitor = await monitorRedis(redis.port);
    const granted = await Promise.all(mixers.map((mixer) => hammer(mixer, 'rolling', 150, SECONDS * 1000)));
    const total = granted.reduce((a, b) => a + b, 0);
    expect(total).toBeGreaterThanOrEqual(100 * SECONDS * 0.98);
    // A granted request writes its grain once.
    const grants = () => monitor.lines(/^\+?(\d+\.\d+) \[0 lua\] "(?:RPUSH|LSET)" /i).map(([, time]) => Number(time));
    const times = await eventually('all grants in the monitor', () => (grants().length >= total ? grants() : undefined));
    monitor.close();
    expect(times.length).toBe(total);
    expect(mostWithin(times, 1 - 1e-4)).toBe(100);
  });
  it('FIXED_WINDOW: 100 in every window, never more', async () => {
    const started = performance.now();
    const granted = await Promise.all(mixers.map((mixer) => hammer(mixer, 'fixed', 150, SECONDS * 1000)));
    const windows = Math.floor((performance.now() - started) / 1000) + 1;
    const total = granted.reduce((a, b) => a + b, 0);
    expect(total).toBeGreaterThanOrEqual(100 * SECONDS * 0.98);
    expect(total).toBeLessThanOrEqual(100 * windows);
  });
});

it('divides one limit fairly among tenants who ask different replicas, and among their users', async () => {
  const [first, second, third] = mixers;
  const [greedy, x, y] = await Promise.all([
    hammer(first, 'fair', 500, 5000, { tenant: 'greedy', user: 'x' }),
    hammer(second, 'fair', 150, 5000, { tenant: 'small', user: 'x' }),
    hammer(third, 'fair', 150, 5000, { tenant: 'small', user: 'y' }),
  ]);
  // Windows of half a second: half for each tenant, half of that for each user; the first window knows nobody yet.
  expect(greedy + x + y).toBeLessThanOrEqual(100 * 11);
  expect(x).toBeGreaterThanOrEqual(25 * 9 * 0.9);
  expect(y).toBeGreaterThanOrEqual(25 * 9 * 0.9);
  expect(greedy).toBeGreaterThanOrEqual(50 * 9 * 0.9);
});

it('answers UNAVAILABLE at once while Redis is away, and counts again when it is back', async () => {
  const [mixer] = mixers;
  expect((await mixer.take('long', {}, 40)).grantedAmount).toBe(40n);
  await redis.process.stop();
  const asked = performance.now();
  const away = await mixer.take('long', {});
  expect(performance.now() - asked).toBeLessThan(2_000);
  expect(away.status).toMatchObject({ code: 14, message: expect.stringContaining(`Redis at 127.0.0.1:${redis.port}`) });
  expect(away.grantedAmount).toBe(0n);
  const again = await startRedis(redis.port);
  cleanups.push(() => again.process.stop());
  const back = await eventually('quota again', async () => {
    const answer = await mixer.take('long', {}, 100);
    return answer.status?.code === 14 ? undefined : answer;
  });
  expect(back.grantedAmount).toBe(100n);
  expect(mixer.process.output().match(/is away/g)).toHaveLength(1);
});
