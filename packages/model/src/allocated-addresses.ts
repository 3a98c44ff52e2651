import { fact } from '@xebec/incremental';
import type { ConfigObject, ServiceEntrySpec } from '@xebec/schemas';
import type { MeshProxy } from './proxy.ts';
import type { Service } from './service.ts';

/** Label by which a ServiceEntry says that its hosts need no addresses. */
const ENABLED = 'networking.istio.io/enable-autoallocate-ip';

type Entry = Pick<ConfigObject<ServiceEntrySpec>, 'metadata' | 'spec'>;

/**
 * Hosts of a ServiceEntry that are to have virtual addresses, so that calls to them by plain TCP are told apart: those of an entry that
 * names no addresses itself. Without resolution the address that was called is where the call goes, so there is none to invent; and a
 * wildcard has one only where its names are resolved call by call. As Istio's controller of the same purpose.
 */
export function hostsToAllocate({ metadata, spec }: Entry): readonly string[] {
  if (spec.resolution === undefined || spec.resolution === 'NONE' || (spec.addresses?.length ?? 0) > 0) return [];
  if (metadata.labels[ENABLED]?.toLowerCase() === 'false') return [];
  return [...new Set(spec.hosts)].filter((host) => !host.startsWith('*') || spec.resolution === 'DYNAMIC_DNS');
}

/** Whether the DNS beside a proxy answers its workload: only then does it ever call an allocated address. */
const answersDns = fact('DNS capture', ({ metadata }: Pick<MeshProxy, 'metadata'>) => {
  const capture = metadata.DNS_CAPTURE;
  return capture === true || capture === 'true' || capture === '1';
});

const families = fact('families of allocated addresses', ({ addresses }: Pick<MeshProxy, 'addresses'>) => ({
  v4: addresses.some((address) => !address.includes(':')),
  v6: addresses.some((address) => address.includes(':')),
}));

/** The allocated addresses by which a proxy's workload knows a service without own ones, IPv4 first; none where its DNS is not ours. */
export function allocatedAddresses(
  service: Pick<Service, 'allocated'>,
  proxy: Pick<MeshProxy, 'metadata' | 'addresses'>,
): readonly string[] {
  const { allocated = [] } = service;
  if (allocated.length === 0 || !answersDns(proxy)) return [];
  const { v4, v6 } = families(proxy);
  const ofFamily = (six: boolean) => allocated.filter((address) => address.includes(':') === six);
  return [...(v4 ? ofFamily(false) : []), ...(v6 ? ofFamily(true) : [])];
}
