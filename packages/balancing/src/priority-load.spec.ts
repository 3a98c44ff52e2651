import { expect, test } from 'vitest';
import { priorityLoad } from './priority-load.ts';

const level = (healthy: number, total = 100, degraded = 0) => ({ healthy, total, degraded });

// The table of Envoy's page "Priority levels".
test.each([
  [
    [level(100), level(100)],
    [100, 0],
  ],
  [
    [level(72), level(72)],
    [100, 0],
  ],
  [
    [level(71), level(71)],
    [99, 1],
  ],
  [
    [level(50), level(50)],
    [70, 30],
  ],
  [
    [level(25), level(100)],
    [35, 65],
  ],
  [
    [level(0), level(100)],
    [0, 100],
  ],
])('%j → %j', (levels, expected) => {
  expect(priorityLoad(levels, 50).healthy).toEqual(expected);
});

test('load is normalised when the levels together cannot take all', () => {
  const load = priorityLoad([level(25), level(25)], 0);
  expect(load.healthy).toEqual([50, 50]);
  expect(load.panic).toEqual([false, false]);
});

test('all levels in panic: by number of hosts', () => {
  const load = priorityLoad([level(0, 10), level(0, 30)], 50);
  expect(load.healthy).toEqual([25, 75]);
  expect(load.panic).toEqual([true, true]);
});
