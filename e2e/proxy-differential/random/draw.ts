import { type Random, seededRandom } from '@xebec/core';
import type { Json } from '../harness/family.ts';

/** Choices of a generator; the same ones for the same seed. */
export class Draw {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** A whole number from 0 up to `below`, without it. */
  int(below: number): number {
    return Math.floor(this.#random.next() * below);
  }

  chance(probability: number): boolean {
    return this.#random.next() < probability;
  }

  pick<T>(list: readonly T[]): T {
    const item = list[this.int(list.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  /** Between `least` and `most` things. */
  many<T>(least: number, most: number, make: (index: number) => T): T[] {
    return Array.from({ length: least + this.int(most - least + 1) }, (_none, index) => make(index));
  }

  /** Fields that are there sometimes, to be spread. */
  maybe(probability: number, make: () => Json): Json {
    return this.chance(probability) ? make() : {};
  }
}
