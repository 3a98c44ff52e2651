import { create } from '@bufbuild/protobuf';
import {
  dnsName,
  type GatewayListener,
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
import { type ConfigReference, type Generated, referenceTo } from '../generated.ts';
import type { VirtualHost } from '../route/virtual-host.ts';
import { resolveDelegates } from '../virtual-service/delegate.ts';
import { destinationResolver } from '../virtual-service/destination.ts';
import { type HttpRouteOutput, httpRoutes } from '../virtual-service/http-routes.ts';

const MAX_DIRECT_RESPONSE = 1_048_576;

/** Whether a route configuration belongs to a gateway's port. */
export function isGatewayRoute(name: string): boolean {
  return name.startsWith('http.') || name.startsWith('https.');
}

/** The routes of a gateway's HTTP port, or of one HTTPS server. Routes of several VirtualServices for one host add up. */
export function gatewayRoute(snapshot: MeshSnapshot, proxy: MeshProxy, name: string): Generated<RouteConfiguration> {
  const hosts = new Map<string, { routes: HttpRouteOutput[]; redirect: boolean }>();
  const references = new Map<string, ConfigReference>();
  let port = 0;
  for (const listener of mergeGateways(snapshot, proxy).listeners) {
    for (const entry of listener.servers) {
      if (entry.routeName !== name) continue;
      port = listener.port;
      addServer(snapshot, proxy, listener, entry, hosts, references);
    }
  }
  const virtualHosts = [...hosts.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([host, { routes, redirect }]): VirtualHost => {
      // What takes everything goes last, else an older VirtualService would hide the others of its host.
      const sorted = [...routes.filter((output) => !output.catchAll), ...routes.filter((output) => output.catchAll).slice(0, 1)];
      return {
        name: `${host}:${port}`,
        domains: [host],
        routes: sorted.map((output) => output.route),
        includeRequestAttemptCount: true,
        ...(redirect ? { requireTls: VirtualHost_TlsRequirementType.ALL } : {}),
      };
    });
  if (virtualHosts.length === 0) virtualHosts.push({ name: `blackhole:${port}`, domains: ['*'], routes: [] });
  const message = create(RouteConfigurationSchema, {
    name,
    virtualHosts,
    validateClusters: false,
    maxDirectResponseBodySizeBytes: MAX_DIRECT_RESPONSE,
    ignorePortInHostMatching: true,
  });
  return { name, message, provenance: [...references.values()] };
}

function addServer(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  listener: GatewayListener,
  entry: GatewayServerOf,
  hosts: Map<string, { routes: HttpRouteOutput[]; redirect: boolean }>,
  references: Map<string, ConfigReference>,
): void {
  const gateway = gatewayKey(entry.gateway);
  const number = entry.server.port.number;
  const redirect = entry.server.tls?.httpsRedirect === true;
  const at = (host: string) => {
    let found = hosts.get(host);
    if (found === undefined) {
      found = { routes: [], redirect };
      hosts.set(host, found);
    }
    return found;
  };
  const site = {
    proxy,
    gateways: new Set([gateway]),
    ports: [number, listener.port],
    listenerPort: number,
    resolve: destinationResolver(snapshot, proxy, sidecarScope(snapshot, proxy), number, false),
  };
  for (const rule of virtualServicesFor(snapshot, gateway, proxy.namespace)) {
    if (rule.spec.http === undefined) continue;
    const shared = sharedHosts(rule, entry, snapshot.domain);
    if (shared.length === 0) continue;
    const routes = httpRoutes(resolveDelegates(snapshot, rule), site);
    references.set(`${rule.metadata.namespace}/${rule.metadata.name}`, referenceTo(rule));
    for (const host of shared) at(host).routes.push(...routes);
  }
  // Even without routes a server that redirects to HTTPS has something to say.
  if (redirect) for (const host of entry.server.hosts) at(dnsName(host)).redirect = true;
}

/** Hosts that the server offers and the VirtualService asks for: the narrower of each pair. */
function sharedHosts(rule: VirtualService, entry: GatewayServerOf, domain: string): string[] {
  const out = new Set<string>();
  for (const host of virtualServiceHosts(rule, domain)) {
    for (const offered of entry.server.hosts) {
      if (!serverAdmits(offered, rule.metadata.namespace, entry.gateway.metadata.namespace)) continue;
      const shared = intersectHosts(dnsName(offered), host);
      if (shared !== undefined) out.add(shared);
    }
  }
  return [...out];
}
