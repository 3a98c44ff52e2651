import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { query } from '@xebec/incremental';
import type { MeshProxy, MeshSnapshot, Service, ServiceInstance, ServicePort } from '@xebec/model';
import { TrafficDirection } from '@xebec/protos/envoy/config/core/v3/base';
import { type Listener, ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { type Filter, type FilterChain, FilterChainSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import type { ServerTls } from '@xebec/schemas';
import { BLACK_HOLE, INBOUND_PASSTHROUGH, inboundCluster } from '../cluster/names.ts';
import { socketAddress } from '../envoy/address.ts';
import { sdsFileSource } from '../envoy/config-source.ts';
import { serverTls } from '../gateway/server-tls.ts';
import { type ConfigReference, type Generated, referenceTo } from '../generated.ts';
import { mixerConnectionFilter, mixerRouteConfig, mixerRouteMetadata } from '../mixer/client.ts';
import { exchangeFilters } from '../peer-exchange.ts';
import { type InboundRoute, inboundRoute } from '../route/inbound.ts';
import { type ListenerContext, listenerContext } from './context.ts';
import { exactBalance } from './exact-balance.ts';
import { type InboundChain, inboundChains, ownTlsChains } from './inbound-chains.ts';
import { completeManager, finished, httpPieces, mutualTlsSocket, tcpPieces } from './inbound-pieces.ts';
import { inspectorsFor, originalDestination, originalSource } from './listener-filters.ts';
import { tcpProxy } from './tcp-proxy.ts';

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
export function virtualInbound(snapshot: MeshSnapshot, context: ListenerContext, ports: readonly InboundPort[]): Generated<Listener> {
  const { inboundPort, inbound, family, proxy } = context;
  const [any] = family.any;
  const here = ports.filter(({ instance }) => instance.declared?.bound !== true);
  const chains = [
    ...chainsOfOtherPorts(snapshot, proxy, namedOnly(context, ports).join(',')),
    ...here.flatMap((port) =>
      port.instance.declared === undefined
        ? chainsOfService(snapshot, proxy, port.instance.service, port.instance.port, port.port)
        : portChains(snapshot, context, port, any, true),
    ),
  ];
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
    ...exactBalance(context.proxy, 'INBOUND'),
    accessLog: [...inbound.listenerLog],
    maxConnectionsToAcceptPerSocketEvent: 1,
  });
  return { name: message.name, message, provenance: references(context, here) };
}

/** Ports that PeerAuthentication names without their being declared, in order. */
function namedOnly({ peerAuthentication }: ListenerContext, ports: readonly InboundPort[]): number[] {
  const declared = new Set(ports.map(({ port }) => port));
  return [...peerAuthentication.ports.keys()].filter((port) => !declared.has(port)).sort((a, b) => a - b);
}

/**
 * What comes in to the listener itself, which goes nowhere, and to ports that nothing declares. A port that PeerAuthentication names
 * (`named`, a list with commas) without being declared has chains of its own, since its mode is its own.
 */
const chainsOfOtherPorts = query(
  'inbound chains of other ports',
  (snapshot: MeshSnapshot, proxy: MeshProxy, named: string): readonly FilterChain[] => {
    const context = listenerContext(snapshot, proxy);
    const { inboundPort, inbound, peerAuthentication } = context;
    const blackhole = create(FilterChainSchema, {
      name: 'virtualInbound-blackhole',
      filterChainMatch: { destinationPort: inboundPort },
      filters: [...exchangeFilters(context.proxy), ...inbound.tcpStats, tcpProxy([{ cluster: BLACK_HOLE, weight: 1 }], [])],
    });
    const numbers = named === '' ? [] : named.split(',').map(Number);
    const passthrough = [undefined, ...numbers].flatMap((port) =>
      inboundChains(port === undefined ? peerAuthentication.mode : peerAuthentication.modeOf(port), 'auto').flatMap((chain) =>
        filterChains(snapshot, context, [port === undefined ? chain : { ...chain, match: { ...chain.match, destinationPort: port } }], {
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
    return [blackhole, ...passthrough];
  },
);

/** Listeners of their own: what a Sidecar's `ingress` binds, and every port of pods whose traffic no iptables redirect. */
export function boundInbound(snapshot: MeshSnapshot, context: ListenerContext, ports: readonly InboundPort[]): Generated<Listener>[] {
  const own = unicastAddress(context);
  return ports
    .filter(({ instance }) => (instance.declared === undefined ? context.proxy.interceptionMode === 'NONE' : instance.declared.bound))
    .map((port) => {
      const bind = port.instance.declared?.entry.bind;
      const address = bind === undefined || bind === '' ? own : bind;
      const chains = portChains(snapshot, context, port, address, port.instance.declared !== undefined);
      const message = create(ListenerSchema, {
        name: `${address}_${port.port}`,
        address: socketAddress(address, port.port),
        filterChains: chains,
        listenerFilters: inspectorsFor(chains),
        listenerFiltersTimeout: context.detectionTimeout,
        continueOnListenerFiltersTimeout: true,
        trafficDirection: TrafficDirection.INBOUND,
        ...exactBalance(context.proxy, 'INBOUND'),
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

function references(context: ListenerContext, ports: readonly InboundPort[]): ConfigReference[] {
  const sidecars = new Set(ports.flatMap(({ instance }) => instance.declared?.sidecar ?? []));
  return [
    ...[...sidecars].map((object) => referenceTo(object, 'spec.ingress')),
    ...context.peerAuthentication.sources.map((object) => referenceTo(object)),
    ...context.securityReferences,
  ];
}

/** The same for all workloads of a service. */
const chainsOfService = query(
  'inbound chains of a service',
  (snapshot: MeshSnapshot, proxy: MeshProxy, service: Service, port: ServicePort, targetPort: number): readonly FilterChain[] => {
    const context = listenerContext(snapshot, proxy);
    return portChains(snapshot, context, { port: targetPort, instance: { service, port, targetPort } }, context.family.any[0], true);
  },
);

function portChains(
  snapshot: MeshSnapshot,
  context: ListenerContext,
  { port, instance }: InboundPort,
  any: string,
  matchPort: boolean,
): FilterChain[] {
  const { protocol } = instance.port;
  const { declared } = instance;
  const mode = context.peerAuthentication.modeOf(port);
  const given = declared?.entry.bind;
  const bind = declared === undefined ? any : given === undefined || given === '' ? unicastAddress(context) : given;
  // A user's own TLS and that of the mesh cannot both end here: the mesh's goes first.
  const tls = mode === 'DISABLE' ? declared?.entry.tls : undefined;
  const chains = tls === undefined ? inboundChains(mode, protocol) : ownTlsChains(protocol);
  const { name, namespace } = declared?.sidecar.metadata ?? {};
  return filterChains(
    snapshot,
    context,
    matchPort ? chains.map((chain) => ({ ...chain, match: { ...chain.match, destinationPort: port } })) : chains,
    {
      name: `${bind}_${port}`,
      cluster: inboundCluster(port),
      statPrefix: `inbound_${bind}_${port};`,
      operation: `${declared === undefined ? instance.service.hostname : `${name}.${namespace}`}:${instance.port.number}/*`,
      port: instance.port.number,
      listenPort: port,
      protocol,
      service: instance.service,
      filterConfig: context.mixer ? mixerRouteConfig(snapshot, context.proxy, instance.service) : {},
      ...mixerRouteMetadata(snapshot, context.proxy, instance.service),
      ...(tls === undefined ? {} : { tls }),
    },
  );
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
  readonly metadata?: NonNullable<InboundRoute['metadata']>;
  /** Whose port it is, where that is known. */
  readonly service?: Service;
  /** TLS of the user's own that ends here. */
  readonly tls?: ServerTls;
}

/** The chains of one target: those with HTTP inside have the same filters, and so have those without. */
function filterChains(
  snapshot: MeshSnapshot,
  context: ListenerContext,
  chains: readonly InboundChain[],
  target: ChainTarget,
): FilterChain[] {
  const { proxy } = context;
  const filters = new Map<InboundChain['inside'], readonly Filter[]>();
  const filtersOf = (inside: InboundChain['inside']) => {
    const known = filters.get(inside) ?? filtersInside(snapshot, context, inside, target);
    filters.set(inside, known);
    return known;
  };
  const socketOf = ({ inside }: InboundChain) =>
    target.tls === undefined
      ? mutualTlsSocket(snapshot, proxy, inside)
      : serverTls(target.tls, {
          mutualTls: context.mutualTls,
          tlsDefaults: context.tlsDefaults,
          tcp: false,
          exchangesPeers: false,
          fileSource: sdsFileSource(proxy.metadata),
        });
  return chains.map((chain) =>
    create(FilterChainSchema, {
      name: target.name,
      filterChainMatch: chain.match,
      filters: [...filtersOf(chain.inside)],
      ...(chain.terminateMtls ? { transportSocket: socketOf(chain) } : {}),
    }),
  );
}

function filtersInside(
  snapshot: MeshSnapshot,
  context: ListenerContext,
  inside: InboundChain['inside'],
  target: ChainTarget,
): readonly Filter[] {
  const { proxy } = context;
  if (inside === 'tcp') {
    const filters = tcpPieces(snapshot, proxy, target.protocol, target.port, target.cluster);
    const mixer = mixerConnectionFilter(snapshot, proxy, context.scope, 'inbound', target.service);
    // Before the last, which passes the bytes on.
    return mixer.length === 0 ? filters : [...filters.slice(0, -1), ...mixer.map(finished), ...filters.slice(-1)];
  }
  const pieces = httpPieces(snapshot, proxy, target.protocol, target.listenPort);
  const route = inboundRoute({ ...target, ...(context.inboundRetry === undefined ? {} : { retry: context.inboundRetry }) });
  return [
    ...pieces.before,
    completeManager(pieces, { statPrefix: target.statPrefix, routeSpecifier: { case: 'routeConfig', value: route } }),
  ];
}
