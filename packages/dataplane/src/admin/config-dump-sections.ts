import { create, type DescMessage, type JsonValue, type Message, type MessageShape, toJson } from '@bufbuild/protobuf';
import { anyPack, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { BootstrapConfigDumpSchema, SecretsConfigDumpSchema } from '@xebec/protos/envoy/admin/v3/config_dump';
import {
  ClustersConfigDumpSchema,
  EcdsConfigDumpSchema,
  EndpointsConfigDumpSchema,
  ListenersConfigDumpSchema,
  RoutesConfigDumpSchema,
} from '@xebec/protos/envoy/admin/v3/config_dump_shared';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { TypedExtensionConfigSchema } from '@xebec/protos/envoy/config/core/v3/extension';
import { ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { type Secret, SecretSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/secret';
import { protoRegistry } from '../config/proto-registry.ts';
import type { DataplaneState } from '../dataplane.ts';
import { endpointsOf } from './endpoints-dump.ts';
import type { AdminReply } from './handlers.ts';

/** `/config_dump`: everything in force as protobuf JSON; `resource`, `name_regex` and `include_eds` as Envoy reads them. */
export function configDump(query: URLSearchParams, state: DataplaneState): AdminReply {
  const sections: JsonValue[] = [bootstrapDump(state), clustersDump(state)];
  if (query.has('include_eds')) sections.push(endpointsDump(state));
  sections.push(extensionsDump(state), listenersDump(state), routesDump(state), secretsDump(state));
  const resource = query.get('resource');
  const pattern = query.get('name_regex');
  const mask = query
    .get('mask')
    ?.split(',')
    .map((path) => path.split('.'));
  if (resource === null && pattern === null) {
    return reply({ configs: mask === undefined ? sections : sections.map((section) => masked(section, mask)).filter(isMasked) });
  }
  let named: RegExp;
  try {
    named = new RegExp(pattern ?? '');
  } catch {
    return { status: 400, type: 'text/plain', body: `INVALID_ARGUMENT: Error while parsing name_regex from ${pattern}` };
  }
  if (resource === null) return reply({ configs: sections.map((section) => masked(onlyNamed(section, named), mask)) });
  const configs: JsonValue[] = [];
  let found = false;
  for (const section of sections) {
    const list = asObject(section)[resource];
    if (!Array.isArray(list)) continue;
    found = true;
    for (const item of list)
      if (named.test(nameOf(item))) configs.push(masked({ '@type': elementType(section, resource), ...asObject(item) }, mask));
  }
  if (!found && !Object.hasOwn(resources, resource))
    return { status: 404, type: 'text/plain', body: `${resource} not found in config dump` };
  return reply({ configs });
}

/** The message type of the elements of each repeated field of the dumps. */
const resources: Readonly<Record<string, string>> = {
  static_clusters: 'ClustersConfigDump.StaticCluster',
  dynamic_active_clusters: 'ClustersConfigDump.DynamicCluster',
  dynamic_warming_clusters: 'ClustersConfigDump.DynamicCluster',
  static_listeners: 'ListenersConfigDump.StaticListener',
  dynamic_listeners: 'ListenersConfigDump.DynamicListener',
  static_route_configs: 'RoutesConfigDump.StaticRouteConfig',
  dynamic_route_configs: 'RoutesConfigDump.DynamicRouteConfig',
  static_secrets: 'SecretsConfigDump.StaticSecret',
  dynamic_active_secrets: 'SecretsConfigDump.DynamicSecret',
  dynamic_warming_secrets: 'SecretsConfigDump.DynamicSecret',
  static_endpoint_configs: 'EndpointsConfigDump.StaticEndpointConfig',
  dynamic_endpoint_configs: 'EndpointsConfigDump.DynamicEndpointConfig',
  ecds_filters: 'EcdsConfigDump.EcdsFilterConfig',
};

function elementType(section: JsonValue, resource: string): string {
  const known = resources[resource];
  return known === undefined ? String(asObject(section)['@type']) : `type.googleapis.com/envoy.admin.v3.${known}`;
}

/** A section whose lists hold only what has a matching name. */
function onlyNamed(section: JsonValue, named: RegExp): JsonValue {
  return Object.fromEntries(
    Object.entries(asObject(section)).map(([key, value]) => [
      key,
      Array.isArray(value) && Object.hasOwn(resources, key) ? value.filter((item) => named.test(nameOf(item))) : value,
    ]),
  );
}

/** What a FieldMask leaves of a value; types stay. */
function masked(value: JsonValue, mask: readonly (readonly string[])[] | undefined): JsonValue {
  if (mask === undefined) return value;
  if (Array.isArray(value)) return value.map((item) => masked(item, mask));
  const result: { [key: string]: JsonValue } = {};
  for (const [key, inner] of Object.entries(asObject(value))) {
    const below = mask.filter(([first]) => first === key);
    if (key === '@type') result[key] = inner;
    else if (below.some(({ length }) => length === 1)) result[key] = inner;
    else if (below.length > 0)
      result[key] = masked(
        inner,
        below.map((path) => path.slice(1)),
      );
  }
  return result;
}

const isMasked = (section: JsonValue) => Object.keys(asObject(section)).length > 1;

function reply(value: unknown): AdminReply {
  return { type: 'application/json', body: `${JSON.stringify(value, undefined, 1)}\n` };
}

function asObject(value: JsonValue): { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
}

/** The name of a dumped item: its own, or that of the resource inside it. */
function nameOf(item: JsonValue): string {
  const own = asObject(item);
  if (typeof own['name'] === 'string') return own['name'];
  for (const value of Object.values(own)) {
    const inner = asObject(value);
    const name = inner['name'] ?? inner['cluster_name'];
    if (typeof name === 'string') return name;
  }
  return '';
}

function section<D extends DescMessage>(schema: D, message: MessageShape<D>): JsonValue {
  const json = toJson(schema, message as MessageShape<D> & Message, { registry: protoRegistry(), useProtoFieldName: true });
  return { '@type': `type.googleapis.com/${schema.typeName}`, ...asObject(json as JsonValue) };
}

function bootstrapDump(state: DataplaneState): JsonValue {
  const bootstrap = { ...state.bootstrap, node: state.node };
  return section(
    BootstrapConfigDumpSchema,
    create(BootstrapConfigDumpSchema, { bootstrap, lastUpdated: timestampFromMs(state.startedAtMs) }),
  );
}

function clustersDump(state: DataplaneState): JsonValue {
  const dump = create(ClustersConfigDumpSchema, {});
  for (const { dynamic, version, lastUpdatedMs, active, warming } of state.clusters.entries) {
    const lastUpdated = timestampFromMs(lastUpdatedMs);
    const entry = (proto: MessageShape<typeof ClusterSchema>) => ({ cluster: anyPack(ClusterSchema, proto), lastUpdated });
    if (!dynamic)
      dump.staticClusters.push({
        $typeName: 'envoy.admin.v3.ClustersConfigDump.StaticCluster',
        ...entry((active ?? warming)?.config.proto ?? create(ClusterSchema)),
      });
    else {
      const base = { $typeName: 'envoy.admin.v3.ClustersConfigDump.DynamicCluster' as const, versionInfo: version, clientStatus: 0 };
      if (active !== undefined) dump.dynamicActiveClusters.push({ ...base, ...entry(active.config.proto) });
      if (warming !== undefined) dump.dynamicWarmingClusters.push({ ...base, ...entry(warming.config.proto) });
    }
  }
  return section(ClustersConfigDumpSchema, dump);
}

function listenersDump(state: DataplaneState): JsonValue {
  const dump = create(ListenersConfigDumpSchema, {});
  for (const { name, dynamic, version, lastUpdatedMs, active, warming, error } of state.listeners.entries) {
    const lastUpdated = timestampFromMs(lastUpdatedMs);
    const pack = (proto: MessageShape<typeof ListenerSchema>) => anyPack(ListenerSchema, proto);
    if (!dynamic) {
      const proto = (active ?? warming)?.proto;
      if (proto !== undefined)
        dump.staticListeners.push({ $typeName: 'envoy.admin.v3.ListenersConfigDump.StaticListener', listener: pack(proto), lastUpdated });
      continue;
    }
    const stateOf = (proto: MessageShape<typeof ListenerSchema>) => ({
      $typeName: 'envoy.admin.v3.ListenersConfigDump.DynamicListenerState' as const,
      versionInfo: version,
      listener: pack(proto),
      lastUpdated,
    });
    dump.dynamicListeners.push({
      $typeName: 'envoy.admin.v3.ListenersConfigDump.DynamicListener',
      name,
      clientStatus: 0,
      ...(active === undefined ? {} : { activeState: stateOf(active.proto) }),
      ...(warming === undefined ? {} : { warmingState: stateOf(warming.proto) }),
      ...(error === undefined
        ? {}
        : {
            errorState: {
              $typeName: 'envoy.admin.v3.UpdateFailureState',
              lastUpdateAttempt: timestampFromMs(error.atMs),
              details: error.details,
              versionInfo: error.version,
            },
          }),
    });
  }
  return section(ListenersConfigDumpSchema, dump);
}

function extensionsDump(state: DataplaneState): JsonValue {
  const dump = create(EcdsConfigDumpSchema, {
    ecdsFilters: state.extensions.records.map(({ config, version, lastUpdatedMs }) => ({
      versionInfo: version,
      ecdsFilter: anyPack(TypedExtensionConfigSchema, config),
      lastUpdated: timestampFromMs(lastUpdatedMs),
    })),
  });
  return section(EcdsConfigDumpSchema, dump);
}

function routesDump(state: DataplaneState): JsonValue {
  const dump = create(RoutesConfigDumpSchema, {});
  for (const { config, version, lastUpdatedMs, dynamic } of state.routes.records) {
    const routeConfig = anyPack(RouteConfigurationSchema, config);
    const lastUpdated = timestampFromMs(lastUpdatedMs);
    if (dynamic) {
      dump.dynamicRouteConfigs.push({
        $typeName: 'envoy.admin.v3.RoutesConfigDump.DynamicRouteConfig',
        versionInfo: version,
        routeConfig,
        lastUpdated,
        clientStatus: 0,
      });
    } else dump.staticRouteConfigs.push({ $typeName: 'envoy.admin.v3.RoutesConfigDump.StaticRouteConfig', routeConfig, lastUpdated });
  }
  return section(RoutesConfigDumpSchema, dump);
}

function secretsDump(state: DataplaneState): JsonValue {
  const dump = create(SecretsConfigDumpSchema, {});
  for (const { name, current } of state.secrets.staticSecrets) {
    if (current !== undefined)
      dump.staticSecrets.push({
        $typeName: 'envoy.admin.v3.SecretsConfigDump.StaticSecret',
        name,
        secret: anyPack(SecretSchema, redacted(current)),
      });
  }
  for (const { name, current, version, lastUpdatedMs } of state.secrets.dynamicSecrets) {
    const base = { $typeName: 'envoy.admin.v3.SecretsConfigDump.DynamicSecret' as const, name, versionInfo: version, clientStatus: 0 };
    if (current === undefined) dump.dynamicWarmingSecrets.push(base);
    else
      dump.dynamicActiveSecrets.push({
        ...base,
        lastUpdated: timestampFromMs(lastUpdatedMs),
        secret: anyPack(SecretSchema, redacted(current)),
      });
  }
  return section(SecretsConfigDumpSchema, dump);
}

/** Private keys never leave: Envoy writes `[redacted]` in their place. */
function redacted(secret: Secret): Secret {
  if (secret.type.case === 'validationContext') return secret;
  if (secret.type.case !== 'tlsCertificate') return create(SecretSchema, { name: secret.name });
  return create(SecretSchema, {
    name: secret.name,
    type: {
      case: 'tlsCertificate',
      value: {
        ...secret.type.value,
        privateKey: { $typeName: 'envoy.config.core.v3.DataSource', specifier: { case: 'inlineBytes', value: Buffer.from('[redacted]') } },
      },
    },
  });
}

function endpointsDump(state: DataplaneState): JsonValue {
  const dump = create(EndpointsConfigDumpSchema, {});
  for (const cluster of state.clusters.all) {
    const endpointConfig = anyPack(ClusterLoadAssignmentSchema, cluster.assignment ?? endpointsOf(cluster));
    if (cluster.config.discovery === 'eds') {
      dump.dynamicEndpointConfigs.push({
        $typeName: 'envoy.admin.v3.EndpointsConfigDump.DynamicEndpointConfig',
        versionInfo: cluster.version,
        endpointConfig,
        clientStatus: 0,
      });
    } else dump.staticEndpointConfigs.push({ $typeName: 'envoy.admin.v3.EndpointsConfigDump.StaticEndpointConfig', endpointConfig });
  }
  return section(EndpointsConfigDumpSchema, dump);
}
