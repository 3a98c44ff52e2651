import { describe, expect, it } from 'vitest';
import { hasUsableKey } from './usable-keys.ts';

const set = (...keys: readonly object[]): string => JSON.stringify({ keys });

describe('hasUsableKey', () => {
  it.each([
    set({ kty: 'RSA', n: 'AQAB', e: 'AQAB' }),
    set({ kty: 'RSA', n: 'AQAB', e: 'AQAB', alg: 'PS512' }),
    set({ kty: 'EC', crv: 'P-256', x: 'AQ', y: 'AQ' }),
    set({ kty: 'OKP', crv: 'Ed25519', x: 'AQ' }),
    set({ kty: 'oct', k: 'AQ' }),
    set({ kty: 'new' }, { kty: 'oct', k: 'AQ', alg: 'HS256' }),
  ])('takes %s', (text) => expect(hasUsableKey(text)).toBe(true));
  it.each([
    'garbage',
    '[]',
    '{}',
    '{"keys":{}}',
    set(),
    '{"keys":[null]}',
    set({ kty: 'new' }),
    set({ kty: 'RSA', n: 'not base64url!', e: 'AQAB' }),
    set({ kty: 'RSA', n: 'AQAB', e: 'AQAB', alg: 'HS256' }),
    set({ kty: 'RSA', n: 'AQAB', e: 'AQAB', alg: 7 }),
    set({ kty: 'EC', crv: 'secp256k1', x: 'AQ', y: 'AQ' }),
    `{"keys":[${' '.repeat(1024 * 1024)}]}`,
  ])('refuses %.40s', (text) => expect(hasUsableKey(text)).toBe(false));
});
