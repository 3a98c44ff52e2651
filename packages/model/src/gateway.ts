import type { ConfigObject, GatewayServer, GatewaySpec } from '@xebec/schemas';
import { selects } from './labels.ts';
import { isHttp, isTls, parseProtocol } from './protocol.ts';
import type { MeshProxy } from './proxy.ts';
import type { Protocol } from './service.ts';
import { serviceInstances } from './service-instances.ts';
import type { MeshSnapshot } from './snapshot.ts';

export interface GatewayServerOf {
  readonly gateway: ConfigObject<GatewaySpec>;
  readonly server: GatewayServer;
  readonly index: number;
  readonly protocol: Protocol;
  /** Terminates TLS (any mode but the passthroughs). */
  readonly terminatesTls: boolean;
  /** Route configuration of an HTTP server; undefined for TCP and TLS passthrough. */
  readonly routeName?: string;
}

/** Servers that share an address and port, and so a listener. */
export interface GatewayListener {
  readonly bind: string;
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
}

/** `namespace/name`. */
export function gatewayKey(gateway: ConfigObject<GatewaySpec>): string {
  return `${gateway.metadata.namespace}/${gateway.metadata.name}`;
}

/**
 * Merges the servers of every Gateway that selects the proxy, oldest first. Plain HTTP servers of one port share a route
 * configuration; HTTPS servers stay apart; TLS and plain text do not mix on one port, and a second server with the same
 * SNI host is refused.
 */
export function mergeGateways(snapshot: MeshSnapshot, proxy: MeshProxy): MergedGateways {
  const targets = new Map(serviceInstances(snapshot, proxy).map((instance) => [instance.port.number, instance.targetPort]));
  const listeners = new Map<string, { bind: string; port: number; servers: GatewayServerOf[] }>();
  const rejected: RejectedServer[] = [];
  for (const gateway of snapshot.config.all('Gateway')) {
    if (!selects(gateway.spec.selector, proxy.labels)) continue;
    for (const [index, server] of (gateway.spec.servers ?? []).entries()) {
      const port = targets.get(server.port.number) ?? server.port.number;
      const bind = server.bind === undefined || server.bind === '' ? '0.0.0.0' : server.bind;
      const entry = describe(gateway, server, index, port, bind);
      const key = `${bind}_${port}`;
      const listener = listeners.get(key);
      if (listener === undefined) listeners.set(key, { bind, port, servers: [entry] });
      else {
        const reason = conflict(listener.servers, entry);
        if (reason === undefined) listener.servers.push(entry);
        else rejected.push({ gateway, index, reason });
      }
    }
  }
  return { listeners: [...listeners.values()].sort((a, b) => a.port - b.port), rejected };
}

function describe(gateway: ConfigObject<GatewaySpec>, server: GatewayServer, index: number, port: number, bind: string): GatewayServerOf {
  const protocol = parseProtocol(server.port.protocol);
  const mode = server.tls?.mode;
  const passthrough = mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH';
  const terminatesTls = isTls(protocol) && !passthrough;
  const routeName = routeNameOf(gateway, server, protocol, passthrough, port, bind);
  return { gateway, server, index, protocol, terminatesTls, ...(routeName === undefined ? {} : { routeName }) };
}

function routeNameOf(
  gateway: ConfigObject<GatewaySpec>,
  server: GatewayServer,
  protocol: Protocol,
  passthrough: boolean,
  port: number,
  bind: string,
): string | undefined {
  const suffix = bind === '0.0.0.0' ? '' : `.${bind}`;
  if (isHttp(protocol)) return `http.${port}${suffix}`;
  if (protocol !== 'https' || passthrough) return undefined;
  const { name, namespace } = gateway.metadata;
  return `https.${server.port.number}.${server.port.name ?? `https-${server.port.number}`}.${name}.${namespace}${suffix}`;
}

function conflict(present: readonly GatewayServerOf[], entry: GatewayServerOf): string | undefined {
  const first = present[0];
  if (first === undefined) return undefined;
  const firstTls = isTls(first.protocol);
  if (isTls(entry.protocol) !== firstTls)
    return `port ${entry.server.port.number} already serves ${first.server.port.protocol}; ${entry.server.port.protocol} cannot share it`;
  if (!firstTls) {
    if (isHttp(entry.protocol) !== isHttp(first.protocol))
      return `port ${entry.server.port.number} already serves ${first.server.port.protocol}; ${entry.server.port.protocol} cannot share it`;
    return isHttp(entry.protocol) ? undefined : `port ${entry.server.port.number} already has a TCP server`;
  }
  const taken = new Set(present.flatMap((other) => other.server.hosts.map(dnsName)));
  const twice = entry.server.hosts.map(dnsName).find((host) => taken.has(host));
  return twice === undefined ? undefined : `host ${twice} is already served on port ${entry.server.port.number}`;
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
