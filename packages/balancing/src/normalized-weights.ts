import type { Host } from './host.ts';

/** A host with its share of the whole, in (0, 1]. */
export interface WeightedHost<H extends Host = Host> {
  readonly host: H;
  readonly weight: number;
}

/**
 * Shares of hosts for consistent hashing: inside a locality by host weight, and with locality weights each locality's share by those.
 * Localities of weight 0 are left out. The order of operations is Envoy's, so that rounding is too.
 */
export function normalizedWeights<H extends Host>(
  hosts: readonly H[],
  localityWeightOf: ((host: H) => number) | undefined,
  allHosts: readonly H[] = hosts,
): WeightedHost<H>[] {
  if (localityWeightOf === undefined) return shares(hosts, 1);
  // Localities without an eligible host keep their weight in the sum.
  let sum = 0;
  for (const [host] of Map.groupBy(allHosts, (each) => each.locality).values()) if (host !== undefined) sum += localityWeightOf(host);
  if (sum === 0) return shares(hosts, 1);
  const result: WeightedHost<H>[] = [];
  for (const group of Map.groupBy(hosts, (host) => host.locality).values()) {
    const weight = localityWeightOf(group[0] as H);
    if (weight > 0) result.push(...shares(group, weight / sum));
  }
  return result;
}

function shares<H extends Host>(hosts: readonly H[], part: number): WeightedHost<H>[] {
  let sum = 0;
  for (const host of hosts) sum += host.weight;
  return hosts.map((host) => ({ host, weight: (host.weight * part) / sum }));
}
