import type { KeyObject } from 'node:crypto';
import { invariant, ok, type Result } from '@xebec/core';
import { type Refusal, refuse } from '../refusal.ts';
import type { SpiffeId } from '../spiffe-id.ts';
import { algorithmOf, signJws } from './algorithms.ts';

export interface JwtSvidTemplate {
  readonly subject: SpiffeId;
  readonly audience: readonly string[];
  readonly ttlMs: number;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** A signed token and its life in milliseconds since the epoch. */
export interface JwtSvid {
  readonly token: string;
  readonly subject: SpiffeId;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

const MAX_AUDIENCES = 32;
const MAX_AUDIENCE_BYTES = 2048;

/** Why nobody can be given a token for these audiences; undefined when one can. */
export function audienceRefusal(audience: readonly string[]): ReturnType<typeof refuse> | undefined {
  if (audience.length === 0) return refuse('E_JWT_AUDIENCE', 'a JWT-SVID is for at least one audience, none is asked for');
  if (audience.length > MAX_AUDIENCES)
    return refuse('E_JWT_AUDIENCE', `${audience.length} audiences are asked for, at most ${MAX_AUDIENCES} are allowed`);
  const bad = audience.find((each) => each === '' || each.length > MAX_AUDIENCE_BYTES);
  if (bad !== undefined) return refuse('E_JWT_AUDIENCE', `an audience has 1 to ${MAX_AUDIENCE_BYTES} characters, one has ${bad.length}`);
  return undefined;
}

/** Signs a token by the rules of SPIFFE JWT-SVID: `sub`, `aud`, `exp` and `iat`, and nothing else that a verifier could take for more. */
export function issueJwtSvid(key: { kid: string; privateKey: KeyObject }, template: JwtSvidTemplate): Result<JwtSvid, Refusal> {
  const { subject, audience, ttlMs, now } = template;
  const refusal = audienceRefusal(audience);
  if (refusal !== undefined) return refusal;
  const algorithm = algorithmOf(key.privateKey);
  invariant(algorithm !== undefined, 'JWT-SVIDs are signed with RSA or a NIST curve');
  const issued = Math.floor(now / 1000);
  const expires = Math.floor((now + ttlMs) / 1000);
  const header = encode({ alg: algorithm, kid: key.kid, typ: 'JWT' });
  const claims = encode({ sub: subject, aud: [...new Set(audience)], exp: expires, iat: issued });
  const input = `${header}.${claims}`;
  const token = `${input}.${signJws(algorithm, input, key.privateKey).toString('base64url')}`;
  return ok({ token, subject, issuedAt: issued * 1000, expiresAt: expires * 1000 });
}

/** The life a token gets: the default for 0, `E_JWT_TTL` (never a silent cut) above the maximum. */
export function jwtTtlMs(requestedSeconds: bigint, policy: { defaultTtlMs: number; maxTtlMs: number }): Result<number, Refusal> {
  if (requestedSeconds < 0n) return refuse('E_JWT_TTL', `the requested life of ${requestedSeconds} s is negative`);
  if (requestedSeconds === 0n) return ok(policy.defaultTtlMs);
  if (requestedSeconds * 1000n > BigInt(policy.maxTtlMs)) {
    return refuse('E_JWT_TTL', `the requested life of ${requestedSeconds} s is longer than the maximum of ${policy.maxTtlMs / 1000} s`);
  }
  return ok(Number(requestedSeconds) * 1000);
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
