import type { FuzzTarget, Random } from '@xebec/core';

/** No input grows beyond this: parsers' own limits lie below. */
const maxInputBytes = 128 * 1024;

/** Bytes at which parsers decide: separators, sign bits, lengths' ends. */
const telling = [0x00, 0x01, 0x09, 0x0a, 0x0d, 0x20, 0x2c, 0x3a, 0x3b, 0x7f, 0x80, 0xff];

function below(random: Random, limit: number): number {
  return Math.floor(random.next() * limit);
}

function pick<T>(random: Random, from: readonly T[]): T | undefined {
  return from[below(random, from.length)];
}

/** One malformed (now and then still valid) input out of a target's seeds: the same for the same random numbers. */
export function mutate(target: FuzzTarget, random: Random): Buffer {
  let input = pick(random, target.seeds) ?? Buffer.alloc(0);
  const rounds = 1 + below(random, 5);
  for (let round = 0; round < rounds; round++) {
    input =
      target.split !== undefined && random.next() < 0.5
        ? mutateUnits(target.split(input), target, random)
        : mutateBytes(input, target, random);
  }
  return input.length > maxInputBytes ? input.subarray(0, maxInputBytes) : input;
}

/** Repeats, drops, swaps or multiplies whole units, or puts a word of the dictionary between two. */
function mutateUnits(units: Buffer[], target: FuzzTarget, random: Random): Buffer {
  if (units.length === 0) return Buffer.alloc(0);
  const at = below(random, units.length);
  const other = below(random, units.length);
  const unit = units[at] ?? Buffer.alloc(0);
  switch (below(random, 6)) {
    case 0:
      return Buffer.concat(units.toSpliced(at, 1));
    case 1:
      return Buffer.concat(units.toSpliced(other, 0, unit));
    case 2:
      return Buffer.concat(units.with(at, units[other] ?? unit).with(other, unit));
    case 3:
      return Buffer.concat(units.toSpliced(at, 0, Buffer.from(pick(random, target.dictionary ?? []) ?? '', 'latin1')));
    case 4:
      return Buffer.concat(units.toSpliced(at, 0, ...Array.from({ length: below(random, 200) }, () => unit)));
    default:
      return Buffer.concat(units.slice(0, at + 1));
  }
}

function mutateBytes(input: Buffer, target: FuzzTarget, random: Random): Buffer {
  const at = below(random, input.length + 1);
  const before = input.subarray(0, at);
  const after = input.subarray(at);
  switch (below(random, 8)) {
    case 0:
      return replaceByte(input, at, 1 << below(random, 8), true);
    case 1:
      return replaceByte(input, at, pick(random, telling) ?? 0, false);
    case 2:
      return Buffer.concat([before, Buffer.from([pick(random, telling) ?? 0]), after]);
    case 3:
      return Buffer.concat([before, after.subarray(1 + below(random, 16))]);
    case 4:
      return Buffer.concat([before, Buffer.from(pick(random, target.dictionary ?? []) ?? '', 'latin1'), after]);
    case 5:
      return Buffer.concat([before, randomBytes(random, below(random, 32)), after]);
    case 6: {
      const piece = input.subarray(at, at + below(random, 64));
      return Buffer.concat([before, ...Array.from({ length: below(random, 40) }, () => piece), after]);
    }
    default: {
      const other = pick(random, target.seeds) ?? input;
      return Buffer.concat([before, other.subarray(below(random, other.length + 1))]);
    }
  }
}

function replaceByte(input: Buffer, at: number, value: number, flip: boolean): Buffer {
  if (at >= input.length) return input;
  const changed = Buffer.from(input);
  changed[at] = flip ? (changed[at] ?? 0) ^ value : value;
  return changed;
}

function randomBytes(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => below(random, 256)));
}
