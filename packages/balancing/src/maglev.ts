import type { Host } from './host.ts';
import { type HostPicker, hashOf } from './host-picker.ts';
import { xxHash64 } from './xxhash64.ts';

export const defaultMaglevTableSize = 65_537;

/** Maglev (Eisenbud et al. 2016, section 3.4): a table that each host fills by its own permutation. `tableSize` is prime. */
export function createMaglevPicker<H extends Host>(hosts: readonly H[], tableSize = defaultMaglevTableSize): HostPicker<H> {
  const heaviest = Math.max(...hosts.map((host) => host.weight));
  const size = BigInt(tableSize);
  const entries = hosts
    .map((host) => ({ host, key: host.hashKey ?? host.address }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ host, key }) => ({
      host,
      at: Number(xxHash64(key) % size),
      skip: Number(xxHash64(key, 1n) % (size - 1n)) + 1,
      wanted: 0,
    }));
  const table = new Int32Array(tableSize).fill(-1);
  let filled = 0;
  for (let turn = 1; filled < tableSize; turn++) {
    for (let i = 0; i < entries.length && filled < tableSize; i++) {
      const entry = entries[i];
      // Lighter hosts sit out some turns.
      if (entry === undefined || turn * entry.host.weight < entry.wanted) continue;
      entry.wanted += heaviest;
      while (table[entry.at] !== -1) entry.at = (entry.at + entry.skip) % tableSize;
      table[entry.at] = i;
      filled++;
    }
  }
  return (context) => {
    const { attempt = 0 } = context;
    const hash = hashOf(context);
    const turned = attempt === 0 ? hash : BigInt.asUintN(64, hash ^ -BigInt(attempt));
    return (entries[table[Number(turned % size)] as number] as { host: H }).host;
  };
}
