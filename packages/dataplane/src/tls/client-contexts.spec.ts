import { describe, expect, it } from 'vitest';
import { clientContext } from './client-contexts.ts';

describe('contexts of clients', () => {
  it('are one for equal inputs and another for each that differs', () => {
    const base = { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', ecdhCurve: 'X25519:P-256' } as const;
    const first = clientContext(base);
    expect(clientContext({ ...base })).toBe(first);
    expect(clientContext({ ecdhCurve: 'X25519:P-256', maxVersion: 'TLSv1.3', minVersion: 'TLSv1.2' })).toBe(first);
    const others = [
      clientContext({ ...base, maxVersion: 'TLSv1.2' }),
      clientContext({ ...base, ecdhCurve: 'X25519' }),
      clientContext({ ...base, ca: [] }),
      clientContext({ ...base, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }),
    ];
    expect(new Set([first, ...others]).size).toBe(5);
  });

  it('throw what OpenSSL says, each time', () => {
    for (let times = 0; times < 2; times++) expect(() => clientContext({ cert: 'nonsense' })).toThrow();
  });
});
