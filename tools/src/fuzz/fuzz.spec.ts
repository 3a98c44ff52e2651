import { join } from 'node:path';
import type { FuzzTarget } from '@xebec/core';
import { describe, expect, it } from 'vitest';
import { fuzzInput, fuzzRange } from './fuzz-run.ts';
import { findFuzzTargets } from './fuzz-targets.ts';

const targets = await findFuzzTargets(join(import.meta.dirname, '../../..'));

describe('fuzz targets', () => {
  it.each(targets.map((target) => [target.name, target] as const))(
    '%s holds for its seeds and 300 malformed inputs',
    async (_name, target) => {
      for (const seed of target.seeds) await target.check(seed, { next: () => 0.5 });
      const { finding } = await fuzzRange(target, 1, 0, 300, () => performance.now());
      expect(finding).toBeUndefined();
    },
  );
  it('finds codecs to try', () => {
    expect(targets.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['http1-server', 'http1-client', 'http2-server', 'http2-client', 'hpack']),
    );
  });
});

describe('a fuzz run', () => {
  const fragile: FuzzTarget = {
    name: 'fragile',
    seeds: [Buffer.from('length: 12\r\n')],
    dictionary: ['\0'],
    check(input) {
      if (input.includes(0)) throw new Error('a zero byte');
    },
  };

  it('stops at the first input that breaks the target, and names it so that it can be made again', async () => {
    const { finding } = await fuzzRange(fragile, 7, 0, 10_000, () => 0);
    expect(finding?.error).toBe('a zero byte');
    expect(finding?.input.includes(0)).toBe(true);
    expect(fuzzInput(fragile, 7, finding?.number ?? -1)).toEqual(finding?.input);
  });
  it('counts an input that takes too long as a finding', async () => {
    let now = 0;
    const slow: FuzzTarget = { name: 'slow', seeds: [Buffer.from('x')], check: () => undefined };
    const { finding } = await fuzzRange(slow, 1, 0, 1, () => {
      now += 5000;
      return now;
    });
    expect(finding?.error).toBe('took 5000 ms');
  });
});
