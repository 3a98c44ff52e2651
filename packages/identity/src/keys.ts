import { createPublicKey, generateKeyPair, type KeyObject, sign, verify } from 'node:crypto';
import { ok, type Result } from '@xebec/core';
import { der, oid, sequence, TAG } from './der.ts';
import { type Refusal, refuse } from './refusal.ts';

export const KEY_TYPES = ['rsa-2048', 'rsa-4096', 'ecdsa-p256', 'ecdsa-p384', 'ed25519'] as const;
export type KeyType = (typeof KEY_TYPES)[number];

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** Makes a key pair off the main thread; RSA takes about 0.1 s of CPU, the curves well under a millisecond. */
export function generateKeys(type: KeyType): Promise<KeyPair> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, publicKey: KeyObject, privateKey: KeyObject) =>
      error === null ? resolve({ publicKey, privateKey }) : reject(error);
    switch (type) {
      case 'rsa-2048':
      case 'rsa-4096':
        return generateKeyPair('rsa', { modulusLength: type === 'rsa-2048' ? 2048 : 4096 }, done);
      case 'ecdsa-p256':
      case 'ecdsa-p384':
        return generateKeyPair('ec', { namedCurve: type === 'ecdsa-p256' ? 'P-256' : 'P-384' }, done);
      case 'ed25519':
        return generateKeyPair('ed25519', {}, done);
    }
  });
}

interface SignatureAlgorithm {
  readonly oid: string;
  readonly hash: string | null;
  readonly keyType: string;
  /** AlgorithmIdentifier of RSA carries a NULL (RFC 4055), that of the curves nothing (RFC 5758, 8410). */
  readonly nullParameters: boolean;
}

const ALGORITHMS: readonly SignatureAlgorithm[] = [
  { oid: '1.2.840.113549.1.1.11', hash: 'sha256', keyType: 'rsa', nullParameters: true },
  { oid: '1.2.840.113549.1.1.12', hash: 'sha384', keyType: 'rsa', nullParameters: true },
  { oid: '1.2.840.113549.1.1.13', hash: 'sha512', keyType: 'rsa', nullParameters: true },
  { oid: '1.2.840.10045.4.3.2', hash: 'sha256', keyType: 'ec', nullParameters: false },
  { oid: '1.2.840.10045.4.3.3', hash: 'sha384', keyType: 'ec', nullParameters: false },
  { oid: '1.2.840.10045.4.3.4', hash: 'sha512', keyType: 'ec', nullParameters: false },
  { oid: '1.3.101.112', hash: null, keyType: 'ed25519', nullParameters: false },
];

function algorithmFor(key: KeyObject): SignatureAlgorithm {
  const wanted = key.asymmetricKeyType;
  const hash = key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'sha384' : 'sha256';
  const found = ALGORITHMS.find((algorithm) => algorithm.keyType === wanted && (algorithm.hash ?? hash) === hash);
  if (found === undefined) throw new Error(`no signature algorithm for keys of type ${wanted}`);
  return found;
}

/** The AlgorithmIdentifier that goes into what `key` signs. */
export function signatureAlgorithm(key: KeyObject): Uint8Array {
  const algorithm = algorithmFor(key);
  return algorithm.nullParameters ? sequence(oid(algorithm.oid), der(TAG.null)) : sequence(oid(algorithm.oid));
}

/** What a signer elsewhere must do for a key: the AlgorithmIdentifier (DER) of its signatures, and the digest; null for Ed25519. */
export function signerAlgorithm(publicKey: KeyObject): { readonly identifier: Uint8Array; readonly hash: string | null } {
  return { identifier: signatureAlgorithm(publicKey), hash: hashOf(publicKey) };
}

/** The digest that goes with a key's signatures, null for Ed25519, which has its own. */
export function hashOf(key: KeyObject): string | null {
  return algorithmFor(key).hash;
}

export function signBytes(bytes: Uint8Array, privateKey: KeyObject): Uint8Array {
  return sign(algorithmFor(privateKey).hash, bytes, privateKey);
}

/** Whether `signature` over `bytes` is by that key with the algorithm of that object identifier; false for algorithms not in the table (SHA-1, MD5). */
export function verifyBytes(bytes: Uint8Array, signature: Uint8Array, publicKey: KeyObject, algorithmOid: string): boolean {
  const algorithm = ALGORITHMS.find((candidate) => candidate.oid === algorithmOid);
  if (algorithm === undefined || algorithm.keyType !== publicKey.asymmetricKeyType) return false;
  return verify(algorithm.hash, bytes, publicKey, signature);
}

/** Whether signatures of that algorithm are accepted at all: SHA-1, MD5 and what is not known here are not. */
export function isSignatureAlgorithm(algorithmOid: string): boolean {
  return ALGORITHMS.some((algorithm) => algorithm.oid === algorithmOid);
}

/** What every SubjectPublicKeyInfo of an uncompressed P-256 point begins with (RFC 5480): most keys of a mesh. */
const P256_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const P256_LENGTH = 91;

/** Reads a SubjectPublicKeyInfo and admits RSA of 2048 to 8192 bits, ECDSA P-256 and P-384, Ed25519. */
export function readPublicKey(spki: Uint8Array): Result<KeyObject, Refusal> {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.from(spki.buffer, spki.byteOffset, spki.length), format: 'der', type: 'spki' });
  } catch {
    return refuse('E_KEY', 'the public key cannot be read');
  }
  // Node reads details by exporting the key, which costs as much as importing it.
  if (spki.length === P256_LENGTH && P256_PREFIX.equals(spki.subarray(0, P256_PREFIX.length))) return ok(key);
  const details = key.asymmetricKeyDetails;
  const bits = details?.modulusLength ?? 0;
  if (key.asymmetricKeyType === 'rsa') {
    return bits >= 2048 && bits <= 8192 ? ok(key) : refuse('E_KEY', `the RSA key has ${bits} bits; 2048 to 8192 are allowed`);
  }
  if (key.asymmetricKeyType === 'ec') {
    const curve = details?.namedCurve ?? 'unknown';
    return curve === 'prime256v1' || curve === 'secp384r1'
      ? ok(key)
      : refuse('E_KEY', `the curve ${curve} is not allowed; use P-256 or P-384`);
  }
  if (key.asymmetricKeyType === 'ed25519') return ok(key);
  return refuse('E_KEY', `keys of type ${key.asymmetricKeyType ?? 'unknown'} are not allowed; use RSA, ECDSA P-256 or P-384, or Ed25519`);
}
