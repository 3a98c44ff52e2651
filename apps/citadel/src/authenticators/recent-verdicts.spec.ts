import { ok } from '@xebec/core';
import { verifyToken } from '@xebec/identity';
import { describe, expect, it } from 'vitest';
import { createRecentVerdicts } from './recent-verdicts.ts';

const now = 1_700_000_000_000;
const verdict = ok({ subject: 'system:serviceaccount:a:b', claims: { exp: now / 1000 + 2 } });

describe('recent verdicts', () => {
  it('hold for seconds, never past the expiry of the token', () => {
    const recent = createRecentVerdicts();
    const keys = [] as const;
    recent.note('t', keys, verdict, now);
    expect(recent.find('t', keys, now + 1999)).toBe(verdict);
    expect(recent.find('t', keys, now + 2000)).toBeUndefined();
    // A clock that was set back.
    expect(recent.find('t', keys, now - 1)).toBeUndefined();
    recent.note('long', keys, ok({ subject: 's', claims: { exp: now } }), now);
    expect(recent.find('long', keys, now + 5000)).toBeUndefined();
  });

  it('are of one token and one set of keys', () => {
    const recent = createRecentVerdicts();
    const keys = [] as const;
    recent.note('t', keys, verdict, now);
    expect(recent.find('u', keys, now)).toBeUndefined();
    expect(recent.find('t', [], now)).toBeUndefined();
  });

  it('never hold a refusal', () => {
    const recent = createRecentVerdicts();
    const keys = [] as const;
    const refused = verifyToken('t', { keys, audiences: [], now, clockSkewMs: 0 });
    expect(refused.ok).toBe(false);
    recent.note('t', keys, refused, now);
    expect(recent.find('t', keys, now)).toBeUndefined();
  });
});
