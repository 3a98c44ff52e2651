import { XebecError } from '@xebec/core';
import type { KeyRingPolicy } from '@xebec/identity';

export const JWT_SVID_OPTIONS = [
  { flags: '--jwt-svid-ttl-s <seconds>', description: 'life of a JWT-SVID when none is asked for', default: '300' },
  { flags: '--max-jwt-svid-ttl-s <seconds>', description: 'longest life of a JWT-SVID that may be asked for', default: '3600' },
  { flags: '--jwt-svid-key-life-s <seconds>', description: 'how long one key signs JWT-SVIDs', default: '86400' },
] as const;

/** The next key is published this long before it signs, or half of a key's life. */
const PUBLISH_AHEAD_MS = 3_600_000;

export function jwtSvidSettings(flags: Readonly<Record<string, string>>): {
  readonly ttl: { readonly defaultTtlMs: number; readonly maxTtlMs: number };
  readonly policy: KeyRingPolicy;
} {
  const defaultTtlMs = milliseconds(flags, 'jwtSvidTtlS', '--jwt-svid-ttl-s');
  const maxTtlMs = milliseconds(flags, 'maxJwtSvidTtlS', '--max-jwt-svid-ttl-s');
  const keyLifeMs = milliseconds(flags, 'jwtSvidKeyLifeS', '--jwt-svid-key-life-s');
  if (defaultTtlMs > maxTtlMs) {
    throw new XebecError('E_FLAG', `--jwt-svid-ttl-s ${defaultTtlMs / 1000} is longer than --max-jwt-svid-ttl-s ${maxTtlMs / 1000}`);
  }
  return {
    ttl: { defaultTtlMs, maxTtlMs },
    policy: { keyLifeMs, publishAheadMs: Math.min(PUBLISH_AHEAD_MS, keyLifeMs / 2), maxTokenTtlMs: maxTtlMs },
  };
}

function milliseconds(flags: Readonly<Record<string, string>>, name: string, flag: string): number {
  const value = Number(flags[name]);
  if (!Number.isInteger(value) || value < 1)
    throw new XebecError('E_FLAG', `${flag} wants a whole number above 0, but got "${flags[name] ?? ''}"`);
  return value * 1000;
}
