import type { Random } from './random.ts';

/**
 * One parser under fuzzing. Files named `*.fuzz.ts` export targets as `fuzzTargets`; `npm run fuzz` finds them there.
 * A target is judged by three rules: `check` returns for every input, it throws only where the parser has a bug, and it leaves
 * no memory behind.
 */
export interface FuzzTarget {
  /** As the command line names it, such as `http1-server`. */
  readonly name: string;
  /** Valid inputs, from which malformed ones are made. */
  readonly seeds: readonly Buffer[];
  /** Byte strings with a meaning in the format: spliced into inputs. */
  readonly dictionary?: readonly string[];
  /** Cuts an input into units of its format (frames, lines), so that whole units can be repeated, dropped and swapped. */
  split?(input: Buffer): Buffer[];
  /** Feeds one input; `random` decides what else varies, such as the sizes of reads. Throws when a property does not hold. */
  check(input: Buffer, random: Random): void | Promise<void>;
}
