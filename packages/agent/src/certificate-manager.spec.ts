import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { seededRandom, silentLogger, VirtualClock, XebecError } from '@xebec/core';
import {
  type Authority,
  certificateChain,
  certificatePem,
  createSelfSignedRoot,
  generateKeys,
  issueLeaf,
  loadAuthority,
  parseCsr,
  unwrap,
} from '@xebec/identity';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { type CertificateManagerOptions, createCertificateManager } from './certificate-manager.ts';

const START = Date.UTC(2026, 10, 21);
const HOUR = 3_600_000;
let authority: Authority;

beforeAll(async () => {
  const keys = await generateKeys('ecdsa-p256');
  const root = createSelfSignedRoot(keys, { organization: 'cluster.local', ttlMs: 1000 * HOUR, now: START, serial: randomBytes(16) });
  const privateKey = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  authority = unwrap(loadAuthority({ certificate: certificatePem(unwrap(root)), privateKey }));
});

function setUp(more: Partial<CertificateManagerOptions> = {}) {
  const clock = new VirtualClock(START);
  let calls = 0;
  let away = false;
  const manager = createCertificateManager({
    signCsr: async (csr, ttlSeconds) => {
      calls++;
      if (away) throw new XebecError('E_CA_REQUEST', 'the CA is away');
      const template = { uri: 'spiffe://cluster.local/ns/a/sa/b', ttlMs: ttlSeconds * 1000, now: clock.now(), serial: randomBytes(16) };
      return certificateChain(authority, unwrap(issueLeaf(authority, unwrap(parseCsr(csr)), template)));
    },
    ttlMs: 24 * HOUR,
    clock,
    random: seededRandom(7),
    logger: silentLogger,
    ...more,
  });
  return { clock, manager, calls: () => calls, setAway: (value: boolean) => (away = value) };
}

describe('certificate manager', () => {
  it.each([
    { graceRatio: 0.2, graceJitterRatio: 0, notBy: 0.799, by: 0.801 },
    { graceRatio: 0.75, graceJitterRatio: 0, notBy: 0.249, by: 0.251 },
    { graceRatio: 0.5, graceJitterRatio: 0.25, notBy: 0.249, by: 0.751 },
    // No grace at all: at the very end of the life.
    { graceRatio: 0, graceJitterRatio: 0, notBy: 0.999, by: 1.001 },
  ])('renews when a share of $graceRatio of the life is left, give or take $graceJitterRatio', async ({ notBy, by, ...ratios }) => {
    const { clock, manager, calls } = setUp(ratios);
    await manager.ready();
    clock.advance(24 * HOUR * notBy);
    expect(calls()).toBe(1);
    clock.advance(24 * HOUR * (by - notBy));
    await vi.waitFor(() => expect(calls()).toBe(2));
    manager.close();
  });

  it.each([
    ['ecdsa-p256', 'pkcs8', 'PRIVATE KEY'],
    ['ecdsa-p384', 'traditional', 'EC PRIVATE KEY'],
    ['rsa-2048', 'traditional', 'RSA PRIVATE KEY'],
    ['rsa-2048', 'pkcs8', 'PRIVATE KEY'],
  ] as const)('writes keys of %s as %s', async (keyType, keyFormat, label) => {
    const { manager } = setUp({ keyType, keyFormat });
    const { privateKeyPem, certificateChainPem } = await manager.ready();
    expect(privateKeyPem).toMatch(new RegExp(`^-----BEGIN ${label}-----`));
    expect(new X509Certificate(certificateChainPem).checkPrivateKey(createPrivateKey(privateKeyPem))).toBe(true);
    manager.close();
  });

  it('renews at half of the life, within one percent, and tells subscribers', async () => {
    const { clock, manager, calls } = setUp();
    const first = await manager.ready();
    const seen: string[] = [];
    manager.subscribe((certificate) => seen.push(certificate.serialNumber));
    clock.advance(24 * HOUR * 0.489);
    expect(calls()).toBe(1);
    clock.advance(24 * HOUR * 0.022);
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    expect(manager.current()?.serialNumber).not.toBe(first.serialNumber);
    expect(manager.current()?.privateKeyPem).not.toBe(first.privateKeyPem);
    manager.close();
    expect(clock.pending).toBe(0);
  });
  it('serves the old one while the CA is away, tries on, and recovers', async () => {
    const { clock, manager, calls, setAway } = setUp();
    const first = await manager.ready();
    setAway(true);
    clock.advance(13 * HOUR);
    for (let attempts = 2; attempts < 8; attempts++) {
      await vi.waitFor(() => expect(clock.pending).toBe(1));
      expect(manager.lastError()).toBe('the CA is away');
      expect(manager.current()).toBe(first);
      clock.advance(10_000);
      await vi.waitFor(() => expect(calls()).toBeGreaterThan(attempts));
    }
    setAway(false);
    await vi.waitFor(() => expect(clock.pending).toBe(1));
    clock.advance(10_000);
    await vi.waitFor(() => expect(manager.current()).not.toBe(first));
    expect(manager.lastError()).toBeUndefined();
    manager.close();
  });
  it('refuses a certificate for another key', async () => {
    const other = await generateKeys('ecdsa-p256');
    const { createCsr } = await import('@xebec/identity');
    const manager = createCertificateManager({
      signCsr: async () => {
        const template = { uri: 'spiffe://cluster.local/x', ttlMs: HOUR, now: START, serial: randomBytes(16) };
        return certificateChain(authority, unwrap(issueLeaf(authority, unwrap(parseCsr(createCsr(other))), template)));
      },
      clock: new VirtualClock(START),
      random: seededRandom(1),
      logger: silentLogger,
    });
    await vi.waitFor(() => expect(manager.lastError()).toContain('for another key'));
    expect(manager.current()).toBeUndefined();
    const ready = manager.ready();
    manager.close();
    await expect(ready).rejects.toThrow('closed before');
  });
});
