import { describe, expect, it } from 'vitest';
import { MemoryQuotaStore } from './memory-store.ts';
import type { QuotaLimit, QuotaRequest } from './quota-store.ts';

function setup(limit: Partial<QuotaLimit>, maxCells?: number) {
  let now = 5_000.25;
  let forgotten = 0;
  const onForgotten = () => void forgotten++;
  const store = new MemoryQuotaStore({
    now: () => now,
    deduplicationMs: 1000,
    onForgotten,
    ...(maxCells === undefined ? {} : { maxCells }),
  });
  const full: QuotaLimit = { algorithm: 'FIXED_WINDOW', maxAmount: 10, windowMs: 1000, grainMs: 5, ...limit };
  const ask = (amount: number, over: Partial<QuotaRequest> = {}) =>
    store.take({ key: 'k', limit: full, holders: [], amount, bestEffort: false, deduplicationId: '', ...over });
  const take = (amount: number, over: Partial<QuotaRequest> = {}) => ask(amount, over).granted;
  const advance = (ms: number) => {
    now += ms;
  };
  return { store, ask, take, advance, forgotten: () => forgotten };
}

describe('FIXED_WINDOW', () => {
  it('starts with a taking, is valid until its end, and another starts after it', () => {
    const { ask, take, advance } = setup({});
    expect(ask(4)).toEqual({ granted: 4, validMs: 1000, used: 0 });
    advance(999);
    expect(ask(6)).toEqual({ granted: 6, validMs: 1, used: 0 });
    expect(take(1)).toBe(0);
    advance(1);
    expect(take(10)).toBe(10);
  });
  it('gives all or nothing, or what is left by best effort', () => {
    const { take } = setup({});
    expect(take(11)).toBe(0);
    expect(take(7)).toBe(7);
    expect(take(4)).toBe(0);
    expect(take(4, { bestEffort: true })).toBe(3);
    expect(take(4, { bestEffort: true })).toBe(0);
  });
  it('takes back no more than was taken', () => {
    const { take } = setup({});
    take(6);
    expect(take(-2)).toBe(2);
    expect(take(-9)).toBe(4);
    expect(take(10)).toBe(10);
  });
});

describe('ROLLING_WINDOW', () => {
  it('gives back each taking when it is as old as the window', () => {
    const { take, advance } = setup({ algorithm: 'ROLLING_WINDOW' });
    take(4);
    advance(400);
    take(6);
    advance(599);
    expect(take(1)).toBe(0);
    advance(1);
    expect(take(4)).toBe(4);
    expect(take(1)).toBe(0);
    advance(400);
    expect(take(7, { bestEffort: true })).toBe(6);
  });
  it('gives back the newest first', () => {
    const { take, advance } = setup({ algorithm: 'ROLLING_WINDOW' });
    take(5);
    advance(500);
    take(5);
    expect(take(-6)).toBe(6);
    advance(500);
    expect(take(11, { bestEffort: true })).toBe(10);
  });
});

it('PERMANENT keeps what is taken until it is given back', () => {
  const { store, ask, take, advance } = setup({ algorithm: 'PERMANENT', windowMs: 0 });
  expect(ask(10)).toEqual({ granted: 10, validMs: 0, used: 0 });
  advance(1e9);
  expect(take(1)).toBe(0);
  expect(take(-10)).toBe(10);
  expect(store.size).toBe(0);
  expect(take(3, { bestEffort: true })).toBe(3);
});

it('HITS counts what is refused too, in windows of the grid', () => {
  const { ask, advance } = setup({ algorithm: 'HITS' });
  expect(ask(9)).toEqual({ granted: 9, validMs: 999.75, used: 9 });
  expect(ask(2)).toMatchObject({ granted: 0, used: 11 });
  expect(ask(1)).toMatchObject({ granted: 0, used: 12 });
  advance(1000);
  expect(ask(10)).toMatchObject({ granted: 10, used: 10 });
});

describe('deduplication', () => {
  it('gives one id one answer, by key, for a while', () => {
    const { ask, take, advance } = setup({});
    expect(ask(3, { deduplicationId: 'a' })).toMatchObject({ granted: 3, validMs: 1000 });
    advance(250);
    expect(ask(3, { deduplicationId: 'a' })).toMatchObject({ granted: 3, validMs: 750 });
    expect(take(3, { deduplicationId: 'a', key: 'other' })).toBe(3);
    expect(take(8)).toBe(0);
    expect(take(7)).toBe(7);
    advance(5000);
    expect(take(4, { deduplicationId: 'a' })).toBe(4);
  });
});

describe('memory', () => {
  it('forgets what is idle without being told to', () => {
    const { store, take, advance, forgotten } = setup({});
    for (let i = 0; i < 1000; i++) {
      take(1, { key: `k${i}` });
      advance(100);
    }
    expect(store.size).toBeLessThan(30);
    expect(forgotten()).toBe(0);
  });
  it('forgets the one asked longest ago when there are too many, and says so', () => {
    const { store, take, forgotten } = setup({}, 3);
    for (const key of ['a', 'b', 'c', 'a', 'd']) take(10, { key });
    expect([store.size, forgotten()]).toEqual([3, 1]);
    expect(take(1, { key: 'a' })).toBe(0);
    expect(take(1, { key: 'b' })).toBe(1);
  });
  it('refuses when all it may keep is permanent', () => {
    const { take } = setup({ algorithm: 'PERMANENT', windowMs: 0 }, 2);
    expect(['a', 'b', 'c'].map((key) => take(1, { key }))).toEqual([1, 1, 0]);
  });
});
