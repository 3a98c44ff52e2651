import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { parseRedisAddress } from '../redis/redis-address.ts';
import { configured, testEnvironment } from '../test-environment.ts';
import { redisquota } from './adapter.ts';

const violations = (params: object) =>
  redisquota.check(params).map(({ path, message }) => `${path.replace('spec.params.', '')}: ${message}`);
const quota = { name: 'rate', maxAmount: 1, validDuration: '1s' };
const args = { amount: 1, bestEffort: false, deduplicationId: '' };
const instance = { name: 'rate.istio-system', template: 'quota', fields: {} };

it('refuses what release 1.4 refused', () => {
  expect(violations({})).toEqual([
    'quotas: required field is missing: define at least one quota',
    'redisServerUrl: required field is missing: the address of Redis, such as redis:6379',
  ]);
  const redisServerUrl = 'redis:6379';
  expect(violations({ redisServerUrl, quotas: [{ name: 'rate', maxAmount: 1 }] })).toEqual([
    'quotas[0].validDuration: must be longer than 0: how long taken quota stays taken, such as 1s',
  ]);
  const rolling = { ...quota, rateLimitAlgorithm: 'ROLLING_WINDOW' };
  expect(violations({ redisServerUrl, quotas: [rolling] })[0]).toContain('quotas[0].bucketDuration: must be longer than 0');
  expect(violations({ redisServerUrl, quotas: [{ ...rolling, bucketDuration: '2s' }] })[0]).toContain('must be shorter than validDuration');
  expect(violations({ redisServerUrl, quotas: [{ ...rolling, bucketDuration: '500ms' }] })).toEqual([]);
  expect(violations({ redisServerUrl, quotas: [{ ...quota, overrides: [{}] }] })).toEqual([
    'quotas[0].overrides[0].maxAmount: 0 is not above 0',
    'quotas[0].overrides[0].dimensions: required field is missing: an override without dimensions is for everybody',
  ]);
  expect(violations({ redisServerUrl, connectionPoolSize: -1, quotas: [quota] })[0]).toContain('connectionPoolSize');
});

it('reads addresses, and never shows a password', () => {
  expect(parseRedisAddress('redis:6379')).toEqual({ ok: true, value: { host: 'redis', port: 6379, database: 0, tls: false } });
  expect(parseRedisAddress('rediss://me:s%40crt@[::1]/2')).toEqual({
    ok: true,
    value: { host: '::1', port: 6379, username: 'me', password: 's@crt', database: 2, tls: true },
  });
  for (const text of ['http://x:secret@y', 'redis://x:secret@y/db', 'redis://x:secret@y:port', '', 'redis://']) {
    const parsed = parseRedisAddress(text);
    expect(parsed.ok, text).toBe(false);
    if (!parsed.ok) expect(parsed.error).not.toContain('secret');
  }
});

it('answers UNAVAILABLE at once when nobody listens', async () => {
  const handler = configured(redisquota, { redisServerUrl: '127.0.0.1:1', quotas: [quota] }, testEnvironment().environment);
  const grant = await handler.quota?.(instance, args);
  expect(grant).toMatchObject({ code: 14, amount: 0, validDurationMs: 0 });
  expect(grant?.message).toContain('redisquota: Redis at 127.0.0.1:1: ');
  await handler.close();
});

it('answers UNAVAILABLE in its time limit when Redis does not answer', async () => {
  const silent = createServer((socket) => socket.resume());
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const address = silent.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const params = { redisServerUrl: `127.0.0.1:${port}`, timeLimit: '50ms', quotas: [quota] };
  const handler = configured(redisquota, params, testEnvironment().environment);
  expect(await handler.quota?.(instance, args)).toMatchObject({ code: 14 });
  await handler.close();
  await new Promise((resolve) => silent.close(resolve));
});
