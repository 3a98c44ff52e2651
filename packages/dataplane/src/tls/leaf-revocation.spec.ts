import { randomBytes, X509Certificate } from 'node:crypto';
import {
  certificatePem,
  createCsr,
  createRevocationList,
  createSelfSignedRoot,
  generateKeys,
  issueLeaf,
  loadAuthority,
  localSigner,
  parseCsr,
  revocationListPem,
  unwrap,
} from '@xebec/identity';
import { expect, it } from 'vitest';
import { compileLeafRevocation } from './leaf-revocation.ts';

const NOW = Date.now();

async function newCa(organization = 'cluster.local') {
  const keys = await generateKeys('ecdsa-p256');
  const root = unwrap(createSelfSignedRoot(keys, { organization, ttlMs: 3_600_000, now: NOW, serial: randomBytes(16) }));
  const privateKey = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const authority = unwrap(loadAuthority({ certificate: certificatePem(root), privateKey }));
  const csr = unwrap(parseCsr(createCsr(await generateKeys('ecdsa-p256'))));
  const leaf = () =>
    new X509Certificate(
      certificatePem(
        unwrap(issueLeaf(authority, csr, { uri: 'spiffe://cluster.local/x', ttlMs: 60_000, now: NOW, serial: randomBytes(16) })),
      ),
    );
  const list = (revoked: readonly X509Certificate[], thisUpdate = NOW - 1000, nextUpdate = NOW + 60_000) =>
    Buffer.from(
      revocationListPem(
        createRevocationList(root, localSigner(keys.privateKey), {
          number: 1,
          thisUpdate,
          nextUpdate,
          revoked: revoked.map(({ serialNumber }) => ({
            serialNumber: serialNumber.toLowerCase().replace(/^0+(?=.)/, ''),
            revokedAt: NOW - 1000,
          })),
        }),
      ),
    );
  return { root: new X509Certificate(certificatePem(root)), leaf, list };
}

const sendsNothing = { getPeerCertificate: () => ({}) };

it('tells revoked leaves by the list of the key that signed them, also where two roots have one name', async () => {
  const [old, next] = [await newCa(), await newCa()];
  const [bad, good, other] = [old.leaf(), old.leaf(), next.leaf()];
  const both = compileLeafRevocation([old.list([bad]), next.list([])], [next.root, old.root]);
  expect([bad, good, other].map((leaf) => both.check(sendsNothing, leaf, NOW))).toEqual(['CERT_REVOKED', undefined, undefined]);
  const one = compileLeafRevocation([old.list([bad])], [next.root, old.root]);
  expect(one.check(sendsNothing, other, NOW)).toBe('UNABLE_TO_GET_CRL');
});

it('finds the issuer that the peer sent, and heeds the times of the newest list', async () => {
  const ca = await newCa();
  const leaf = ca.leaf();
  const sends = { getPeerCertificate: () => ({ issuerCertificate: { raw: ca.root.raw } }) };
  const lists = [ca.list([leaf], NOW - 2000), ca.list([], NOW - 1000, NOW + 5000)];
  const revocation = compileLeafRevocation([Buffer.concat(lists)], []);
  expect(revocation.check(sends, leaf, NOW)).toBeUndefined();
  expect(revocation.check(sends, leaf, NOW + 5000)).toBe('CRL_HAS_EXPIRED');
  expect(compileLeafRevocation([ca.list([], NOW + 1000)], []).check(sends, leaf, NOW)).toBe('CRL_NOT_YET_VALID');
  expect(revocation.check(sendsNothing, leaf, NOW)).toBe('UNABLE_TO_GET_CRL');
});

it('refuses a list that cannot be read', () => {
  expect(() => compileLeafRevocation([Buffer.from('-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n')], [])).toThrow(/^crl: /);
});
