import type { Host } from './host.ts';
import { type HostPicker, hashOf } from './host-picker.ts';
import { xxHash64 } from './xxhash64.ts';

export interface RingHashOptions {
  readonly minimumRingSize?: number | undefined;
  readonly maximumRingSize?: number | undefined;
}

/** Ketama-like ring: every host stands on it in proportion to its weight, at xxHash64(`address_i`). */
export function createRingHashPicker<H extends Host>(hosts: readonly H[], options: RingHashOptions = {}): HostPicker<H> {
  const minimum = options.minimumRingSize ?? 1024;
  const maximum = options.maximumRingSize ?? 8 * 1024 * 1024;
  const total = hosts.reduce((sum, host) => sum + host.weight, 0);
  const least = Math.min(...hosts.map((host) => host.weight / total));
  // So many that the lightest host has a whole number of places.
  const scale = Math.min(Math.ceil(least * minimum) / least, maximum);
  const places: { hash: bigint; host: H }[] = [];
  let wanted = 0;
  for (const host of hosts) {
    const key = host.hashKey ?? host.address;
    wanted += scale * (host.weight / total);
    for (let i = 0; places.length < wanted; i++) places.push({ hash: xxHash64(`${key}_${i}`), host });
  }
  places.sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0));
  const hashes = BigUint64Array.from(places, (place) => place.hash);
  return (context) => {
    const hash = hashOf(context);
    let low = 0;
    let high = hashes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((hashes[middle] as bigint) < hash) low = middle + 1;
      else high = middle;
    }
    return (places[(low + (context.attempt ?? 0)) % places.length] as { host: H }).host;
  };
}
