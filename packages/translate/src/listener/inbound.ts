import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { isHttp, type ServiceInstance } from '@xebec/model';
import { TrafficDirection } from '@xebec/protos/envoy/config/core/v3/base';
import { type Listener, ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import type { FilterChainSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { MetadataExchangeSchema } from '@xebec/protos/istio/filters/metadata_exchange';
import { PluginConfigSchema } from '@xebec/protos/istio/filters/stats';
import { BLACK_HOLE, INBOUND_PASSTHROUGH, inboundCluster } from '../cluster/names.ts';
import { socketAddress } from '../envoy/address.ts';
import { extension, type Fields } from '../envoy/any.ts';
import { METADATA_EXCHANGE, STATS } from '../extensions.ts';
import { type ConfigReference, type Generated, referenceTo } from '../generated.ts';
import { mixerRouteConfig } from '../mixer/client.ts';
import { inboundRoute } from '../route/inbound.ts';
import { listenerAccessLogs } from '../telemetry/access-log.ts';
import { connectionManager, type NetworkFilter } from './connection-manager.ts';
import type { ListenerContext } from './context.ts';
import { inboundTls } from './downstream-tls.ts';
import { type InboundChain, inboundChains } from './inbound-chains.ts';
import { httpInspector, originalDestination, tlsInspector } from './listener-filters.ts';
import { tcpProxy } from './tcp-proxy.ts';

type FilterChain = Fields<typeof FilterChainSchema>;

/** What one port of the workload needs: the instance whose service decides its protocol. */
export interface InboundPort {
  readonly port: number;
  readonly instance: ServiceInstance;
}

/** The ports a workload serves; where services disagree about one, the oldest service decides. */
export function inboundPorts(instances: readonly ServiceInstance[]): InboundPort[] {
  const ports = new Map<number, ServiceInstance>();
  for (const instance of instances) if (!ports.has(instance.targetPort)) ports.set(instance.targetPort, instance);
  return [...ports.entries()].sort(([a], [b]) => a - b).map(([port, instance]) => ({ port, instance }));
}

/** 0.0.0.0:15006, where iptables bring everything that comes in. */
export function virtualInbound(context: ListenerContext, ports: readonly InboundPort[]): Generated<Listener> {
  const { inboundPort, inbound, peerAuthentication } = context;
  const blackhole: FilterChain = {
    name: 'virtualInbound-blackhole',
    filterChainMatch: { destinationPort: inboundPort },
    filters: [...networkPrefix(context), tcpProxy([{ cluster: BLACK_HOLE, weight: 1 }], [])],
  };
  const passthrough = inboundChains(peerAuthentication.mode, 'auto').map((chain) =>
    filterChain(context, chain, {
      name: chain.inside === 'http' ? 'virtualInbound-catchall-http' : 'virtualInbound',
      cluster: INBOUND_PASSTHROUGH,
      statPrefix: `${INBOUND_PASSTHROUGH};`,
      operation: ':0/*',
      port: 0,
      protocol: 'auto',
      filterConfig: {},
    }),
  );
  const declared = ports.filter(({ instance }) => instance.port.protocol !== 'auto').map(({ port }) => port);
  const chains = [blackhole, ...passthrough, ...ports.flatMap((port) => portChains(context, port, '0.0.0.0', true))];
  // Nothing to tell apart where no chain takes plain HTTP only, as under STRICT.
  const sniffsHttp = chains.some(
    ({ filterChainMatch: match }) => match?.transportProtocol === 'raw_buffer' && (match.applicationProtocols?.length ?? 0) > 0,
  );
  const message = create(ListenerSchema, {
    name: 'virtualInbound',
    address: socketAddress('0.0.0.0', inboundPort),
    filterChains: chains,
    listenerFilters: [
      originalDestination(),
      tlsInspector([inboundPort]),
      ...(sniffsHttp ? [httpInspector([...declared, inboundPort])] : []),
    ],
    listenerFiltersTimeout: context.detectionTimeout,
    continueOnListenerFiltersTimeout: true,
    trafficDirection: TrafficDirection.INBOUND,
    ...(context.proxy.interceptionMode === 'TPROXY' ? { transparent: true } : {}),
    accessLog: listenerAccessLogs(inbound.accessLog),
    maxConnectionsToAcceptPerSocketEvent: 1,
  });
  return { name: message.name, message, provenance: references(context) };
}

/** A listener for each port on the proxy's own address: for pods whose traffic no iptables redirect. */
export function boundInbound(context: ListenerContext, ports: readonly InboundPort[]): Generated<Listener>[] {
  const address = context.proxy.addresses[0] ?? '0.0.0.0';
  return ports.map((port) => {
    const message = create(ListenerSchema, {
      name: `${address}_${port.port}`,
      address: socketAddress(address, port.port),
      filterChains: portChains(context, port, address, false),
      listenerFilters: [tlsInspector(), ...(port.instance.port.protocol === 'auto' ? [httpInspector()] : [])],
      listenerFiltersTimeout: context.detectionTimeout,
      continueOnListenerFiltersTimeout: true,
      trafficDirection: TrafficDirection.INBOUND,
      accessLog: listenerAccessLogs(context.inbound.accessLog),
      maxConnectionsToAcceptPerSocketEvent: 1,
    });
    return { name: message.name, message, provenance: references(context) };
  });
}

function references(context: ListenerContext): ConfigReference[] {
  return [...context.peerAuthentication.sources.map((object) => referenceTo(object)), ...context.securityReferences];
}

function portChains(context: ListenerContext, { port, instance }: InboundPort, bind: string, matchPort: boolean): FilterChain[] {
  const { protocol } = instance.port;
  return inboundChains(context.peerAuthentication.modeOf(port), protocol).map((chain) => {
    const match = matchPort ? { ...chain.match, destinationPort: port } : chain.match;
    return filterChain(
      context,
      { ...chain, match },
      {
        name: `${bind}_${port}`,
        cluster: inboundCluster(port),
        statPrefix: `inbound_${bind}_${port};`,
        operation: `${instance.service.hostname}:${instance.port.number}/*`,
        port: instance.port.number,
        protocol: isHttp(protocol) ? protocol : 'auto',
        filterConfig: context.mixer ? mixerRouteConfig(instance.service) : {},
      },
    );
  });
}

interface ChainTarget {
  readonly name: string;
  readonly cluster: string;
  readonly statPrefix: string;
  readonly operation: string;
  readonly port: number;
  readonly protocol: ServiceInstance['port']['protocol'];
  readonly filterConfig: Readonly<Record<string, Any>>;
}

function filterChain(context: ListenerContext, chain: InboundChain, target: ChainTarget): FilterChain {
  const { inbound, trustDomains } = context;
  const http = chain.inside === 'http';
  const alpn = http ? ['h2', 'http/1.1'] : ['istio-peer-exchange', 'h2', 'http/1.1'];
  return {
    name: target.name,
    filterChainMatch: chain.match,
    filters: http
      ? [
          ...networkPrefix(context),
          connectionManager({
            direction: 'inbound',
            statPrefix: target.statPrefix,
            route: inboundRoute(target),
            filters: inbound.httpFilters(target.protocol),
            side: inbound,
            pathNormalization: context.pathNormalization,
          }),
        ]
      : [
          ...networkPrefix(context),
          ...inbound.networkFilters,
          ...tcpStats(context),
          tcpProxy([{ cluster: target.cluster, weight: 1 }], inbound.accessLog),
        ],
    ...(chain.terminateMtls ? { transportSocket: inboundTls(trustDomains, alpn) } : {}),
  };
}

function networkPrefix(context: ListenerContext): NetworkFilter[] {
  if (!context.proxy.extensions.has(METADATA_EXCHANGE)) return [];
  return [extension(METADATA_EXCHANGE, MetadataExchangeSchema, { protocol: 'istio-peer-exchange', enableDiscovery: true })];
}

function tcpStats(context: ListenerContext): NetworkFilter[] {
  return context.proxy.extensions.has(STATS) ? [extension(STATS, PluginConfigSchema, { disableHostHeaderFallback: true })] : [];
}
