import { VirtualClock } from '@xebec/core';
import { expect, it } from 'vitest';
import { StreamRate } from './stream-rate.ts';

it('lets as many through at once as in a second, others at the rate, and none that would wait too long', () => {
  const clock = new VirtualClock();
  const rate = new StreamRate(2, clock);
  const take = () => rate.take(1_000);
  expect([take(), take(), take(), take(), take(), take()]).toEqual([0, 0, 500, 1_000, undefined, undefined]);
  clock.advance(600);
  expect([take(), take()]).toEqual([900, undefined]);
  clock.advance(60_000);
  expect([take(), take(), take()]).toEqual([0, 0, 500]);
});
