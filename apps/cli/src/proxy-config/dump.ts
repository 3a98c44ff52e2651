import { type DescMessage, fromJsonString, type MessageShape, type Registry } from '@bufbuild/protobuf';
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import {
  type BootstrapConfigDump,
  BootstrapConfigDumpSchema,
  ConfigDumpSchema,
  SecretsConfigDumpSchema,
} from '@xebec/protos/envoy/admin/v3/config_dump';
import {
  ClustersConfigDumpSchema,
  EcdsConfigDumpSchema,
  EndpointsConfigDumpSchema,
  ListenersConfigDumpSchema,
  RoutesConfigDumpSchema,
} from '@xebec/protos/envoy/admin/v3/config_dump_shared';
import { type Cluster, ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { type TypedExtensionConfig, TypedExtensionConfigSchema } from '@xebec/protos/envoy/config/core/v3/extension';
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import { type Listener, ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { type RouteConfiguration, RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { type Secret, SecretSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/secret';

export interface SecretInDump {
  readonly name: string;
  readonly state: 'ACTIVE' | 'WARMING';
  readonly secret: Secret | undefined;
}

/** What a proxy runs, from Envoy's `/config_dump`. */
export interface ProxyDump {
  readonly clusters: readonly Cluster[];
  readonly listeners: readonly Listener[];
  readonly routes: readonly RouteConfiguration[];
  readonly endpoints: readonly ClusterLoadAssignment[];
  readonly secrets: readonly SecretInDump[];
  /** Filter configurations that came over extension discovery. */
  readonly extensions: readonly TypedExtensionConfig[];
  readonly bootstrap: BootstrapConfigDump | undefined;
}

/** Reads a config dump, ours or stock Envoy's; `only` dynamic: what came over xDS and not with the bootstrap. Throws protobuf's error, with the field, on anything else. */
export function parseConfigDump(json: string, registry: Registry, only?: 'dynamic'): ProxyDump {
  const fixed = <T>(list: readonly T[]): readonly T[] => (only === 'dynamic' ? [] : list);
  const dump = fromJsonString(ConfigDumpSchema, json, { registry, ignoreUnknownFields: true });
  const sections = <D extends DescMessage>(desc: D): MessageShape<D>[] => dump.configs.flatMap((any) => unpack(any, desc));
  const clusters = sections(ClustersConfigDumpSchema);
  const listeners = sections(ListenersConfigDumpSchema);
  const routes = sections(RoutesConfigDumpSchema);
  const endpoints = sections(EndpointsConfigDumpSchema);
  const secrets = sections(SecretsConfigDumpSchema);
  return {
    bootstrap: sections(BootstrapConfigDumpSchema)[0],
    extensions: sections(EcdsConfigDumpSchema).flatMap((section) =>
      section.ecdsFilters.flatMap((entry) => unpack(entry.ecdsFilter, TypedExtensionConfigSchema)),
    ),
    clusters: clusters.flatMap((section) =>
      [...fixed(section.staticClusters), ...section.dynamicActiveClusters, ...section.dynamicWarmingClusters].flatMap((entry) =>
        unpack(entry.cluster, ClusterSchema),
      ),
    ),
    listeners: listeners.flatMap((section) => [
      ...section.dynamicListeners.flatMap((entry) => unpack((entry.activeState ?? entry.warmingState)?.listener, ListenerSchema)),
      ...fixed(section.staticListeners).flatMap((entry) => unpack(entry.listener, ListenerSchema)),
    ]),
    routes: routes.flatMap((section) =>
      [...section.dynamicRouteConfigs, ...fixed(section.staticRouteConfigs)].flatMap((entry) =>
        unpack(entry.routeConfig, RouteConfigurationSchema),
      ),
    ),
    endpoints: endpoints.flatMap((section) =>
      [...section.dynamicEndpointConfigs, ...section.staticEndpointConfigs].flatMap((entry) =>
        unpack(entry.endpointConfig, ClusterLoadAssignmentSchema),
      ),
    ),
    secrets: secrets.flatMap((section) => [
      ...section.dynamicActiveSecrets.map((entry) => ({
        name: entry.name,
        state: 'ACTIVE' as const,
        secret: unpack(entry.secret, SecretSchema)[0],
      })),
      ...section.dynamicWarmingSecrets.map((entry) => ({ name: entry.name, state: 'WARMING' as const, secret: undefined })),
      ...section.staticSecrets.map((entry) => ({
        name: entry.name,
        state: 'ACTIVE' as const,
        secret: unpack(entry.secret, SecretSchema)[0],
      })),
    ]),
  };
}

/** The message inside, or nothing when it is absent or of another type. */
export function unpack<D extends DescMessage>(any: Any | undefined, desc: D): MessageShape<D>[] {
  if (any === undefined) return [];
  const message = anyUnpack(any, desc);
  return message === undefined ? [] : [message];
}
