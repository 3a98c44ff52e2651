import { seededRandom } from '@xebec/core';
import { expect, test } from 'vitest';
import { StreamTable } from './stream-table.ts';

test('finds what is open and nothing else, whatever the order of adds and removals', () => {
  const random = seededRandom(7);
  const table = new StreamTable<{ readonly id: number }>();
  const open = new Map<number, { readonly id: number }>();
  let next = 1;
  for (let round = 0; round < 20_000; round++) {
    if (random.next() < 0.5 || open.size === 0) {
      // Some ids are skipped, and long-lived streams stay while others pass by.
      next += 2 * Math.ceil(random.next() * 40);
      const stream = { id: next };
      table.add(stream);
      open.set(next, stream);
    } else {
      const ids = [...open.keys()];
      const id = ids[Math.floor(random.next() ** 3 * ids.length)] ?? 0;
      expect(table.delete(id)).toBe(true);
      expect(table.delete(id)).toBe(false);
      open.delete(id);
    }
    const probe = 1 + 2 * Math.floor((random.next() * next) / 2);
    expect(table.get(probe)).toBe(open.get(probe));
  }
  expect(table.size).toBe(open.size);
  expect(new Set(table.all())).toEqual(new Set(open.values()));
});
