import { create } from '@bufbuild/protobuf';
import {
  compareHosts,
  dnsName,
  type GatewayServerOf,
  gatewayKey,
  intersectHosts,
  type MeshProxy,
  type MeshSnapshot,
  mergeGateways,
  serverAdmits,
  sidecarScope,
  type VirtualService,
  virtualServiceHosts,
  virtualServicesFor,
} from '@xebec/model';
import { type RouteConfiguration, RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { VirtualHost_TlsRequirementType } from '@xebec/protos/envoy/config/route/v3/route_components';
import { type ConfigReference, type Generated, referencesTo } from '../generated.ts';
import { proxyHeadersConfig } from '../listener/proxy-config.ts';
import type { VirtualHost } from '../route/virtual-host.ts';
import { resolveDelegates } from '../virtual-service/delegate.ts';
import { destinationResolver } from '../virtual-service/destination.ts';
import { type HttpRouteOutput, httpRoutes } from '../virtual-service/http-routes.ts';

const MAX_DIRECT_RESPONSE = 1_048_576;

/** Whether a route configuration belongs to a gateway's port. */
export function isGatewayRoute(name: string): boolean {
  return name.startsWith('http.') || name.startsWith('https.');
}

/** What a host gathers: lists of routes, one for each VirtualService, and whether plain HTTP is sent away. */
interface Host {
  /** Port of the server that named the host first. */
  readonly port: number;
  readonly lists: (readonly HttpRouteOutput[])[];
  redirect: boolean;
}

/** The routes of a gateway's HTTP port, or of one HTTPS server. Routes of several VirtualServices for one host add up. */
export function gatewayRoute(snapshot: MeshSnapshot, proxy: MeshProxy, name: string): Generated<RouteConfiguration> {
  const hosts = new Map<string, Host>();
  const references = new Map<string, ConfigReference>();
  const routes = new Map<string, readonly HttpRouteOutput[]>();
  const entries = mergeGateways(snapshot, proxy).listeners.flatMap(({ servers }) => servers.filter(({ routeName }) => routeName === name));
  const [first] = entries;
  const empty = create(RouteConfigurationSchema, { name, validateClusters: false });
  if (first === undefined) return { name, message: empty, provenance: [] };
  for (const entry of entries) addServer(snapshot, proxy, entry, hosts, routes, references);
  const attempts = proxyHeadersConfig(snapshot, proxy)?.attemptCount?.disabled !== true;
  const virtualHosts = collapse(hosts).map(({ names, host }): VirtualHost => {
    // What takes everything goes last, else an older VirtualService would hide the others of its host.
    const all = host.lists.flat();
    const sorted = [...all.filter((output) => !output.catchAll), ...all.filter((output) => output.catchAll)];
    return {
      name: `${names[0]}:${host.port}`,
      domains: [...names],
      routes: sorted.map((output) => output.route),
      includeRequestAttemptCount: attempts,
      ...(host.redirect ? { requireTls: VirtualHost_TlsRequirementType.ALL } : {}),
    };
  });
  virtualHosts.sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1));
  // Without any host all requests are answered with 404.
  if (virtualHosts.length === 0) virtualHosts.push({ name: `blackhole:${first.server.port.number}`, domains: ['*'] });
  const message = create(RouteConfigurationSchema, {
    name,
    virtualHosts,
    validateClusters: false,
    maxDirectResponseBodySizeBytes: MAX_DIRECT_RESPONSE,
    ignorePortInHostMatching: true,
  });
  return { name, message, provenance: [...references.values()] };
}

/** Hosts with the very same routes are one virtual host, under the name of the most specific: routes are large. */
function collapse(hosts: ReadonlyMap<string, Host>): { names: string[]; host: Host }[] {
  const out: { names: string[]; host: Host }[] = [];
  const sorted = [...hosts].sort(([a], [b]) => longestFirst(a, b));
  for (const [name, host] of sorted) {
    const same = out.find(
      (other) =>
        other.host.redirect === host.redirect &&
        other.host.lists.length === host.lists.length &&
        other.host.lists.every((list, index) => list === host.lists[index]),
    );
    if (same === undefined) out.push({ names: [name], host });
    else same.names.push(name);
  }
  return out;
}

function longestFirst(a: string, b: string): number {
  if (a.startsWith('*') || b.startsWith('*')) return compareHosts(a, b);
  return a.length === b.length ? (a < b ? -1 : 1) : b.length - a.length;
}

function addServer(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  entry: GatewayServerOf,
  hosts: Map<string, Host>,
  routes: Map<string, readonly HttpRouteOutput[]>,
  references: Map<string, ConfigReference>,
): void {
  const gateway = gatewayKey(entry.gateway);
  const { number } = entry.server.port;
  const redirect = entry.server.tls?.httpsRedirect === true;
  const at = (name: string) => {
    const key = name.toLowerCase();
    const found = hosts.get(key) ?? { port: number, lists: [], redirect: false };
    found.redirect ||= redirect;
    hosts.set(key, found);
    return found;
  };
  const site = {
    proxy,
    gateways: new Set([gateway]),
    ports: [number],
    listenerPort: number,
    tls: entry.server.tls !== undefined,
    ...(snapshot.mesh.defaultHttpRetryPolicy === undefined ? {} : { defaultRetries: snapshot.mesh.defaultHttpRetryPolicy }),
    forwardedHost: proxyHeadersConfig(snapshot, proxy)?.xForwardedHost?.enabled === true,
    resolve: destinationResolver(snapshot, proxy, sidecarScope(snapshot, proxy), number, false),
  };
  for (const rule of virtualServicesFor(snapshot, gateway, proxy.namespace)) {
    const shared = sharedHosts(rule, entry, snapshot.domain);
    if (shared.length === 0) continue;
    const key = `${gateway} ${rule.metadata.namespace}/${rule.metadata.name}`;
    const own = routes.get(key) ?? httpRoutes(resolveDelegates(snapshot, rule), site);
    // A rule none of whose routes can hold here is as if it were not there.
    if (own.length === 0) continue;
    routes.set(key, own);
    for (const made of referencesTo(rule)) references.set(`${made.kind}/${made.namespace}/${made.name}`, made);
    for (const host of shared) at(host).lists.push(own);
  }
  // Even without routes a server that redirects to HTTPS has something to say. As from istiod, a host with a namespace keeps it in its
  // name, so that only VirtualServices open it.
  if (redirect) for (const host of entry.hosts) at(host);
}

/** Hosts that the server offers and the VirtualService asks for: the narrower of each pair. */
function sharedHosts(rule: VirtualService, entry: GatewayServerOf, domain: string): string[] {
  const out = new Set<string>();
  for (const host of virtualServiceHosts(rule, domain)) {
    for (const offered of entry.hosts) {
      if (!serverAdmits(offered, rule.metadata.namespace, entry.gateway.metadata.namespace)) continue;
      const shared = intersectHosts(dnsName(offered), host);
      if (shared !== undefined) out.add(shared);
    }
  }
  return [...out];
}
