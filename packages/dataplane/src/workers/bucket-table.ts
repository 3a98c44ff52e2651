import { createHash } from 'node:crypto';
import type { BucketCell } from '@xebec/filters';

const slots = 16_384;
/** Slots, from where a name's hash points, that are looked at. */
const probes = 32;
const free = 0n;
/** A slot that is changing hands. */
const changing = -1n;
/** Of a token: what rounding may cost. */
const tolerance = 0.01;

/** Memory for the token buckets of a process; pages that no bucket lies on are never touched. */
export function bucketMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(slots * 16);
}

/**
 * Token buckets of all threads in one fixed table, found by the hash of their names. A slot is that hash and the time at which the
 * bucket will be full again, 64 bits each: a take is one compare-and-swap, so a thread that dies in the middle leaves nothing locked.
 * A bucket that is full is as good as new, so where a neighbourhood has no free slot, such a one goes to somebody else. Where there
 * is none of those either, a thread counts alone.
 */
export class BucketTable {
  readonly #words: BigInt64Array;
  readonly #nowMs: () => number;

  /** `nowMs` is a clock that says the same in all threads. */
  constructor(memory: SharedArrayBuffer, nowMs: () => number) {
    this.#words = new BigInt64Array(memory);
    this.#nowMs = nowMs;
  }
  readonly bucket = (name: string): BucketCell => new TableBucket(this.#words, hashOf(name), this.#nowMs);
}

const bits = new BigInt64Array(1);
const float = new Float64Array(bits.buffer);

class TableBucket implements BucketCell {
  readonly #words: BigInt64Array;
  readonly #key: bigint;
  readonly #nowMs: () => number;
  /** Index of the key; -1 before the first take. */
  #at = -1;
  /** Takes the slot's place when the table is full. */
  #alone: BigInt64Array | undefined;

  constructor(words: BigInt64Array, key: bigint, nowMs: () => number) {
    this.#words = words;
    this.#key = key;
    this.#nowMs = nowMs;
  }
  take(max: number, tokensPerMs: number, count: number): boolean {
    const now = this.#nowMs();
    for (;;) {
      const words = this.#find(now);
      const before = Atomics.load(words, this.#at + 1);
      const fullAt = Math.max(numberOf(before), now) + count / tokensPerMs;
      if ((fullAt - now) * tokensPerMs > max + tolerance) return false;
      if (Atomics.compareExchange(words, this.#at + 1, before, bitsOf(fullAt)) === before) return true;
    }
  }
  tokens(max: number, tokensPerMs: number): number {
    const now = this.#nowMs();
    const words = this.#find(now);
    const missing = (numberOf(Atomics.load(words, this.#at + 1)) - now) * tokensPerMs;
    return missing <= 0 ? max : Math.min(max, max - missing + tolerance);
  }
  /** The table, or what stands for it, with `#at` where this bucket is. */
  #find(now: number): BigInt64Array {
    if (this.#alone !== undefined) return this.#alone;
    const words = this.#words;
    if (this.#at >= 0 && Atomics.load(words, this.#at) === this.#key) return words;
    const start = Number(BigInt.asUintN(32, this.#key)) % slots;
    const place = (probe: number): number => 2 * ((start + probe) % slots);
    for (let probe = 0; probe < probes; probe++) {
      this.#at = place(probe);
      const key = Atomics.load(words, this.#at);
      if (key === this.#key) return words;
      // Another thread may be faster; it may even be here for the same bucket.
      if (key !== free) continue;
      const found = Atomics.compareExchange(words, this.#at, free, this.#key);
      if (found === free || found === this.#key) return words;
    }
    for (let probe = 0; probe < probes; probe++) {
      this.#at = place(probe);
      const key = Atomics.load(words, this.#at);
      if (key === changing || numberOf(Atomics.load(words, this.#at + 1)) > now) continue;
      if (Atomics.compareExchange(words, this.#at, key, changing) !== key) continue;
      Atomics.store(words, this.#at + 1, 0n);
      Atomics.store(words, this.#at, this.#key);
      return words;
    }
    this.#at = 0;
    this.#alone = new BigInt64Array(2);
    return this.#alone;
  }
}

function numberOf(word: bigint): number {
  bits[0] = word;
  return float[0] ?? 0;
}

function bitsOf(value: number): bigint {
  float[0] = value;
  return bits[0] ?? 0n;
}

function hashOf(name: string): bigint {
  const hash = createHash('sha256').update(name).digest().readBigInt64LE(0);
  return hash === free || hash === changing ? 1n : hash;
}
