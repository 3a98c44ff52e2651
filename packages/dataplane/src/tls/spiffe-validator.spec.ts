import { randomBytes, X509Certificate } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import {
  certificatePem,
  createCsr,
  createRevocationList,
  createSelfSignedRoot,
  generateKeys,
  issueLeaf,
  loadAuthority,
  parseCsr,
  revocationListPem,
  unwrap,
} from '@xebec/identity';
import { CertificateValidationContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/common';
import { SPIFFECertValidatorConfigSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config';
import { describe, expect, it } from 'vitest';
import { compileSpiffeValidator } from './spiffe-validator.ts';

async function authorityOf(organization: string) {
  const keys = await generateKeys('ecdsa-p256');
  const root = unwrap(createSelfSignedRoot(keys, { organization, ttlMs: 1e9, now: Date.now(), serial: randomBytes(16) }));
  return unwrap(
    loadAuthority({ certificate: certificatePem(root), privateKey: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString() }),
  );
}
const [a, b] = [await authorityOf('a'), await authorityOf('b')];

async function leafOf(authority: typeof a, uri: string) {
  const csr = unwrap(parseCsr(createCsr(await generateKeys('ecdsa-p256'))));
  const leaf = unwrap(issueLeaf(authority, csr, { uri, ttlMs: 1e6, now: Date.now(), serial: randomBytes(16) }));
  return { serialNumber: leaf.serialNumber, x509: new X509Certificate(certificatePem(leaf)) };
}

function context(domains: readonly (readonly [string, string])[], crl?: string, name = 'envoy.tls.cert_validator.spiffe') {
  const trustDomains = domains.map(([domain, pem]) => ({
    name: domain,
    trustBundle: { specifier: { case: 'inlineString' as const, value: pem } },
  }));
  return create(CertificateValidationContextSchema, {
    customValidatorConfig: {
      name,
      typedConfig: {
        typeUrl: 'x',
        value: toBinary(SPIFFECertValidatorConfigSchema, create(SPIFFECertValidatorConfigSchema, { trustDomains })),
      },
    },
    ...(crl === undefined ? {} : { crl: { specifier: { case: 'inlineString', value: crl } } }),
  });
}
const both = [
  ['a.test', a.rootPem],
  ['b.test', b.rootPem],
] as const;

describe('the SPIFFE validator', () => {
  it('is there only where it is configured', () => {
    expect(compileSpiffeValidator([create(CertificateValidationContextSchema)], [])).toBeUndefined();
  });

  it("has one domain's roots for a name of that domain, whoever signed", async () => {
    const validator = compileSpiffeValidator([context(both)], []);
    const roots = validator?.rootsFor((await leafOf(b, 'spiffe://a.test/x')).x509);
    expect(roots).toHaveLength(1);
    expect(Array.isArray(roots) && roots[0]?.fingerprint256).toBe(new X509Certificate(a.rootPem).fingerprint256);
    expect(validator?.trusted).toHaveLength(2);
  });

  it("knows what its CA has taken back, and asks no list of other CAs'", async () => {
    const [revoked, good, foreign] = [
      await leafOf(a, 'spiffe://a.test/x'),
      await leafOf(a, 'spiffe://a.test/x'),
      await leafOf(b, 'spiffe://b.test/x'),
    ];
    const list = createRevocationList(a.certificate, a.signer, {
      number: 1,
      thisUpdate: Date.now() - 1000,
      nextUpdate: Date.now() + 1e6,
      revoked: [{ serialNumber: revoked.serialNumber, revokedAt: Date.now() }],
    });
    const validator = compileSpiffeValidator([context(both, revocationListPem(list))], []);
    expect([revoked, good, foreign].map(({ x509 }) => validator?.isRevoked(x509))).toEqual([true, false, false]);
  });

  it.each([
    ['an unknown validator', () => context(both, undefined, 'other'), /Failed to get certificate validator factory from other/],
    ['one domain twice', () => context([...both, both[0]]), /Multiple trust bundles are given for one trust domain for a.test/],
    ['a bundle without certificates', () => context([['a.test', 'x']]), /Failed to load trusted CA certificate for a.test/],
    ['a broken revocation list', () => context(both, '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n'), /crl/],
  ])('refuses %s', (_name, make, text) => {
    expect(() => compileSpiffeValidator([make()], [])).toThrow(text);
  });
});
