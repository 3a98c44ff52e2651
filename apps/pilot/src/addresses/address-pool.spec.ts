import { describe, expect, it } from 'vitest';
import { AddressPool, canonicalAddress } from './address-pool.ts';

describe('AddressPool', () => {
  it('gives the addresses of its block one after the other and begins again at the end', () => {
    const pool = new AddressPool('240.240.0.0/30');
    const used = new Set(['240.240.0.2']);
    expect([pool.take(used), pool.take(used), pool.take(used)]).toEqual(['240.240.0.1', '240.240.0.3', '240.240.0.1']);
    expect(pool.take(new Set(['240.240.0.1', '240.240.0.2', '240.240.0.3']))).toBeUndefined();
  });
  it('knows IPv6', () => {
    const pool = new AddressPool('2001:2::/48');
    expect([pool.take(new Set()), pool.take(new Set())]).toEqual(['2001:2::1', '2001:2::2']);
    expect([pool.contains('2001:2::ffff'), pool.contains('2001:3::1'), pool.contains('240.240.0.1')]).toEqual([true, false, false]);
  });
  it.each([
    ['2001:0002:0:0:0::1', '2001:2::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::', '::'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
    ['10.0.0.1', '10.0.0.1'],
  ])('writes %s as %s', (text, expected) => {
    expect(canonicalAddress(text)).toBe(expected);
  });
});
