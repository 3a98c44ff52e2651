import { create } from '@bufbuild/protobuf';
import { isHttp, isTls, MESH_GATEWAY, type MeshSnapshot, type Service, type ServicePort } from '@xebec/model';
import { TrafficDirection } from '@xebec/protos/envoy/config/core/v3/base';
import { type Listener, ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import type { FilterChainSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { BLACK_HOLE, outboundCluster, PASSTHROUGH } from '../cluster/names.ts';
import { cidrRange, isIpAddress, socketAddress } from '../envoy/address.ts';
import type { Fields } from '../envoy/any.ts';
import { seconds } from '../envoy/duration.ts';
import { type ConfigReference, type Generated, referenceTo } from '../generated.ts';
import { HTTP_PROXY_ROUTE } from '../route/outbound.ts';
import { listenerAccessLogs } from '../telemetry/access-log.ts';
import { destinationResolver } from '../virtual-service/destination.ts';
import { type TcpChain, tcpChains, tlsChains } from '../virtual-service/tcp-routes.ts';
import { connectionManager } from './connection-manager.ts';
import type { ListenerContext } from './context.ts';
import { httpInspector, tlsInspector } from './listener-filters.ts';
import { tcpProxy } from './tcp-proxy.ts';

type FilterChain = Fields<typeof FilterChainSchema>;

const ANY = '0.0.0.0';
/** ALPN names that the HTTP inspector gives plain text. */
const PLAIN_HTTP = ['http/1.1', 'h2c'];
const TRANSPORT_TIMEOUT = seconds(15);

/** What one address and port gathers from the services that share it. */
interface Binding {
  readonly bind: string;
  readonly port: number;
  routeName?: string;
  readonly chains: TcpChain[];
  readonly references: Map<string, ConfigReference>;
}

/** `bind_port` listeners for every visible service port, in the order of their names. */
export function outboundListeners(snapshot: MeshSnapshot, context: ListenerContext, ownPorts: ReadonlySet<number>): Generated<Listener>[] {
  const bound = context.proxy.interceptionMode === 'NONE';
  const bindings = new Map<string, Binding>();
  for (const egress of context.scope.egress) {
    for (const service of bySeniority(egress.services)) {
      for (const port of service.ports) {
        if (port.protocol === 'udp' || (egress.port !== undefined && egress.port.number !== port.number)) continue;
        if (bound) bindExplicitly(snapshot, context, bindings, service, port, ownPorts);
        else bindTransparently(snapshot, context, bindings, service, port, egress.bind);
      }
    }
  }
  const listeners = [...bindings.values()].map((binding) => toListener(context, binding, bound));
  if (bound) listeners.push(httpProxyListener(context));
  return listeners.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The oldest service wins where two cannot share an address. */
function bySeniority(services: readonly Service[]): Service[] {
  const age = (service: Service) => (service.creationTimestamp === '' ? '9' : service.creationTimestamp);
  return [...services].sort((a, b) => (age(a) < age(b) ? -1 : age(a) > age(b) ? 1 : a.hostname < b.hostname ? -1 : 1));
}

function bindTransparently(
  snapshot: MeshSnapshot,
  context: ListenerContext,
  bindings: Map<string, Binding>,
  service: Service,
  port: ServicePort,
  bind: string | undefined,
): void {
  if (isHttp(port.protocol)) {
    bindingAt(bindings, bind ?? ANY, port.number).routeName ??= String(port.number);
    return;
  }
  const addresses = bind === undefined ? bindAddresses(snapshot, context, service, port) : [bind];
  for (const address of addresses) {
    const binding = bindingAt(bindings, address, port.number);
    if (port.protocol === 'auto')
      binding.routeName ??= address === ANY || service.headless ? String(port.number) : `${service.hostname}:${port.number}`;
    addChains(snapshot, context, binding, service, port, address === ANY);
  }
}

/**
 * Without iptables the application calls an address of its own, where one listener a port stands for the service. A port
 * that the workload itself serves there is taken.
 */
function bindExplicitly(
  snapshot: MeshSnapshot,
  context: ListenerContext,
  bindings: Map<string, Binding>,
  service: Service,
  port: ServicePort,
  ownPorts: ReadonlySet<number>,
): void {
  if (isHttp(port.protocol) || ownPorts.has(port.number) || port.number === context.httpProxyPort) return;
  const binding = bindingAt(bindings, context.proxy.appAddress, port.number);
  if (port.protocol === 'auto') binding.routeName ??= `${service.hostname}:${port.number}`;
  addChains(snapshot, context, binding, service, port, isTls(port.protocol) && service.meshExternal);
}

/** Virtual addresses; for headless services each endpoint; else any address. */
function bindAddresses(snapshot: MeshSnapshot, context: ListenerContext, service: Service, port: ServicePort): string[] {
  const virtual = service.addresses.filter(isIpAddress).filter((address) => address !== ANY);
  if (virtual.length > 0) return virtual;
  if (service.headless && service.registry === 'kubernetes') {
    const own = new Set(context.proxy.addresses);
    const addresses = snapshot
      .endpoints(service, port.name)
      .map((endpoint) => endpoint.address)
      .filter((address) => isIpAddress(address) && !own.has(address));
    return [...new Set(addresses)];
  }
  return [ANY];
}

function bindingAt(bindings: Map<string, Binding>, bind: string, port: number): Binding {
  const key = `${bind}_${port}`;
  let binding = bindings.get(key);
  if (binding === undefined) {
    binding = { bind, port, chains: [], references: new Map() };
    bindings.set(key, binding);
  }
  return binding;
}

/** Chains of a service that is not HTTP: those of its VirtualService, then one to the service itself. */
function addChains(
  snapshot: MeshSnapshot,
  context: ListenerContext,
  binding: Binding,
  service: Service,
  port: ServicePort,
  shared: boolean,
): void {
  const { proxy, scope } = context;
  const site = {
    proxy,
    gateways: new Set([MESH_GATEWAY]),
    ports: [port.number],
    resolve: destinationResolver(snapshot, proxy, scope, port.number, false),
  };
  const rule = context.tcpRuleOf(service.hostname);
  const chains = rule === undefined ? [] : [...(isTls(port.protocol) ? tlsChains(rule, site) : []), ...tcpChains(rule, site)];
  if (rule !== undefined && chains.length > 0)
    binding.references.set(`${rule.metadata.namespace}/${rule.metadata.name}`, referenceTo(rule));
  const own: TcpChain = {
    match: ownMatch(service, port, shared),
    destinations: [{ cluster: outboundCluster(port.number, undefined, service.hostname), weight: 100 }],
    consistentHash: false,
  };
  const takesAll = chains.some((chain) => isEmptyMatch(chain.match));
  for (const chain of takesAll ? chains : [...chains, own]) {
    // Two chains with one match are an error for Envoy; the one of the older service stands.
    if (!binding.chains.some((other) => sameMatch(other.match, chain.match))) binding.chains.push(chain);
  }
}

/** On an address that services share, a service is known by its server name or its address block. */
function ownMatch(service: Service, port: ServicePort, shared: boolean): TcpChain['match'] {
  if (!shared) return {};
  const blocks = service.addresses.filter((address) => address.includes('/')).map(cidrRange);
  if (blocks.length > 0) return { prefixRanges: blocks };
  return isTls(port.protocol) && service.hostname !== '*' ? { serverNames: [service.hostname] } : {};
}

function isEmptyMatch(match: TcpChain['match']): boolean {
  return sameMatch(match, {});
}

function sameMatch(a: TcpChain['match'], b: TcpChain['match']): boolean {
  const key = (match: TcpChain['match']) =>
    JSON.stringify([match.serverNames ?? [], match.prefixRanges ?? [], match.sourcePrefixRanges ?? []]);
  return key(a) === key(b);
}

function toListener(context: ListenerContext, binding: Binding, bound: boolean): Generated<Listener> {
  const { outbound, scope } = context;
  const name = `${binding.bind}_${binding.port}`;
  const { routeName } = binding;
  const http: FilterChain[] =
    routeName === undefined
      ? []
      : [
          {
            filterChainMatch: { transportProtocol: 'raw_buffer', applicationProtocols: PLAIN_HTTP },
            filters: [
              connectionManager({
                direction: 'outbound',
                statPrefix: `outbound_${name};`,
                route: routeName,
                filters: outbound.httpFilters('http'),
                side: outbound,
                pathNormalization: context.pathNormalization,
              }),
            ],
            transportSocketConnectTimeout: TRANSPORT_TIMEOUT,
          },
        ];
  const tcp = binding.chains.map(
    (chain): FilterChain => ({
      ...(isEmptyMatch(chain.match) ? {} : { filterChainMatch: chain.match }),
      filters: [tcpProxy(chain.destinations, outbound.accessLog, { hashSourceIp: chain.consistentHash })],
      transportSocketConnectTimeout: TRANSPORT_TIMEOUT,
    }),
  );
  const needsTls = binding.chains.some((chain) => (chain.match.serverNames?.length ?? 0) > 0);
  const takesAll = binding.chains.some((chain) => isEmptyMatch(chain.match));
  const fallback = binding.bind === ANY && !takesAll ? { defaultFilterChain: passthroughChain(context) } : {};
  const message = create(ListenerSchema, {
    name,
    address: socketAddress(binding.bind, binding.port),
    filterChains: [...http, ...tcp],
    ...fallback,
    listenerFilters: [...(needsTls ? [tlsInspector()] : []), ...(http.length > 0 ? [httpInspector()] : [])],
    listenerFiltersTimeout: context.detectionTimeout,
    continueOnListenerFiltersTimeout: true,
    trafficDirection: TrafficDirection.OUTBOUND,
    ...(bound ? {} : { bindToPort: false }),
  });
  const sidecar = scope.sidecar === undefined ? [] : [referenceTo(scope.sidecar)];
  return { name, message, provenance: [...binding.references.values(), ...sidecar] };
}

/** What goes to a port that services use but to an address that none of them has. */
function passthroughChain(context: ListenerContext): FilterChain {
  const cluster = context.scope.outboundPolicy === 'REGISTRY_ONLY' ? BLACK_HOLE : PASSTHROUGH;
  return {
    name: 'PassthroughFilterChain',
    filterChainMatch: {},
    filters: [tcpProxy([{ cluster, weight: 1 }], context.outbound.accessLog)],
  };
}

/** 0.0.0.0:15001, where iptables bring everything that goes out; connections are handed to the listener they were meant for. */
export function virtualOutbound(context: ListenerContext): Generated<Listener> {
  const { outbound, outboundPort, scope } = context;
  const cluster = scope.outboundPolicy === 'REGISTRY_ONLY' ? BLACK_HOLE : PASSTHROUGH;
  const message = create(ListenerSchema, {
    name: 'virtualOutbound',
    address: socketAddress(ANY, outboundPort),
    filterChains: [
      {
        // A connection to the proxy's own port would be sent to itself for ever.
        name: 'virtualOutbound-blackhole',
        filterChainMatch: { destinationPort: outboundPort },
        filters: [tcpProxy([{ cluster: BLACK_HOLE, weight: 1 }], [])],
      },
      { name: 'virtualOutbound-catchall-tcp', filters: [tcpProxy([{ cluster, weight: 1 }], outbound.accessLog)] },
    ],
    useOriginalDst: true,
    trafficDirection: TrafficDirection.OUTBOUND,
    accessLog: listenerAccessLogs(outbound.accessLog),
    maxConnectionsToAcceptPerSocketEvent: 1,
  });
  return { name: message.name, message, provenance: [] };
}

/** The explicit HTTP proxy of pods without iptables: the host and port of each request choose its route. */
function httpProxyListener(context: ListenerContext): Generated<Listener> {
  const { outbound, proxy, httpProxyPort } = context;
  const name = `${proxy.appAddress}_${httpProxyPort}`;
  const message = create(ListenerSchema, {
    name,
    address: socketAddress(proxy.appAddress, httpProxyPort),
    filterChains: [
      {
        filters: [
          connectionManager({
            direction: 'outbound',
            statPrefix: `outbound_${name};`,
            route: HTTP_PROXY_ROUTE,
            filters: outbound.httpFilters('http'),
            side: outbound,
            pathNormalization: context.pathNormalization,
            explicitProxy: true,
          }),
        ],
        transportSocketConnectTimeout: TRANSPORT_TIMEOUT,
      },
    ],
    trafficDirection: TrafficDirection.OUTBOUND,
    accessLog: listenerAccessLogs(outbound.accessLog),
  });
  return { name, message, provenance: [] };
}
