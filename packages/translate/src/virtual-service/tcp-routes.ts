import type { VirtualService } from '@xebec/model';
import type { FilterChainMatchSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import type { RouteDestination } from '@xebec/schemas';
import { cidrRange } from '../envoy/address.ts';
import type { Fields } from '../envoy/any.ts';
import type { WeightedCluster } from '../listener/tcp-proxy.ts';
import type { ConnectionPolicy, DestinationResolver } from './destination.ts';
import { appliesToConnection, type MatchSite } from './source-match.ts';

type Match = Fields<typeof FilterChainMatchSchema>;

/** One way through a TCP listener. */
export interface TcpChain {
  readonly match: Match;
  readonly destinations: readonly WeightedCluster[];
  readonly consistentHash: boolean;
  /** A wildcard host whose names are resolved connection by connection, by their server name. */
  readonly forward?: { readonly hostname: string; readonly port: number };
  /** What the DestinationRule of the (first) destination says of connections. */
  readonly policy?: ConnectionPolicy;
}

export interface TcpRouteSite extends MatchSite {
  readonly resolve: DestinationResolver;
  /** Address blocks of the service, for chains whose match names none. */
  readonly blocks?: readonly string[];
}

/**
 * Chains of the `tcp` routes; nothing follows a chain that takes every connection. The address blocks of all matches of a
 * route are one chain's. (`sourceSubnet` has no effect, as in Istio since 1.2.)
 */
export function tcpChains(config: VirtualService, site: TcpRouteSite): TcpChain[] {
  const out: TcpChain[] = [];
  for (const route of config.spec.tcp ?? []) {
    if (route.route === undefined || route.route.length === 0) continue;
    const matches = (route.match ?? []).filter((match) => appliesToConnection(match, config.metadata.namespace, site));
    const blocks = matches.map((match) => match.destinationSubnets ?? []);
    if (route.match === undefined || route.match.length === 0 || blocks.some((list) => list.length === 0)) {
      out.push(chain(config, blockMatch(site.blocks ?? []), route.route, site));
      return out;
    }
    if (blocks.length > 0) out.push(chain(config, blockMatch(blocks.flat()), route.route, site));
  }
  return out;
}

/**
 * Chains of the `tls` routes: by server name, without terminating TLS. A match that an earlier one hides is left out; `seen`
 * holds those of earlier rules.
 */
export function tlsChains(config: VirtualService, site: TcpRouteSite, seen = new Set<string>()): TcpChain[] {
  const out: TcpChain[] = [];
  for (const route of config.spec.tls ?? []) {
    if (route.route === undefined || route.route.length === 0) continue;
    for (const match of route.match) {
      if (!appliesToConnection(match, config.metadata.namespace, site)) continue;
      const own = match.destinationSubnets ?? [];
      const key = JSON.stringify([match.sniHosts, own]);
      if (seen.has(key)) continue;
      seen.add(key);
      // `*` alone is no server name Envoy takes: any name is an empty list.
      const serverNames = match.sniHosts.includes('*') ? [] : [...match.sniHosts].sort();
      out.push(
        chain(
          config,
          { ...(serverNames.length === 0 ? {} : { serverNames }), ...blockMatch(own.length > 0 ? own : (site.blocks ?? [])) },
          route.route,
          site,
        ),
      );
    }
  }
  return out;
}

/** A match of address blocks; none: any address. */
export function blockMatch(blocks: readonly string[]): Match {
  return blocks.length === 0 ? {} : { prefixRanges: [...blocks].sort().map(cidrRange) };
}

function chain(config: VirtualService, match: Match, routes: readonly RouteDestination[], site: TcpRouteSite): TcpChain {
  const all = routes.map((entry) => ({ entry, to: site.resolve(entry.destination, config.metadata.namespace) }));
  const policy = all.length === 1 ? all[0]?.to.connections : all[0]?.to.connectionsWithoutSubset;
  return {
    match,
    destinations: all.map(({ entry, to }) => ({ cluster: to.cluster, weight: all.length === 1 ? 100 : (entry.weight ?? 0) })),
    consistentHash: policy?.hashSourceIp === true,
    ...(policy === undefined ? {} : { policy }),
  };
}
