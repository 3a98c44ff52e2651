import { constants, type KeyObject, sign, verify } from 'node:crypto';

interface JwtAlgorithm {
  readonly hash: string;
  readonly keyType: 'rsa' | 'ec';
  /** OpenSSL's name of the only curve that goes with an ECDSA algorithm (RFC 7518 3.4). */
  readonly curve?: string;
  readonly pss?: boolean;
}

/** What a JWT-SVID may be signed with (SPIFFE JWT-SVID, section 2.1). `none` and the HMACs are not among them, whatever the key. */
const ALGORITHMS: ReadonlyMap<string, JwtAlgorithm> = new Map([
  ['RS256', { hash: 'sha256', keyType: 'rsa' }],
  ['RS384', { hash: 'sha384', keyType: 'rsa' }],
  ['RS512', { hash: 'sha512', keyType: 'rsa' }],
  ['ES256', { hash: 'sha256', keyType: 'ec', curve: 'prime256v1' }],
  ['ES384', { hash: 'sha384', keyType: 'ec', curve: 'secp384r1' }],
  ['ES512', { hash: 'sha512', keyType: 'ec', curve: 'secp521r1' }],
  ['PS256', { hash: 'sha256', keyType: 'rsa', pss: true }],
  ['PS384', { hash: 'sha384', keyType: 'rsa', pss: true }],
  ['PS512', { hash: 'sha512', keyType: 'rsa', pss: true }],
] as const);

const MIN_RSA_BITS = 2048;

export function isJwtAlgorithm(name: string): boolean {
  return ALGORITHMS.has(name);
}

/** Whether a key can have made a signature of that algorithm: type, curve and size fit. */
export function fitsAlgorithm(name: string, key: KeyObject): boolean {
  const algorithm = ALGORITHMS.get(name);
  if (algorithm === undefined || key.asymmetricKeyType !== algorithm.keyType) return false;
  const details = key.asymmetricKeyDetails;
  return algorithm.keyType === 'rsa' ? (details?.modulusLength ?? 0) >= MIN_RSA_BITS : details?.namedCurve === algorithm.curve;
}

/** The algorithm that a private key signs with: ES256, ES384 or ES512 by its curve, RS256 for RSA; undefined for others. */
export function algorithmOf(key: KeyObject): string | undefined {
  return [...ALGORITHMS.keys()].find((name) => fitsAlgorithm(name, key));
}

export function signJws(name: string, input: string, key: KeyObject): Buffer {
  return sign(ALGORITHMS.get(name)?.hash, Buffer.from(input, 'latin1'), { key, ...optionsOf(name) });
}

/** False for a wrong signature and for a key that does not fit. */
export function verifyJws(name: string, input: string, signature: Uint8Array, key: KeyObject): boolean {
  if (!fitsAlgorithm(name, key)) return false;
  return verify(ALGORITHMS.get(name)?.hash, Buffer.from(input, 'latin1'), { key, ...optionsOf(name) }, signature);
}

/** ECDSA signatures are two numbers of fixed length in a JWS (RFC 7518 3.4), not DER. */
function optionsOf(name: string): { dsaEncoding: 'ieee-p1363' } | { padding: number; saltLength: number } | Record<string, never> {
  const algorithm = ALGORITHMS.get(name);
  if (algorithm?.keyType === 'ec') return { dsaEncoding: 'ieee-p1363' };
  return algorithm?.pss === true ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST } : {};
}
