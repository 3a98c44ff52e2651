import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseServiceAccountUser } from './authenticator.ts';
import { createDirectoryStore, makeSelfSigned } from './authority-store.ts';
import { defaultDnsNames, mergeDnsNames, parseDnsNames } from './dns-names.ts';
import { createRateLimit } from './rate-limit.ts';

describe('directory store', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'xebec-ca-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('gives all of many racing replicas the same root, with a key that only its owner reads', async () => {
    const make = () => makeSelfSigned('cluster.local', 1e9, 'ecdsa-p256', 0);
    const made = await Promise.all(Array.from({ length: 8 }, () => createDirectoryStore(directory).createIfAbsent(make)));
    expect(new Set(made.map((pem) => pem.certificate)).size).toBe(1);
    expect((await createDirectoryStore(directory).load())?.privateKey).toBe(made[0]?.privateKey);
    expect(statSync(join(directory, 'self-signed/ca-key.pem')).mode & 0o777).toBe(0o600);
  });
});

describe('service account user', () => {
  it.each([
    ['system:serviceaccount:default:reviews', { namespace: 'default', name: 'reviews' }],
    ['system:serviceaccount:default', undefined],
    ['system:serviceaccount:default:reviews:more', undefined],
    ['system:serviceaccount:a/b:c', undefined],
    ['system:node:reviews', undefined],
    [undefined, undefined],
  ])('reads %j', (user, expected) => expect(parseServiceAccountUser(user)).toEqual(expected));
});

describe('DNS names', () => {
  it('adds the flag to the defaults', () => {
    const names = mergeDnsNames(defaultDnsNames('istio-system', 'cluster.local'), parseDnsNames('a.b:x.example, a.b:y.example'));
    expect(names.get('a.b')).toEqual(['x.example', 'y.example']);
    expect(names.get('istio-pilot-service-account.istio-system')).toContain('istiod.istio-system.svc');
  });
  it.each(['a', 'a.b', 'a.b:', 'a.b:x y', 'a.b:-'])('refuses %j', (text) =>
    expect(() => parseDnsNames(text)).toThrow('--custom-dns-names'),
  );
});

describe('rate limit', () => {
  it('allows a burst, then the rate, and says how long to wait', () => {
    const limit = createRateLimit(10, 3);
    expect([0, 0, 0, 0].map((now) => limit.take(now))).toEqual([0, 0, 0, 100]);
    expect(limit.take(75)).toBe(25);
    expect(limit.take(200)).toBe(0);
  });
});
