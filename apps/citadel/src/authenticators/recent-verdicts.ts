import { createHash } from 'node:crypto';
import type { Result } from '@xebec/core';
import type { Refusal, VerificationKey, VerifiedToken } from '@xebec/identity';

/** Tokens that were good a moment ago. */
export interface RecentVerdicts {
  /** The verdict on that token by these keys, as long as it holds; undefined where it must be judged. */
  find(token: string, keys: readonly VerificationKey[], now: number): Result<VerifiedToken, Refusal> | undefined;
  note(token: string, keys: readonly VerificationKey[], verdict: Result<VerifiedToken, Refusal>, now: number): void;
}

/** A start asks for a certificate and, a second later, for the trust stream, with the same token. */
const HOLDS_MS = 5_000;
const MAX_HELD = 4096;

interface Held {
  readonly keys: readonly VerificationKey[];
  readonly verdict: Result<VerifiedToken, Refusal>;
  readonly from: number;
  readonly until: number;
}

/**
 * Remembers good tokens by their hash, for seconds and never past their expiry, so that a signature is checked once for a start. Other
 * keys of the issuer end it at once; refusals are not remembered.
 */
export function createRecentVerdicts(): RecentVerdicts {
  const held = new Map<string, Held>();
  return {
    find(token, keys, now) {
      const known = held.get(hashOf(token));
      return known !== undefined && known.keys === keys && known.from <= now && now < known.until ? known.verdict : undefined;
    },
    note(token, keys, verdict, now) {
      const expiry = verdict.ok ? verdict.value.claims['exp'] : undefined;
      if (typeof expiry !== 'number' || this.find(token, keys, now) !== undefined) return;
      const hash = hashOf(token);
      held.delete(hash);
      // The oldest goes first.
      const [oldest] = held.keys();
      if (held.size >= MAX_HELD && oldest !== undefined) held.delete(oldest);
      held.set(hash, { keys, verdict, from: now, until: Math.min(now + HOLDS_MS, expiry * 1000) });
    },
  };
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
