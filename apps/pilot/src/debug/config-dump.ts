import { type DescMessage, fromBinary, type JsonObject, type JsonValue, type Registry, toJson } from '@bufbuild/protobuf';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { TypedExtensionConfigSchema } from '@xebec/protos/envoy/config/core/v3/extension';
import { ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { SecretSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/secret';
import { ProxyConfigSchema } from '@xebec/protos/istio/mesh/v1alpha1/trust_bundle';
import { NameTableSchema } from '@xebec/protos/istio/networking/nds/v1/nds';
import { createProtoRegistry } from '@xebec/protos/registry';
import { type ConfigReference, generateAll } from '@xebec/translate';
import {
  CLUSTER_TYPE,
  ENDPOINT_TYPE,
  EXTENSION_TYPE,
  LISTENER_TYPE,
  NAME_TABLE_TYPE,
  PROXY_CONFIG_TYPE,
  ROUTE_TYPE,
  SECRET_TYPE,
} from '@xebec/xds';
import type { ProxyStream } from '../proxy-stream.ts';

const SCHEMAS: Readonly<Record<string, DescMessage>> = {
  [CLUSTER_TYPE]: ClusterSchema,
  [ENDPOINT_TYPE]: ClusterLoadAssignmentSchema,
  [LISTENER_TYPE]: ListenerSchema,
  [ROUTE_TYPE]: RouteConfigurationSchema,
  [SECRET_TYPE]: SecretSchema,
  [EXTENSION_TYPE]: TypedExtensionConfigSchema,
  [NAME_TABLE_TYPE]: NameTableSchema,
  [PROXY_CONFIG_TYPE]: ProxyConfigSchema,
};

/** Types by the short names that `?types=` takes. */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  cds: CLUSTER_TYPE,
  eds: ENDPOINT_TYPE,
  lds: LISTENER_TYPE,
  rds: ROUTE_TYPE,
  sds: SECRET_TYPE,
  ecds: EXTENSION_TYPE,
  nds: NAME_TABLE_TYPE,
  pcds: PROXY_CONFIG_TYPE,
};

let registry: Registry | undefined;

interface Entry {
  readonly name: string;
  readonly version: string;
  /** In the JSON form of an Any, which starts with its type. */
  readonly value: JsonObject;
}

function entriesOf(stream: ProxyStream, typeUrl: string): Entry[] {
  const schema = SCHEMAS[typeUrl];
  if (schema === undefined) return [];
  registry ??= createProtoRegistry();
  const known = registry;
  return [...stream.resources(typeUrl)].map(([name, resource]) => {
    const json = toJson(schema, fromBinary(schema, resource.value), { registry: known });
    const value = { '@type': typeUrl, ...(isObject(json) ? json : {}) };
    return { name, version: resource.version, value: typeUrl === SECRET_TYPE ? withoutKey(value) : value };
  });
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A private key is never shown. */
function withoutKey(secret: JsonObject): JsonObject {
  const { tlsCertificate } = secret;
  if (!isObject(tlsCertificate)) return secret;
  return { ...secret, tlsCertificate: { ...tlsCertificate, privateKey: { inlineBytes: Buffer.from('[redacted]').toString('base64') } } };
}

/** What made each resource of a proxy, by type and name. It is found by translating once more: only people ask for it. */
function provenanceOf({ snapshot, proxy }: ProxyStream): (typeUrl: string, name: string) => JsonValue {
  const { clusters, listeners, routes, endpoints } = generateAll(snapshot, proxy);
  const index = (list: readonly { readonly name: string; readonly provenance: readonly ConfigReference[] }[]) =>
    new Map(list.map(({ name, provenance }) => [name, provenance.map((reference): JsonObject => ({ ...reference }))]));
  const byType: Readonly<Record<string, Map<string, JsonObject[]>>> = {
    [CLUSTER_TYPE]: index(clusters),
    [LISTENER_TYPE]: index(listeners),
    [ROUTE_TYPE]: index(routes),
    [ENDPOINT_TYPE]: index(endpoints),
  };
  return (typeUrl, name) => byType[typeUrl]?.get(name) ?? [];
}

const ADMIN = 'type.googleapis.com/envoy.admin.v3';

export interface DumpOptions {
  /** Endpoints too, as Envoy's `?include_eds`. */
  readonly endpoints: boolean;
}

/**
 * What a proxy should have, in the form of Envoy's `/config_dump`, all of it as if it were active. Each entry says beside
 * Envoy's fields in `provenance` what made it and in `sync` how far the proxy is with it.
 */
export function configDump(stream: ProxyStream, options: DumpOptions): JsonObject {
  const provenance = provenanceOf(stream);
  const section = <T extends JsonObject>(typeUrl: string, toEntry: (entry: Entry) => T): JsonObject[] => {
    const progress = new Map(stream.resourceStatus(typeUrl).map((status) => [status.name, status]));
    return entriesOf(stream, typeUrl).map((entry) => {
      const status = progress.get(entry.name);
      const sync = status === undefined ? 'not sent' : status.sent === entry.version ? status.state : 'pending';
      const error = status?.error === undefined ? {} : { error: status.error };
      return { ...toEntry(entry), provenance: provenance(typeUrl, entry.name), sync, ...error };
    });
  };
  const versionInfo = stream.snapshot.version;
  const endpoints: JsonObject = {
    '@type': `${ADMIN}.EndpointsConfigDump`,
    dynamicEndpointConfigs: options.endpoints
      ? section(ENDPOINT_TYPE, ({ version, value }) => ({ versionInfo: version, endpointConfig: value }))
      : [],
  };
  return {
    configs: [
      { '@type': `${ADMIN}.BootstrapConfigDump` },
      {
        '@type': `${ADMIN}.ClustersConfigDump`,
        versionInfo,
        dynamicActiveClusters: section(CLUSTER_TYPE, ({ version, value }) => ({ versionInfo: version, cluster: value })),
      },
      ...(options.endpoints ? [endpoints] : []),
      {
        '@type': `${ADMIN}.ListenersConfigDump`,
        versionInfo,
        dynamicListeners: section(LISTENER_TYPE, ({ name, version, value }) => ({
          name,
          activeState: { versionInfo: version, listener: value },
        })),
      },
      { '@type': `${ADMIN}.ScopedRoutesConfigDump` },
      {
        '@type': `${ADMIN}.RoutesConfigDump`,
        dynamicRouteConfigs: section(ROUTE_TYPE, ({ version, value }) => ({ versionInfo: version, routeConfig: value })),
      },
      {
        '@type': `${ADMIN}.SecretsConfigDump`,
        dynamicActiveSecrets: section(SECRET_TYPE, ({ name, version, value }) => ({ name, versionInfo: version, secret: value })),
      },
      {
        '@type': `${ADMIN}.EcdsConfigDump`,
        ecdsFilters: section(EXTENSION_TYPE, ({ version, value }) => ({ versionInfo: version, ecdsFilter: value })),
      },
    ],
  };
}

/** The resources of some types by themselves; `types` are short names, such as `eds,nds`. */
export function typedDump(stream: ProxyStream, types: readonly string[]): JsonObject {
  return { configs: types.flatMap((type) => entriesOf(stream, SHORT_NAMES[type] ?? type).map(({ value }) => value)) };
}

/** The sections of a config dump without Xebec's own fields, as messages of Envoy's admin API. */
export function plainDump(dump: JsonObject): JsonObject[] {
  const strip = (value: JsonValue): JsonValue => {
    if (Array.isArray(value)) return value.map(strip);
    if (!isObject(value)) return value;
    const { provenance: _p, sync: _s, error: _e, ...rest } = value;
    return rest;
  };
  const { configs } = dump;
  return (Array.isArray(configs) ? configs : []).flatMap((section) =>
    isObject(section) ? [Object.fromEntries(Object.entries(section).map(([field, value]) => [field, strip(value)]))] : [],
  );
}
