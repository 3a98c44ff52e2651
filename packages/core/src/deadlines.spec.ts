import { describe, expect, test } from 'vitest';
import { VirtualClock } from './clock.ts';
import { Deadline, Deadlines, deadlinesOf } from './deadlines.ts';

function recorder(clock: VirtualClock) {
  const passed: [number, number][] = [];
  const owner = { onDeadline: (kind: number) => passed.push([kind, clock.monotonic()]) };
  return { passed, deadline: (kind: number) => new Deadline(owner, kind) };
}

describe('deadlines', () => {
  test('pass at their time, in order, whatever their durations', () => {
    const clock = new VirtualClock();
    const deadlines = new Deadlines(clock);
    const { passed, deadline } = recorder(clock);
    deadlines.arm(deadline(1), 100, clock.monotonic());
    deadlines.arm(deadline(2), 50, clock.monotonic());
    clock.advance(30);
    deadlines.arm(deadline(3), 50, clock.monotonic());
    clock.advance(1000);
    expect(passed).toEqual([
      [2, 50],
      [3, 80],
      [1, 100],
    ]);
    expect(clock.pending).toBe(0);
  });
  test('cancelled and moved ones do not pass', () => {
    const clock = new VirtualClock();
    const deadlines = new Deadlines(clock);
    const { passed, deadline } = recorder(clock);
    const [first, middle, last] = [deadline(1), deadline(2), deadline(3)];
    for (const each of [first, middle, last]) deadlines.arm(each, 100, clock.monotonic());
    middle.cancel();
    middle.cancel();
    expect([first.armed, middle.armed]).toEqual([true, false]);
    clock.advance(60);
    deadlines.arm(first, 100, clock.monotonic());
    clock.advance(1000);
    expect(passed).toEqual([
      [3, 100],
      [1, 160],
    ]);
  });
  test('one may be armed or cancelled while another passes', () => {
    const clock = new VirtualClock();
    const deadlines = new Deadlines(clock);
    const passed: number[] = [];
    const owner = {
      onDeadline(kind: number) {
        passed.push(kind);
        second.cancel();
        if (kind === 1) deadlines.arm(third, 100, clock.monotonic());
      },
    };
    const [first, second, third] = [new Deadline(owner, 1), new Deadline(owner, 2), new Deadline(owner, 3)];
    deadlines.arm(first, 100, 0);
    deadlines.arm(second, 100, 0);
    clock.advance(500);
    expect(passed).toEqual([1, 3]);
  });
  test('many armed and cancelled leave one timer', () => {
    const clock = new VirtualClock();
    const deadlines = deadlinesOf(clock);
    expect(deadlinesOf(clock)).toBe(deadlines);
    const { passed, deadline } = recorder(clock);
    for (let i = 0; i < 1000; i++) {
      const each = deadline(i);
      deadlines.arm(each, 100, clock.monotonic());
      each.cancel();
    }
    expect(clock.pending).toBe(1);
    clock.advance(200);
    expect(clock.pending).toBe(0);
    expect(passed).toEqual([]);
  });
});
