import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Backoff, Debounce, editDistance, errorText, nearest, seededRandom, systemClock, VirtualClock, XebecError } from './index.ts';

describe('VirtualClock', () => {
  it('fires timers in order of time, also those set while it advances', () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    clock.setTimeout(() => seen.push('b'), 20);
    clock.setTimeout(() => {
      seen.push('a');
      clock.setTimeout(() => seen.push('c'), 15);
    }, 10);
    const cancel = clock.setTimeout(() => seen.push('never'), 12);
    cancel();
    clock.advance(30);
    expect(seen).toEqual(['a', 'b', 'c']);
    expect(clock.now()).toBe(30);
    expect(clock.pending).toBe(0);
  });
});

describe('Debounce', () => {
  it('runs once after the quiet time, and at the latest after the maximum', () => {
    const clock = new VirtualClock();
    let runs = 0;
    const debounce = new Debounce({ quietMs: 100, maxMs: 250 }, clock, () => runs++);
    debounce.trigger();
    clock.advance(99);
    debounce.trigger();
    clock.advance(99);
    debounce.trigger();
    clock.advance(51);
    expect(runs).toBe(0);
    clock.advance(1);
    expect(runs).toBe(1);
    clock.advance(1000);
    expect(runs).toBe(1);
  });
});

describe('Backoff', () => {
  it('stays under the doubling ceiling and starts over after a reset', () => {
    const backoff = new Backoff({ baseMs: 10, maxMs: 50 }, seededRandom(1));
    for (const ceiling of [10, 20, 40, 50, 50]) expect(backoff.nextMs()).toBeLessThan(ceiling);
    backoff.reset();
    expect(backoff.nextMs()).toBeLessThan(10);
  });
});

describe('spelling', () => {
  it('counts a swap as one edit', () => expect(editDistance('suite', 'siute')).toBe(1));
  it('suggests only what is near', () => {
    expect(nearest('hosst', ['hosts', 'http', 'gateways'])).toBe('hosts');
    expect(nearest('zzz', ['hosts', 'http'])).toBeUndefined();
  });
});

describe('errorText', () => {
  it('joins causes on one line', () => {
    expect(errorText(new XebecError('E_X', 'cannot read\nfile', { cause: new Error('no space left') }))).toBe(
      'cannot read file: no space left',
    );
  });
  it('says once what a wrapping error has taken over from its cause', () => {
    const cause = new Error('no space left');
    expect(errorText(new XebecError('E_X', 'file: no space left', { cause }))).toBe('file: no space left');
  });
});

describe('systemClock', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const days = 24 * 3600 * 1000;
  it('keeps time limits longer than a timer can be', () => {
    let fired = 0;
    systemClock.setTimeout(() => fired++, 60 * days);
    vi.advanceTimersByTime(60 * days - 1);
    expect(fired).toBe(0);
    vi.advanceTimersByTime(1);
    expect(fired).toBe(1);
  });
  it('takes a long one back after its first part', () => {
    let fired = 0;
    const cancel = systemClock.setTimeout(() => fired++, 60 * days);
    vi.advanceTimersByTime(30 * days);
    cancel();
    vi.advanceTimersByTime(60 * days);
    expect(fired).toBe(0);
  });
});
