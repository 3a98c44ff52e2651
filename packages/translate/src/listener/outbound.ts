import { create } from '@bufbuild/protobuf';
import { query, sameList } from '@xebec/incremental';
import {
  allocatedAddresses,
  destinationRuleOf,
  type EgressScope,
  hostsOverlap,
  isHttp,
  isTls,
  MESH_GATEWAY,
  type MeshSnapshot,
  type Protocol,
  type Service,
  type ServicePort,
  virtualServiceHosts,
} from '@xebec/model';
import { TrafficDirection } from '@xebec/protos/envoy/config/core/v3/base';
import { type Listener, ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import type { FilterChainSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { httpForwardFilter, isForwarded, sniForwardFilter } from '../cluster/dynamic-forward-proxy.ts';
import { BLACK_HOLE, outboundCluster } from '../cluster/names.ts';
import { isIpAddress, listenAddress, socketAddress } from '../envoy/address.ts';
import type { Fields } from '../envoy/any.ts';
import { seconds, ZERO } from '../envoy/duration.ts';
import { type ConfigReference, type Generated, referenceTo } from '../generated.ts';
import { HTTP_PROXY_ROUTE } from '../route/outbound.ts';
import { dnsNames, unknownCluster } from '../route/virtual-host.ts';
import { connectionPolicyOf, destinationResolver } from '../virtual-service/destination.ts';
import { blockMatch, type TcpChain, tcpChains, tlsChains } from '../virtual-service/tcp-routes.ts';
import { codecFilter } from './codec-filter.ts';
import { connectionManager } from './connection-manager.ts';
import type { ListenerContext } from './context.ts';
import { exactBalance } from './exact-balance.ts';
import { httpInspector, tlsInspector } from './listener-filters.ts';
import { type Addition, addToBinding, type Binding, type HttpChain, isEmptyMatch } from './outbound-binding.ts';
import { idleOption, tcpProxy } from './tcp-proxy.ts';
import { fits } from './wildcards.ts';

type FilterChain = Fields<typeof FilterChainSchema>;

const ANY = '0.0.0.0';
/** ALPN names that the HTTP inspector gives plain text. */
const PLAIN_HTTP = ['http/1.1', 'h2c'];
const TRANSPORT_TIMEOUT = seconds(15);

/** A port as a listener offers it: the service's own, or that of a Sidecar's egress listener. */
type ListenPort = Pick<ServicePort, 'number' | 'protocol' | 'name'>;

/** `bind_port` listeners for every visible service port, in the order of their names. */
export function outboundListeners(snapshot: MeshSnapshot, context: ListenerContext, ownPorts: ReadonlySet<number>): Generated<Listener>[] {
  const explicit = context.proxy.interceptionMode === 'NONE';
  const bindings = new Map<string, Binding>();
  for (const egress of context.scope.egress) {
    const catchAll = egress.port === undefined;
    if (catchAll) for (const binding of bindings.values()) binding.locked = true;
    for (const service of bySeniority(egress.services)) {
      if (service.aliasOf !== undefined) continue;
      const ports: readonly ListenPort[] = egress.port === undefined ? service.ports : [egress.port];
      for (const port of ports) {
        if (port.protocol === 'udp') continue;
        if (explicit) bindExplicitly(snapshot, context, bindings, egress, service, port, ownPorts);
        else bindTransparently(snapshot, context, bindings, egress, service, port);
      }
    }
  }
  const listeners = [...bindings.values()].map((binding) => toListener(context, binding));
  if (explicit) listeners.push(httpProxyListener(context, [context.proxy.appAddress]));
  else if (asksForHttpProxy(snapshot, context)) listeners.push(httpProxyListener(context, context.family.loopback));
  return listeners.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Beside iptables the explicit proxy port is there only where the mesh or the proxy names one. */
function asksForHttpProxy(snapshot: MeshSnapshot, { proxy }: ListenerContext): boolean {
  return Number(proxy.metadata.HTTP_PROXY_PORT) > 0 || (snapshot.mesh.proxyHttpPort ?? 0) > 0;
}

/** The oldest service wins where two cannot share an address. */
function bySeniority(services: readonly Service[]): Service[] {
  // Of unknown age, the platform's own come first.
  const age = (service: Service) => service.creationTimestamp || (service.registry === 'kubernetes' ? '8' : '9');
  return [...services].sort((a, b) => (age(a) < age(b) ? -1 : age(a) > age(b) ? 1 : a.hostname < b.hostname ? -1 : 1));
}

/** Where a listener stands: an address, and the address blocks of a service that has no single one. */
interface Site {
  readonly bind: string;
  readonly extra?: readonly string[];
  readonly blocks?: readonly string[];
}

function bindTransparently(
  snapshot: MeshSnapshot,
  context: ListenerContext,
  bindings: Map<string, Binding>,
  egress: EgressScope,
  service: Service,
  port: ListenPort,
): void {
  const bound = egress.bound === true || egress.bind?.startsWith('unix://') === true;
  const fixed = egress.bind ?? (bound ? context.family.loopback[0] : undefined);
  if (reserved(context, fixed ?? (isHttp(port.protocol) ? ANY : ''), port.number)) return;
  const sites =
    fixed !== undefined
      ? [{ bind: fixed, ...(egress.bind === undefined ? { extra: context.family.loopback.slice(1) } : {}) }]
      : isHttp(port.protocol)
        ? [{ bind: context.family.any[0], extra: context.family.any.slice(1) }]
        : sitesOf(snapshot, context, egress, service, port);
  for (const site of sites) place(snapshot, context, bindings, egress, service, port, site, bound);
}

/** The proxy's own listeners keep their ports. */
function reserved(context: ListenerContext, bind: string, port: number): boolean {
  const { ENVOY_STATUS_PORT: status, ENVOY_PROMETHEUS_PORT: prometheus } = context.proxy.metadata;
  return bind === ANY && [status, prometheus, context.inboundPort, context.outboundPort].some((taken) => Number(taken) === port);
}

/**
 * Without iptables the application calls an address of its own, where one listener a port stands for the service. A port
 * that the workload itself serves there is taken; HTTP goes by the explicit proxy port.
 */
function bindExplicitly(
  snapshot: MeshSnapshot,
  context: ListenerContext,
  bindings: Map<string, Binding>,
  egress: EgressScope,
  service: Service,
  port: ListenPort,
  ownPorts: ReadonlySet<number>,
): void {
  if (isHttp(port.protocol) || ownPorts.has(port.number) || port.number === context.httpProxyPort) return;
  // Services share this address, so those of the outside are told apart by their server name.
  const shared = isTls(port.protocol) && service.meshExternal;
  place(snapshot, context, bindings, egress, service, port, { bind: context.proxy.appAddress }, true, shared);
}

/** Virtual addresses and blocks; for services without, each endpoint; else any address. */
function sitesOf(snapshot: MeshSnapshot, context: ListenerContext, egress: EgressScope, service: Service, port: ListenPort): Site[] {
  const { any } = context.family;
  const addresses = service.addresses.filter((address) => address !== ANY);
  const everywhere = { bind: any[0], extra: any.slice(1) };
  const blocks = addresses.filter((address) => address.includes('/'));
  const single = addresses.filter(isIpAddress);
  if (single.length > 0 || blocks.length > 0) {
    // A platform's service has one address for a proxy: the first of its families, else whichever there is.
    const own = service.registry === 'kubernetes' ? [single.find((address) => fits(address, context.proxy)) ?? single[0]] : single;
    return [
      ...own.flatMap((bind): Site[] => (bind === undefined ? [] : [{ bind }])),
      ...blocks.map((block) => ({ ...everywhere, blocks: [block] })),
    ];
  }
  // A listener of a Sidecar's own port stands anywhere: only those of service ports know pods one by one.
  const [allocated] = allocatedAddresses(service, context.proxy);
  if (service.addresses.length === 0 && allocated !== undefined) return [{ bind: allocated }];
  if (service.resolution !== 'passthrough') return [everywhere];
  if (egress.port !== undefined) return [service.registry === 'kubernetes' ? { bind: ANY } : everywhere];
  const endpoints = snapshot.endpoints(service, port.name).map((endpoint) => endpoint.address);
  if (service.registry !== 'kubernetes' && endpoints.length === 0 && service.selector === undefined) return [everywhere];
  return [...new Set(endpoints.filter((address) => isIpAddress(address) && context.proxy.addresses.indexOf(address) !== 0))].map(
    (bind) => ({ bind }),
  );
}

function place(
  snapshot: MeshSnapshot,
  context: ListenerContext,
  bindings: Map<string, Binding>,
  egress: EgressScope,
  service: Service,
  port: ListenPort,
  site: Site,
  bound: boolean,
  byServerName = false,
): void {
  const key = `${site.bind}_${port.number}`;
  const binding = bindings.get(key);
  if (binding?.locked === true) return;
  const addition = additionOf(snapshot, context, egress, service, port, site, byServerName);
  if (binding !== undefined) {
    addToBinding(binding, addition);
    return;
  }
  const { mode, protocol, http, tcp, references } = addition;
  bindings.set(key, {
    bind: site.bind,
    extra: site.extra ?? [],
    port: port.number,
    bound,
    mode: http?.sniffed === true ? 'sniffed' : mode,
    protocol,
    ...(http === undefined ? {} : { http }),
    tcp: [...tcp],
    locked: false,
    references: new Map(references.map((reference) => [`${reference.namespace}/${reference.name}`, reference])),
  });
}

function additionOf(
  snapshot: MeshSnapshot,
  context: ListenerContext,
  egress: EgressScope,
  service: Service,
  port: ListenPort,
  site: Site,
  byServerName: boolean,
): Addition {
  const { protocol } = port;
  const anywhere = site.bind === context.family.any[0];
  if (isHttp(protocol)) {
    const forward = isForwarded(service, context.proxy) ? { forward: service.hostname } : {};
    const http: HttpChain = { routeName: port.number === 0 ? site.bind : String(port.number), protocol, sniffed: anywhere, ...forward };
    return { protocol, mode: 'http', http: egress.port?.httpProxy === true ? { ...http, sniffed: false } : http, tcp: [], references: [] };
  }
  const { chains, references } = byteChains(snapshot, context, egress, service, port, site, anywhere || byServerName);
  if (protocol !== 'auto') return { protocol, mode: 'tcp', tcp: chains, references };
  const routeName = port.number === 0 ? site.bind : anywhere ? String(port.number) : `${service.hostname}:${port.number}`;
  return { protocol, mode: 'sniffed', http: { routeName, protocol, sniffed: true }, tcp: chains, references };
}

/** Chains of a service that is not HTTP: those of the VirtualServices of its host, else one to the service itself. */
function byteChains(
  snapshot: MeshSnapshot,
  context: ListenerContext,
  egress: EgressScope,
  service: Service,
  port: ListenPort,
  site: Site,
  shared: boolean,
): { chains: TcpChain[]; references: ConfigReference[] } {
  const { proxy, scope, domain } = context;
  const blocks = site.blocks ?? [];
  const place = {
    proxy,
    gateways: new Set([MESH_GATEWAY]),
    ports: [port.number],
    resolve: destinationResolver(snapshot, proxy, scope, port.number, false),
    blocks,
  };
  const tls = isTls(port.protocol);
  const rules = byteRules(snapshot, egress, tls).filter((config) =>
    virtualServiceHosts(config, domain).some((host) => hostsOverlap(host, service.hostname)),
  );
  const chains: TcpChain[] = [];
  const references: ConfigReference[] = [];
  const seen = new Set<string>();
  for (const rule of rules) {
    const made = tls ? tlsChains(rule, place, seen) : tcpChains(rule, place);
    if (made.length > 0) references.push(referenceTo(rule));
    chains.push(...made);
    // What takes every connection of the service is the last that counts.
    if (!tls && made.some((chain) => sameBlocks(chain, blocks))) return { chains, references };
  }
  if (tls && chains.length > 0) return { chains, references };
  const withoutAddress = service.addresses.every((address) => !isIpAddress(address) || address === ANY);
  const onlyBlocks = service.addresses.length > 0 && service.addresses.every((address) => address.includes('/'));
  const names = tls && (isForwarded(service, proxy) || blocks.length > 0 || onlyBlocks || (shared && withoutAddress));
  return { chains: [...chains, ownChain(snapshot, context, service, port, { blocks, byServerName: names })], references };
}

/** Apart from those that have HTTP routes only, so that listeners do not depend on them. */
const byteRules = query(
  'TCP and TLS rules',
  (_: MeshSnapshot, egress: EgressScope, tls: boolean) =>
    egress.virtualServices.filter((config) => (tls ? config.spec.tls : config.spec.tcp) !== undefined),
  { same: sameList },
);

function sameBlocks(chain: TcpChain, blocks: readonly string[]): boolean {
  return JSON.stringify(chain.match) === JSON.stringify(blockMatch(blocks));
}

/** A name that only stands for the service is a server name of it too, with the short forms that the caller's DNS search would complete. */
function aliasNames(snapshot: MeshSnapshot, { proxy, scope }: ListenerContext, service: Service): string[] {
  const aliases = scope.services.filter(({ aliasOf }) => aliasOf === service.hostname);
  return aliases.flatMap((alias) => dnsNames(alias.hostname, proxy, snapshot.domain));
}

function ownChain(
  snapshot: MeshSnapshot,
  context: ListenerContext,
  service: Service,
  port: ListenPort,
  match: { readonly blocks: readonly string[]; readonly byServerName: boolean },
): TcpChain {
  const [only, ...more] = service.ports;
  const number = only !== undefined && more.length === 0 ? only.number : port.number;
  const rule = destinationRuleOf(snapshot, context.proxy, service);
  const policy = rule === undefined ? undefined : connectionPolicyOf(rule, undefined);
  return {
    match: {
      ...(match.byServerName && service.hostname !== '*'
        ? { serverNames: [service.hostname, ...aliasNames(snapshot, context, service)].sort() }
        : {}),
      ...blockMatch(match.blocks),
    },
    destinations: [{ cluster: outboundCluster(number, undefined, service.hostname), weight: 100 }],
    consistentHash: policy?.hashSourceIp === true,
    ...(policy === undefined ? {} : { policy }),
    ...(isForwarded(service, context.proxy) && isTls(port.protocol) ? { forward: { hostname: service.hostname, port: number } } : {}),
  };
}

function toListener(context: ListenerContext, binding: Binding): Generated<Listener> {
  const { outbound, scope } = context;
  const name = `${binding.bind}_${binding.port}`;
  const { http } = binding;
  const chains: { chain: FilterChain; takesAll: boolean }[] = binding.tcp.map((chain) => ({
    chain: {
      ...(isEmptyMatch(chain.match) ? {} : { filterChainMatch: chain.match }),
      filters: [
        ...outbound.tcpFilters(binding.port),
        ...(chain.forward === undefined ? [] : [sniForwardFilter(chain.forward.hostname, chain.forward.port, context.proxy)]),
        ...codecFilter(binding.protocol, chain.destinations[0]?.cluster ?? BLACK_HOLE),
        byteFilter(context, chain),
      ],
      transportSocketConnectTimeout: TRANSPORT_TIMEOUT,
    },
    takesAll: isEmptyMatch(chain.match),
  }));
  if (http !== undefined)
    chains.push({
      chain: {
        ...(http.sniffed ? { filterChainMatch: { transportProtocol: 'raw_buffer', applicationProtocols: PLAIN_HTTP } } : {}),
        filters: [...outbound.networkExtensions(binding.port), httpFilter(context, name, http, binding.port)],
        transportSocketConnectTimeout: TRANSPORT_TIMEOUT,
      },
      takesAll: !http.sniffed,
    });
  const matching = chains.filter(({ takesAll }) => !takesAll).map(({ chain }) => chain);
  const takesAll = chains.findLast((entry) => entry.takesAll)?.chain;
  const needsTls = binding.tcp.some((chain) => (chain.match.serverNames?.length ?? 0) > 0);
  const message = create(ListenerSchema, {
    name,
    address: listenAddress(binding.bind, binding.port),
    additionalAddresses: binding.extra.map((address) => ({ address: socketAddress(address, binding.port) })),
    // A chain that takes all is the default, so that no connection starts to match another and is then dropped.
    ...(takesAll === undefined
      ? { filterChains: matching, defaultFilterChain: passthroughChain(context) }
      : matching.length === 0
        ? { filterChains: [takesAll] }
        : { filterChains: matching, defaultFilterChain: takesAll }),
    listenerFilters: [...(needsTls ? [tlsInspector()] : []), ...(http?.sniffed === true ? [httpInspector()] : [])],
    // Waiting for the first bytes has an end only where HTTP is told apart by them.
    listenerFiltersTimeout: http?.sniffed === true ? context.detectionTimeout : ZERO,
    continueOnListenerFiltersTimeout: true,
    trafficDirection: TrafficDirection.OUTBOUND,
    ...exactBalance(context.proxy, 'OUTBOUND'),
    ...(binding.bound ? { maxConnectionsToAcceptPerSocketEvent: 1 } : { bindToPort: false }),
  });
  const sidecar = scope.sidecar === undefined ? [] : [referenceTo(scope.sidecar)];
  return { name, message, provenance: [...binding.references.values(), ...sidecar] };
}

function httpFilter(context: ListenerContext, listener: string, http: HttpChain, port: number) {
  const { outbound } = context;
  const filters = outbound.httpFilters(protocolOfFilters(http.protocol), port);
  // Names are known right before the router asks for a connection.
  if (http.forward !== undefined) filters.splice(-1, 0, httpForwardFilter(http.forward, context.proxy));
  return connectionManager({
    direction: 'outbound',
    statPrefix: `outbound_${listener};`,
    route: http.routeName,
    filters,
    side: outbound,
    pathNormalization: context.pathNormalization,
  });
}

/** A sniffed port gets the filters of HTTP. */
function protocolOfFilters(protocol: Protocol): Protocol {
  return protocol === 'auto' ? 'http' : protocol;
}

function byteFilter(context: ListenerContext, chain: TcpChain) {
  const { outbound } = context;
  const { policy } = chain;
  return tcpProxy(chain.destinations, outbound.tcpAccessLog, {
    ...idleOption(outbound),
    hashSourceIp: chain.consistentHash,
    ...(policy?.idleTimeout === undefined ? {} : { idleTimeout: policy.idleTimeout }),
    ...(policy?.maxDuration === undefined ? {} : { maxDuration: policy.maxDuration }),
    ...(policy?.tunnel === undefined ? {} : { tunnel: policy.tunnel }),
  });
}

/** Where bytes to unknown addresses go. */
function unknownBytes(context: ListenerContext): string {
  return context.scope.outboundPolicy === 'REGISTRY_ONLY' ? BLACK_HOLE : unknownCluster(context.scope);
}

/** What goes to a port that services use but to an address that none of them has. */
function passthroughChain(context: ListenerContext): FilterChain {
  return {
    name: 'PassthroughFilterChain',
    filterChainMatch: {},
    filters: [tcpProxy([{ cluster: unknownBytes(context), weight: 1 }], context.outbound.tcpAccessLog, idleOption(context.outbound))],
  };
}

/** 0.0.0.0:15001, where iptables bring everything that goes out; connections are handed to the listener they were meant for. */
export function virtualOutbound(context: ListenerContext): Generated<Listener> {
  const { outbound, outboundPort } = context;
  const cluster = unknownBytes(context);
  const message = create(ListenerSchema, {
    name: 'virtualOutbound',
    address: socketAddress(context.family.any[0], outboundPort),
    filterChains: [
      {
        // A connection to the proxy's own port would be sent to itself for ever.
        name: 'virtualOutbound-blackhole',
        filterChainMatch: { destinationPort: outboundPort },
        filters: [tcpProxy([{ cluster: BLACK_HOLE, weight: 1 }], [])],
      },
      { name: 'virtualOutbound-catchall-tcp', filters: [tcpProxy([{ cluster, weight: 1 }], outbound.tcpAccessLog, idleOption(outbound))] },
    ],
    useOriginalDst: true,
    ...(context.proxy.interceptionMode === 'TPROXY' ? { transparent: true } : {}),
    trafficDirection: TrafficDirection.OUTBOUND,
    accessLog: [...outbound.listenerLog],
    maxConnectionsToAcceptPerSocketEvent: 1,
  });
  return { name: message.name, message, provenance: [] };
}

/** The explicit HTTP proxy of pods without iptables: the host and port of each request choose its route. */
function httpProxyListener(context: ListenerContext, [bind, ...more]: readonly [string, ...string[]]): Generated<Listener> {
  const { outbound, httpProxyPort } = context;
  const name = `${bind}_${httpProxyPort}`;
  const message = create(ListenerSchema, {
    name,
    address: socketAddress(bind, httpProxyPort),
    additionalAddresses: more.map((address) => ({ address: socketAddress(address, httpProxyPort) })),
    filterChains: [
      {
        filters: [
          connectionManager({
            direction: 'outbound',
            statPrefix: `outbound_${name};`,
            route: HTTP_PROXY_ROUTE,
            filters: outbound.httpFilters('http', httpProxyPort),
            side: outbound,
            pathNormalization: context.pathNormalization,
            explicitProxy: true,
          }),
        ],
        transportSocketConnectTimeout: TRANSPORT_TIMEOUT,
      },
    ],
    listenerFiltersTimeout: ZERO,
    continueOnListenerFiltersTimeout: true,
    maxConnectionsToAcceptPerSocketEvent: 1,
    trafficDirection: TrafficDirection.OUTBOUND,
    ...exactBalance(context.proxy, 'OUTBOUND'),
    accessLog: [...outbound.listenerLog],
  });
  return { name, message, provenance: [] };
}
