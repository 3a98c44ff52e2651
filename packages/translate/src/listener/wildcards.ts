import { fact } from '@xebec/incremental';
import type { MeshProxy } from '@xebec/model';

/** Addresses that stand for "any" and for the proxy itself; the first is a listener's own, the others are additional. */
export interface FamilyAddresses {
  readonly any: readonly [string, ...string[]];
  readonly loopback: readonly [string, ...string[]];
  /** Source of what goes to the workload itself, so that iptables can tell it from the workload's own calls. */
  readonly inboundSource: readonly [string, ...string[]];
}

const V4: FamilyAddresses = { any: ['0.0.0.0'], loopback: ['127.0.0.1'], inboundSource: ['127.0.0.6'] };
const V6: FamilyAddresses = { any: ['::'], loopback: ['::1'], inboundSource: ['::6'] };
const DUAL: FamilyAddresses = {
  any: ['0.0.0.0', '::'],
  loopback: ['127.0.0.1', '::1'],
  inboundSource: ['127.0.0.6', '::6'],
};

/** By the families of a proxy's own addresses: IPv4, IPv6 or both. */
export const familyAddresses = fact('address families', (proxy: Pick<MeshProxy, 'addresses'>): FamilyAddresses => {
  const v6 = proxy.addresses.some((address) => address.includes(':'));
  const v4 = proxy.addresses.some((address) => !address.includes(':'));
  if (v4 && v6) return DUAL;
  return v6 ? V6 : V4;
});

/** Whether a proxy has an address of the same family. */
export function fits(address: string, proxy: Pick<MeshProxy, 'addresses'>): boolean {
  const { v4, v6 } = families(proxy);
  return address.includes(':') ? v6 : v4;
}

/** Of which families a proxy has addresses. */
export const families = fact('IP families', ({ addresses }: Pick<MeshProxy, 'addresses'>) => ({
  v4: addresses.some((address) => !address.includes(':')),
  v6: addresses.some((address) => address.includes(':')),
}));
