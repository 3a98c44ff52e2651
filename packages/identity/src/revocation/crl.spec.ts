import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createSelfSignedRoot, localSigner, parseRevocationLists, unwrap } from '../index.ts';
import { checkRevocationList, createRevocationList, readRevocationList, revocationListPem } from './crl.ts';

const NOW = Date.UTC(2026, 10, 21);
const DAY = 86_400_000;

function authority(organization = 'cluster.local') {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const template = { organization, ttlMs: 365 * DAY, now: NOW, serial: Buffer.alloc(16, 7) };
  return { certificate: unwrap(createSelfSignedRoot(keys, template)), signer: localSigner(keys.privateKey) };
}

const ca = authority();
const template = {
  number: 3,
  thisUpdate: NOW,
  nextUpdate: NOW + DAY,
  revoked: [
    { serialNumber: 'ff01', revokedAt: NOW - 1000 },
    { serialNumber: '7', revokedAt: NOW },
  ],
};
const good = createRevocationList(ca.certificate, ca.signer, template);

describe('revocation lists', () => {
  it('are read as they were written', () => {
    const list = unwrap(readRevocationList(good));
    expect(list).toMatchObject({ thisUpdate: NOW, nextUpdate: NOW + DAY });
    expect([...list.revoked]).toEqual([
      ['ff01', NOW - 1000],
      ['7', NOW],
    ]);
    expect(checkRevocationList(list, [ca.certificate], NOW)).toEqual({ ok: true, value: ca.certificate });
    expect(unwrap(parseRevocationLists(revocationListPem(good) + revocationListPem(good)))).toHaveLength(2);
  });

  it('may be empty', () => {
    const list = unwrap(readRevocationList(createRevocationList(ca.certificate, ca.signer, { ...template, revoked: [] })));
    expect(list.revoked.size).toBe(0);
  });

  it.each([
    ['of an unknown CA', [authority('other').certificate], NOW, 'no CA that is known'],
    ['signed by another key of that name', [authority().certificate], NOW, 'not signed by the CA'],
    ['before its time', [ca.certificate], NOW - 1, 'valid only from 2026-11-21'],
    ['out of date', [ca.certificate], NOW + DAY, 'out of date since 2026-11-22'],
  ])('are refused %s', (_, authorities, now, text) => {
    const refused = checkRevocationList(unwrap(readRevocationList(good)), authorities, now);
    expect(refused.ok ? '' : refused.error).toMatchObject({ code: 'E_CRL', message: expect.stringContaining(text) });
  });

  it('are refused when truncated anywhere or with one changed bit in what is signed', () => {
    for (let length = 0; length < good.length; length++) expect(readRevocationList(good.subarray(0, length)).ok).toBe(false);
    let judged = 0;
    for (let index = 0; index < good.length; index++) {
      const changed = Buffer.from(good);
      changed[index] = (changed[index] ?? 0) ^ 1;
      const list = readRevocationList(changed);
      const accepted = list.ok && checkRevocationList(list.value, [ca.certificate], NOW).ok;
      expect(accepted, `byte ${index}`).toBe(false);
      judged++;
    }
    expect(judged).toBe(good.length);
  });

  it('of public authorities are read: twenty thousand entries of sixteen bytes', () => {
    const serial = (index: number) => `7${index.toString(16).padStart(31, '0')}`;
    const revoked = Array.from({ length: 20_000 }, (_, index) => ({ serialNumber: serial(index), revokedAt: NOW - 1000 }));
    const list = parseRevocationLists(revocationListPem(createRevocationList(ca.certificate, ca.signer, { ...template, revoked })));
    const read = list.ok ? list.value[0]?.revoked : undefined;
    expect(read?.size).toBe(20_000);
    expect([read?.get(serial(19_999)), read?.get(serial(20_000))]).toEqual([NOW - 1000, undefined]);
  });

  it('are refused with more entries than are read, with garbage and with other labels', () => {
    const revoked = Array.from({ length: 20_001 }, (_, index) => ({ serialNumber: (index + 1).toString(16), revokedAt: NOW }));
    const long = readRevocationList(createRevocationList(ca.certificate, ca.signer, { ...template, revoked }));
    expect(long.ok ? '' : long.error.message).toContain('more than 20000');
    expect(readRevocationList(Buffer.from('hello')).ok).toBe(false);
    expect(readRevocationList(Buffer.alloc((1 << 20) + 1)).ok).toBe(false);
    expect(parseRevocationLists('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n').ok).toBe(false);
  });
});
