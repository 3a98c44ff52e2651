import { errorText, type FuzzTarget, seededRandom } from '@xebec/core';
import { mutate } from './mutator.ts';

/** An input that broke a property; the same seed and number make it again. */
export interface FuzzFinding {
  readonly target: string;
  readonly seed: number;
  /** Number of the input in its run, from 0. */
  readonly number: number;
  readonly input: Buffer;
  readonly error: string;
  readonly stack: string;
}

export interface FuzzRun {
  readonly inputs: number;
  readonly finding: FuzzFinding | undefined;
  /** The slowest single input. */
  readonly slowestMs: number;
}

/** One input may not take longer; a parser that needs this for 128 KiB has a loop that it should not have. */
export const hangMs = 2000;

/** The input of a number: each is made from its own seed, so that one can be repeated alone. */
export function fuzzInput(target: FuzzTarget, seed: number, number: number): Buffer {
  return mutate(target, seededRandom(Math.imul(seed + 1, 0x9e3779b1) + number));
}

/**
 * Feeds inputs `from` up to `to` to a target and stops at the first finding. `monotonic` gives milliseconds; an input is also a
 * finding when it takes longer than `hangMs`.
 */
export async function fuzzRange(target: FuzzTarget, seed: number, from: number, to: number, monotonic: () => number): Promise<FuzzRun> {
  let slowestMs = 0;
  for (let number = from; number < to; number++) {
    const input = fuzzInput(target, seed, number);
    const startMs = monotonic();
    const failure = await failureOf(target, input, number);
    const tookMs = monotonic() - startMs;
    slowestMs = Math.max(slowestMs, tookMs);
    const error = failure?.message ?? (tookMs > hangMs ? `took ${Math.round(tookMs)} ms` : undefined);
    if (error === undefined) continue;
    const finding: FuzzFinding = { target: target.name, seed, number, input, error, stack: failure?.stack ?? '' };
    return { inputs: number - from + 1, finding, slowestMs };
  }
  return { inputs: to - from, finding: undefined, slowestMs };
}

async function failureOf(target: FuzzTarget, input: Buffer, number: number): Promise<Error | undefined> {
  try {
    await target.check(input, seededRandom(number));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(errorText(error));
  }
}
