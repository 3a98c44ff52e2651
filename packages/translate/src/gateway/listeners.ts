import { create } from '@bufbuild/protobuf';
import {
  dnsName,
  type GatewayListener,
  type GatewayServerOf,
  gatewayKey,
  isHttp,
  type MeshSnapshot,
  mergeGateways,
  virtualServicesFor,
} from '@xebec/model';
import { TrafficDirection } from '@xebec/protos/envoy/config/core/v3/base';
import { type Listener, ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import type { FilterChainSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { socketAddress } from '../envoy/address.ts';
import type { Fields } from '../envoy/any.ts';
import { seconds } from '../envoy/duration.ts';
import { type Generated, referenceTo } from '../generated.ts';
import { connectionManager } from '../listener/connection-manager.ts';
import type { ListenerContext } from '../listener/context.ts';
import { tlsInspector } from '../listener/listener-filters.ts';
import { tcpProxy } from '../listener/tcp-proxy.ts';
import { destinationResolver } from '../virtual-service/destination.ts';
import { type TcpChain, tcpChains, tlsChains } from '../virtual-service/tcp-routes.ts';
import { serverTls } from './server-tls.ts';

type FilterChain = Fields<typeof FilterChainSchema>;

const TRANSPORT_TIMEOUT = seconds(15);

/** A listener for each port of the Gateways that select this proxy. */
export function gatewayListeners(snapshot: MeshSnapshot, context: ListenerContext): Generated<Listener>[] {
  return mergeGateways(snapshot, context.proxy).listeners.flatMap((merged) => {
    const listener = { ...merged, bind: ownAddress(context, merged.bind) };
    const chains = chainsOf(snapshot, context, listener);
    if (chains.length === 0) return [];
    const name = `${listener.bind}_${listener.port}`;
    const tls = chains.some((chain) => chain.transportSocket !== undefined || (chain.filterChainMatch?.serverNames?.length ?? 0) > 0);
    const message = create(ListenerSchema, {
      name,
      address: socketAddress(listener.bind, listener.port),
      filterChains: chains,
      listenerFilters: tls ? [tlsInspector()] : [],
      trafficDirection: TrafficDirection.OUTBOUND,
      accessLog: [...context.gateway.listenerLog],
      maxConnectionsToAcceptPerSocketEvent: 1,
    });
    const references = listener.servers.map((entry) => referenceTo(entry.gateway, `spec.servers[${entry.index}]`));
    return [{ name, message, provenance: [...references, ...context.securityReferences] }];
  });
}

/** Where pods share one network, a gateway listens on its own address only: on any, it would take the ports of all others. */
function ownAddress({ proxy }: ListenerContext, bind: string): string {
  return bind === '0.0.0.0' && proxy.interceptionMode === 'NONE' ? (proxy.addresses[0] ?? bind) : bind;
}

function chainsOf(snapshot: MeshSnapshot, context: ListenerContext, listener: GatewayListener): FilterChain[] {
  const [first] = listener.servers;
  // Plain HTTP servers of a port share one route configuration, so one chain serves them all.
  if (first !== undefined && isHttp(first.protocol))
    return [{ filters: [manager(context, listener, first)], transportSocketConnectTimeout: TRANSPORT_TIMEOUT }];
  return listener.servers.flatMap((entry) => serverChains(snapshot, context, listener, entry));
}

function serverChains(snapshot: MeshSnapshot, context: ListenerContext, listener: GatewayListener, entry: GatewayServerOf): FilterChain[] {
  const { tls, hosts } = entry.server;
  const names = hosts.map(dnsName);
  const serverNames = names.includes('*') ? [] : names;
  const socket =
    entry.terminatesTls && tls !== undefined
      ? {
          transportSocket: serverTls(tls, {
            mutualTls: context.mutualTls,
            tlsDefaults: context.tlsDefaults,
            tcp: entry.routeName === undefined,
          }),
        }
      : {};
  if (entry.routeName !== undefined)
    return [
      {
        ...(serverNames.length === 0 ? {} : { filterChainMatch: { serverNames } }),
        filters: [manager(context, listener, entry)],
        ...socket,
        transportSocketConnectTimeout: TRANSPORT_TIMEOUT,
      },
    ];
  const passthrough = entry.protocol !== 'tcp' && !entry.terminatesTls;
  return tcpLikeChains(snapshot, context, listener, entry, passthrough).map((chain) => {
    const match = entry.terminatesTls && serverNames.length > 0 ? { ...chain.match, serverNames } : chain.match;
    return {
      filterChainMatch: match,
      filters: [
        ...context.gateway.tcpFilters(listener.port),
        tcpProxy(chain.destinations, context.gateway.tcpAccessLog, { hashSourceIp: chain.consistentHash }),
      ],
      ...socket,
      transportSocketConnectTimeout: TRANSPORT_TIMEOUT,
    };
  });
}

/** Chains of the tcp or tls routes that VirtualServices bind to the server's gateway. */
function tcpLikeChains(
  snapshot: MeshSnapshot,
  context: ListenerContext,
  listener: GatewayListener,
  entry: GatewayServerOf,
  passthrough: boolean,
): TcpChain[] {
  const { proxy, scope } = context;
  const gateway = gatewayKey(entry.gateway);
  const number = entry.server.port.number;
  const site = {
    proxy,
    gateways: new Set([gateway]),
    ports: [number, listener.port],
    resolve: destinationResolver(snapshot, proxy, scope, number, false),
  };
  const chains = virtualServicesFor(snapshot, gateway, proxy.namespace).flatMap((config) =>
    passthrough ? tlsChains(config, site) : tcpChains(config, site),
  );
  const seen = new Set<string>();
  return chains.filter((chain) => {
    const key = JSON.stringify(chain.match);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function manager(context: ListenerContext, listener: GatewayListener, entry: GatewayServerOf) {
  return connectionManager({
    direction: 'gateway',
    statPrefix: `outbound_${listener.bind}_${listener.port};`,
    route: entry.routeName ?? '',
    filters: context.gateway.httpFilters(entry.protocol),
    side: context.gateway,
    pathNormalization: context.pathNormalization,
  });
}
