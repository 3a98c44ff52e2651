import { VirtualClock } from '@xebec/core';
import { describe, expect, it } from 'vitest';
import { configured, testEnvironment } from '../test-environment.ts';
import { rateLimits } from './adapter.ts';
import type { RateLimitDescriptor } from './rate-limit-domains.ts';

const violations = (params: object) =>
  rateLimits.check(params).map(({ path, message }) => `${path.replace('spec.params.', '')}: ${message}`);

function setup(descriptors: readonly object[]) {
  const clock = new VirtualClock(1_700_000_000_250);
  const { environment } = testEnvironment({ clock });
  const handler = configured(rateLimits, { domain: 'shop', descriptors }, environment);
  /** `key=value` entries of one descriptor, separated by commas. */
  const descriptor = (text: string, hits = 1, override?: RateLimitDescriptor['override']): RateLimitDescriptor => ({
    entries: text.split(',').map((entry) => ({ key: entry.split('=')[0] ?? '', value: entry.split('=')[1] ?? '' })),
    override,
    hits,
  });
  const decide = async (...descriptors: (string | RateLimitDescriptor)[]) => {
    const asked = descriptors.map((one) => (typeof one === 'string' ? descriptor(one) : one));
    return (await environment.rateLimits.get('shop')?.decide(asked)) ?? [];
  };
  const over = async (...descriptors: (string | RateLimitDescriptor)[]) => (await decide(...descriptors)).map((verdict) => verdict.over);
  return { clock, environment, handler, descriptor, decide, over };
}

const perMinute = (requests: number, more = {}) => ({ rate_limit: { unit: 'minute', requests_per_unit: requests, ...more } });

describe('the tree of descriptors', () => {
  it('counts by value where only the key is given, and by key and value before that', async () => {
    const { over } = setup([
      { key: 'user', ...perMinute(1) },
      { key: 'user', value: 'vip', ...perMinute(2) },
    ]);
    expect([await over('user=a'), await over('user=a'), await over('user=b')]).toEqual([[false], [true], [false]]);
    expect([await over('user=vip'), await over('user=vip'), await over('user=vip')]).toEqual([[false], [false], [true]]);
  });
  it('goes down by further entries, and has limits for paths of exactly their length', async () => {
    const { decide } = setup([{ key: 'a', value: '1', ...perMinute(5), descriptors: [{ key: 'b', ...perMinute(3) }] }]);
    const limits = async (text: string) => (await decide(text)).map(({ limit }) => limit?.rate?.requests);
    expect([await limits('a=1'), await limits('a=1,b=x'), await limits('a=1,b=x,c=y'), await limits('b=x'), await limits('a=2')]).toEqual([
      [5],
      [3],
      [undefined],
      [undefined],
      [undefined],
    ]);
  });
  it('takes values that end in *, apart or together', async () => {
    const { over } = setup([
      { key: 'path', value: '/a/*', ...perMinute(1) },
      { key: 'path', value: '/b/*', share_threshold: true, ...perMinute(1) },
    ]);
    expect([await over('path=/a/x'), await over('path=/a/y'), await over('path=/a/x')]).toEqual([[false], [false], [true]]);
    expect([await over('path=/b/x'), await over('path=/b/y')]).toEqual([[false], [true]]);
  });
});

describe('limits', () => {
  it('count in windows of the wall clock and say what is left', async () => {
    const { decide, clock, descriptor } = setup([{ key: 'user', rate_limit: { unit: 'SECOND', requestsPerUnit: 10 } }]);
    expect(await decide(descriptor('user=a', 4))).toMatchObject([{ over: false, remaining: 6, resetMs: 750 }]);
    // What is refused counts too, as in the service that users know.
    expect(await decide(descriptor('user=a', 7))).toMatchObject([{ over: true, remaining: 0 }]);
    expect(await decide('user=a')).toMatchObject([{ over: true }]);
    clock.advance(750);
    expect(await decide('user=a')).toMatchObject([{ over: false, remaining: 9, resetMs: 1000 }]);
  });
  it('are not enforced in shadow mode, and not at all when unlimited', async () => {
    const { decide } = setup([
      { key: 'shadow', shadow_mode: true, ...perMinute(0) },
      { key: 'free', rate_limit: { unlimited: true } },
    ]);
    expect(await decide('shadow=1', 'free=1')).toMatchObject([
      { over: false, remaining: 0 },
      { over: false, remaining: 0xffff_ffff },
    ]);
  });
  it('judge each descriptor of a request by itself', async () => {
    const { over } = setup([
      { key: 'a', ...perMinute(1) },
      { key: 'b', ...perMinute(2) },
    ]);
    expect([await over('a=1', 'b=1'), await over('a=1', 'b=1'), await over('a=2', 'b=1')]).toEqual([
      [false, false],
      [true, false],
      [false, true],
    ]);
  });
  it('stand back for those that replace them', async () => {
    const { decide } = setup([
      { key: 'all', ...perMinute(0, { name: 'general' }) },
      { key: 'vip', ...perMinute(9, { replaces: [{ name: 'general' }] }) },
    ]);
    expect((await decide('all=1', 'vip=1')).map(({ over, remaining }) => [over, remaining])).toEqual([
      [false, undefined],
      [false, 8],
    ]);
    expect((await decide('all=1')).map(({ over }) => over)).toEqual([true]);
  });
  it('are what the descriptor itself brings', async () => {
    const { decide, descriptor } = setup([]);
    const override = { requests: 1, unit: 'hour', multiplier: 2 } as const;
    expect(await decide(descriptor('user=a', 1, override))).toMatchObject([{ over: false, remaining: 0 }]);
    expect(await decide(descriptor('user=a', 1, override))).toMatchObject([{ over: true }]);
  });
});

it('serves a domain as long as its handler lives, and one handler alone', async () => {
  const { handler, environment } = setup([]);
  const second = rateLimits.configure({ domain: 'shop' }, environment);
  expect(second).toEqual({ ok: false, error: [{ path: 'spec.params.domain', message: 'domain "shop" is served by another handler' }] });
  await handler.close();
  expect(environment.rateLimits.names()).toEqual([]);
});

it('names what is wrong in the tree', () => {
  expect(violations({})).toEqual(['domain: required field is missing: the domain that callers name']);
  const descriptors = [
    { key: 'a', rate_limit: { requests_per_unit: 1 } },
    { key: 'a' },
    { descriptors: [{ key: 'b', rate_limit: { unlimited: true, unit: 'day' } }] },
    { key: 'c', value: 'x', share_threshold: true },
  ];
  expect(violations({ domain: 'd', descriptors })).toEqual([
    'descriptors[0].rateLimit.unit: required field is missing: one of second, minute, hour, day, week, month, year',
    'descriptors[1]: descriptor a is defined twice',
    'descriptors[2].key: required field is missing',
    'descriptors[2].descriptors[0].rateLimit: unlimited goes without unit and requests_per_unit',
    'descriptors[3].shareThreshold: needs a value that ends in *: it makes all values that fit share one limit',
  ]);
  expect(violations({ domain: 'd', descriptors: [{ key: 'a', rate_limit: { unit: 'fortnight', requests_per_unit: 1 } }] })[0]).toContain(
    'descriptors[0].rateLimit.unit: ',
  );
  expect(violations({ domain: 'd', descriptors: [{ key: 'a', ratelimit: {} }] })[0]).toContain('descriptors[0].ratelimit: unknown field');
  let deep: object = { key: 'a' };
  for (let i = 0; i < 20; i++) deep = { key: 'a', descriptors: [deep] };
  expect(violations({ domain: 'd', descriptors: [deep] })).toHaveLength(1);
});
