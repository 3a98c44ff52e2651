import { VirtualClock } from '@xebec/core';
import { expect, it } from 'vitest';
import { RateLimit } from './rate-limit.ts';

it("lets one second's worth in at once, the next in turn, and none that would wait too long", () => {
  const clock = new VirtualClock();
  const limit = new RateLimit(4, 500, clock);
  expect([1, 2, 3, 4, 5].map(() => limit.take())).toEqual([0, 0, 0, 0, 0]);
  expect([limit.take(), limit.take(), limit.take()]).toEqual([250, 500, undefined]);
  clock.advance(2_000);
  expect(limit.take()).toBe(0);
});
