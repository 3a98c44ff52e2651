import {
  dnsName,
  type GatewayServerOf,
  gatewayKey,
  hostCovers,
  type MeshSnapshot,
  serverAdmits,
  type VirtualService,
  virtualServiceHosts,
  virtualServicesFor,
} from '@xebec/model';
import type { ListenerContext } from '../listener/context.ts';
import { destinationResolver } from '../virtual-service/destination.ts';
import { type TcpChain, type TcpRouteSite, tcpChains, tlsChains } from '../virtual-service/tcp-routes.ts';

/** Where connections of a gateway's server go. */
export interface GatewayChain extends Omit<TcpChain, 'match'> {
  /** Empty: any name. */
  readonly serverNames: readonly string[];
  readonly statPrefix: string;
}

/** The one way through a TCP server, or a TLS server that terminates: the first route of the first VirtualService that fits. */
export function tcpChain(snapshot: MeshSnapshot, context: ListenerContext, entry: GatewayServerOf): GatewayChain | undefined {
  for (const config of rulesOf(snapshot, context, entry)) {
    const [chain] = tcpChains(config, siteOf(snapshot, context, entry));
    if (chain !== undefined) return { ...chain, serverNames: [], statPrefix: prefixOf(config) };
  }
  return undefined;
}

/**
 * The ways through a server that passes TLS on, by server name. `taken` holds the names of the listener so far: Envoy refuses
 * two chains with one match, so a match with a name that is taken is left out.
 */
export function passthroughChains(
  snapshot: MeshSnapshot,
  context: ListenerContext,
  entry: GatewayServerOf,
  taken: Set<string>,
): GatewayChain[] {
  return rulesOf(snapshot, context, entry).flatMap((config) =>
    tlsChains(config, siteOf(snapshot, context, entry)).flatMap((chain): GatewayChain[] => {
      const serverNames = chain.match.serverNames ?? [];
      const keys = serverNames.length === 0 ? ['*'] : serverNames;
      if (keys.some((name) => taken.has(name))) return [];
      for (const name of keys) taken.add(name);
      return [{ ...chain, serverNames, statPrefix: prefixOf(config) }];
    }),
  );
}

function prefixOf({ metadata }: VirtualService): string {
  return `${metadata.name}.${metadata.namespace}`;
}

/** The VirtualServices bound to the server's gateway that have a host which the server offers them. */
function rulesOf(snapshot: MeshSnapshot, { proxy }: ListenerContext, { gateway, hosts }: GatewayServerOf): VirtualService[] {
  return virtualServicesFor(snapshot, gatewayKey(gateway), proxy.namespace).filter((config) =>
    virtualServiceHosts(config, snapshot.domain).some((host) =>
      hosts.some(
        (offered) =>
          serverAdmits(offered, config.metadata.namespace, gateway.metadata.namespace) &&
          (hostCovers(dnsName(offered), host) || hostCovers(host, dnsName(offered))),
      ),
    ),
  );
}

function siteOf(snapshot: MeshSnapshot, { proxy, scope }: ListenerContext, entry: GatewayServerOf): TcpRouteSite {
  const { number } = entry.server.port;
  return {
    proxy,
    gateways: new Set([gatewayKey(entry.gateway)]),
    ports: [number],
    resolve: destinationResolver(snapshot, proxy, scope, number, false),
  };
}
