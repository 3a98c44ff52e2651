import type { ConfigObject, GatewayServer, GatewaySpec } from '@xebec/schemas';
import { selects } from './labels.ts';
import { isHttp, parseProtocol } from './protocol.ts';
import type { MeshProxy } from './proxy.ts';
import type { Protocol } from './service.ts';
import type { ServiceInstance } from './service-instance.ts';
import { serviceInstances } from './service-instances.ts';
import type { MeshSnapshot } from './snapshot.ts';

export interface GatewayServerOf {
  readonly gateway: ConfigObject<GatewaySpec>;
  readonly server: GatewayServer;
  readonly index: number;
  readonly protocol: Protocol;
  /** Hosts as `host` or `namespace/host`, with `.` and `*` for the namespace worked out. */
  readonly hosts: readonly string[];
  /** Terminates TLS (any mode but the passthroughs). */
  readonly terminatesTls: boolean;
  /** Route configuration of an HTTP server; undefined for TCP and TLS passthrough. */
  readonly routeName?: string;
}

/** Servers that share an address and port, and so a listener. */
export interface GatewayListener {
  /** Absent: any address. */
  readonly bind?: string;
  /** Where the proxy listens: the target port of the gateway's service. */
  readonly port: number;
  readonly servers: readonly GatewayServerOf[];
}

/** Why a server has no place: reported, never silently dropped. */
export interface RejectedServer {
  readonly gateway: ConfigObject<GatewaySpec>;
  readonly index: number;
  readonly reason: string;
}

export interface MergedGateways {
  readonly listeners: readonly GatewayListener[];
  readonly rejected: readonly RejectedServer[];
  /** Whether a server passes mesh TLS on by its server name, be it that another keeps it from its port. */
  readonly autoPassthrough: boolean;
}

/** `namespace/name`. */
export function gatewayKey(gateway: ConfigObject<GatewaySpec>): string {
  return `${gateway.metadata.namespace}/${gateway.metadata.name}`;
}

/** Label of services whose ports are not those of gateways: there a gateway names the port that it listens on. */
const NO_PORT_TRANSLATION = 'experimental.istio.io/disable-gateway-port-translation';

/** What is known of one port of a gateway while servers are merged. */
interface PortState {
  /** The plain-text server that opened an address of the port last: another of the same address must speak the same. */
  plain?: { readonly protocol: Protocol; readonly bind: string };
  /** Hosts of TLS servers by address: a filter chain must match one of them alone. */
  readonly tlsHosts: Map<string, string>;
  /** Protocol and address of the servers that have their place. */
  readonly kinds: Set<string>;
}

/**
 * Merges the servers of every Gateway that selects the proxy, oldest first. Plain HTTP servers of one port and address share
 * a route configuration; HTTPS servers stay apart; TLS and plain text do not mix on one address, and a second server with the
 * same host is refused.
 */
export function mergeGateways(snapshot: MeshSnapshot, proxy: MeshProxy): MergedGateways {
  const instances = serviceInstances(snapshot, proxy);
  const ports = new Map<number, PortState>();
  const routes = new Set<string>();
  const listeners = new Map<string, { bind?: string; port: number; servers: GatewayServerOf[] }>();
  const rejected: RejectedServer[] = [];
  let autoPassthrough = false;
  for (const gateway of snapshot.config.all('Gateway')) {
    if (!selects(gateway.spec.selector, proxy.labels)) continue;
    for (const [index, server] of (gateway.spec.servers ?? []).entries()) {
      const port = resolvePort(server.port.number, instances);
      const bind = server.bind ?? '';
      const entry = describe(gateway, server, index, port, bind);
      const known = ports.get(port);
      const state: PortState = known ?? { tlsHosts: new Map(), kinds: new Set() };
      ports.set(port, state);
      const twice = hostServedTwice(state, entry, bind);
      if (twice === undefined && server.tls?.mode === 'AUTO_PASSTHROUGH') autoPassthrough = true;
      const reason = twice ?? refuse(state, known === undefined, entry, bind, routes);
      if (reason !== undefined) {
        rejected.push({ gateway, index, reason });
        continue;
      }
      state.kinds.add(kindOf(entry, bind));
      if (entry.routeName !== undefined) routes.add(entry.routeName);
      const key = `${bind}_${port}`;
      const listener = listeners.get(key);
      if (listener === undefined) listeners.set(key, { ...(bind === '' ? {} : { bind }), port, servers: [entry] });
      else listener.servers.push(entry);
    }
  }
  return { listeners: [...listeners.values()].sort((a, b) => a.port - b.port), rejected, autoPassthrough };
}

/** The port of the proxy behind a port of its service; a port that no service has is the proxy's own. */
function resolvePort(number: number, instances: readonly ServiceInstance[]): number {
  const found = instances.find(({ service, port }) => port.number === number && service.labels[NO_PORT_TRANSLATION] === undefined);
  return found?.targetPort ?? number;
}

function describe(gateway: ConfigObject<GatewaySpec>, server: GatewayServer, index: number, port: number, bind: string): GatewayServerOf {
  const protocol = parseProtocol(server.port.protocol);
  const mode = server.tls?.mode;
  const passthrough = mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH';
  const terminatesTls = server.tls !== undefined && !isHttp(protocol) && !passthrough;
  const routeName = routeNameOf(gateway, server, protocol, passthrough, port, bind);
  const hosts = hostsOf(server, gateway.metadata.namespace);
  return { gateway, server, index, protocol, hosts, terminatesTls, ...(routeName === undefined ? {} : { routeName }) };
}

function hostsOf({ hosts }: GatewayServer, namespace: string): string[] {
  if (hosts.includes('*/*')) return ['*'];
  return hosts.map((host) => {
    const slash = host.indexOf('/');
    const owner = slash < 0 ? '*' : host.slice(0, slash);
    const name = host.slice(slash + 1);
    return owner === '*' ? name : `${owner === '.' ? namespace : owner}/${name}`;
  });
}

function routeNameOf(
  gateway: ConfigObject<GatewaySpec>,
  server: GatewayServer,
  protocol: Protocol,
  passthrough: boolean,
  port: number,
  bind: string,
): string | undefined {
  const suffix = bind === '' ? '' : `.${bind}`;
  if (isHttp(protocol)) return `http.${port}${suffix}`;
  if (protocol !== 'https' || passthrough) return undefined;
  const { name, namespace } = gateway.metadata;
  return `https.${server.port.number}.${server.port.name ?? ''}.${name}.${namespace}${suffix}`;
}

/** TLS servers of an address are told apart by their hosts alone, so that none may be named twice; records those of this one. */
function hostServedTwice(state: PortState, { server, hosts }: GatewayServerOf, bind: string): string | undefined {
  if (server.tls === undefined) return undefined;
  const twice = hosts.find((host) => state.tlsHosts.get(host) === bind);
  if (twice !== undefined) return `host ${twice} is already served on ${place(server, bind)}`;
  for (const host of hosts) state.tlsHosts.set(host, bind);
  return undefined;
}

function place(server: GatewayServer, bind: string): string {
  return `port ${server.port.number}${bind === '' ? '' : ` of ${bind}`}`;
}

function kindOf({ server }: GatewayServerOf, bind: string): string {
  return `${server.port.protocol} ${bind}`;
}

/** Why a server cannot stand beside those already on its port; records it when it can. */
function refuse(state: PortState, first: boolean, entry: GatewayServerOf, bind: string, routes: ReadonlySet<string>): string | undefined {
  const { server, protocol } = entry;
  const at = place(server, bind);
  const plain = server.tls === undefined || isHttp(protocol);
  if (first) {
    if (plain) state.plain = { protocol, bind };
    return undefined;
  }
  const { plain: current } = state;
  if (current !== undefined) {
    if (current.bind !== bind) {
      if (plain && !state.kinds.has(kindOf(entry, bind))) state.plain = { protocol, bind };
      return undefined;
    }
    if (!isHttp(protocol) || !(isHttp(current.protocol) || current.protocol === protocol))
      return `${at} already serves ${current.protocol}; ${server.port.protocol} cannot share it`;
    return undefined;
  }
  if (plain) {
    state.plain = { protocol, bind };
    return undefined;
  }
  if (entry.routeName !== undefined && routes.has(entry.routeName)) return `port name ${server.port.name ?? ''} is used twice on ${at}`;
  return undefined;
}

/** The DNS part of a server's host, which may be written `namespace/host`. */
export function dnsName(host: string): string {
  const slash = host.indexOf('/');
  return slash < 0 ? host : host.slice(slash + 1);
}

/** Whether a server accepts routes for its hosts from VirtualServices of `namespace`. */
export function serverAdmits(host: string, namespace: string, gatewayNamespace: string): boolean {
  const slash = host.indexOf('/');
  if (slash < 0) return true;
  const owner = host.slice(0, slash);
  return owner === '*' || owner === namespace || (owner === '.' && namespace === gatewayNamespace);
}
