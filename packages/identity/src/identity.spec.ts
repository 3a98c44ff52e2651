import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { type CertificateBody, signCertificate } from './certificate-body.ts';
import { bitString, der, sequence, TAG } from './der.ts';
import {
  basicConstraintsExtension,
  extendedKeyUsageExtension,
  extension,
  keyUsageExtension,
  subjectAltNameExtension,
} from './extensions.ts';
import {
  type Authority,
  bundleOf,
  type Certificate,
  certificateChain,
  certificatePem,
  certificateTtlMs,
  createCsr,
  createSelfSignedRoot,
  decodePem,
  encodePem,
  generateKeys,
  issueLeaf,
  KEY_TYPES,
  type KeyPair,
  loadAuthority,
  localSigner,
  parseCertificate,
  parseCsr,
  parseSpiffeId,
  parseTrustDomain,
  serviceAccountId,
  unwrap,
  validateX509Svid,
} from './index.ts';

const NOW = Date.UTC(2026, 10, 21);
const HOUR = 3_600_000;
const ID = 'spiffe://cluster.local/ns/default/sa/reviews';
const serial = Uint8Array.from({ length: 16 }, (_, i) => i + 1);

let rootKeys: KeyPair;
let leafKeys: KeyPair;
let root: Certificate;
let authority: Authority;

beforeAll(async () => {
  rootKeys = await generateKeys('ecdsa-p256');
  leafKeys = await generateKeys('ecdsa-p256');
  root = unwrap(createSelfSignedRoot(rootKeys, { organization: 'cluster.local', ttlMs: 3650 * 24 * HOUR, now: NOW, serial }));
  const privateKey = rootKeys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  authority = unwrap(loadAuthority({ certificate: certificatePem(root), privateKey }));
});

describe('SPIFFE ID', () => {
  it('reads trust domain and path', () => {
    expect(unwrap(parseSpiffeId(ID))).toEqual({ id: ID, trustDomain: 'cluster.local', path: '/ns/default/sa/reviews' });
    expect(unwrap(parseSpiffeId('spiffe://td_1.example-x')).path).toBe('');
  });
  it.each([
    ['', 'E_SPIFFE_ID'],
    ['https://cluster.local/x', 'E_SPIFFE_ID'],
    ['SPIFFE://cluster.local/x', 'E_SPIFFE_ID'],
    ['spiffe://', 'E_TRUST_DOMAIN'],
    ['spiffe:///x', 'E_TRUST_DOMAIN'],
    ['spiffe://Cluster.local/x', 'E_TRUST_DOMAIN'],
    ['spiffe://cluster.local:80/x', 'E_TRUST_DOMAIN'],
    ['spiffe://user@cluster.local/x', 'E_TRUST_DOMAIN'],
    ['spiffe://cluster.local?q=1', 'E_TRUST_DOMAIN'],
    ['spiffe://cluster.local#f', 'E_TRUST_DOMAIN'],
    [`spiffe://${'a'.repeat(256)}/x`, 'E_TRUST_DOMAIN'],
    ['spiffe://cluster.local/', 'E_SPIFFE_ID'],
    ['spiffe://cluster.local/a/', 'E_SPIFFE_ID'],
    ['spiffe://cluster.local/a//b', 'E_SPIFFE_ID'],
    ['spiffe://cluster.local/./b', 'E_SPIFFE_ID'],
    ['spiffe://cluster.local/../b', 'E_SPIFFE_ID'],
    ['spiffe://cluster.local/a%20b', 'E_SPIFFE_ID'],
    ['spiffe://cluster.local/a?q', 'E_SPIFFE_ID'],
    ['spiffe://cluster.local/a\u0000b', 'E_SPIFFE_ID'],
    ['spiffe://cluster.local/ä', 'E_SPIFFE_ID'],
    [`spiffe://cluster.local/${'a'.repeat(2048)}`, 'E_SPIFFE_ID'],
  ])('refuses %j', (text, code) => {
    const result = parseSpiffeId(text);
    expect(result.ok ? 'accepted' : result.error.code).toBe(code);
    expect(result.ok ? '' : result.error.message).not.toMatch(/\p{Cc}/u);
  });
  it('forms the ID of a service account and refuses names that would read as another', () => {
    const trustDomain = unwrap(parseTrustDomain('cluster.local'));
    expect(unwrap(serviceAccountId(trustDomain, 'default', 'reviews'))).toBe(ID);
    expect(serviceAccountId(trustDomain, 'default/sa/admin', 'x').ok).toBe(false);
    expect(serviceAccountId(trustDomain, '', 'x').ok).toBe(false);
  });
});

describe('certificate request', () => {
  it.each(KEY_TYPES.filter((type) => type !== 'rsa-4096'))('makes and reads one with a key of type %s', async (type) => {
    const keys = await generateKeys(type);
    const request = unwrap(parseCsr(createCsr(keys, [ID])));
    expect(request.publicKey.asymmetricKeyType).toBe(keys.publicKey.asymmetricKeyType);
    expect(Buffer.from(request.spki)).toEqual(keys.publicKey.export({ format: 'der', type: 'spki' }));
  });

  const tampered = (change: (bytes: Uint8Array) => Uint8Array) => {
    const [bytes = new Uint8Array()] = unwrap(decodePem(createCsr(leafKeys, [ID]), 'CERTIFICATE REQUEST'));
    return encodePem('CERTIFICATE REQUEST', change(bytes));
  };
  const flip = (index: number) => (bytes: Uint8Array) => {
    const copy = Uint8Array.from(bytes);
    const position = index < 0 ? copy.length + index : index;
    copy[position] = (copy[position] ?? 0) ^ 1;
    return copy;
  };
  it.each<[string, () => string, string]>([
    ['nothing', () => '', 'E_PEM'],
    ['no PEM', () => 'hello', 'E_PEM'],
    ['another label', () => encodePem('CERTIFICATE', Uint8Array.of(0x30, 0)), 'E_PEM'],
    ['no end line', () => createCsr(leafKeys).slice(0, 90), 'E_PEM'],
    ['no base64', () => '-----BEGIN CERTIFICATE REQUEST-----\n!!!!\n-----END CERTIFICATE REQUEST-----\n', 'E_PEM'],
    ['two requests', () => createCsr(leafKeys) + createCsr(leafKeys), 'E_CSR'],
    ['truncated DER', () => tampered((bytes) => bytes.subarray(0, bytes.length - 9)), 'E_CSR'],
    ['bytes after the DER', () => tampered((bytes) => Buffer.concat([bytes, Uint8Array.of(0)])), 'E_CSR'],
    ['an indefinite length', () => tampered(() => Uint8Array.of(0x30, 0x80, 0, 0)), 'E_CSR'],
    ['a length that is not minimal', () => tampered(() => Uint8Array.of(0x30, 0x81, 2, 5, 0)), 'E_CSR'],
    ['a length of 4 GB', () => tampered(() => Uint8Array.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff)), 'E_CSR'],
    ['deep nesting', () => tampered(() => nested(200)), 'E_CSR'],
    ['a changed signature', () => tampered(flip(-1)), 'E_CSR_SIGNATURE'],
    ['oversize', () => createCsr(leafKeys) + ' '.repeat(20_000), 'E_CSR_SIZE'],
  ])('refuses %s', (_name, make, code) => {
    const result = parseCsr(make());
    expect(result.ok ? 'accepted' : result.error.code).toBe(code);
  });
  it('survives a flipped bit at every byte', () => {
    const length = unwrap(decodePem(createCsr(leafKeys), 'CERTIFICATE REQUEST'))[0]?.length ?? 0;
    const accepted = Array.from({ length }, (_, i) => parseCsr(tampered(flip(i)))).filter((result) => result.ok);
    expect(accepted).toHaveLength(0);
  });
  it('refuses weak and unknown keys', async () => {
    const { generateKeyPairSync } = await import('node:crypto');
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const curve = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
    for (const keys of [weak, curve]) {
      const result = parseCsr(createCsr(keys));
      expect(result.ok ? 'accepted' : result.error.code).toBe('E_KEY');
    }
  });
});

function nested(depth: number): Uint8Array {
  let bytes: Uint8Array = sequence();
  for (let i = 0; i < depth; i++) bytes = sequence(bytes);
  return bytes;
}

describe('policy', () => {
  it('refuses a TTL above the maximum and takes the default for none', () => {
    const policy = { defaultTtlMs: 24 * HOUR, maxTtlMs: 90 * 24 * HOUR };
    expect(unwrap(certificateTtlMs(0n, policy))).toBe(24 * HOUR);
    expect(unwrap(certificateTtlMs(60n, policy))).toBe(60_000);
    expect(unwrap(certificateTtlMs(-1n, policy))).toBe(24 * HOUR);
    for (const seconds of [90n * 86_400n + 1n, 2n ** 62n]) {
      const result = certificateTtlMs(seconds, policy);
      expect(result.ok ? 'accepted' : result.error.code).toBe('E_TTL');
    }
  });
  it('issues what Node itself reads as wanted', () => {
    const request = unwrap(parseCsr(createCsr(leafKeys)));
    const leaf = unwrap(
      issueLeaf(authority, request, { uri: ID, dnsNames: ['istio-pilot.istio-system.svc'], ttlMs: HOUR, now: NOW, serial }),
    );
    const seen = new X509Certificate(certificatePem(leaf));
    expect(seen.subject).toBeUndefined();
    expect(seen.subjectAltName).toBe(`URI:${ID}, DNS:istio-pilot.istio-system.svc`);
    expect(seen.ca).toBe(false);
    expect(seen.checkIssued(new X509Certificate(certificatePem(root)))).toBe(true);
    expect(seen.verify(new X509Certificate(certificatePem(root)).publicKey)).toBe(true);
    expect(new Date(seen.validFrom).getTime()).toBe(NOW - 120_000);
    expect(new Date(seen.validTo).getTime()).toBe(NOW + HOUR);
    expect(certificateChain(authority, leaf)).toEqual([certificatePem(leaf), certificatePem(root)]);
  });
  it("clamps a leaf's life to the signer's, and signs nothing once that is over", () => {
    const request = unwrap(parseCsr(createCsr(leafKeys)));
    const near = issueLeaf(authority, request, { uri: ID, ttlMs: HOUR, now: root.notAfter - 1000, serial });
    expect(unwrap(near).notAfter).toBe(root.notAfter);
    const late = issueLeaf(authority, request, { uri: ID, ttlMs: HOUR, now: root.notAfter, serial });
    expect(late.ok ? 'accepted' : late.error.code).toBe('E_CA_EXPIRED');
  });
  it('refuses a CA whose key is another, or that is no CA', () => {
    const other = leafKeys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const wrongKey = loadAuthority({ certificate: certificatePem(root), privateKey: other });
    expect(wrongKey.ok ? 'accepted' : wrongKey.error.code).toBe('E_CA_KEY');
    const leaf = unwrap(issueLeaf(authority, unwrap(parseCsr(createCsr(leafKeys))), { uri: ID, ttlMs: HOUR, now: NOW, serial }));
    const noCa = loadAuthority({ certificate: certificatePem(leaf), privateKey: other });
    expect(noCa.ok ? 'accepted' : noCa.error.code).toBe('E_CERTIFICATE');
  });
});

describe('X509-SVID', () => {
  const san = (uris: string[], critical = true) => subjectAltNameExtension({ uris, dnsNames: [] }, critical);
  const usage = keyUsageExtension(['digitalSignature', 'keyEncipherment']);
  const leafExtensions = () => [usage, extendedKeyUsageExtension(), basicConstraintsExtension(false)];
  const make = (change: Partial<CertificateBody>, signer: KeyPair = rootKeys) =>
    parseCertificate(
      signCertificate(
        {
          serial,
          issuer: root.subject,
          subject: sequence(),
          notBefore: NOW - HOUR,
          notAfter: NOW + HOUR,
          spki: leafKeys.publicKey.export({ format: 'der', type: 'spki' }),
          extensions: [...leafExtensions(), san([ID])],
          ...change,
        },
        localSigner(signer.privateKey),
      ),
    );
  const judge = (certificate: ReturnType<typeof make>) =>
    certificate.ok ? validateX509Svid([certificate.value], bundleOf('cluster.local', [root]), NOW) : certificate;

  it('accepts a good one', () => expect(unwrap(judge(make({}))).id).toBe(ID));

  it.each<[string, () => Partial<CertificateBody>, string]>([
    ['no SAN', () => ({ extensions: leafExtensions() }), 'E_SVID_URI_SAN'],
    ['two URI SANs', () => ({ extensions: [...leafExtensions(), san([ID, `${ID}2`])] }), 'E_SVID_URI_SAN'],
    ['a URI that is no SPIFFE ID', () => ({ extensions: [...leafExtensions(), san(['https://x/y'])] }), 'E_SPIFFE_ID'],
    ['a NUL in the name', () => ({ extensions: [...leafExtensions(), san([`${ID}\u0000.evil`])] }), 'E_CERTIFICATE'],
    ['an ID without path', () => ({ extensions: [...leafExtensions(), san(['spiffe://cluster.local'])] }), 'E_SVID_PATH'],
    ['another trust domain', () => ({ extensions: [...leafExtensions(), san(['spiffe://other/x'])] }), 'E_SVID_TRUST_DOMAIN'],
    ['the CA bit', () => ({ extensions: [usage, basicConstraintsExtension(true), san([ID])] }), 'E_SVID_CA'],
    ['no key usage', () => ({ extensions: [basicConstraintsExtension(false), san([ID])] }), 'E_SVID_KEY_USAGE'],
    ['only keyEncipherment', () => ({ extensions: [keyUsageExtension(['keyEncipherment']), san([ID])] }), 'E_SVID_KEY_USAGE'],
    ['keyCertSign', () => ({ extensions: [keyUsageExtension(['digitalSignature', 'keyCertSign']), san([ID])] }), 'E_SVID_KEY_USAGE'],
    ['a SAN that is not critical', () => ({ extensions: [...leafExtensions(), san([ID], false)] }), 'E_SVID_SUBJECT'],
    [
      'an unknown critical extension',
      () => ({ extensions: [...leafExtensions(), san([ID]), extension('1.2.3.4', true, sequence())] }),
      'E_CERTIFICATE',
    ],
    ['an extension twice', () => ({ extensions: [...leafExtensions(), san([ID]), san([ID])] }), 'E_CERTIFICATE'],
    [
      'only serverAuth',
      () => ({
        extensions: [usage, extension('2.5.29.37', false, sequence(der(TAG.oid, Uint8Array.of(0x2b, 6, 1, 5, 5, 7, 3, 1)))), san([ID])],
      }),
      'E_SVID_EXTENDED_KEY_USAGE',
    ],
    ['a past life', () => ({ notAfter: NOW }), 'E_SVID_EXPIRED'],
    ['a future life', () => ({ notBefore: NOW + 1000 }), 'E_SVID_NOT_YET_VALID'],
    ['an unknown issuer', () => ({ issuer: sequence() }), 'E_SVID_CHAIN'],
    ['an unreadable key', () => ({ spki: sequence(sequence(), bitString(Uint8Array.of(1))) }), 'E_KEY'],
  ])('refuses %s', (_name, change, code) => {
    const result = judge(make(change()));
    expect(result.ok ? 'accepted' : result.error.code).toBe(code);
  });
  it('refuses another signer under the same name, and a leaf that signs', async () => {
    const stranger = await generateKeys('ecdsa-p256');
    const forged = judge(make({}, stranger));
    expect(forged.ok ? 'accepted' : forged.error.code).toBe('E_SVID_CHAIN');
    const parent = unwrap(make({}));
    const child = unwrap(make({ issuer: parent.subject }, leafKeys));
    const result = validateX509Svid([child, parent], bundleOf('cluster.local', [root]), NOW);
    expect(result.ok ? 'accepted' : result.error.code).toBe('E_SVID_CHAIN');
  });
  it('refuses truncated and oversize DER', () => {
    const good = unwrap(make({}));
    for (let length = 0; length < good.der.length; length += 7) expect(parseCertificate(good.der.subarray(0, length)).ok).toBe(false);
    expect(parseCertificate(new Uint8Array(70_000)).ok).toBe(false);
  });
  it('follows an intermediate', async () => {
    const middleKeys = await generateKeys('ecdsa-p384');
    const middleName = sequence(
      der(TAG.set, sequence(der(TAG.oid, Uint8Array.of(0x55, 4, 3)), der(TAG.utf8String, Buffer.from('middle')))),
    );
    const middle = unwrap(
      make({
        subject: middleName,
        spki: middleKeys.publicKey.export({ format: 'der', type: 'spki' }),
        extensions: [keyUsageExtension(['keyCertSign']), basicConstraintsExtension(true)],
      }),
    );
    const leaf = unwrap(make({ issuer: middleName }, middleKeys));
    const bundle = bundleOf('cluster.local', [root]);
    expect(unwrap(validateX509Svid([leaf, middle], bundle, NOW)).id).toBe(ID);
    expect(validateX509Svid([leaf], bundle, NOW).ok).toBe(false);
  });
});
