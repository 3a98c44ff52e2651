import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import { errorText, ok, type Result } from '@xebec/core';
import { type Refusal, refuse } from '../refusal.ts';

/** A public key that JWT-SVIDs of a trust domain may be signed with. */
export interface JwtKey {
  readonly kid: string;
  readonly publicKey: KeyObject;
}

const MAX_BYTES = 1 << 20;
const MAX_KEYS = 256;

/** One key as it stands in a trust bundle: public parts alone, whatever was given. */
export function jwkOf(key: JwtKey): Record<string, string> {
  const { kty, crv, x, y, n, e } = key.publicKey.export({ format: 'jwk' });
  const parts = Object.entries({ kty, crv, x, y, n, e }).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return { ...Object.fromEntries(parts), kid: key.kid, use: 'jwt-svid' };
}

/** A JWKS (RFC 7517) of keys for JWT-SVIDs. */
export function jwtKeySet(keys: readonly JwtKey[]): string {
  return JSON.stringify({ keys: keys.map(jwkOf) });
}

/**
 * The keys of a JWKS that may sign JWT-SVIDs; the empty text is the empty set. Keys for other uses and of unknown kinds are passed
 * over, as SPIFFE Trust Domain and Bundle 4.2.2 asks; a key without `kid` refuses the set.
 */
export function parseJwtKeySet(text: string): Result<JwtKey[], Refusal> {
  if (text === '') return ok([]);
  if (text.length > MAX_BYTES) return refuse('E_BUNDLE', `the key set has ${text.length} bytes, at most ${MAX_BYTES} are read`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return refuse('E_BUNDLE', `the key set is no JSON: ${errorText(error)}`);
  }
  const keys: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'keys') : undefined;
  if (!Array.isArray(keys)) return refuse('E_BUNDLE', 'the key set has no list "keys"');
  if (keys.length > MAX_KEYS) return refuse('E_BUNDLE', `the key set has ${keys.length} keys, at most ${MAX_KEYS} are read`);
  const found: JwtKey[] = [];
  for (const key of keys) {
    const parsed = parseJwtKey(key);
    if (!parsed.ok) return parsed;
    if (parsed.value !== undefined) found.push(parsed.value);
  }
  return ok(found);
}

/** Undefined for a key of another use, or of a kind that no JWT-SVID is signed with. */
export function parseJwtKey(key: unknown): Result<JwtKey | undefined, Refusal> {
  if (typeof key !== 'object' || key === null || Array.isArray(key)) return refuse('E_BUNDLE', 'a key of the key set is no object');
  const use: unknown = Reflect.get(key, 'use');
  const kind: unknown = Reflect.get(key, 'kty');
  if ((use !== undefined && use !== 'jwt-svid') || (kind !== 'EC' && kind !== 'RSA')) return ok(undefined);
  const kid: unknown = Reflect.get(key, 'kid');
  if (typeof kid !== 'string' || kid === '') return refuse('E_BUNDLE', 'a key for JWT-SVIDs has no key ID (kid)');
  try {
    // node:crypto checks every member itself and throws. A private key is read as its public half.
    return ok({ kid, publicKey: createPublicKey({ key: key as webcrypto.JsonWebKey, format: 'jwk' }) });
  } catch {
    return refuse('E_BUNDLE', `the key ${JSON.stringify(kid.slice(0, 80))} for JWT-SVIDs cannot be read`);
  }
}
