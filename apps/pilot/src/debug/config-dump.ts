import { type DescMessage, fromBinary, type JsonValue, type Registry, toJson } from '@bufbuild/protobuf';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { createProtoRegistry } from '@xebec/protos/registry';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, type ProxyView, ROUTE_TYPE } from '@xebec/xds';

let registry: Registry | undefined;

function entries(view: ProxyView, typeUrl: string, schema: DescMessage): { name: string; version: string; value: JsonValue }[] {
  registry ??= createProtoRegistry();
  const known = registry;
  return [...view.resources(typeUrl)].map(([name, resource]) => ({
    name,
    version: resource.version,
    // An Any's JSON form starts with its type.
    value: { '@type': typeUrl, ...asObject(toJson(schema, fromBinary(schema, resource.value), { registry: known })) },
  }));
}

function asObject(value: JsonValue): Record<string, JsonValue> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}

const ADMIN = 'type.googleapis.com/envoy.admin.v3';

/** The view of a proxy in the form of Envoy's `/config_dump`: all of it as if it were active. */
export function configDump(view: ProxyView): JsonValue {
  const version = view.version;
  return {
    configs: [
      {
        '@type': `${ADMIN}.ClustersConfigDump`,
        versionInfo: version,
        dynamicActiveClusters: entries(view, CLUSTER_TYPE, ClusterSchema).map((entry) => ({
          versionInfo: entry.version,
          cluster: entry.value,
        })),
      },
      {
        '@type': `${ADMIN}.ListenersConfigDump`,
        versionInfo: version,
        dynamicListeners: entries(view, LISTENER_TYPE, ListenerSchema).map((entry) => ({
          name: entry.name,
          activeState: { versionInfo: entry.version, listener: entry.value },
        })),
      },
      {
        '@type': `${ADMIN}.RoutesConfigDump`,
        dynamicRouteConfigs: entries(view, ROUTE_TYPE, RouteConfigurationSchema).map((entry) => ({
          versionInfo: entry.version,
          routeConfig: entry.value,
        })),
      },
      {
        '@type': `${ADMIN}.EndpointsConfigDump`,
        dynamicEndpointConfigs: entries(view, ENDPOINT_TYPE, ClusterLoadAssignmentSchema).map((entry) => ({
          versionInfo: entry.version,
          endpointConfig: entry.value,
        })),
      },
    ],
  };
}
