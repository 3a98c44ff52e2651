import type { Host } from './host.ts';
import { type HostPicker, hashOf } from './host-picker.ts';
import { murmurHash2 } from './murmur-hash2.ts';
import type { WeightedHost } from './normalized-weights.ts';
import { xxHash64 } from './xxhash64.ts';

export interface RingHashOptions {
  readonly minimumRingSize?: number | undefined;
  readonly maximumRingSize?: number | undefined;
  readonly hashFunction?: 'xx' | 'murmur2' | undefined;
}

/** How a ring or table came out; Envoy's `ring_hash_lb.*` and `maglev_lb.*` gauges. */
export interface HashTableSize {
  readonly size: number;
  readonly minPerHost: number;
  readonly maxPerHost: number;
}

/** Ketama-like ring: every host stands on it in proportion to its weight, at the hash of `address_i`. */
export function createRingHashPicker<H extends Host>(
  weighted: readonly WeightedHost<H>[],
  options: RingHashOptions = {},
): { readonly pick: HostPicker<H>; readonly size: HashTableSize } {
  const minimum = options.minimumRingSize ?? 1024;
  const maximum = options.maximumRingSize ?? 8 * 1024 * 1024;
  const hash = options.hashFunction === 'murmur2' ? murmurHash2 : xxHash64;
  let least = 1;
  for (const { weight } of weighted) least = Math.min(least, weight);
  // So many that the lightest host has a whole number of places.
  const scale = Math.min(Math.ceil(least * minimum) / least, maximum);
  const places: { hash: bigint; host: H }[] = [];
  let wanted = 0;
  let minPerHost = Number.POSITIVE_INFINITY;
  let maxPerHost = 0;
  for (const { host, weight } of weighted) {
    const key = host.hashKey ?? host.address;
    wanted += scale * weight;
    let i = 0;
    for (; places.length < wanted; i++) places.push({ hash: hash(`${key}_${i}`), host });
    minPerHost = Math.min(minPerHost, i);
    maxPerHost = Math.max(maxPerHost, i);
  }
  places.sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0));
  const hashes = BigUint64Array.from(places, (place) => place.hash);
  const pick: HostPicker<H> = (context) => {
    const wantedHash = hashOf(context);
    let low = 0;
    let high = hashes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((hashes[middle] as bigint) < wantedHash) low = middle + 1;
      else high = middle;
    }
    return (places[(low + (context.attempt ?? 0)) % places.length] as { host: H }).host;
  };
  return { pick, size: { size: places.length, minPerHost, maxPerHost } };
}
