import { lookup, Resolver } from 'node:dns/promises';
import { errorText } from '@xebec/core';
import { Cluster_DnsLookupFamily as Family } from '@xebec/protos/envoy/config/cluster/v3/cluster';

/** Addresses of a name by the system's means; 0 is both families. */
export type ResolveName = (name: string, family: 0 | 4 | 6) => Promise<readonly string[]>;

/** Asks the system's resolver, so that /etc/hosts and search domains count. */
export const systemResolve: ResolveName = async (name, family) => (await lookup(name, { family, all: true })).map((entry) => entry.address);

export interface DnsAnswer {
  readonly addresses: readonly string[];
  /** The shortest time to live, where the resolver tells. */
  readonly ttlMs?: number | undefined;
}

/** Rejects when the name cannot be resolved; an answer without addresses is none. */
export type ResolveFamily = (name: string, family: 4 | 6) => Promise<DnsAnswer>;

/** A resolver that knows times to live, or asks these servers; what it does not find the system may. */
export function createNameServerResolver(servers: readonly string[], fallback: ResolveName): ResolveFamily {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  if (servers.length > 0) resolver.setServers(servers);
  return async (name, family) => {
    try {
      const records = family === 4 ? await resolver.resolve4(name, { ttl: true }) : await resolver.resolve6(name, { ttl: true });
      if (records.length > 0)
        return { addresses: records.map(({ address }) => address), ttlMs: 1000 * Math.min(...records.map(({ ttl }) => ttl)) };
    } catch (error) {
      // Configured servers are the only ones to ask; without them /etc/hosts may know the name.
      if (servers.length > 0) throw error;
    }
    return { addresses: await fallback(name, family) };
  };
}

/** Resolves by Envoy's `dns_lookup_family`; rejects when every family asked fails. */
export async function resolveByFamily(name: string, family: Family, resolve: ResolveFamily): Promise<DnsAnswer> {
  switch (family) {
    case Family.V4_ONLY:
      return resolve(name, 4);
    case Family.V6_ONLY:
      return resolve(name, 6);
    case Family.V4_PREFERRED:
      return firstWithAddresses(name, [4, 6], resolve);
    case Family.ALL: {
      const answers = await Promise.all(
        [4, 6].map((each) => resolve(name, each === 4 ? 4 : 6).catch((error: unknown) => errorText(error))),
      );
      const found = answers.filter((answer) => typeof answer !== 'string');
      if (found.length === 0) throw new Error(String(answers[0]));
      const ttls = found.flatMap(({ ttlMs }) => ttlMs ?? []);
      return { addresses: found.flatMap(({ addresses }) => addresses), ttlMs: ttls.length === 0 ? undefined : Math.min(...ttls) };
    }
    default:
      return firstWithAddresses(name, [6, 4], resolve);
  }
}

async function firstWithAddresses(name: string, families: readonly (4 | 6)[], resolve: ResolveFamily): Promise<DnsAnswer> {
  let failure: unknown;
  for (const family of families) {
    try {
      const answer = await resolve(name, family);
      if (answer.addresses.length > 0) return answer;
    } catch (error) {
      failure = error;
    }
  }
  if (failure !== undefined) throw failure;
  return { addresses: [] };
}
