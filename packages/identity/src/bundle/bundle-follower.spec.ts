import { seededRandom, silentLogger, VirtualClock } from '@xebec/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type BundleFollower, followBundle } from './bundle-follower.ts';

const document = (sequence: number | undefined, hint?: number) =>
  JSON.stringify({
    keys: [],
    ...(sequence === undefined ? {} : { spiffe_sequence: sequence }),
    ...(hint === undefined ? {} : { spiffe_refresh_hint: hint }),
  });

let follower: BundleFollower | undefined;
afterEach(() => follower?.close());

function follow(answers: readonly (string | Error)[], initial?: string) {
  const clock = new VirtualClock(0);
  const asked: number[] = [];
  const warnings: string[] = [];
  follower = followBundle({
    name: 'https://b.test/',
    fetch: async () => {
      const answer = answers[Math.min(asked.length, answers.length - 1)] ?? '';
      asked.push(clock.now());
      if (answer instanceof Error) throw answer;
      return answer;
    },
    ...(initial === undefined ? {} : { initial }),
    clock,
    random: seededRandom(1),
    logger: { ...silentLogger, warn: (_fields, message) => void warnings.push(message ?? '') },
  });
  const step = async (ms: number, count: number) => {
    clock.advance(ms);
    await vi.waitFor(() => expect(asked).toHaveLength(count));
    // The answer is taken in by promises, and the next question planned.
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  return { asked, warnings, step, follower };
}

describe('a follower of a bundle endpoint', () => {
  it('asks as often as the document hints, five minutes where it says nothing, and never more often than each second', async () => {
    const { asked, step } = follow([document(1, 60), document(2), document(3, 0), document(4)]);
    await step(0, 1);
    await step(60_000, 2);
    await step(300_000, 3);
    await step(1000, 4);
    expect(asked).toEqual([0, 60_000, 360_000, 361_000]);
  });

  it('never goes back in the sequence, and keeps what it has', async () => {
    const { follower: each, step, warnings } = follow([document(5, 1), document(4, 1), document(6, 1)]);
    await step(0, 1);
    expect(each.current()?.sequence).toBe(5);
    await step(1000, 2);
    expect(each.current()?.sequence).toBe(5);
    expect(warnings[0]).toContain('went back from 5 to 4');
    await step(60_000, 3);
    expect(each.current()?.sequence).toBe(6);
    expect(each.lastError()).toBeUndefined();
  });

  it.each([
    ['is away', new Error('ECONNREFUSED')],
    ['answers what is no bundle', '<html>'],
  ])('keeps the last good document while the endpoint %s, and says so once', async (_name, bad) => {
    const { follower: each, step, warnings } = follow([bad, bad, document(8)], document(7));
    await step(0, 1);
    await step(10_000, 2);
    expect(each.current()?.sequence).toBe(7);
    expect(warnings).toHaveLength(1);
    const heard: unknown[] = [];
    each.subscribe(() => heard.push(each.current()?.sequence));
    await step(10_000, 3);
    expect(heard).toEqual([8]);
    expect(each.text()).toBe(document(8));
  });

  it('takes an initial document that is broken for none', async () => {
    const { follower: each, step } = follow([new Error('away')], '{');
    await step(0, 1);
    expect(each.current()).toBeUndefined();
  });
});
