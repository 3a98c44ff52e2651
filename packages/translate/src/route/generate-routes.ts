import { create, fromBinary } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { anyIs } from '@bufbuild/protobuf/wkt';
import { query } from '@xebec/incremental';
import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import { type RouteConfiguration, RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import {
  HttpConnectionManagerSchema,
  RdsSchema,
} from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
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
      const name = anyIs(any, HttpConnectionManagerSchema) ? rdsName(any.value) : undefined;
      if (name !== undefined) names.add(name);
    }
  }
  return [...names].sort();
}

/** Numbers of the fields of a connection manager that say where its routes are; of several the last counts. */
const RDS = 3;
const ROUTE_SPECIFIERS: ReadonlySet<number> = new Set([RDS, 4, 31]);

/** The name under which a connection manager asks for its routes. The rest of it, which is large, is passed over. */
function rdsName(manager: Uint8Array): string | undefined {
  const reader = new BinaryReader(manager);
  let rds: Uint8Array | undefined;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === RDS) rds = reader.bytes();
    else {
      reader.skip(wireType, field);
      if (ROUTE_SPECIFIERS.has(field)) rds = undefined;
    }
  }
  return rds === undefined ? undefined : fromBinary(RdsSchema, rds).routeConfigName;
}
