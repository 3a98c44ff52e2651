import { seededRandom } from '@xebec/core';
import { describe, expect, it } from 'vitest';
import { divideFairly, emptyFairShare, takeFairShare } from './fair-share.ts';

const LENGTH = 1000;

/** Callers by path (`tenant` or `tenant/user`), what each asks in every window one unit at a time, in mixed order; gives what each got by window. */
function play(
  maxAmount: number,
  demands: Readonly<Record<string, readonly number[]>>,
  weights: Readonly<Record<string, number>> = {},
  seed = 1,
) {
  const window = emptyFairShare();
  const random = seededRandom(seed);
  const windows = Math.max(...Object.values(demands).map(({ length }) => length));
  return Array.from({ length: windows }, (_, w) => {
    const calls = Object.entries(demands).flatMap(([path, amounts]) => Array.from({ length: amounts[w] ?? 0 }, () => path));
    const shuffled = calls.map((path) => ({ path, at: random.next() })).sort((a, b) => a.at - b.at);
    const got: Record<string, number> = Object.fromEntries(Object.keys(demands).map((path) => [path, 0]));
    for (const { path } of shuffled) {
      const names = path.split('/');
      const holders = names.map((name, i) => ({ name, weight: weights[names.slice(0, i + 1).join('/')] ?? 1 }));
      const granted = takeFairShare(window, { maxAmount, length: LENGTH }, holders, { now: w * LENGTH, amount: 1, bestEffort: false });
      got[path] = (got[path] ?? 0) + granted;
    }
    return got;
  });
}

describe('divideFairly', () => {
  const divide = (amount: number, asked: readonly number[], weights: readonly number[] = []) => {
    const claims = asked.map((want, i) => ({ name: `c${i}`, asked: want, weight: weights[i] ?? 1 }));
    const shares = divideFairly(amount, claims);
    return claims.map(({ name }) => shares.get(name));
  };
  it.each<[number, number[], number[], number[]]>([
    [100, [10, 20], [], [10, 20]],
    [100, [500, 500], [], [50, 50]],
    [100, [10, 500, 500], [], [10, 45, 45]],
    [100, [500, 500], [3, 1], [75, 25]],
    [100, [10, 500, 500], [8, 1, 1], [10, 45, 45]],
    [4, [2, 2, 2], [], [1, 1, 2]],
    [0, [5], [], [0]],
  ])('%i among %j by %j is %j', (amount, asked, weights, wanted) => expect(divide(amount, asked, weights)).toEqual(wanted));

  it('is max-min fair and gives all that is wanted, whatever is asked', () => {
    const random = seededRandom(7);
    for (let round = 0; round < 500; round++) {
      const amount = Math.floor(random.next() * 200);
      const asked = Array.from({ length: 1 + Math.floor(random.next() * 8) }, () => Math.floor(random.next() * 60));
      const shares = divide(amount, asked).map((share) => share ?? 0);
      const sum = shares.reduce((a, b) => a + b, 0);
      expect(sum).toBe(
        Math.min(
          amount,
          asked.reduce((a, b) => a + b, 0),
        ),
      );
      const unmet = shares.filter((share, i) => share < (asked[i] ?? 0));
      // Whoever did not get all has as much as anyone, but for what whole units cost.
      for (const share of unmet) expect(share).toBeGreaterThanOrEqual(Math.max(...shares) - 1);
    }
  });
});

describe('fair share', () => {
  it('lets one alone have all', () => {
    expect(play(100, { a: [150, 150] })).toEqual([{ a: 100 }, { a: 100 }]);
  });
  it('divides among those who ask, from their second window on', () => {
    const [, second] = play(100, { a: [1000, 1000], b: [100, 100], c: [20, 20] });
    expect(second).toEqual({ a: 40, b: 40, c: 20 });
  });
  it('keeps nothing back for who stopped asking, after one window', () => {
    const played = play(100, { a: [300, 300, 300], b: [300, 0, 0] });
    expect(played[1]?.['a']).toBe(50);
    expect(played[2]?.['a']).toBe(100);
  });
  it('lets a newcomer have what nobody reserved at once', () => {
    expect(play(100, { a: [60, 60], b: [0, 60] })[1]).toEqual({ a: 60, b: 40 });
  });
  it('shares a tenant among its users, and not by how many users it has', () => {
    const demands = { 'a/x': [200, 200], 'b/x': [200, 200], 'b/y': [200, 200], 'b/z': [10, 10] };
    expect(play(120, demands)[1]).toEqual({ 'a/x': 60, 'b/x': 25, 'b/y': 25, 'b/z': 10 });
  });
  it('weighs tenants', () => {
    expect(play(100, { gold: [500, 500], tin: [500, 500] }, { gold: 4 })[1]).toEqual({ gold: 80, tin: 20 });
  });
  it('starts anew after a pause', () => {
    const window = emptyFairShare();
    const take = (name: string, now: number, amount: number) =>
      takeFairShare(window, { maxAmount: 10, length: LENGTH }, [{ name, weight: 1 }], { now, amount, bestEffort: true });
    expect([take('a', 0, 50), take('b', 3000, 50)]).toEqual([10, 10]);
  });
  it('takes back what the caller took', () => {
    const window = emptyFairShare();
    const take = (name: string, amount: number) =>
      takeFairShare(window, { maxAmount: 10, length: LENGTH }, [{ name, weight: 1 }], { now: 0, amount, bestEffort: true });
    expect([take('a', 7), take('b', 3), take('a', -9), take('b', 9)]).toEqual([7, 3, 7, 0]);
    expect(take('a', 9)).toBe(7);
  });

  it('never admits more than the limit, and guarantees shares, whatever is asked', () => {
    const random = seededRandom(3);
    for (let round = 0; round < 60; round++) {
      const limit = 20 + Math.floor(random.next() * 80);
      const tenants = ['a', 'b', 'c', 'd'].slice(0, 2 + Math.floor(random.next() * 3));
      const demands: Record<string, number[]> = {};
      for (const tenant of tenants)
        for (const user of ['x', 'y', 'z'].slice(0, 1 + Math.floor(random.next() * 3)))
          demands[`${tenant}/${user}`] = Array.from({ length: 5 }, () => Math.floor(random.next() * 50));
      const windows = play(limit, demands, {}, round);
      const asked = (w: number, under: string) =>
        Object.entries(demands).reduce((sum, [path, amounts]) => (path.startsWith(under) ? sum + (amounts[w] ?? 0) : sum), 0);
      for (const [w, got] of windows.entries()) {
        const total = Object.values(got).reduce((a, b) => a + b, 0);
        expect(total).toBeLessThanOrEqual(limit);
        if (w === 0) {
          expect(total).toBe(Math.min(limit, asked(0, '')));
          continue;
        }
        const active = tenants.filter((tenant) => asked(w - 1, `${tenant}/`) > 0);
        for (const tenant of active) {
          const share = Math.min(asked(w - 1, `${tenant}/`), Math.floor(limit / active.length));
          const users = Object.keys(demands).filter((path) => path.startsWith(`${tenant}/`) && asked(w - 1, path) > 0);
          for (const user of users) {
            const guaranteed = Math.min(asked(w - 1, user), asked(w, user), Math.floor(share / users.length));
            expect(got[user], `${user} in window ${w} of round ${round}`).toBeGreaterThanOrEqual(guaranteed);
          }
        }
      }
    }
  });
});
