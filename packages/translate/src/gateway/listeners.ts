import { create } from '@bufbuild/protobuf';
import { dnsName, type GatewayListener, type GatewayServerOf, isHttp, type MeshSnapshot, mergeGateways } from '@xebec/model';
import { TrafficDirection } from '@xebec/protos/envoy/config/core/v3/base';
import { type Listener, ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import type { FilterChainSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { socketAddress } from '../envoy/address.ts';
import type { Fields } from '../envoy/any.ts';
import { sdsFileSource } from '../envoy/config-source.ts';
import { seconds } from '../envoy/duration.ts';
import { type Generated, referenceTo } from '../generated.ts';
import { codecFilter } from '../listener/codec-filter.ts';
import { connectionManager } from '../listener/connection-manager.ts';
import type { ListenerContext } from '../listener/context.ts';
import { proxyProtocol, tlsInspector } from '../listener/listener-filters.ts';
import { idleOption, tcpProxy } from '../listener/tcp-proxy.ts';
import { exchangeFilters, exchangesPeers } from '../peer-exchange.ts';
import { autoPassthroughChains } from './auto-passthrough.ts';
import { serverTls } from './server-tls.ts';
import { type GatewayChain, passthroughChains, tcpChain } from './tcp-routes.ts';

type FilterChain = Fields<typeof FilterChainSchema>;

const TRANSPORT_TIMEOUT = seconds(15);
const FIRST_UNPRIVILEGED_PORT = 1024;

/** A listener for each port of the Gateways that select this proxy. */
export function gatewayListeners(snapshot: MeshSnapshot, context: ListenerContext): Generated<Listener>[] {
  const { proxy, gateway } = context;
  const unprivileged = proxy.metadata['UNPRIVILEGED_POD'] === 'true' || proxy.metadata['UNPRIVILEGED_POD'] === true;
  // A server that is bound to the very address that others get by default shares their listener.
  const places = Map.groupBy(mergeGateways(snapshot, proxy).listeners, ({ bind, port }) => `${bind ?? anyAddress(context)}_${port}`);
  return [...places].flatMap(([name, sharers]) => {
    const [first] = sharers;
    if (first === undefined || (unprivileged && first.port < FIRST_UNPRIVILEGED_PORT)) return [];
    const { port } = first;
    const bind = first.bind ?? anyAddress(context);
    const chains = sharers.flatMap((listener) => chainsOf(snapshot, context, listener, bind));
    if (chains.length === 0) return [];
    const tls = chains.some((chain) => chain.transportSocket !== undefined || (chain.filterChainMatch?.serverNames?.length ?? 0) > 0);
    const limit = gateway.settings.listenerPerConnectionBufferLimitBytes ?? -1;
    const message = create(ListenerSchema, {
      name,
      address: socketAddress(bind, port),
      filterChains: chains,
      listenerFilters: [...(gateway.topology?.proxyProtocol === undefined ? [] : [proxyProtocol()]), ...(tls ? [tlsInspector()] : [])],
      trafficDirection: TrafficDirection.OUTBOUND,
      accessLog: [...gateway.listenerLog],
      maxConnectionsToAcceptPerSocketEvent: 1,
      ...(limit < 0 ? {} : { perConnectionBufferLimitBytes: limit }),
      ...(isTrue(proxy.metadata['OUTBOUND_LISTENER_EXACT_BALANCE'])
        ? { connectionBalanceConfig: { balanceType: { case: 'exactBalance' as const, value: {} } } }
        : {}),
    });
    const references = sharers
      .flatMap(({ servers }) => servers)
      .map(({ gateway: from, index }) => referenceTo(from, `spec.servers[${index}]`));
    return [{ name, message, provenance: [...references, ...context.securityReferences] }];
  });
}

function isTrue(value: unknown): boolean {
  return value === true || value === 'true';
}

/** Where pods share one network, a gateway listens on its own address only: on any, it would take the ports of all others. */
function anyAddress({ proxy, family }: ListenerContext): string {
  return proxy.interceptionMode === 'NONE' ? (proxy.addresses[0] ?? family.any[0]) : family.any[0];
}

function chainsOf(snapshot: MeshSnapshot, context: ListenerContext, listener: GatewayListener, bind: string): FilterChain[] {
  const taken = new Set<string>();
  const firstHttp = listener.servers.find(({ protocol }) => isHttp(protocol));
  return listener.servers.flatMap((entry): FilterChain[] => {
    if (!isHttp(entry.protocol)) return serverChains(snapshot, context, entry, listener, bind, taken);
    // Plain HTTP servers of a port share one route configuration, so one chain serves them all.
    return entry === firstHttp
      ? [{ filters: httpChain(context, listener, entry, bind), transportSocketConnectTimeout: TRANSPORT_TIMEOUT }]
      : [];
  });
}

function serverChains(
  snapshot: MeshSnapshot,
  context: ListenerContext,
  entry: GatewayServerOf,
  listener: GatewayListener,
  bind: string,
  taken: Set<string>,
): FilterChain[] {
  const { server } = entry;
  const { tls } = server;
  const names = tls === undefined ? [] : [...new Set(entry.hosts.map(dnsName))].sort();
  const match = names.length === 0 || names.includes('*') ? {} : { filterChainMatch: { serverNames: names } };
  const socket =
    tls !== undefined && entry.terminatesTls
      ? {
          transportSocket: serverTls(tls, {
            mutualTls: context.mutualTls,
            tlsDefaults: context.tlsDefaults,
            tcp: entry.protocol !== 'https',
            exchangesPeers: exchangesPeers(context.proxy),
            fileSource: sdsFileSource(context.proxy.metadata),
          }),
        }
      : {};
  const common = { ...match, ...socket, transportSocketConnectTimeout: TRANSPORT_TIMEOUT };
  if (entry.routeName !== undefined) return tls === undefined ? [] : [{ ...common, filters: httpChain(context, listener, entry, bind) }];
  if (tls === undefined || entry.terminatesTls) {
    const chain = tcpChain(snapshot, context, entry);
    return chain === undefined ? [] : [{ ...common, filters: tcpFilters(context, entry, chain) }];
  }
  if (tls.mode === 'AUTO_PASSTHROUGH')
    return autoPassthroughChains(snapshot, context, entry).map((chain) => ({ ...chain, transportSocketConnectTimeout: TRANSPORT_TIMEOUT }));
  return passthroughChains(snapshot, context, entry, taken).map((chain) => ({
    ...(chain.serverNames.length === 0 ? {} : { filterChainMatch: { serverNames: [...chain.serverNames] } }),
    filters: tcpFilters(context, entry, chain),
    transportSocketConnectTimeout: TRANSPORT_TIMEOUT,
  }));
}

function tcpFilters({ gateway, proxy }: ListenerContext, entry: GatewayServerOf, chain: GatewayChain) {
  const prefix = chain.destinations.length === 1 ? (chain.destinations[0]?.cluster ?? '') : chain.statPrefix;
  const { policy } = chain;
  return [
    ...(entry.server.tls?.mode === 'ISTIO_MUTUAL' ? exchangeFilters(proxy) : []),
    ...gateway.tcpFilters(entry.server.port.number),
    ...codecFilter(entry.protocol, prefix),
    tcpProxy(chain.destinations, gateway.tcpAccessLog, {
      statPrefix: prefix,
      hashSourceIp: chain.consistentHash,
      ...idleOption(gateway),
      ...(policy?.idleTimeout === undefined ? {} : { idleTimeout: policy.idleTimeout }),
      ...(policy?.maxDuration === undefined ? {} : { maxDuration: policy.maxDuration }),
      ...(policy?.tunnel === undefined ? {} : { tunnel: policy.tunnel }),
    }),
  ];
}

function httpChain(context: ListenerContext, listener: GatewayListener, entry: GatewayServerOf, bind: string) {
  const { gateway } = context;
  return [
    ...gateway.networkExtensions(listener.port),
    connectionManager({
      direction: 'gateway',
      statPrefix: entry.server.name === undefined || entry.server.name === '' ? `outbound_${bind}_${listener.port};` : entry.server.name,
      route: entry.routeName ?? '',
      filters: gateway.httpFilters(entry.protocol, listener.port),
      side: gateway,
      pathNormalization: context.pathNormalization,
    }),
  ];
}
