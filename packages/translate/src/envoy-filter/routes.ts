import type { JsonObject } from '@bufbuild/protobuf';
import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import { type RouteConfiguration, RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import type { Generated } from '../generated.ts';
import { edited, merge, objects } from './json.ts';
import { patchList } from './lists.ts';
import { type Context, inContext, type Patch, patchesFor } from './patches.ts';

const KINDS: readonly Patch['applyTo'][] = ['ROUTE_CONFIGURATION', 'VIRTUAL_HOST', 'HTTP_ROUTE'];

/** Applies route patches to what goes over RDS. */
export function patchRoutes(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  routes: readonly Generated<RouteConfiguration>[],
): Generated<RouteConfiguration>[] {
  const context = proxy.type === 'router' ? 'GATEWAY' : 'SIDECAR_OUTBOUND';
  const patches = patchesFor(snapshot, proxy).filter((patch) => KINDS.includes(patch.applyTo) && inContext(patch, context));
  if (patches.length === 0) return [...routes];
  return routes.map((route) => {
    const own = patches.filter((patch) => namesRoute(patch, route.name));
    if (own.length === 0) return route;
    const message = edited(RouteConfigurationSchema, route.message, (json) => patchRouteJson(json, own, context));
    return { ...route, message, provenance: [...route.provenance, ...own.map((patch) => patch.reference)] };
  });
}

/** Applies patches to one route configuration in JSON; also to those that stand inside a listener. */
export function patchRouteJson(json: JsonObject, patches: readonly Patch[], context: Context): void {
  for (const patch of patches) {
    if (!inContext(patch, context) || !namesRoute(patch, String(json['name'] ?? ''))) continue;
    const host = patch.match.routeConfiguration?.vhost;
    const matchesHost = (vhost: JsonObject) =>
      (host?.name === undefined || host.name === '' || vhost['name'] === host.name) &&
      (host?.domainName === undefined || (Array.isArray(vhost['domains']) && vhost['domains'].includes(host.domainName)));
    if (patch.applyTo === 'ROUTE_CONFIGURATION' && patch.operation === 'MERGE') Object.assign(json, merge(json, patch.value));
    if (patch.applyTo === 'VIRTUAL_HOST')
      json['virtualHosts'] = patchList(objects(json['virtualHosts']), patch, matchesHost, host !== undefined);
    if (patch.applyTo === 'HTTP_ROUTE') {
      const name = host?.route?.name;
      const action = host?.route?.action ?? 'ANY';
      const matchesRoute = (route: JsonObject) => (name === undefined || route['name'] === name) && hasAction(route, action);
      for (const vhost of objects(json['virtualHosts']))
        if (matchesHost(vhost)) vhost['routes'] = patchList(objects(vhost['routes']), patch, matchesRoute, host?.route !== undefined);
    }
  }
}

function hasAction(route: JsonObject, action: 'ANY' | 'ROUTE' | 'REDIRECT' | 'DIRECT_RESPONSE'): boolean {
  if (action === 'ANY') return true;
  return route[action === 'ROUTE' ? 'route' : action === 'REDIRECT' ? 'redirect' : 'directResponse'] !== undefined;
}

function namesRoute(patch: Patch, name: string): boolean {
  const match = patch.match.routeConfiguration;
  if (match === undefined) return true;
  if (match.name !== undefined && match.name !== '' && match.name !== name) return false;
  if (match.portNumber === undefined) return true;
  return name.split(/[.:|]/).includes(String(match.portNumber));
}
