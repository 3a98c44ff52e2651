import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Certificate, parseCertificate } from '../certificate.ts';
import { bitString, der, oid, sequence, TAG, unsignedInteger } from '../der.ts';
import { extension } from '../extensions.ts';
import { OID } from '../oids.ts';
import { type Refusal, unwrap } from '../refusal.ts';
import { bundleOf, validateX509Svid } from '../svid.ts';
import {
  algorithm,
  caExtensions,
  certificateOf,
  HOUR,
  ID,
  leafExtensions,
  leafShape,
  NOW,
  name,
  type Shape,
  spkiOf,
  validity,
} from './build.ts';

const p256 = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const [rootKeys, middleKeys, lowKeys, leafKeys, strangerKeys] = [p256(), p256(), p256(), p256(), p256()];
const [ROOT, MIDDLE, LOW] = [name('root'), name('middle'), name('low')];

const ca = (issuer: Uint8Array, subject: Uint8Array, spki: Uint8Array, signer: typeof rootKeys, change: Partial<Shape> = {}) =>
  certificateOf(
    leafShape(issuer, signer.privateKey, spki, {
      subject,
      extensions: caExtensions(),
      validity: validity(NOW - HOUR, NOW + 9 * HOUR),
      ...change,
    }),
  );
const leaf = (change: Partial<Shape> = {}) => certificateOf(leafShape(LOW, lowKeys.privateKey, spkiOf(leafKeys.publicKey), change));
const middle = (change: Partial<Shape> = {}) => ca(ROOT, MIDDLE, spkiOf(middleKeys.publicKey), rootKeys, change);
const low = (change: Partial<Shape> = {}) => ca(MIDDLE, LOW, spkiOf(lowKeys.publicKey), middleKeys, change);
const rootDer = (change: Partial<Shape> = {}) => ca(ROOT, ROOT, spkiOf(rootKeys.publicKey), rootKeys, change);
const root = unwrap(parseCertificate(rootDer()));

/** Reads the chain as it comes from the wire, then judges it. */
function judge(chain: readonly Uint8Array[], roots: readonly Certificate[] = [root], trustDomain = 'cluster.local'): Refusal | 'accepted' {
  const certificates: Certificate[] = [];
  for (const bytes of chain) {
    const certificate = parseCertificate(bytes);
    if (!certificate.ok) return certificate.error;
    certificates.push(certificate.value);
  }
  const result = validateX509Svid(certificates, bundleOf(trustDomain, roots), NOW);
  return result.ok ? 'accepted' : result.error;
}
const good = () => [leaf(), low(), middle()];
const withLeaf = (change: Partial<Shape>) => judge([leaf(change), low(), middle()]);
const named = (uris: readonly string[]) => withLeaf({ extensions: leafExtensions({ uris }) });
const withLow = (change: Partial<Shape>) => judge([leaf(), low(change), middle()]);
const spkiOfType = (type: 'dsa' | 'P-521' | 'secp256k1' | 'SM2' | 'rsa'): Uint8Array => {
  if (type === 'dsa') return spkiOf(generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 }).publicKey);
  if (type === 'rsa') return spkiOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey);
  return spkiOf(generateKeyPairSync('ec', { namedCurve: type }).publicKey);
};
const stranger = unwrap(parseCertificate(ca(ROOT, ROOT, spkiOf(strangerKeys.publicKey), strangerKeys)));
const eku = (...ids: string[]) => extension(OID.extendedKeyUsage, false, sequence(...ids.map(oid)));

/** Each is the good chain with one defect. */
const ROWS: readonly (readonly [string, () => Refusal | 'accepted', string, RegExp])[] = [
  ['no names', () => withLeaf({ extensions: leafExtensions({ without: OID.subjectAltName }) }), 'E_SVID_URI_SAN', /has 0/],
  ['two URIs', () => named([ID, `${ID}2`]), 'E_SVID_URI_SAN', /has 2/],
  ['another scheme', () => named(['https://cluster.local/ns/default/sa/reviews']), 'E_SPIFFE_ID', /must start with spiffe/],
  ['no path', () => named(['spiffe://cluster.local']), 'E_SVID_PATH', /names a trust domain/],
  ['another trust domain', () => named(['spiffe://other/ns/default/sa/reviews']), 'E_SVID_TRUST_DOMAIN', /domain other/],
  ['a trust domain in capitals', () => named(['spiffe://Cluster.Local/ns/default/sa/reviews']), 'E_TRUST_DOMAIN', /may hold only/],
  ['a port', () => named(['spiffe://cluster.local:443/x']), 'E_TRUST_DOMAIN', /local:443/],
  ['user information', () => named(['spiffe://me@cluster.local/x']), 'E_TRUST_DOMAIN', /me@cluster/],
  ['dot segments', () => named(['spiffe://cluster.local/ns/../sa/reviews']), 'E_SPIFFE_ID', /segment "\.\."/],
  ['percent-encoding', () => named(['spiffe://cluster.local/ns/a%2fb/sa/x']), 'E_SPIFFE_ID', /a%2fb.*other characters/],
  ['a query', () => named([`${ID}?admin`]), 'E_SPIFFE_ID', /\?admin/],
  ['a fragment', () => named([`${ID}#admin`]), 'E_SPIFFE_ID', /#admin/],
  ['a trailing slash', () => named([`${ID}/`]), 'E_SPIFFE_ID', /ends with a slash/],
  ['more than 2048 bytes', () => named([`spiffe://cluster.local/${'a'.repeat(2048)}`]), 'E_SPIFFE_ID', /2071 bytes/],
  ['a NUL in the name', () => named([`${ID}\u0000.evil`]), 'E_CERTIFICATE', /byte 0x00/],
  ['other than ASCII in the name', () => named([`${ID}ä`]), 'E_CERTIFICATE', /byte 0xe4/],
  ['a line end in the name', () => named([`${ID}\n`]), 'E_CERTIFICATE', /byte 0x0a/],
  [
    'names that are not critical',
    () => withLeaf({ extensions: leafExtensions({ criticalNames: false }) }),
    'E_SVID_SUBJECT',
    /must be critical/,
  ],
  [
    'the CA bit',
    () => withLeaf({ extensions: [...caExtensions({ usage: ['digitalSignature'] }), ...leafExtensions().slice(3)] }),
    'E_SVID_CA',
    /is a CA's, not/,
  ],
  ['no key usage', () => withLeaf({ extensions: leafExtensions({ without: OID.keyUsage }) }), 'E_SVID_KEY_USAGE', /lacks the critical/],
  [
    'keyCertSign',
    () => withLeaf({ extensions: leafExtensions({ usage: ['digitalSignature', 'keyCertSign'] }) }),
    'E_SVID_KEY_USAGE',
    /keyCertSign or cRLSign/,
  ],
  [
    'serverAuth alone',
    () => withLeaf({ extensions: [...leafExtensions({ without: OID.extendedKeyUsage }), eku(OID.serverAuth)] }),
    'E_SVID_EXTENDED_KEY_USAGE',
    /both serverAuth and clientAuth/,
  ],
  [
    'an unknown critical extension',
    () => withLeaf({ extensions: leafExtensions({ more: [extension('1.2.3.4', true, sequence())] }) }),
    'E_CERTIFICATE',
    /critical extension 1\.2\.3\.4/,
  ],
  [
    'an extension twice',
    () => withLeaf({ extensions: leafExtensions({ more: [eku(OID.serverAuth, OID.clientAuth)] }) }),
    'E_CERTIFICATE',
    /2\.5\.29\.37 is there twice/,
  ],
  ['a life that is over', () => withLeaf({ validity: validity(NOW - HOUR, NOW) }), 'E_SVID_EXPIRED', /expired at 2026-11-21T00:00/],
  [
    'a life that has not begun',
    () => withLeaf({ validity: validity(NOW + 1000, NOW + HOUR) }),
    'E_SVID_NOT_YET_VALID',
    /only from 2026-11-21T00:00:01/,
  ],
  [
    'a life that ends before it begins',
    () => withLeaf({ validity: validity(NOW + HOUR, NOW - HOUR) }),
    'E_CERTIFICATE',
    /ends before it begins/,
  ],
  [
    'a day that does not exist',
    () => withLeaf({ validity: sequence(der(TAG.utcTime, Buffer.from('260230000000Z')), der(TAG.utcTime, Buffer.from('270101000000Z'))) }),
    'E_CERTIFICATE',
    /calendar/,
  ],
  [
    'a time with an offset',
    () =>
      withLeaf({ validity: sequence(der(TAG.utcTime, Buffer.from('260101000000+0100')), der(TAG.utcTime, Buffer.from('270101000000Z'))) }),
    'E_CERTIFICATE',
    /form that RFC 5280/,
  ],
  [
    'an expired intermediate',
    () => withLow({ validity: validity(NOW - 2 * HOUR, NOW - HOUR) }),
    'E_SVID_EXPIRED',
    /expired at 2026-11-20T23:00/,
  ],
  [
    'an intermediate that has not begun',
    () => withLow({ validity: validity(NOW + HOUR, NOW + 2 * HOUR) }),
    'E_SVID_NOT_YET_VALID',
    /only from 2026-11-21T01:00/,
  ],
  ['an intermediate without the CA bit', () => withLow({ extensions: caExtensions({ ca: false }) }), 'E_SVID_CHAIN', /is no CA/],
  [
    'an intermediate that may not sign',
    () => withLow({ extensions: caExtensions({ usage: ['cRLSign'] }) }),
    'E_SVID_CHAIN',
    /lacks the key usage keyCertSign/,
  ],
  [
    'an intermediate with an unknown critical extension',
    () => withLow({ extensions: caExtensions({ more: [extension('1.2.3.5', true, sequence())] }) }),
    'E_SVID_CHAIN',
    /critical extension 1\.2\.3\.5/,
  ],
  [
    'a path that is too long',
    () => judge([leaf(), low(), middle({ extensions: caExtensions({ pathLength: 0 }) })]),
    'E_SVID_CHAIN',
    /allows 0 CA certificates below it, there are 1/,
  ],
  ["an issuer's name that is another", () => withLeaf({ issuer: name('someone') }), 'E_SVID_CHAIN', /not its issuer, by name/],
  [
    'a broken signature',
    () => withLeaf({ changeSignature: (bytes) => Buffer.from(bytes).fill(7, 12, 13) }),
    'E_SVID_CHAIN',
    /not by the issuer/,
  ],
  [
    'a signature with SHA-1',
    () => withLeaf({ innerAlgorithm: algorithm('1.2.840.10045.4.1'), hash: 'sha1' }),
    'E_SVID_CHAIN',
    /10045\.4\.1 is not accepted/,
  ],
  [
    'a signature with MD5',
    () => withLeaf({ innerAlgorithm: algorithm('1.2.840.113549.1.1.4'), hash: 'sha256' }),
    'E_SVID_CHAIN',
    /1\.1\.4 is not accepted/,
  ],
  ['no intermediate', () => judge([leaf(), middle()]), 'E_SVID_CHAIN', /not its issuer/],
  ['no root', () => judge(good(), []), 'E_SVID_CHAIN', /no root has the name/],
  [
    'a root of the same name with another key',
    () => judge([middleLeaf()], [stranger]),
    'E_SVID_CHAIN',
    /a signature is not by the issuer$/,
  ],
  [
    'a root that expired',
    () => judge(good(), [unwrap(parseCertificate(rootDer({ validity: validity(NOW - 9 * HOUR, NOW - HOUR) })))]),
    'E_SVID_CHAIN',
    /the root expired at/,
  ],
  [
    'a root that has not begun',
    () => judge(good(), [unwrap(parseCertificate(rootDer({ validity: validity(NOW + HOUR, NOW + 2 * HOUR) })))]),
    'E_SVID_CHAIN',
    /the root is valid only from/,
  ],
  ['no certificate', () => judge([]), 'E_SVID_CHAIN', /this has 0/],
  ['too many certificates', () => judge([...good(), ...Array.from({ length: 6 }, () => low())]), 'E_SVID_CHAIN', /this has 9/],
  [
    'a leaf that signs a leaf',
    () =>
      judge([
        certificateOf(leafShape(name('leaf'), leafKeys.privateKey, spkiOf(leafKeys.publicKey))),
        leaf({ subject: name('leaf') }),
        low(),
        middle(),
      ]),
    'E_SVID_CHAIN',
    /an issuer is no CA/,
  ],
  ['an RSA key of 1024 bits', () => withLeaf({ spki: spkiOfType('rsa') }), 'E_KEY', /RSA key has 1024/],
  ['a key on P-521', () => withLeaf({ spki: spkiOfType('P-521') }), 'E_KEY', /secp521r1/],
  ['a key on secp256k1', () => withLeaf({ spki: spkiOfType('secp256k1') }), 'E_KEY', /secp256k1/],
  ['a DSA key', () => withLeaf({ spki: spkiOfType('dsa') }), 'E_KEY', /type dsa/],
  ['an SM2 key', () => withLeaf({ spki: spkiOfType('SM2') }), 'E_KEY', /type unknown/],
  [
    'a key that is none',
    () => withLeaf({ spki: sequence(sequence(oid('1.2.3')), bitString(Uint8Array.of(1, 2))) }),
    'E_KEY',
    /cannot be read/,
  ],
  [
    'a point that is not on the curve',
    () => withLeaf({ spki: Buffer.from(spkiOf(leafKeys.publicKey)).fill(1, 60) }),
    'E_KEY',
    /cannot be read/,
  ],
  [
    'two signature algorithms',
    () => withLeaf({ outerAlgorithm: algorithm('1.2.840.10045.4.3.3') }),
    'E_CERTIFICATE',
    /two signature algorithms differ/,
  ],
  ['version 1', () => withLeaf({ version: der(0xa0, unsignedInteger(Uint8Array.of(0))) }), 'E_CERTIFICATE', /only version 3/],
  [
    'a negative serial number',
    () => withLeaf({ serial: der(TAG.integer, Uint8Array.of(0x81, 1)) }),
    'E_CERTIFICATE',
    /serial number is negative/,
  ],
  [
    'a serial number of 21 bytes',
    () => withLeaf({ serial: unsignedInteger(Buffer.alloc(21, 1)) }),
    'E_CERTIFICATE',
    /serial number has 21/,
  ],
  [
    'a serial number that is not minimal',
    () => withLeaf({ serial: der(TAG.integer, Uint8Array.of(0, 1)) }),
    'E_CERTIFICATE',
    /INTEGER that is not minimal/,
  ],
  ['an empty serial number', () => withLeaf({ serial: der(TAG.integer) }), 'E_CERTIFICATE', /empty INTEGER/],
  [
    'a flag that is neither true nor false',
    () =>
      withLeaf({
        extensions: [
          sequence(oid(OID.keyUsage), der(TAG.boolean, Uint8Array.of(1)), der(TAG.octetString, bitString(Uint8Array.of(0x80), 7))),
        ],
      }),
    'E_CERTIFICATE',
    /BOOLEAN/,
  ],
  [
    'extensions twice',
    () => withLeaf({ tail: [der(0xa3, sequence(...leafExtensions())), der(0xa3, sequence(...leafExtensions()))] }),
    'E_CERTIFICATE',
    /part after the key/,
  ],
  ['bytes at the end', () => judge([Buffer.concat([leaf(), Uint8Array.of(0)]), low(), middle()]), 'E_CERTIFICATE', /1 bytes follow/],
  [
    'more than 64 kB',
    () => withLeaf({ extensions: leafExtensions({ more: [extension('1.2.3.6', false, der(TAG.octetString, Buffer.alloc(70_000)))] }) }),
    'E_CERTIFICATE',
    /at most 65536/,
  ],
];

function middleLeaf(): Uint8Array {
  return certificateOf(leafShape(ROOT, rootKeys.privateKey, spkiOf(leafKeys.publicKey)));
}

describe('X509-SVIDs with one defect', () => {
  it.each(ROWS)('%s', (_name, attempt, code, message) => {
    expect(judge(good())).toBe('accepted');
    const refusal = attempt();
    expect(refusal).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('are refused with messages of their own, one line each', () => {
    const told = new Map<string, string[]>();
    for (const [row, attempt] of ROWS) {
      const refusal = attempt();
      const text = refusal === 'accepted' ? 'accepted' : `${refusal.code} ${refusal.message}`;
      expect(text).not.toMatch(/\p{Cc}/u);
      told.set(text, [...(told.get(text) ?? []), row]);
    }
    // Two ways to be no key, two to have another issuer; and a signature by nobody known is one whatever made it so.
    const shared = [...told.values()].filter((rows) => rows.length > 1).flat();
    expect(shared).toEqual([
      'an intermediate without the CA bit',
      'a leaf that signs a leaf',
      "an issuer's name that is another",
      'no intermediate',
      'a broken signature',
      'a root of the same name with another key',
      'a key that is none',
      'a point that is not on the curve',
    ]);
  });

  it('are refused when cut at any length', () => {
    const bytes = leaf();
    for (let length = 0; length < bytes.length; length++) expect(parseCertificate(bytes.subarray(0, length)).ok).toBe(false);
  });

  it('are refused with any bit of what is signed changed', () => {
    const bytes = leaf();
    for (let at = 0; at < bytes.length - 72; at++) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      expect(judge([changed, low(), middle()]), `byte ${at}`).not.toBe('accepted');
    }
  });
});
