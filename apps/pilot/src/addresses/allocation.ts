import { hostsToAllocate } from '@xebec/model';
import type { AllocatedAddress, ConfigObject, ServiceEntrySpec } from '@xebec/schemas';
import { type AddressPool, canonicalAddress } from './address-pool.ts';

type Entry = ConfigObject<ServiceEntrySpec>;

/** What `status.addresses` of a ServiceEntry should be instead of what it is. */
export interface Reallocation {
  readonly entry: Entry;
  readonly addresses: readonly AllocatedAddress[];
}

/**
 * Which ServiceEntries need other addresses than they have: hosts without one get one of each pool, entries that want none lose theirs,
 * and of two that have the same address the older keeps it. Addresses that users wrote are never given to others.
 */
export function reallocate(entries: readonly Entry[], pools: readonly AddressPool[]): Reallocation[] {
  const oldestFirst = [...entries].sort((a, b) => (seniority(a) < seniority(b) ? -1 : 1));
  const written = new Set(entries.flatMap(({ spec }) => (spec.addresses ?? []).map((text) => canonicalAddress(text.split('/')[0] ?? ''))));
  const owners = new Map<string, Entry>();
  for (const entry of oldestFirst)
    for (const address of keptBy(entry)) if (!written.has(address) && !owners.has(address)) owners.set(address, entry);
  const used = new Set([...written, ...owners.keys()]);
  return oldestFirst.flatMap((entry): Reallocation[] => {
    const hosts = hostsToAllocate(entry);
    const has = entry.allocated ?? [];
    const addresses = hosts.flatMap((host) => {
      const own = has.filter((address) => address.host === host);
      const good = own.length > 0 && own.every(({ value }) => owners.get(canonicalAddress(value)) === entry);
      return good ? own : fresh(host, pools, used);
    });
    return JSON.stringify(addresses) === JSON.stringify(has) ? [] : [{ entry, addresses }];
  });
}

function keptBy(entry: Entry): string[] {
  const hosts = new Set(hostsToAllocate(entry));
  return (entry.allocated ?? []).filter(({ host }) => hosts.has(host)).map(({ value }) => canonicalAddress(value));
}

function fresh(host: string, pools: readonly AddressPool[], used: Set<string>): AllocatedAddress[] {
  return pools.flatMap((pool) => {
    const value = pool.take(used);
    if (value === undefined) return [];
    used.add(value);
    return [{ value, host }];
  });
}

function seniority({ metadata }: Entry): string {
  return `${metadata.creationTimestamp || '9'} ${metadata.namespace}/${metadata.name}`;
}
