import type { TypedValue } from '@xebec/expressions';
import type { QuotaArguments, QuotaGrant } from '@xebec/policy';
import { expect, it } from 'vitest';
import { configured, testEnvironment } from '../test-environment.ts';
import { memquota } from './adapter.ts';

function setup(params: object) {
  const { clock, environment } = testEnvironment();
  const handler = configured(memquota, params, environment);
  const ask = (dimensions: Record<string, string>, over: Partial<QuotaArguments> = {}, name = 'rate.istio-system'): QuotaGrant => {
    const values = new Map(Object.entries(dimensions).map(([key, value]): [string, TypedValue] => [key, { type: 'STRING', value }]));
    const args = { amount: 1, bestEffort: false, deduplicationId: '', ...over };
    const grant = handler.quota?.({ name, template: 'quota', fields: { dimensions: values } }, args);
    if (grant === undefined || grant instanceof Promise) throw new Error('memquota answers at once');
    return grant;
  };
  return { clock, ask, take: (dimensions: Record<string, string>, amount = 1) => ask(dimensions, { amount, bestEffort: true }).amount };
}

const violations = (params: object) => memquota.check(params).map(({ path, message }) => `${path}: ${message}`);

it.each(['rate', 'rate.istio-system', 'rate.instance.istio-system', 'rate.quota.istio-system'])('finds quota %s', (name) => {
  const { ask } = setup({ quotas: [{ name, maxAmount: 2, validDuration: '1s' }] });
  expect(ask({})).toEqual({ code: 0, message: '', amount: 1, validDurationMs: 1000 });
  expect(ask({}, { amount: 2 })).toEqual({ code: 0, message: '', amount: 0, validDurationMs: 0 });
});
it('counts by dimensions, and takes the first override that matches', () => {
  const overrides = [
    { dimensions: { source: 'a', destination: 'x' }, maxAmount: 1 },
    { dimensions: { source: 'a' }, max_amount: '3', valid_duration: '10s' },
  ];
  const { take, clock } = setup({ quotas: [{ name: 'rate', max_amount: 5, valid_duration: '1s', overrides }] });
  expect(take({ source: 'a', destination: 'x' }, 9)).toBe(1);
  expect(take({ source: 'a', destination: 'y' }, 9)).toBe(3);
  expect(take({ source: 'b', destination: 'x' }, 9)).toBe(5);
  expect(take({ source: 'b', destination: 'y' }, 9)).toBe(5);
  clock.advance(1000);
  expect(take({ source: 'b', destination: 'y' }, 9)).toBe(5);
  expect(take({ source: 'a', destination: 'y' }, 9)).toBe(0);
});
it('keeps without validDuration what is taken, until it is given back', () => {
  const { take, clock } = setup({ quotas: [{ name: 'rate', maxAmount: 2 }] });
  expect(take({}, 3)).toBe(2);
  clock.advance(1e9);
  expect([take({}, 1), take({}, -1), take({}, 3)]).toEqual([0, 1, 1]);
});
it('rolls by default, or counts in fixed windows', () => {
  const spread = (rateLimitAlgorithm: string) => {
    const { take, clock } = setup({ quotas: [{ name: 'rate', maxAmount: 2, validDuration: '1s', rateLimitAlgorithm }] });
    return [0, 900, 150].map((wait, i) => {
      clock.advance(wait);
      return take({}, i === 2 ? 9 : 1);
    });
  };
  expect(spread('ROLLING_WINDOW')).toEqual([1, 1, 1]);
  expect(spread('FIXED_WINDOW')).toEqual([1, 1, 2]);
});
it('divides a limit fairly along a tree of dimensions', () => {
  const fairShare = { dimensions: ['tenant', 'user'], weights: [{ dimensions: { tenant: 'gold' }, weight: 3 }] };
  const { take, clock } = setup({ quotas: [{ name: 'rate', maxAmount: 100, validDuration: '1s', fairShare }] });
  const round = () => {
    const got = { gold: 0, x: 0, y: 0 };
    for (let i = 0; i < 200; i++) {
      got.x += take({ tenant: 'tin', user: 'x' });
      got.y += take({ tenant: 'tin', user: 'y' });
      got.gold += take({ tenant: 'gold', user: 'x' });
    }
    clock.advance(1000);
    return got;
  };
  round();
  expect(round()).toEqual({ gold: 75, x: 12, y: 13 });
});
it('does not limit a quota that it does not have', () => {
  const other = setup({ quotas: [{ name: 'other', maxAmount: 1 }] });
  expect(other.ask({}, { amount: 7 })).toEqual({ code: 0, message: '', amount: 7, validDurationMs: 60_000 });
});
it('names what is wrong', () => {
  const fairShare = { dimensions: ['tenant'], weights: [{ dimensions: { tenan: 'a' }, weight: 2 }] };
  expect(violations({ quotas: [{ name: 'a', validDuration: 'x' }] })[0]).toContain('spec.params.quotas[0].validDuration: "x" is not a dur');
  expect(violations({ minDeduplicationDuration: '0s', quotas: [{ name: '' }, { name: 'a' }, { name: 'a.istio-system' }] })).toEqual([
    'spec.params.quotas[0].name: required field is missing: name the quota instance',
    'spec.params.quotas[2].name: quota a.istio-system is defined twice',
    'spec.params.minDeduplicationDuration: must be longer than 0, such as 1s',
  ]);
  expect(violations({ quotas: [{ name: 'a', maxAmount: 1, fairShare }] })).toEqual([
    'spec.params.quotas[0].validDuration: fairShare divides what each window allows: give its length, such as 1s',
    'spec.params.quotas[0].fairShare.weights[0].dimensions.tenan: the tree has no dimension "tenan"; it has tenant',
  ]);
});
