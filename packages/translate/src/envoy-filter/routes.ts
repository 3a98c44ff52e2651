import { clone } from '@bufbuild/protobuf';
import { type MeshProxy, type MeshSnapshot, mergeGateways } from '@xebec/model';
import { type RouteConfiguration, RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { type Route, RouteSchema, type VirtualHost, VirtualHostSchema } from '@xebec/protos/envoy/config/route/v3/route_components';
import type { Generated } from '../generated.ts';
import { patchList } from './lists.ts';
import { mergeMessage } from './merge.ts';
import { type Context, inContext, isMerge, type Patch, patchesFor, patchValue } from './patches.ts';

const KINDS: readonly Patch['applyTo'][] = ['ROUTE_CONFIGURATION', 'VIRTUAL_HOST', 'HTTP_ROUTE'];

/** The numbers of a gateway's servers behind a port that it listens on; undefined where no server is known. */
type ServerPorts = (port: number) => ReadonlySet<number> | undefined;

/** Applies route patches to what goes over RDS. */
export function patchRoutes(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  routes: readonly Generated<RouteConfiguration>[],
): Generated<RouteConfiguration>[] {
  const context = proxy.type === 'router' ? 'GATEWAY' : 'SIDECAR_OUTBOUND';
  const patches = patchesFor(snapshot, proxy).filter((patch) => KINDS.includes(patch.applyTo) && inContext(patch, context));
  if (patches.length === 0) return [...routes];
  const serverPorts = context === 'GATEWAY' ? serverPortsOf(snapshot, proxy) : () => undefined;
  return routes.map((route) => {
    const own = patches.filter((patch) => namesConfiguration(patch, route.name, context, serverPorts));
    if (own.length === 0) return route;
    const message = clone(RouteConfigurationSchema, route.message);
    patchRouteConfiguration(message, own, context, serverPorts);
    return { ...route, message, provenance: [...route.provenance, ...own.map((patch) => patch.reference)] };
  });
}

function serverPortsOf(snapshot: MeshSnapshot, proxy: MeshProxy): ServerPorts {
  const ports = new Map<number, Set<number>>();
  for (const { servers } of mergeGateways(snapshot, proxy).listeners)
    for (const { routeName, server } of servers) {
      if (routeName === undefined) continue;
      const { port } = parseGatewayRoute(routeName);
      ports.set(port, (ports.get(port) ?? new Set()).add(server.port.number));
    }
  return (port) => ports.get(port);
}

/**
 * Applies patches to one route configuration, also to those that stand inside a listener: first to the configuration, then to
 * virtual hosts, then to their routes; at each level what merges and removes before what adds.
 */
export function patchRouteConfiguration(
  message: RouteConfiguration,
  patches: readonly Patch[],
  context: Context,
  serverPorts: ServerPorts = () => undefined,
): void {
  const own = patches.filter((patch) => inContext(patch, context) && namesConfiguration(patch, message.name, context, serverPorts));
  for (const patch of own) {
    const value = patch.applyTo === 'ROUTE_CONFIGURATION' && isMerge(patch) ? patchValue(patch, RouteConfigurationSchema) : undefined;
    if (value !== undefined) mergeMessage(RouteConfigurationSchema, message, value, patch.operation === 'MERGE_AND_REPLACE_LIST');
  }
  const hosts = own.filter(({ applyTo }) => applyTo === 'VIRTUAL_HOST');
  const routes = own.filter(({ applyTo }) => applyTo === 'HTTP_ROUTE');
  const kept = message.virtualHosts.flatMap((host) => {
    const patched = patchHost(host, hosts);
    if (patched === undefined) return [];
    patchHostRoutes(
      patched,
      routes.filter((patch) => namesHost(patch, patched)),
    );
    return [patched];
  });
  const added = hosts.flatMap((patch) => (patch.operation === 'ADD' ? (patchValue(patch, VirtualHostSchema) ?? []) : []));
  message.virtualHosts = [...kept, ...added];
}

/** Undefined: the host is to go. */
function patchHost(host: VirtualHost, patches: readonly Patch[]): VirtualHost | undefined {
  let current = host;
  for (const patch of patches) {
    if (!namesHost(patch, current)) continue;
    if (patch.operation === 'REMOVE') return undefined;
    const value = patchValue(patch, VirtualHostSchema);
    if (value === undefined) continue;
    if (patch.operation === 'REPLACE') current = value;
    else if (isMerge(patch)) mergeMessage(VirtualHostSchema, current, value, patch.operation === 'MERGE_AND_REPLACE_LIST');
  }
  return current;
}

function patchHostRoutes(host: VirtualHost, patches: readonly Patch[]): void {
  host.routes = host.routes.flatMap((route) => {
    for (const patch of patches) {
      if (!namesRoute(patch, route)) continue;
      if (patch.operation === 'REMOVE') return [];
      const value = isMerge(patch) ? patchValue(patch, RouteSchema) : undefined;
      if (value !== undefined) mergeMessage(RouteSchema, route, value, patch.operation === 'MERGE_AND_REPLACE_LIST');
    }
    return [route];
  });
  for (const patch of patches) {
    const { operation } = patch;
    if (operation !== 'ADD' && !operation.startsWith('INSERT_')) continue;
    const anchored = patch.match.routeConfiguration?.vhost?.route !== undefined;
    const matches = (route: Route) => namesRoute(patch, route);
    // A route that is to come first still needs the one that it names.
    if (operation === 'INSERT_FIRST' && anchored && !host.routes.some(matches)) continue;
    host.routes = patchList(host.routes, operation, { value: () => patchValue(patch, RouteSchema), anchored, matches });
  }
}

function namesHost(patch: Patch, host: VirtualHost): boolean {
  const wanted = patch.match.routeConfiguration?.vhost;
  if (wanted === undefined) return true;
  if (wanted.name !== undefined && wanted.name !== '' && wanted.name !== host.name) return false;
  return wanted.domainName === undefined || wanted.domainName === '' || host.domains.includes(wanted.domainName);
}

function namesRoute(patch: Patch, route: Route): boolean {
  const wanted = patch.match.routeConfiguration?.vhost?.route;
  if (wanted === undefined) return true;
  if (wanted.name !== undefined && wanted.name !== '' && wanted.name !== route.name) return false;
  switch (route.action.case) {
    case 'route':
      return wanted.action === undefined || wanted.action === 'ANY' || wanted.action === 'ROUTE';
    case 'redirect':
      return wanted.action === undefined || wanted.action === 'ANY' || wanted.action === 'REDIRECT';
    case 'directResponse':
      return wanted.action === undefined || wanted.action === 'ANY' || wanted.action === 'DIRECT_RESPONSE';
    default:
      return true;
  }
}

function namesConfiguration(patch: Patch, name: string, context: Context, serverPorts: ServerPorts): boolean {
  const match = patch.match.routeConfiguration;
  if (match === undefined) return true;
  if (match.name !== undefined && match.name !== '' && match.name !== name) return false;
  const wanted = match.portNumber ?? 0;
  if (context !== 'GATEWAY') return wanted === 0 || wanted === sidecarPort(name);
  const route = parseGatewayRoute(name);
  if (match.portName !== undefined && match.portName !== '' && match.portName !== route.portName) return false;
  if (match.gateway !== undefined && match.gateway !== '' && match.gateway !== route.gateway) return false;
  return wanted === 0 || (serverPorts(route.port)?.has(wanted) ?? route.port === wanted);
}

/** The port that a sidecar's route configuration is named for; 0: none. */
function sidecarPort(name: string): number {
  const text = name.startsWith('inbound|') ? (name.split('|')[1] ?? '') : name;
  return /^\d+$/.test(text) ? Number(text) : 0;
}

/** The parts of `http.<port>` and `https.<port>.<port name>.<gateway>.<namespace>`. */
function parseGatewayRoute(name: string): { port: number; portName: string; gateway: string } {
  const parts = name.split('.');
  const [scheme, port = '', portName = '', gateway = '', namespace = ''] = parts;
  const number = /^\d+$/.test(port) ? Number(port) : 0;
  if (scheme === 'http') return { port: parts.length === 2 ? number : 0, portName: '', gateway: '' };
  return parts.length === 5 ? { port: number, portName, gateway: `${namespace}/${gateway}` } : { port: 0, portName: '', gateway: '' };
}
