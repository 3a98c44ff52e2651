import { type KeyObject, verify } from 'node:crypto';
import { ok, type Result } from '@xebec/core';
import { fitsAlgorithm, isJwtAlgorithm, verifyJws } from '../jwt-svid/algorithms.ts';
import { quoted, type Refusal, refuse } from '../refusal.ts';
import { readCompactToken } from './compact-token.ts';
import type { VerificationKey } from './verification-keys.ts';

export interface TokenRules {
  readonly keys: readonly VerificationKey[];
  /** Absent: any issuer whose key is among the keys. */
  readonly issuer?: string;
  /** One of them must be among the token's. */
  readonly audiences: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** By how much the clocks of issuer and reader may differ. */
  readonly clockSkewMs: number;
}

export interface VerifiedToken {
  readonly subject: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

const ED25519 = ['EdDSA', 'Ed25519'];
/** The last moment of the year 9999: expiries beyond are typing errors or tricks with numbers. */
const MAX_SECONDS = 253_402_300_799;

/**
 * Judges an OIDC token: signature by a key of the issuer, then issuer, audience and times; `exp`, `sub` and `aud` must be there. Keys or
 * addresses of keys in the header (jwk, jku, x5c, x5u) are the sender's word, nothing reads them. HMACs are no algorithm here: with one
 * the public key of the set would be the secret.
 */
export function verifyToken(token: string, rules: TokenRules): Result<VerifiedToken, Refusal> {
  const read = readCompactToken(token);
  if (!read.ok) return read;
  const { header, claims } = read.value;
  if (header['crit'] !== undefined) return refuse('E_JWT_FORMAT', 'the token has critical header fields (crit), none is known');
  if (header['b64'] !== undefined) return refuse('E_JWT_FORMAT', 'the token has another encoding of its payload (b64)');
  const { alg, kid } = header;
  if (typeof alg !== 'string' || !(isJwtAlgorithm(alg) || ED25519.includes(alg)))
    return refuse('E_JWT_ALGORITHM', `the token's algorithm ${quoted(String(alg))} is not allowed`);
  const key = keyFor(alg, kid, rules.keys);
  if (!key.ok) return key;
  const dot = token.lastIndexOf('.');
  const signature = Buffer.from(token.slice(dot + 1), 'base64url');
  if (!isSigned(alg, token.slice(0, dot), signature, key.value)) {
    return refuse('E_JWT_SIGNATURE', 'the token is not signed by the key that it names');
  }
  return judgeClaims(claims, rules);
}

function keyFor(alg: string, kid: unknown, keys: readonly VerificationKey[]): Result<KeyObject, Refusal> {
  const named = kid === undefined ? keys : keys.filter((key) => key.kid === kid);
  if (named.length === 0) return refuse('E_JWT_KEY', `the issuer has no key ${quoted(String(kid))}`);
  const fitting = named.filter((key) => (key.algorithm ?? alg) === alg && fits(alg, key.publicKey));
  const [first, second] = fitting;
  if (first === undefined) return refuse('E_JWT_ALGORITHM', `the issuer's key is not for the algorithm ${quoted(alg)}`);
  if (second !== undefined) return refuse('E_JWT_KEY', 'the token names no key, and several of the issuer fit');
  return ok(first.publicKey);
}

function fits(alg: string, key: KeyObject): boolean {
  return ED25519.includes(alg) ? key.asymmetricKeyType === 'ed25519' : fitsAlgorithm(alg, key);
}

function isSigned(alg: string, input: string, signature: Uint8Array, key: KeyObject): boolean {
  return ED25519.includes(alg) ? verify(null, Buffer.from(input, 'latin1'), key, signature) : verifyJws(alg, input, signature, key);
}

function judgeClaims(claims: Readonly<Record<string, unknown>>, rules: TokenRules): Result<VerifiedToken, Refusal> {
  const { exp, nbf, sub, aud, iss } = claims;
  if (typeof sub !== 'string' || sub === '') return refuse('E_JWT_CLAIM', 'the token has no subject (sub)');
  if (!isTime(exp)) return refuse('E_JWT_CLAIM', 'the token has no expiry (exp)');
  if (nbf !== undefined && !isTime(nbf)) return refuse('E_JWT_CLAIM', "the token's beginning (nbf) is no time");
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : aud === undefined ? [] : [aud];
  if (audiences.length === 0) return refuse('E_JWT_CLAIM', 'the token has no audience (aud)');
  if (rules.issuer !== undefined && iss !== rules.issuer) return refuse('E_JWT_ISSUER', 'the token is of another issuer');
  if (!audiences.some((one) => typeof one === 'string' && rules.audiences.includes(one)))
    return refuse('E_JWT_AUDIENCE', `the token is for another audience than ${rules.audiences.join(', ')}`);
  if (exp * 1000 + rules.clockSkewMs <= rules.now)
    return refuse('E_JWT_EXPIRED', `the token expired at ${new Date(exp * 1000).toISOString()}`);
  if (nbf !== undefined && nbf * 1000 - rules.clockSkewMs > rules.now)
    return refuse('E_JWT_NOT_YET_VALID', `the token is valid only from ${new Date(nbf * 1000).toISOString()}`);
  return ok({ subject: sub, claims });
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 && value <= MAX_SECONDS;
}
