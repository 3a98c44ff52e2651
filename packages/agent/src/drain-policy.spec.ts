import { VirtualClock } from '@xebec/core';
import { describe, expect, it } from 'vitest';
import { drained, drainPolicy } from './drain-policy.ts';

describe('drainPolicy', () => {
  it('is pilot-agent’s', () => {
    expect(drainPolicy({})).toEqual({ minMs: 0, maxMs: 5000 });
    expect(drainPolicy({ TERMINATION_DRAIN_DURATION_SECONDS: '30' })).toEqual({ minMs: 0, maxMs: 30_000 });
    expect(drainPolicy({ EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true', MINIMUM_DRAIN_DURATION: '1m30s' })).toEqual({
      minMs: 90_000,
      maxMs: undefined,
    });
    expect(() => drainPolicy({ EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true', MINIMUM_DRAIN_DURATION: 'soon' })).toThrow(
      'MINIMUM_DRAIN_DURATION wants a duration',
    );
  });
});

describe('drained', () => {
  const after = async (policy: Parameters<typeof drained>[0], connections: (elapsedMs: number) => number): Promise<number> => {
    const clock = new VirtualClock();
    const from = clock.monotonic();
    let done = false;
    void drained(policy, () => connections(clock.monotonic() - from), clock).then(() => {
      done = true;
    });
    for (let i = 0; i < 1000; i++) {
      await Promise.resolve();
      await Promise.resolve();
      if (done) break;
      clock.advance(50);
    }
    return clock.monotonic() - from;
  };
  it('ends with the last connection or when time is up', async () => {
    expect(await after({ minMs: 0, maxMs: 5000 }, (ms) => (ms < 1000 ? 3 : 0))).toBe(1000);
    expect(await after({ minMs: 0, maxMs: 5000 }, () => 3)).toBe(5000);
  });
  it('waits for the last connection, and at least the minimum', async () => {
    expect(await after({ minMs: 2000, maxMs: undefined }, () => 0)).toBe(2000);
    expect(await after({ minMs: 2000, maxMs: undefined }, (ms) => (ms < 30_000 ? 1 : 0))).toBe(30_000);
  });
});
