import { create, type DescMessage, type JsonValue, type Message, type MessageShape, toJson } from '@bufbuild/protobuf';
import { anyPack, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { BootstrapConfigDumpSchema, SecretsConfigDumpSchema } from '@xebec/protos/envoy/admin/v3/config_dump';
import {
  ClustersConfigDumpSchema,
  EcdsConfigDumpSchema,
  EndpointsConfigDumpSchema,
  ListenersConfigDumpSchema,
  RoutesConfigDumpSchema,
  ScopedRoutesConfigDumpSchema,
} from '@xebec/protos/envoy/admin/v3/config_dump_shared';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { TypedExtensionConfigSchema } from '@xebec/protos/envoy/config/core/v3/extension';
import { ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { SecretSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/secret';
import { protoRegistry } from '../config/proto-registry.ts';
import type { DataplaneState } from '../dataplane-state.ts';
import { endpointsOf } from './endpoints-dump.ts';
import { redacted } from './redaction.ts';

/** One of the messages that `/config_dump` is made of, as protobuf JSON, types first. */
export interface DumpSection {
  readonly schema: DescMessage;
  readonly json: JsonValue;
}

/** All sections in Envoy's order; endpoints only when they are wanted, extensions and scoped routes only where there are some. */
export function dumpSections(state: DataplaneState, endpoints: boolean): DumpSection[] {
  const sections = [bootstrapDump(state), clustersDump(state)];
  if ([...state.extensions.records].length > 0) sections.push(extensionsDump(state));
  if (endpoints) sections.push(endpointsDump(state));
  sections.push(listenersDump(state), section(ScopedRoutesConfigDumpSchema, create(ScopedRoutesConfigDumpSchema)), routesDump(state));
  sections.push(secretsDump(state));
  return sections;
}

/** Protobuf-ES writes the type of an Any last, Envoy first. */
function typesFirst(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(typesFirst);
  if (typeof value !== 'object' || value === null) return value;
  const { '@type': type, ...rest } = value;
  const result: { [key: string]: JsonValue } = type === undefined ? {} : { '@type': type };
  for (const [key, inner] of Object.entries(rest)) result[key] = typesFirst(inner);
  return result;
}

function section<D extends DescMessage>(schema: D, message: MessageShape<D>): DumpSection {
  const json: unknown = toJson(schema, message as MessageShape<D> & Message, { registry: protoRegistry(), useProtoFieldName: true });
  const covered = redacted(json as JsonValue, schema);
  return { schema, json: typesFirst({ '@type': `type.googleapis.com/${schema.typeName}`, ...(covered as { [key: string]: JsonValue }) }) };
}

/** The version of the last update that was accepted: all resources of a type have it. */
const versionOf = (entries: Iterable<{ readonly dynamic: boolean; readonly version: string }>): string =>
  [...entries].findLast(({ dynamic }) => dynamic)?.version ?? '';

function bootstrapDump(state: DataplaneState): DumpSection {
  const bootstrap = { ...state.bootstrap, node: state.node };
  return section(
    BootstrapConfigDumpSchema,
    create(BootstrapConfigDumpSchema, { bootstrap, lastUpdated: timestampFromMs(state.startedAtMs) }),
  );
}

function clustersDump(state: DataplaneState): DumpSection {
  const dump = create(ClustersConfigDumpSchema, { versionInfo: versionOf(state.clusters.entries) });
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

function listenersDump(state: DataplaneState): DumpSection {
  const dump = create(ListenersConfigDumpSchema, { versionInfo: versionOf(state.listeners.entries) });
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

function extensionsDump(state: DataplaneState): DumpSection {
  const dump = create(EcdsConfigDumpSchema, {
    ecdsFilters: state.extensions.records.map(({ config, version, lastUpdatedMs }) => ({
      versionInfo: version,
      ecdsFilter: anyPack(TypedExtensionConfigSchema, config),
      lastUpdated: timestampFromMs(lastUpdatedMs),
    })),
  });
  return section(EcdsConfigDumpSchema, dump);
}

function routesDump(state: DataplaneState): DumpSection {
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

function secretsDump(state: DataplaneState): DumpSection {
  const dump = create(SecretsConfigDumpSchema, {});
  for (const { name, current } of state.secrets.staticSecrets) {
    if (current !== undefined)
      dump.staticSecrets.push({
        $typeName: 'envoy.admin.v3.SecretsConfigDump.StaticSecret',
        name,
        secret: anyPack(SecretSchema, current),
      });
  }
  for (const { name, current, version, lastUpdatedMs } of state.secrets.dynamicSecrets) {
    const base = { $typeName: 'envoy.admin.v3.SecretsConfigDump.DynamicSecret' as const, name, versionInfo: version, clientStatus: 0 };
    if (current === undefined) dump.dynamicWarmingSecrets.push(base);
    else
      dump.dynamicActiveSecrets.push({
        ...base,
        lastUpdated: timestampFromMs(lastUpdatedMs),
        secret: anyPack(SecretSchema, current),
      });
  }
  return section(SecretsConfigDumpSchema, dump);
}

function endpointsDump(state: DataplaneState): DumpSection {
  const dump = create(EndpointsConfigDumpSchema, {});
  for (const cluster of state.clusters.all) {
    const endpointConfig = anyPack(ClusterLoadAssignmentSchema, endpointsOf(cluster));
    // Of clusters that came over an API, whatever their hosts came from; Envoy tells neither version nor time.
    if (cluster.version !== '') {
      dump.dynamicEndpointConfigs.push({
        $typeName: 'envoy.admin.v3.EndpointsConfigDump.DynamicEndpointConfig',
        versionInfo: '',
        endpointConfig,
        clientStatus: 0,
      });
    } else dump.staticEndpointConfigs.push({ $typeName: 'envoy.admin.v3.EndpointsConfigDump.StaticEndpointConfig', endpointConfig });
  }
  return section(EndpointsConfigDumpSchema, dump);
}
