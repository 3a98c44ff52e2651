import { seededRandom } from '@xebec/core';
import { expect, it } from 'vitest';
import { BucketTable, bucketMemory } from './bucket-table.ts';

it('gives all threads the tokens of one bucket, and as many again in time', () => {
  let nowMs = 50;
  const memory = bucketMemory();
  const [one, other] = [0, 1].map(() => new BucketTable(memory, () => nowMs).bucket('b'));
  const take = (count = 1) => [one, other].map((bucket) => bucket?.take(5, 0.01, count));
  expect([take(), take()].flat()).toEqual([true, true, true, true]);
  expect(one?.tokens(5, 0.01)).toBeCloseTo(1, 1);
  expect(take()).toEqual([true, false]);
  nowMs += 100;
  expect(take(2)).toEqual([false, false]);
  expect(take()).toEqual([true, false]);
  nowMs += 1e6;
  expect(other?.tokens(5, 0.01)).toBe(5);
  expect(Array.from({ length: 6 }, () => other?.take(5, 0.01, 1))).toEqual([true, true, true, true, true, false]);
});

it('loses no token to rounding', () => {
  const random = seededRandom(7);
  for (let i = 0; i < 200; i++) {
    const nowMs = random.next() * 1e9;
    const max = 1 + Math.floor(random.next() * 500);
    const rate = max / (1 + random.next() * 1e6);
    const bucket = new BucketTable(bucketMemory(), () => nowMs).bucket('b');
    let taken = 0;
    while (taken <= max && bucket.take(max, rate, 1)) taken++;
    expect(taken).toBe(max);
  }
});

it('gives slots of full buckets away, and goes on alone when there are none', () => {
  let nowMs = 1;
  const table = new BucketTable(bucketMemory(), () => nowMs);
  const many = Array.from({ length: 40_000 }, (_, i) => table.bucket(`bucket ${i}`));
  for (const bucket of many) expect([bucket.take(1, 0.01, 1), bucket.take(1, 0.01, 1)]).toEqual([true, false]);
  nowMs += 1000;
  const more = Array.from({ length: 10_000 }, (_, i) => table.bucket(`later ${i}`));
  for (const bucket of more) expect([bucket.take(1, 0.01, 1), bucket.take(1, 0.01, 1)]).toEqual([true, false]);
  // Those whose slots went away find another.
  for (const bucket of many) expect([bucket.take(1, 0.01, 1), bucket.take(1, 0.01, 1)]).toEqual([true, false]);
});
