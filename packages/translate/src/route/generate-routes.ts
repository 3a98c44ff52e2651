import { create } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { query } from '@xebec/incremental';
import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import { type RouteConfiguration, RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { HttpConnectionManagerSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { patchRoutes } from '../envoy-filter/routes.ts';
import { gatewayRoute, isGatewayRoute } from '../gateway/routes.ts';
import type { Generated } from '../generated.ts';
import { withoutMissingConfig } from './missing-filter-config.ts';
import { outboundRoute, parseRouteName } from './outbound.ts';

/** Route configurations by name; a name that stands for nothing gets an empty one, which answers 404. */
export function generateRoutes(snapshot: MeshSnapshot, proxy: MeshProxy, names: readonly string[]): Generated<RouteConfiguration>[] {
  return names.flatMap((name) => routeNamed(snapshot, proxy, name));
}

const routeNamed = query(
  'route configuration',
  (snapshot: MeshSnapshot, proxy: MeshProxy, name: string): readonly Generated<RouteConfiguration>[] =>
    patchRoutes(snapshot, proxy, [withoutMissingConfig(proxy, unpatched(snapshot, proxy, name))]),
);

function unpatched(snapshot: MeshSnapshot, proxy: MeshProxy, name: string): Generated<RouteConfiguration> {
  if (proxy.type === 'router' && isGatewayRoute(name)) return gatewayRoute(snapshot, proxy, name);
  const target = proxy.type === 'router' ? undefined : parseRouteName(name);
  if (target === undefined) return { name, message: create(RouteConfigurationSchema, { name }), provenance: [] };
  return outboundRoute(snapshot, proxy, name, target);
}

/** The route configurations that listeners ask for over RDS, sorted. */
export function routeNames(listeners: readonly { readonly message: Listener }[]): string[] {
  const names = new Set<string>();
  for (const { message } of listeners) {
    const configs = message.filterChains.flatMap((chain) => chain.filters.map((filter) => filter.configType));
    const packed = [
      ...configs.flatMap((config) => (config.case === 'typedConfig' ? [config.value] : [])),
      ...(message.apiListener?.apiListener === undefined ? [] : [message.apiListener.apiListener]),
    ];
    for (const any of packed) {
      const manager = anyUnpack(any, HttpConnectionManagerSchema);
      if (manager?.routeSpecifier.case === 'rds') names.add(manager.routeSpecifier.value.routeConfigName);
    }
  }
  return [...names].sort();
}
