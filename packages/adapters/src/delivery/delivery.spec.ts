import { seededRandom, silentLogger, VirtualClock } from '@xebec/core';
import { describe, expect, it, vi } from 'vitest';
import { Delivery, type DeliveryLimits, RefusedError, RetryLaterError } from './delivery.ts';

const LIMITS: DeliveryLimits = {
  maxEntries: 10,
  maxBytes: 1000,
  batchEntries: 3,
  batchBytes: 100,
  intervalMs: 50,
  timeoutMs: 400,
  giveUpMs: 5_000,
};

function setup(limits: Partial<DeliveryLimits> = {}) {
  const clock = new VirtualClock();
  const batches: (readonly string[])[] = [];
  const counts = { delivered: 0, dropped: 0 };
  const answer = { next: (): Promise<number> => Promise.resolve(0) };
  const delivery = new Delivery<string>({
    destination: 'test',
    limits: { ...LIMITS, ...limits },
    send: (batch) => {
      batches.push(batch);
      return answer.next();
    },
    events: {
      delivered: (n) => {
        counts.delivered += n;
      },
      dropped: (n) => {
        counts.dropped += n;
      },
    },
    clock,
    random: seededRandom(1),
    logger: silentLogger,
  });
  const offer = (text: string) => [...text].forEach((entry) => void delivery.offer(entry, 1));
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await Promise.resolve();
  };
  const advance = async (ms: number) => {
    for (let left = ms; left > 0; left -= 10) {
      clock.advance(Math.min(10, left));
      await settle();
    }
  };
  return { clock, batches, counts, answer, delivery, offer, settle, advance };
}

describe('a delivery', () => {
  it('sends full batches at once and the rest when it is old enough', async () => {
    const { batches, counts, offer, settle, advance } = setup();
    offer('abcd');
    await settle();
    expect(batches).toEqual([['a', 'b', 'c']]);
    await advance(40);
    expect(batches).toHaveLength(1);
    await advance(20);
    expect(batches).toEqual([['a', 'b', 'c'], ['d']]);
    expect(counts).toEqual({ delivered: 4, dropped: 0 });
  });
  it('makes no batch of more bytes than it may have', async () => {
    const { batches, delivery, advance } = setup({ batchEntries: 9 });
    for (const entry of ['a', 'b', 'c']) delivery.offer(entry, 40);
    delivery.offer('large', 300);
    await advance(100);
    expect(batches).toEqual([['a', 'b'], ['c'], ['large']]);
  });
  it('drops and counts what does not fit, in entries and in bytes', async () => {
    const { counts, delivery, offer, answer } = setup();
    answer.next = () => new Promise(() => undefined);
    offer('abcdefghijkl');
    expect(counts.dropped).toBe(2);
    expect(delivery.waiting).toBe(10);
    const other = setup({ maxBytes: 100, batchEntries: 50, batchBytes: 1_000 });
    expect([other.delivery.offer('x', 60), other.delivery.offer('y', 60), other.delivery.offer('z', 40)]).toEqual([true, false, true]);
  });
  it('tries again with growing pauses, and in order', async () => {
    const { batches, counts, answer, offer, advance } = setup();
    let failures = 3;
    answer.next = () => (failures-- > 0 ? Promise.reject(new Error('away')) : Promise.resolve(0));
    offer('abcdef');
    await advance(4_000);
    expect(batches.map((batch) => batch.join(''))).toEqual(['abc', 'abc', 'abc', 'abc', 'def']);
    expect(counts).toEqual({ delivered: 6, dropped: 0 });
  });
  it('waits as long as it is told to', async () => {
    const { batches, answer, offer, advance } = setup();
    answer.next = () => {
      answer.next = () => Promise.resolve(0);
      return Promise.reject(new RetryLaterError('busy', 2_000));
    };
    offer('abc');
    await advance(1_900);
    expect(batches).toHaveLength(1);
    await advance(200);
    expect(batches).toHaveLength(2);
  });
  it('drops a batch that is refused or too old, and goes on with the next', async () => {
    const { batches, counts, answer, offer, advance } = setup();
    answer.next = () => Promise.reject(new RefusedError('malformed'));
    offer('abc');
    await advance(10);
    expect(counts).toEqual({ delivered: 0, dropped: 3 });
    answer.next = () => Promise.reject(new Error('away'));
    offer('def');
    await advance(20_000);
    expect(counts.dropped).toBe(6);
    answer.next = () => Promise.resolve(1);
    offer('ghi');
    await advance(10);
    expect(batches.at(-1)).toEqual(['g', 'h', 'i']);
    expect(counts).toEqual({ delivered: 2, dropped: 7 });
  });
  it('counts an attempt without an answer as failed', async () => {
    const { batches, answer, offer, advance, counts } = setup();
    answer.next = () => new Promise(() => undefined);
    offer('abc');
    await advance(1_000);
    expect(batches.length).toBeGreaterThan(1);
    answer.next = () => Promise.resolve(0);
    await advance(3_000);
    expect(counts.delivered).toBe(3);
  });
  it('sends the rest when it is closed, and takes nothing any more', async () => {
    const { batches, counts, delivery, offer, clock } = setup();
    offer('abcde');
    await delivery.close();
    await delivery.close();
    expect(batches).toEqual([
      ['a', 'b', 'c'],
      ['d', 'e'],
    ]);
    offer('f');
    expect(counts).toEqual({ delivered: 5, dropped: 1 });
    expect(clock.pending).toBe(0);
  });
  it.each([
    ['hangs', () => new Promise<number>(() => undefined)],
    ['is away', () => Promise.reject(new Error('away'))],
  ])('is closed within a second when the other end %s', async (_, next) => {
    const { counts, delivery, offer, answer, clock, advance } = setup({ timeoutMs: 60_000 });
    answer.next = next;
    offer('abcde');
    await advance(300);
    const closed = vi.fn();
    void delivery.close().then(closed);
    await advance(1_000);
    expect(closed).toHaveBeenCalled();
    expect(counts).toEqual({ delivered: 0, dropped: 5 });
    expect(clock.pending).toBe(0);
  });
});
