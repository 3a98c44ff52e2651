import type { Host } from './host.ts';
import { type HostPicker, hashOf } from './host-picker.ts';
import type { WeightedHost } from './normalized-weights.ts';
import type { HashTableSize } from './ring-hash.ts';
import { xxHash64 } from './xxhash64.ts';

export const defaultMaglevTableSize = 65_537;

/** Maglev (Eisenbud et al. 2016, section 3.4): a table that each host fills by its own permutation. `tableSize` is prime. */
export function createMaglevPicker<H extends Host>(
  weighted: readonly WeightedHost<H>[],
  tableSize = defaultMaglevTableSize,
): { readonly pick: HostPicker<H>; readonly size: HashTableSize } {
  let heaviest = 0;
  for (const { weight } of weighted) heaviest = Math.max(heaviest, weight);
  const size = BigInt(tableSize);
  const entries = weighted
    .map(({ host, weight }) => ({ host, weight, key: host.hashKey ?? host.address }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ host, weight, key }) => ({
      host,
      weight,
      at: Number(xxHash64(key) % size),
      skip: Number(xxHash64(key, 1n) % (size - 1n)) + 1,
      wanted: 0,
      count: 0,
    }));
  const table = new Int32Array(tableSize).fill(-1);
  let filled = 0;
  for (let turn = 1; filled < tableSize; turn++) {
    for (let i = 0; i < entries.length && filled < tableSize; i++) {
      const entry = entries[i];
      // Lighter hosts sit out some turns.
      if (entry === undefined || turn * entry.weight < entry.wanted) continue;
      entry.wanted += heaviest;
      while (table[entry.at] !== -1) entry.at = (entry.at + entry.skip) % tableSize;
      table[entry.at] = i;
      entry.count++;
      filled++;
    }
  }
  const counts = entries.map((entry) => entry.count);
  const pick: HostPicker<H> = (context) => {
    const { attempt = 0 } = context;
    const hash = hashOf(context);
    const turned = attempt === 0 ? hash : BigInt.asUintN(64, hash ^ -BigInt(attempt));
    return (entries[table[Number(turned % size)] as number] as { host: H }).host;
  };
  return { pick, size: { size: tableSize, minPerHost: Math.min(...counts), maxPerHost: Math.max(...counts) } };
}
