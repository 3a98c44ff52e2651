import type { Random } from '@xebec/core';

/** What keeps requests in the zone they come from (Envoy: "Zone aware routing"). */
export interface ZoneAwareness {
  /** The proxy's own `region/zone/subzone`. */
  readonly ownLocality: string;
  /** Percent of requests that are routed so. 100. */
  readonly enabledPercent: number;
  /** Clusters with fewer healthy hosts are not routed so. 6. */
  readonly minClusterSize: number;
  /** Healthy instances of this proxy by locality, and whether too few of them are healthy. */
  readonly peers: () => { readonly byLocality: ReadonlyMap<string, number>; readonly inPanic: boolean };
}

export type ZoneEvent =
  | 'lb_zone_routing_all_directly'
  | 'lb_zone_routing_sampled'
  | 'lb_zone_routing_cross_zone'
  | 'lb_zone_no_capacity_left'
  | 'lb_zone_cluster_too_small'
  | 'lb_local_cluster_not_ok'
  | 'lb_recalculate_zone_structures';

/** Chooses a locality for each request. */
export interface ZoneRoute {
  /** Of the localities given, or undefined to choose among all hosts. */
  choose(random: Random): string | undefined;
}

const whole = 10_000;

/**
 * A route over localities with these numbers of healthy hosts; undefined where zones must not matter. The own zone takes all while its
 * share of hosts is at least its share of callers; what is over goes where there is room.
 */
export function createZoneRoute(
  upstream: ReadonlyMap<string, number>,
  zone: ZoneAwareness,
  onEvent: (event: ZoneEvent) => void,
): ZoneRoute | undefined {
  onEvent('lb_recalculate_zone_structures');
  const { byLocality: peers, inPanic } = zone.peers();
  const total = sum(upstream);
  if (upstream.size < 2 || peers.size < 2) return undefined;
  if (total < zone.minClusterSize) {
    onEvent('lb_zone_cluster_too_small');
    return undefined;
  }
  const peerTotal = sum(peers);
  const shareOf = (count: number, of: number) => (of === 0 ? 0 : Math.floor((whole * count) / of));
  const localities = [...upstream.keys()].sort((a, b) => Number(b === zone.ownLocality) - Number(a === zone.ownLocality));
  const shares = localities.map((locality) => ({
    locality,
    here: shareOf(upstream.get(locality) ?? 0, total),
    callers: shareOf(peers.get(locality) ?? 0, peerTotal),
  }));
  const own = shares[0]?.locality === zone.ownLocality ? shares[0] : undefined;
  const direct = own !== undefined && own.here > 0 && own.here >= own.callers;
  const sampled = own === undefined || own.callers === 0 ? 0 : Math.floor((own.here * whole) / own.callers);
  const room = shares.map((share) => (share === own ? 0 : Math.max(0, share.here - share.callers)));
  const allRoom = room.reduce((before, here) => before + here, 0);
  return {
    choose(random) {
      if (random.next() * 100 >= zone.enabledPercent) return undefined;
      if (inPanic) {
        onEvent('lb_local_cluster_not_ok');
        return undefined;
      }
      if (direct) {
        onEvent('lb_zone_routing_all_directly');
        return own.locality;
      }
      if (own !== undefined && Math.floor(random.next() * whole) < sampled) {
        onEvent('lb_zone_routing_sampled');
        return own.locality;
      }
      onEvent('lb_zone_routing_cross_zone');
      if (allRoom === 0) {
        onEvent('lb_zone_no_capacity_left');
        return localities[Math.floor(random.next() * localities.length)];
      }
      let at = Math.floor(random.next() * allRoom);
      return localities.find((_locality, i) => {
        at -= room[i] ?? 0;
        return at < 0;
      });
    },
  };
}

function sum(counts: ReadonlyMap<string, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}
