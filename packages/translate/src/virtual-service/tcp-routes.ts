import type { VirtualService } from '@xebec/model';
import type { FilterChainMatchSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import type { RouteDestination } from '@xebec/schemas';
import { cidrRange } from '../envoy/address.ts';
import type { Fields } from '../envoy/any.ts';
import type { WeightedCluster } from '../listener/tcp-proxy.ts';
import type { DestinationResolver } from './destination.ts';
import { appliesHere, type MatchSite } from './source-match.ts';

type Match = Fields<typeof FilterChainMatchSchema>;

/** One way through a TCP listener. */
export interface TcpChain {
  readonly match: Match;
  readonly destinations: readonly WeightedCluster[];
  readonly consistentHash: boolean;
}

export interface TcpRouteSite extends MatchSite {
  readonly resolve: DestinationResolver;
}

/** Chains of the `tcp` routes; nothing follows a chain that takes every connection. */
export function tcpChains(config: VirtualService, site: TcpRouteSite): TcpChain[] {
  const out: TcpChain[] = [];
  for (const route of config.spec.tcp ?? []) {
    const matches = route.match === undefined || route.match.length === 0 ? [{}] : route.match;
    for (const match of matches) {
      if (!appliesHere(match, config.metadata.namespace, site)) continue;
      const ranges = (match.destinationSubnets ?? []).map(cidrRange);
      const source = match.sourceSubnet === undefined ? [] : [cidrRange(match.sourceSubnet)];
      out.push(chain(config, { prefixRanges: ranges, sourcePrefixRanges: source }, route.route, site));
      if (ranges.length === 0 && source.length === 0) return out;
    }
  }
  return out;
}

/** Chains of the `tls` routes: by server name, without terminating TLS. */
export function tlsChains(config: VirtualService, site: TcpRouteSite): TcpChain[] {
  return (config.spec.tls ?? []).flatMap((route) =>
    route.match
      .filter((match) => appliesHere(match, config.metadata.namespace, site))
      .map((match) =>
        chain(
          config,
          {
            // `*` alone is no server name Envoy takes: any name is an empty list.
            serverNames: match.sniHosts.includes('*') ? [] : [...match.sniHosts],
            prefixRanges: (match.destinationSubnets ?? []).map(cidrRange),
          },
          route.route,
          site,
        ),
      ),
  );
}

function chain(config: VirtualService, match: Match, routes: readonly RouteDestination[] | undefined, site: TcpRouteSite): TcpChain {
  const all = (routes ?? []).map((entry) => ({ entry, to: site.resolve(entry.destination, config.metadata.namespace) }));
  return {
    match,
    destinations: all.map(({ entry, to }) => ({ cluster: to.cluster, weight: all.length === 1 ? 100 : (entry.weight ?? 0) })),
    consistentHash: all.some(({ to }) => to.consistentHash?.useSourceIp === true),
  };
}
