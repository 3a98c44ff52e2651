import { create } from '@bufbuild/protobuf';
import { VirtualClock } from '@xebec/core';
import { LocalRateLimitDescriptorSchema } from '@xebec/protos/envoy/extensions/common/ratelimit/v3/ratelimit';
import { TokenBucketSchema } from '@xebec/protos/envoy/type/v3/token_bucket';
import { describe, expect, it } from 'vitest';
import { descriptorKey } from './descriptor.ts';
import { limitHeaders } from './limit-headers.ts';
import { LocalLimiter } from './local-limiter.ts';
import { maskedAddress } from './masked-address.ts';

const bucket = (maxTokens: number) =>
  create(TokenBucketSchema, { maxTokens, tokensPerFill: maxTokens, fillInterval: { seconds: 10n, nanos: 0 } });
const user = (value: string) => ({ entries: [{ key: 'user', value }], limit: undefined, hits: undefined });

describe('LocalLimiter', () => {
  const limiter = (options: { alwaysDefault?: boolean; maxDynamic?: number; total?: number } = {}) => {
    const clock = new VirtualClock(0);
    const descriptors = [
      create(LocalRateLimitDescriptorSchema, { entries: [{ key: 'user', value: 'jason' }], tokenBucket: bucket(1) }),
      create(LocalRateLimitDescriptorSchema, { entries: [{ key: 'user', value: '' }], tokenBucket: bucket(2) }),
    ];
    const { alwaysDefault = true, maxDynamic = 20, total = 100 } = options;
    return { clock, limiter: new LocalLimiter({ bucket: bucket(total), descriptors, alwaysDefault, maxDynamic }, clock) };
  };
  it('takes the bucket of exact values before one for any value', () => {
    const { limiter: own, clock } = limiter();
    expect([own.take([user('jason')]).allowed, own.take([user('jason')]).allowed]).toEqual([true, false]);
    expect([1, 2, 3].map(() => own.take([user('anne')]).allowed)).toEqual([true, true, false]);
    expect(own.take([user('bob')]).allowed).toBe(true);
    clock.advance(10_000);
    expect(own.take([user('jason')]).allowed).toBe(true);
  });
  it('takes from the default bucket too, or only where nothing matched', () => {
    const both = limiter({ total: 1 }).limiter;
    expect([both.take([user('a')]).allowed, both.take([user('b')]).allowed]).toEqual([true, false]);
    const other = limiter({ total: 1, alwaysDefault: false }).limiter;
    expect([other.take([user('a')]).allowed, other.take([user('b')]).allowed, other.take([]).allowed, other.take([]).allowed]).toEqual([
      true,
      true,
      true,
      false,
    ]);
  });
  it('forgets the value that was used longest ago when there are too many', () => {
    const { limiter: own } = limiter({ maxDynamic: 1 });
    expect([own.take([user('a')]), own.take([user('a')]), own.take([user('a')])].map(({ allowed }) => allowed)).toEqual([
      true,
      true,
      false,
    ]);
    expect(own.take([user('b')]).allowed).toBe(true);
    expect(own.take([user('a')]).allowed).toBe(true);
  });
});

it.each([
  ['10.1.2.3', 16, 128, '10.1.0.0/16'],
  ['10.1.2.3', 32, 128, '10.1.2.3/32'],
  ['10.1.2.3', 0, 128, '0.0.0.0/0'],
  ['2001:db8::1:2', 32, 64, '2001:db8::/64'],
  ['2001:db8::1', 32, 128, '2001:db8::1/128'],
  ['::ffff:1.2.3.4', 32, 128, '::ffff:102:304/128'],
])('masks %s by %i and %i bits', (address, v4, v6, expected) => expect(maskedAddress(address, v4, v6)).toBe(expected));

it('tells descriptors apart whatever stands in their values', () => {
  const one = descriptorKey([{ key: 'a', value: 'b1:c' }]);
  const two = descriptorKey([
    { key: 'a', value: 'b' },
    { key: 'c', value: '' },
  ]);
  expect(one).not.toBe(two);
});

it('writes the limit with least left and all limits as the policy', () => {
  const state = { windowSeconds: 60, name: '', resetSeconds: 5 };
  const headers = limitHeaders([
    { ...state, requestsPerUnit: 10, remaining: 3, name: 'ten' },
    { ...state, requestsPerUnit: 5, remaining: 2, windowSeconds: 0 },
  ]);
  expect(headers).toEqual(['x-ratelimit-limit', '5, 10;w=60;name="ten"', 'x-ratelimit-remaining', '2', 'x-ratelimit-reset', '5']);
  expect(limitHeaders([])).toEqual([]);
});
