import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseRedisAddress, type QuotaRequest, RedisQuotaStore } from '@xebec/adapters';
import { type Logger, silentLogger } from '@xebec/core';
import { afterEach, expect, it } from 'vitest';
import { eventually, freePort, startProcess } from '../src/daemon-process.ts';
import { startRedis } from './redis-server.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const request: QuotaRequest = {
  key: 'k',
  limit: { algorithm: 'FIXED_WINDOW', maxAmount: 1_000_000, windowMs: 3_600_000, grainMs: 1 },
  holders: [],
  amount: 1,
  bestEffort: false,
  deduplicationId: '',
};

function connect(url: string, caCertificates?: string) {
  const logged: string[] = [];
  const note = (_fields: unknown, message?: string) => void logged.push(message ?? '');
  const logger: Logger = { ...silentLogger, warn: note, info: note };
  const address = parseRedisAddress(url);
  if (!address.ok) throw new Error(address.error);
  const ca = caCertificates === undefined ? {} : { caCertificates };
  const store = new RedisQuotaStore({ address: address.value, ...ca, connections: 2, timeLimitMs: 300, prefix: 't:', logger });
  cleanups.push(() => store.close());
  const close = () => store.close();
  const outcome = () =>
    store.take(request).then(
      ({ granted }) => `granted ${granted}`,
      (error: unknown) => (error instanceof Error ? error.message : 'failed'),
    );
  return { outcome, logged, close };
}

it('refuses at once while Redis hangs, keeps nothing for later, and goes on when it wakes', async () => {
  const redis = await startRedis();
  cleanups.push(() => redis.process.stop('SIGKILL'));
  const { outcome, logged } = connect(`127.0.0.1:${redis.port}`);
  expect([await outcome(), await outcome()]).toEqual(['granted 1', 'granted 1']);
  redis.process.child.kill('SIGSTOP');
  const started = performance.now();
  const first = await Promise.all(Array.from({ length: 200 }, outcome));
  for (const text of first) expect(text).toContain(`Redis at 127.0.0.1:${redis.port}: `);
  // The connections are given up: nobody waits for them any more.
  await eventually('refusals at once', async () => {
    const asked = performance.now();
    await outcome();
    return performance.now() - asked < 50 ? true : undefined;
  });
  expect(performance.now() - started).toBeLessThan(5_000);
  redis.process.child.kill('SIGCONT');
  await eventually('grants again', async () => ((await outcome()) === 'granted 1' ? true : undefined));
  expect(logged[0]).toContain('is away');
  expect(logged.filter((line) => line.includes('is away')).length).toBeLessThanOrEqual(2);
});

it('learns the script again when Redis has forgotten it', async () => {
  const redis = await startRedis();
  cleanups.push(() => redis.process.stop());
  const { outcome } = connect(`127.0.0.1:${redis.port}`);
  expect(await outcome()).toBe('granted 1');
  const flush = startProcess('redis-cli', ['-p', String(redis.port), 'script', 'flush']);
  await eventually('the flush', () => (flush.output().includes('OK') ? true : undefined));
  expect(await outcome()).toBe('granted 1');
});

it('speaks TLS with a password, and trusts the given certificates alone', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'xebec-redis-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const openssl = startProcess('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=redis'],
    ...['-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate],
  ]);
  await new Promise((resolve) => openssl.child.once('exit', resolve));
  const port = await freePort();
  const redis = startProcess('redis-server', [
    ...['--port', '0', '--tls-port', String(port), '--bind', '127.0.0.1', '--save', '', '--requirepass', 's3cret'],
    ...['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', certificate, '--tls-auth-clients', 'no'],
  ]);
  cleanups.push(() => redis.stop());
  await eventually('redis-server', () => (redis.output().includes('Ready to accept connections') ? true : undefined));
  const trusted = connect(`rediss://:s3cret@localhost:${port}/1`, await readFile(certificate, 'utf8'));
  expect(await trusted.outcome()).toBe('granted 1');
  const stranger = connect(`rediss://:s3cret@localhost:${port}`);
  expect(await stranger.outcome()).toContain(`Redis at localhost:${port}: `);
  expect(stranger.logged.join()).toContain('certificate');
  const wrong = connect(`rediss://:wr0ng@localhost:${port}`, await readFile(certificate, 'utf8'));
  expect(await wrong.outcome()).toContain(`Redis at localhost:${port}: `);
  expect(`${stranger.logged}${wrong.logged}`).not.toMatch(/s3cret|wr0ng/);
  // A handler that is replaced at once breaks off its handshakes, wherever they are: that must not reach the process.
  for (let ms = 0; ms < 20; ms++) {
    const brief = connect(`rediss://:s3cret@localhost:${port}`);
    const asked = brief.outcome();
    await sleep(ms);
    brief.close();
    expect(await asked).toContain(`Redis at localhost:${port}: `);
  }
});
