import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseCsr } from '../csr.ts';
import { bitString, der, oid, sequence, TAG, unsignedInteger } from '../der.ts';
import { subjectAltNameExtension } from '../extensions.ts';
import type { KeyPair } from '../keys.ts';
import { OID } from '../oids.ts';
import { encodePem } from '../pem.ts';
import type { Refusal } from '../refusal.ts';
import { algorithm, ID, name, type RequestShape, replaceBytes, requestOf, spkiOf } from './build.ts';

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = (bytes: Uint8Array, label = 'CERTIFICATE REQUEST') => encodePem(label, bytes);
const san = subjectAltNameExtension({ uris: [ID], dnsNames: [] }, true);
const attribute = (...values: Uint8Array[]) => sequence(oid(OID.extensionRequest), der(TAG.set, ...values));
const GOOD: Partial<RequestShape> = { attributes: [der(0xa0, attribute(sequence(san)))] };
const make = (change: Partial<RequestShape> = {}) => requestOf(keys.privateKey, keys.publicKey, { ...GOOD, ...change });

const judge = (text: string): Refusal | 'accepted' => {
  const result = parseCsr(text);
  return result.ok ? 'accepted' : result.error;
};
const changed = (change: Partial<RequestShape>) => judge(pem(make(change)));
const bytes = (value: Uint8Array) => judge(pem(value));
const withKey = (pair: KeyPair, hash: string | null = 'sha256', id = '1.2.840.10045.4.3.2') =>
  judge(pem(requestOf(pair.privateKey, pair.publicKey, { hash, algorithm: algorithm(id) })));

/** Each is a good request with one defect. */
const ROWS: readonly (readonly [string, () => Refusal | 'accepted', string, RegExp])[] = [
  ['nothing', () => judge(''), 'E_PEM', /no PEM block/],
  ['a certificate instead', () => judge(pem(make(), 'CERTIFICATE')), 'E_PEM', /block "CERTIFICATE"/],
  ['a private key instead', () => judge(pem(make(), 'PRIVATE KEY')), 'E_PEM', /block "PRIVATE KEY"/],
  ['no end line', () => judge(pem(make()).replace(/-----END.*/s, '')), 'E_PEM', /no end line/],
  ['another end line', () => judge(pem(make()).replace('-----END CERTIFICATE REQUEST', '-----END CERTIFICATE')), 'E_PEM', /no end line/],
  ['no base64', () => judge(pem(make()).replace(/^MI/m, '%%')), 'E_PEM', /is not base64/],
  ['base64 of a length that is none', () => judge(pem(make()).replace(/^M/m, '')), 'E_PEM', /is not base64/],
  ['two requests', () => judge(pem(make()) + pem(make())), 'E_CSR', /2 certificate requests/],
  ['a request with something else behind it', () => judge(pem(make()) + pem(make(), 'CERTIFICATE')), 'E_PEM', /block "CERTIFICATE"/],
  ['more than 16 kB', () => judge(pem(make()) + ' '.repeat(20_000)), 'E_CSR_SIZE', /at most 16384/],
  ['truncated DER', () => bytes(make().subarray(0, 100)), 'E_CSR', /truncated/],
  ['one byte', () => bytes(Uint8Array.of(0x30)), 'E_CSR', /ends within/],
  ['bytes at the end', () => bytes(Buffer.concat([make(), Uint8Array.of(0)])), 'E_CSR', /1 bytes follow/],
  ['an indefinite length', () => bytes(Uint8Array.of(0x30, 0x80, 0, 0)), 'E_CSR', /indefinite/],
  [
    'a length that is not minimal',
    () => bytes(replaceBytes(make(), make().subarray(0, 3), Uint8Array.of(0x30, 0x82, 0, make()[2] ?? 0))),
    'E_CSR',
    /length that is not minimal/,
  ],
  ['a length of 4 GB', () => bytes(Uint8Array.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff)), 'E_CSR', /wants 4294967295 bytes/],
  ['a tag of several bytes', () => bytes(Uint8Array.of(0x3f, 0x81, 1, 0)), 'E_CSR', /multi-byte tag/],
  ['a SEQUENCE that is primitive', () => bytes(sequence(der(0x10, Uint8Array.of(5, 0)))), 'E_CSR', /primitive SEQUENCE/],
  ['no SEQUENCE at all', () => bytes(der(TAG.octetString, make())), 'E_CSR', /request is no SEQUENCE/],
  ['deep nesting', () => bytes(nested(60)), 'E_CSR', /nested deeper/],
  ['a thousand elements', () => bytes(sequence(...Array.from({ length: 4200 }, () => der(TAG.null)))), 'E_CSR', /more than 4096 elements/],
  ['a fourth part', () => changed({ more: [der(TAG.null)] }), 'E_CSR', /other parts than body/],
  ['version 2', () => changed({ version: unsignedInteger(Uint8Array.of(1)) }), 'E_CSR', /another version/],
  [
    'a version that is not minimal',
    () => changed({ version: der(TAG.integer, Uint8Array.of(0, 0)) }),
    'E_CSR',
    /INTEGER that is not minimal/,
  ],
  ['no subject', () => changed({ subject: der(TAG.null) }), 'E_CSR', /the subject is missing/],
  ['a subject of loose parts', () => changed({ subject: sequence(sequence()) }), 'E_CSR', /no SET of attributes/],
  ['attributes of the wrong type', () => changed({ attributes: [sequence()] }), 'E_CSR', /the attributes is missing/],
  ['attributes twice', () => changed({ attributes: [der(0xa0), der(0xa0)] }), 'E_CSR', /more than version, subject, key/],
  [
    'an attribute without value',
    () => changed({ attributes: [der(0xa0, sequence(oid(OID.extensionRequest)))] }),
    'E_CSR',
    /no pair of identifier/,
  ],
  ['an attribute with no values', () => changed({ attributes: [der(0xa0, attribute())] }), 'E_CSR', /has no values/],
  [
    'an attribute twice',
    () => changed({ attributes: [der(0xa0, attribute(sequence(san)), attribute(sequence(san)))] }),
    'E_CSR',
    /attribute 1\.2\.840\.113549\.1\.9\.14 is there twice/,
  ],
  [
    'a requested extension twice',
    () => changed({ attributes: [der(0xa0, attribute(sequence(san, san)))] }),
    'E_CSR',
    /extension 2\.5\.29\.17 is there twice/,
  ],
  [
    'extensions that are none',
    () => changed({ attributes: [der(0xa0, attribute(der(TAG.null)))] }),
    'E_CSR',
    /the requested extensions is missing/,
  ],
  [
    'a NUL in a requested name',
    () => changed({ attributes: [der(0xa0, attribute(sequence(subjectAltNameExtension({ uris: [`${ID}\0`], dnsNames: [] }, true))))] }),
    'E_CSR',
    /byte 0x00/,
  ],
  [
    'the signature of another key',
    () => judge(pem(requestOf(other.privateKey, keys.publicKey, GOOD))),
    'E_CSR_SIGNATURE',
    /not signed by the key/,
  ],
  [
    'a signature with unused bits',
    () => changed({ signatureBits: (signature) => der(TAG.bitString, Uint8Array.of(3), signature.subarray(0, -1), Uint8Array.of(0)) }),
    'E_CSR',
    /signature is not made of whole bytes/,
  ],
  ['an empty signature', () => changed({ signatureBits: () => der(TAG.bitString) }), 'E_CSR', /count of unused bits/],
  [
    'a signature whose unused bits are set',
    () => changed({ signatureBits: () => der(TAG.bitString, Uint8Array.of(4, 0xff)) }),
    'E_CSR',
    /unused bits are set/,
  ],
  ['a signature with SHA-1', () => changed({ algorithm: algorithm('1.2.840.10045.4.1'), hash: 'sha1' }), 'E_CSR_ALGORITHM', /10045\.4\.1/],
  [
    'a signature with MD5',
    () => withKey(generateKeyPairSync('rsa', { modulusLength: 2048 }), 'md5', '1.2.840.113549.1.1.4'),
    'E_CSR_ALGORITHM',
    /1\.1\.4/,
  ],
  [
    'an algorithm with parameters',
    () => changed({ algorithm: sequence(oid('1.2.840.10045.4.3.2'), sequence()) }),
    'E_CSR',
    /algorithm has parameters/,
  ],
  [
    'the algorithm of another kind of key',
    () => changed({ algorithm: sequence(oid('1.2.840.113549.1.1.11'), der(TAG.null)) }),
    'E_CSR_SIGNATURE',
    /not signed by the key/,
  ],
  [
    'an identifier that is not minimal',
    () => changed({ algorithm: sequence(der(TAG.oid, Uint8Array.of(0x2a, 0x80, 1))) }),
    'E_CSR',
    /arc that is not minimal/,
  ],
  [
    'RSA of 1024 bits',
    () => withKey(generateKeyPairSync('rsa', { modulusLength: 1024 }), 'sha256', '1.2.840.113549.1.1.11'),
    'E_KEY',
    /has 1024 bits/,
  ],
  ['P-521', () => withKey(generateKeyPairSync('ec', { namedCurve: 'P-521' })), 'E_KEY', /secp521r1/],
  ['secp256k1', () => withKey(generateKeyPairSync('ec', { namedCurve: 'secp256k1' })), 'E_KEY', /secp256k1/],
  ['DSA', () => withKey(generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 })), 'E_KEY', /type dsa/],
  ['a key that is none', () => changed({ spki: sequence(sequence(oid('1.2.3')), bitString(Uint8Array.of(1))) }), 'E_KEY', /cannot be read/],
  ['a point off the curve', () => changed({ spki: Buffer.from(spkiOf(keys.publicKey)).fill(1, 60) }), 'E_KEY', /cannot be read/],
];

function nested(depth: number): Uint8Array {
  let value: Uint8Array = sequence();
  for (let i = 0; i < depth; i++) value = sequence(value);
  return value;
}

describe('certificate requests with one defect', () => {
  it.each(ROWS)('%s', (_name, attempt, code, message) => {
    expect(judge(pem(make()))).toBe('accepted');
    expect(attempt()).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('are refused when cut at any length', () => {
    const good = make();
    for (let length = 0; length < good.length; length++) expect(bytes(good.subarray(0, length)), `${length}`).not.toBe('accepted');
  });

  it('may leave attributes out, and a common name is seen without being taken', () => {
    expect(changed({ attributes: [] })).toBe('accepted');
    const result = parseCsr(pem(make({ subject: name('admin') })));
    expect(result.ok && result.value.hasCommonName).toBe(true);
  });
});
