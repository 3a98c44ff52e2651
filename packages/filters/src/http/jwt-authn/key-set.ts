import { constants, createHmac, createPublicKey, type KeyObject, timingSafeEqual, verify } from 'node:crypto';
import { decodeBase64Url, type JwtAlgorithm, type Token } from './token.ts';

/** Limits of a key set: what a server may make us parse and try. */
const MAX_SET_BYTES = 1024 * 1024;
const MAX_KEYS = 512;
/** RSA keys below this are refused (RFC 7518 §3.3). */
const MIN_RSA_BITS = 2048;

/** One usable key. The type of key decides which algorithms it may verify, whatever a token claims. */
interface Key {
  readonly keyId: string;
  /** Empty: any algorithm of its type. */
  readonly algorithm: string;
  readonly material:
    | { readonly kind: 'RSA' | 'OKP'; readonly key: KeyObject }
    | { readonly kind: 'EC'; readonly key: KeyObject; readonly algorithm: string }
    | { readonly kind: 'oct'; readonly secret: Buffer };
}

export type KeySet = readonly Key[];

/** Reads a JSON Web Key Set (RFC 7517); a string is Envoy's text for what is wrong. Unusable keys are left out. */
export function parseKeySet(text: string): KeySet | string {
  if (text.length > MAX_SET_BYTES) return 'Jwks is an invalid JSON';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'Jwks is an invalid JSON';
  }
  if (!isRecord(value)) return 'Jwks is an invalid JSON';
  if (value.keys === undefined) return 'Jwks does not have [keys] field';
  if (!Array.isArray(value.keys)) return '[keys] in Jwks is not an array';
  const keys: Key[] = [];
  for (const entry of value.keys.slice(0, MAX_KEYS)) {
    const key = isRecord(entry) ? parseKey(entry) : undefined;
    if (key !== undefined) keys.push(key);
  }
  return keys.length === 0 ? "Jwks doesn't have any valid public key" : keys;
}

const curves = new Map([
  ['P-256', 'ES256'],
  ['P-384', 'ES384'],
  ['P-521', 'ES512'],
]);

function parseKey(jwk: Record<string, unknown>): Key | undefined {
  const keyId = typeof jwk.kid === 'string' ? jwk.kid : '';
  const algorithm = typeof jwk.alg === 'string' ? jwk.alg : '';
  if (typeof jwk.use === 'string' && jwk.use !== 'sig' && jwk.use !== '') return undefined;
  const { kty } = jwk;
  if (kty === 'oct') {
    const secret = typeof jwk.k === 'string' ? decodeBase64Url(jwk.k) : undefined;
    if (secret === undefined || (algorithm !== '' && !algorithm.startsWith('HS'))) return undefined;
    return { keyId, algorithm, material: { kind: 'oct', secret } };
  }
  if (kty === 'RSA') {
    if (algorithm !== '' && !/^[RP]S(256|384|512)$/.test(algorithm)) return undefined;
    const key = publicKey({ kty, n: jwk.n, e: jwk.e });
    if (key === undefined || (key.asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS) return undefined;
    return { keyId, algorithm, material: { kind: 'RSA', key } };
  }
  if (kty === 'EC') {
    const own = typeof jwk.crv === 'string' ? curves.get(jwk.crv) : undefined;
    if (own === undefined || (algorithm !== '' && algorithm !== own)) return undefined;
    const key = publicKey({ kty, crv: jwk.crv, x: jwk.x, y: jwk.y });
    return key === undefined ? undefined : { keyId, algorithm, material: { kind: 'EC', key, algorithm: own } };
  }
  if (kty === 'OKP') {
    if (jwk.crv !== 'Ed25519' || (algorithm !== '' && algorithm !== 'EdDSA')) return undefined;
    const key = publicKey({ kty, crv: jwk.crv, x: jwk.x });
    return key === undefined ? undefined : { keyId, algorithm: 'EdDSA', material: { kind: 'OKP', key } };
  }
  return undefined;
}

function publicKey(jwk: Record<string, unknown>): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    return undefined;
  }
}

/** Whether one of the keys made the token's signature; undefined says yes, a string is Envoy's text for no. */
export function verifySignature(token: Token, keys: KeySet): string | undefined {
  let fits = false;
  for (const key of keys) {
    if (token.keyId !== '' && key.keyId !== '' && token.keyId !== key.keyId) continue;
    if (key.algorithm !== '' && key.algorithm !== token.algorithm) continue;
    fits = true;
    if (key.material.kind === 'OKP' && token.signature.length !== 64) return 'Jwt ED25519 signature is wrong length';
    if (signedBy(token, key)) return undefined;
  }
  return fits ? 'Jwt verification fails' : "Jwks doesn't have key to match kid or alg from Jwt";
}

const kinds: Readonly<Record<string, Key['material']['kind']>> = { RS: 'RSA', PS: 'RSA', ES: 'EC', Ed: 'OKP', HS: 'oct' };

function signedBy(token: Token, key: Key): boolean {
  const { material } = key;
  const family = token.algorithm.slice(0, 2);
  // A public key is never taken for an HMAC secret, nor one algorithm's key for another's.
  if (kinds[family] !== material.kind) return false;
  const hash = hashOf(token.algorithm);
  const signed = Buffer.from(token.signed);
  try {
    if (material.kind === 'oct') {
      const expected = createHmac(hash ?? 'sha256', material.secret)
        .update(signed)
        .digest();
      return expected.length === token.signature.length && timingSafeEqual(expected, token.signature);
    }
    if (material.kind === 'EC')
      return (
        token.algorithm === material.algorithm && verify(hash, signed, { key: material.key, dsaEncoding: 'ieee-p1363' }, token.signature)
      );
    if (family === 'PS') {
      const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
      return verify(hash, signed, { key: material.key, ...padding }, token.signature);
    }
    return verify(hash, signed, material.key, token.signature);
  } catch {
    return false;
  }
}

/** EdDSA hashes by itself. */
function hashOf(algorithm: JwtAlgorithm): string | null {
  return algorithm === 'EdDSA' ? null : `sha${algorithm.slice(2)}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
