import { randomBytes } from 'node:crypto';
import type { KubernetesApi } from '@xebec/config';
import { silentLogger, VirtualClock } from '@xebec/core';
import { certificatePem, createSelfSignedRoot, generateKeys, unwrap } from '@xebec/identity';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { ExpiryWatch } from './expiry-watch.ts';

const HOUR = 3_600_000;

it('tells by metrics and by an Event on the Secret how far a certificate is', async () => {
  const clock = new VirtualClock();
  const keys = await generateKeys('ecdsa-p256');
  const template = { organization: 'shop', ttlMs: 100 * HOUR, now: clock.now(), serial: randomBytes(16) };
  const pem = certificatePem(unwrap(createSelfSignedRoot(keys, template)));
  const sent: { path: string; body: unknown }[] = [];
  const kubernetes: KubernetesApi = {
    get: async () => ({}),
    send: async (_method, path, body) => void sent.push({ path, body }),
    watch: async function* () {},
  };
  const registry = new Registry();
  const data = new Map([['tls.crt', Buffer.from(pem)]]);
  const watch = new ExpiryWatch({
    held: () => [{ source: 'secrets', namespace: 'shop', name: 'web-cert', data }],
    roots: () => [pem],
    rootNamespace: () => 'istio-system',
    kubernetes,
    registry,
    clock,
    logger: silentLogger,
  });
  watch.start();
  expect(sent).toEqual([]);
  clock.advance(81 * HOUR);
  expect(sent.map(({ path }) => path)).toContain('/api/v1/namespaces/shop/events');
  expect(sent.filter(({ path }) => path.includes('/shop/')).map(({ body }) => body)).toMatchObject([
    { reason: 'CertificateExpiring', type: 'Normal', message: expect.stringContaining('50 %') },
    {
      reason: 'CertificateExpiring',
      type: 'Warning',
      involvedObject: { kind: 'Secret', name: 'web-cert' },
      message: expect.stringContaining('80 %'),
    },
  ]);
  expect(sent.filter(({ path }) => path.includes('/istio-system/'))).toHaveLength(2);
  const page = await registry.metrics();
  expect(page).toMatch(/xebec_certificate_life_used_ratio\{place="Secret shop\/web-cert",name="tls.crt",kind="root"\} 0\.81/);
  expect(page).toContain('xebec_certificate_alarms{percent="80"} 2');
  expect(page).toContain('xebec_certificate_alarms{percent="95"} 0');
  watch.close();
  clock.advance(50 * HOUR);
  expect(sent).toHaveLength(4);
});
