import { ok, type Result } from '@xebec/core';
import { quoted, type Refusal, refuse } from '../refusal.ts';
import { parseSpiffeId, type SpiffeIdParts } from '../spiffe-id.ts';
import { isJwtAlgorithm, verifyJws } from './algorithms.ts';
import type { JwtKey } from './key-set.ts';

export interface ValidJwtSvid {
  readonly id: SpiffeIdParts;
  /** Every claim of the token, as it stands there. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface JwtSvidRules {
  /** Keys by trust domain: a token is judged by those of its own subject's domain alone. */
  readonly keys: ReadonlyMap<string, readonly JwtKey[]>;
  /** Who asks: the token must be for this audience. */
  readonly audience: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** How much the issuer's clock may be ahead of ours; expiry knows no leeway. */
  readonly clockSkewMs?: number;
}

const MAX_TOKEN_BYTES = 16 * 1024;
const CLOCK_SKEW_MS = 60_000;

/** Judges a token by the SPIFFE JWT-SVID standard, sections 2, 3 and 5. Each rule refuses with a code of its own. */
export function validateJwtSvid(token: string, rules: JwtSvidRules): Result<ValidJwtSvid, Refusal> {
  if (token.length > MAX_TOKEN_BYTES)
    return refuse('E_JWT_FORMAT', `the token has ${token.length} bytes, at most ${MAX_TOKEN_BYTES} are read`);
  const parts = token.split('.');
  const [headerText, claimsText, signatureText] = parts;
  if (parts.length !== 3 || headerText === undefined || claimsText === undefined || signatureText === undefined)
    return refuse('E_JWT_FORMAT', `a JWT-SVID has three parts (JWS compact), this token has ${parts.length}`);
  const header = decodeObject(headerText);
  const claims = decodeObject(claimsText);
  const signature = decodeBase64Url(signatureText);
  if (header === undefined) return refuse('E_JWT_FORMAT', "the token's header is no JSON object in base64url");
  const { alg, typ, kid, crit } = header;
  // Judged first, so that no key is ever tried with what the token says of itself.
  if (typeof alg !== 'string' || !isJwtAlgorithm(alg))
    return refuse('E_JWT_ALGORITHM', `a JWT-SVID is signed with RS, ES or PS 256 to 512, this token says ${quoted(String(alg))}`);
  if (crit !== undefined) return refuse('E_JWT_FORMAT', 'the token has critical header parameters, which no JWT-SVID has');
  if (typ !== undefined && typ !== 'JWT' && typ !== 'JOSE')
    return refuse('E_JWT_FORMAT', `the type of a JWT-SVID is JWT or JOSE, this token says ${quoted(String(typ))}`);
  if (kid !== undefined && typeof kid !== 'string') return refuse('E_JWT_FORMAT', "the token's key ID is no text");
  if (claims === undefined) return refuse('E_JWT_FORMAT', "the token's claims are no JSON object in base64url");
  if (signature === undefined || signature.length === 0) return refuse('E_JWT_SIGNATURE', 'the token has no signature in base64url');
  const { sub } = claims;
  if (typeof sub !== 'string') return refuse('E_JWT_SUBJECT', 'the token has no subject');
  const id = parseSpiffeId(sub);
  if (!id.ok) return refuse('E_JWT_SUBJECT', `the token's subject is no SPIFFE ID: ${id.error.message}`);
  if (id.value.path === '') return refuse('E_JWT_SUBJECT', `the subject ${quoted(sub)} names a trust domain, a workload's ID has a path`);
  const keys = rules.keys.get(id.value.trustDomain);
  if (keys === undefined) return refuse('E_SVID_TRUST_DOMAIN', `no trust bundle is known for the trust domain ${id.value.trustDomain}`);
  const candidates = kid === undefined ? keys : keys.filter((key) => key.kid === kid);
  if (candidates.length === 0) {
    const which = kid === undefined ? 'has no keys for tokens' : `has no key ${quoted(kid)}`;
    return refuse('E_JWT_KEY', `the trust bundle of ${id.value.trustDomain} ${which}`);
  }
  const input = `${headerText}.${claimsText}`;
  if (!candidates.some((key) => verifyJws(alg, input, signature, key.publicKey)))
    return refuse('E_JWT_SIGNATURE', `the token of ${quoted(sub)} is not signed with ${alg} by a key of ${id.value.trustDomain}`);
  return checkClaims(id.value, claims, rules);
}

function checkClaims(id: SpiffeIdParts, claims: Readonly<Record<string, unknown>>, rules: JwtSvidRules): Result<ValidJwtSvid, Refusal> {
  const { aud, exp, nbf, iat } = claims;
  const audience: readonly unknown[] = Array.isArray(aud) ? aud : aud === undefined ? [] : [aud];
  if (audience.length === 0 || !audience.every((each) => typeof each === 'string'))
    return refuse('E_JWT_AUDIENCE', `the token of ${quoted(id.id)} names no audience`);
  if (!audience.includes(rules.audience))
    return refuse('E_JWT_AUDIENCE', `the token of ${quoted(id.id)} is not for the audience ${quoted(rules.audience)}`);
  if (typeof exp !== 'number' || !Number.isFinite(exp)) return refuse('E_JWT_EXPIRED', `the token of ${quoted(id.id)} says no expiry`);
  const expiresAt = exp * 1000;
  if (expiresAt <= rules.now)
    return refuse('E_JWT_EXPIRED', `the token of ${quoted(id.id)} expired ${Math.ceil((rules.now - expiresAt) / 1000)} s ago`);
  const latest = rules.now + (rules.clockSkewMs ?? CLOCK_SKEW_MS);
  for (const [name, from] of [
    ['nbf', nbf],
    ['iat', iat],
  ] as const) {
    if (from === undefined) continue;
    if (typeof from !== 'number' || !Number.isFinite(from)) return refuse('E_JWT_FORMAT', `the token's claim ${name} is no time`);
    if (from * 1000 > latest) return refuse('E_JWT_NOT_YET_VALID', `the token of ${quoted(id.id)} is not valid yet (${name})`);
  }
  return ok({ id, claims, expiresAt });
}

function decodeBase64Url(text: string): Buffer | undefined {
  // Other characters would be passed over by the decoder: two texts would be one token.
  return /^[A-Za-z0-9_-]*$/.test(text) ? Buffer.from(text, 'base64url') : undefined;
}

function decodeObject(text: string): Record<string, unknown> | undefined {
  const bytes = decodeBase64Url(text);
  if (bytes === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.fromEntries(Object.entries(value)) : undefined;
  } catch {
    return undefined;
  }
}
