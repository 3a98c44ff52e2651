import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { isHttp2, type ServiceInstance } from '@xebec/model';
import { TrafficDirection } from '@xebec/protos/envoy/config/core/v3/base';
import { type Listener, ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import type { FilterChainSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { MetadataExchangeSchema } from '@xebec/protos/istio/filters/metadata_exchange';
import type { ServerTls } from '@xebec/schemas';
import { BLACK_HOLE, INBOUND_PASSTHROUGH, inboundCluster } from '../cluster/names.ts';
import { socketAddress } from '../envoy/address.ts';
import { extension, type Fields } from '../envoy/any.ts';
import { METADATA_EXCHANGE } from '../extensions.ts';
import { serverTls } from '../gateway/server-tls.ts';
import { type ConfigReference, type Generated, referenceTo } from '../generated.ts';
import { mixerRouteConfig } from '../mixer/client.ts';
import { inboundRoute } from '../route/inbound.ts';
import { codecFilter } from './codec-filter.ts';
import { connectionManager, type NetworkFilter } from './connection-manager.ts';
import type { ListenerContext } from './context.ts';
import { inboundTls } from './downstream-tls.ts';
import { type InboundChain, inboundChains, ownTlsChains } from './inbound-chains.ts';
import { inspectorsFor, originalDestination, originalSource } from './listener-filters.ts';
import { idleOption, tcpProxy } from './tcp-proxy.ts';

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

/** `0.0.0.0:15006`, where iptables bring everything that comes in. */
export function virtualInbound(context: ListenerContext, ports: readonly InboundPort[]): Generated<Listener> {
  const { inboundPort, inbound, family } = context;
  const [any] = family.any;
  const blackhole: FilterChain = {
    name: 'virtualInbound-blackhole',
    filterChainMatch: { destinationPort: inboundPort },
    filters: [...networkPrefix(context), ...inbound.tcpStats, tcpProxy([{ cluster: BLACK_HOLE, weight: 1 }], [])],
  };
  const here = ports.filter(({ instance }) => instance.declared?.bound !== true);
  const chains = [blackhole, ...passthroughChains(context, ports), ...here.flatMap((port) => portChains(context, port, any, true))];
  const transparent = context.proxy.interceptionMode === 'TPROXY';
  const message = create(ListenerSchema, {
    name: 'virtualInbound',
    address: socketAddress(any, inboundPort),
    filterChains: chains,
    listenerFilters: [originalDestination(), ...(transparent ? [originalSource()] : []), ...inspectorsFor(chains)],
    listenerFiltersTimeout: context.detectionTimeout,
    continueOnListenerFiltersTimeout: true,
    trafficDirection: TrafficDirection.INBOUND,
    ...(transparent ? { transparent: true } : {}),
    ...balancing(context),
    accessLog: [...inbound.listenerLog],
    maxConnectionsToAcceptPerSocketEvent: 1,
  });
  return { name: message.name, message, provenance: references(context, here) };
}

/**
 * What comes in to ports that nothing declares. A port that PeerAuthentication names without being declared has chains of its
 * own, since its mode is its own.
 */
function passthroughChains(context: ListenerContext, ports: readonly InboundPort[]): FilterChain[] {
  const { peerAuthentication } = context;
  const declared = new Set(ports.map(({ port }) => port));
  const named = [...peerAuthentication.ports.keys()].filter((port) => !declared.has(port)).sort((a, b) => a - b);
  return [undefined, ...named].flatMap((port) =>
    inboundChains(port === undefined ? peerAuthentication.mode : peerAuthentication.modeOf(port), 'auto').map((chain) =>
      filterChain(context, port === undefined ? chain : { ...chain, match: { ...chain.match, destinationPort: port } }, {
        name: chain.inside === 'http' ? 'virtualInbound-catchall-http' : 'virtualInbound',
        cluster: INBOUND_PASSTHROUGH,
        statPrefix: `${INBOUND_PASSTHROUGH};`,
        operation: ':0/*',
        port: 0,
        listenPort: port ?? 0,
        protocol: 'auto',
        filterConfig: {},
      }),
    ),
  );
}

/** Listeners of their own: what a Sidecar's `ingress` binds, and every port of pods whose traffic no iptables redirect. */
export function boundInbound(context: ListenerContext, ports: readonly InboundPort[]): Generated<Listener>[] {
  const own = unicastAddress(context);
  return ports
    .filter(({ instance }) => (instance.declared === undefined ? context.proxy.interceptionMode === 'NONE' : instance.declared.bound))
    .map((port) => {
      const bind = port.instance.declared?.entry.bind;
      const address = bind === undefined || bind === '' ? own : bind;
      const chains = portChains(context, port, address, port.instance.declared !== undefined);
      const message = create(ListenerSchema, {
        name: `${address}_${port.port}`,
        address: socketAddress(address, port.port),
        filterChains: chains,
        listenerFilters: inspectorsFor(chains),
        listenerFiltersTimeout: context.detectionTimeout,
        continueOnListenerFiltersTimeout: true,
        trafficDirection: TrafficDirection.INBOUND,
        ...balancing(context),
        accessLog: [...context.inbound.listenerLog],
        maxConnectionsToAcceptPerSocketEvent: 1,
      });
      return { name: message.name, message, provenance: references(context, [port]) };
    });
}

/** The address of its own that others reach the workload at. */
function unicastAddress({ proxy, family }: ListenerContext): string {
  const local = (address: string) => address.startsWith('127.') || address === '::1' || address.startsWith('fe80:');
  return proxy.addresses.find((address) => !local(address)) ?? proxy.addresses[0] ?? family.any[0];
}

function balancing({ proxy }: ListenerContext): Fields<typeof ListenerSchema> {
  const wanted = proxy.metadata['INBOUND_LISTENER_EXACT_BALANCE'];
  return wanted === true || wanted === 'true' ? { connectionBalanceConfig: { balanceType: { case: 'exactBalance', value: {} } } } : {};
}

function references(context: ListenerContext, ports: readonly InboundPort[]): ConfigReference[] {
  const sidecars = new Set(ports.flatMap(({ instance }) => instance.declared?.sidecar ?? []));
  return [
    ...[...sidecars].map((object) => referenceTo(object, 'spec.ingress')),
    ...context.peerAuthentication.sources.map((object) => referenceTo(object)),
    ...context.securityReferences,
  ];
}

function portChains(context: ListenerContext, { port, instance }: InboundPort, any: string, matchPort: boolean): FilterChain[] {
  const { protocol } = instance.port;
  const { declared } = instance;
  const mode = context.peerAuthentication.modeOf(port);
  const given = declared?.entry.bind;
  const bind = declared === undefined ? any : given === undefined || given === '' ? unicastAddress(context) : given;
  // A user's own TLS and that of the mesh cannot both end here: the mesh's goes first.
  const tls = mode === 'DISABLE' ? declared?.entry.tls : undefined;
  const chains = tls === undefined ? inboundChains(mode, protocol) : ownTlsChains(protocol);
  return chains.map((chain) => {
    const match = matchPort ? { ...chain.match, destinationPort: port } : chain.match;
    const { name, namespace } = declared?.sidecar.metadata ?? {};
    return filterChain(
      context,
      { ...chain, match },
      {
        name: `${bind}_${port}`,
        cluster: inboundCluster(port),
        statPrefix: `inbound_${bind}_${port};`,
        operation: `${declared === undefined ? instance.service.hostname : `${name}.${namespace}`}:${instance.port.number}/*`,
        port: instance.port.number,
        listenPort: port,
        protocol,
        filterConfig: context.mixer ? mixerRouteConfig(instance.service) : {},
        ...(tls === undefined ? {} : { tls }),
      },
    );
  });
}

interface ChainTarget {
  readonly name: string;
  readonly cluster: string;
  readonly statPrefix: string;
  readonly operation: string;
  /** Of the service. */
  readonly port: number;
  /** Of the workload; 0: any. */
  readonly listenPort: number;
  readonly protocol: ServiceInstance['port']['protocol'];
  readonly filterConfig: Readonly<Record<string, Any>>;
  /** TLS of the user's own that ends here. */
  readonly tls?: ServerTls;
}

function filterChain(context: ListenerContext, chain: InboundChain, target: ChainTarget): FilterChain {
  const { inbound, mutualTls } = context;
  const http = chain.inside === 'http';
  const alpn = http ? ['h2', 'http/1.1'] : ['istio-peer-exchange', 'h2', 'http/1.1'];
  const socket =
    target.tls === undefined
      ? inboundTls(mutualTls, alpn)
      : serverTls(target.tls, { mutualTls, tlsDefaults: context.tlsDefaults, tcp: false });
  return {
    name: target.name,
    filterChainMatch: chain.match,
    filters: http
      ? [
          ...networkPrefix(context),
          ...inbound.networkExtensions(target.listenPort),
          connectionManager({
            direction: 'inbound',
            statPrefix: target.statPrefix,
            route: inboundRoute({ ...target, ...(context.inboundRetry === undefined ? {} : { retry: context.inboundRetry }) }),
            filters: inbound.httpFilters(target.protocol, target.listenPort),
            side: inbound,
            pathNormalization: context.pathNormalization,
            http2: isHttp2(target.protocol),
          }),
        ]
      : [
          ...networkPrefix(context),
          ...inbound.tcpFilters(target.port),
          ...codecFilter(target.protocol, target.cluster),
          tcpProxy([{ cluster: target.cluster, weight: 1 }], inbound.tcpAccessLog, idleOption(inbound)),
        ],
    ...(chain.terminateMtls ? { transportSocket: socket } : {}),
  };
}

function networkPrefix(context: ListenerContext): NetworkFilter[] {
  if (!context.proxy.extensions.has(METADATA_EXCHANGE)) return [];
  return [extension(METADATA_EXCHANGE, MetadataExchangeSchema, { protocol: 'istio-peer-exchange', enableDiscovery: true })];
}
