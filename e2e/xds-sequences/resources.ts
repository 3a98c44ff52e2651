import { fromJson, toBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { createProtoRegistry } from '@xebec/protos/registry';

export type Json = Record<string, unknown>;

const registry = createProtoRegistry();

/** Message names of the types that a script may send, by the short names that scripts use. */
export const types = {
  cds: 'envoy.config.cluster.v3.Cluster',
  eds: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  lds: 'envoy.config.listener.v3.Listener',
  rds: 'envoy.config.route.v3.RouteConfiguration',
  sds: 'envoy.extensions.transport_sockets.tls.v3.Secret',
  rtds: 'envoy.service.runtime.v3.Runtime',
  ecds: 'envoy.config.core.v3.TypedExtensionConfig',
} as const;
export type Type = keyof typeof types;

export const typeUrl = (type: Type): string => `type.googleapis.com/${types[type]}`;

/** The short name of a type URL, or the URL. */
export function shortType(url: string): string {
  return Object.entries(types).find(([, name]) => url.endsWith(`/${name}`))?.[0] ?? url;
}

/** A resource as a script writes it: fields in protobuf JSON, or bytes that are no such message. */
export interface Resource {
  readonly name: string;
  readonly json?: Json;
  readonly bytes?: Uint8Array;
  /** In place of the type's own. */
  readonly typeUrl?: string;
  readonly ttlMs?: number;
}

export function encodeResource(type: Type, resource: Resource): Any {
  const url = resource.typeUrl ?? typeUrl(type);
  const schema = registry.getMessage(url.slice(url.lastIndexOf('/') + 1));
  if (schema === undefined) throw new Error(`${url} is not known`);
  // Scripts are literals in protobuf JSON.
  const value = resource.bytes ?? toBinary(schema, fromJson(schema, (resource.json ?? {}) as never, { registry }));
  return { $typeName: 'google.protobuf.Any', typeUrl: url, value };
}

const type = (name: string): string => `type.googleapis.com/${name}`;
const address = (port: number): Json => ({ socket_address: { address: '127.0.0.1', port_value: port } });

export function edsCluster(name: string, source: Json, more: Json = {}): Resource {
  return { name, json: { name, type: 'EDS', connect_timeout: '1s', eds_cluster_config: { eds_config: source }, ...more } };
}

export function staticCluster(name: string, port: number, more: Json = {}): Resource {
  const load = { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }] };
  return { name, json: { name, type: 'STATIC', connect_timeout: '1s', load_assignment: load, ...more } };
}

export function endpoints(name: string, ...ports: number[]): Resource {
  return {
    name,
    json: { cluster_name: name, endpoints: [{ lb_endpoints: ports.map((port) => ({ endpoint: { address: address(port) } })) }] },
  };
}

/** All paths to one cluster; a text of its own instead when `cluster` begins with `=`. */
export function routes(name: string, cluster: string, more: Json = {}): Resource {
  const action = cluster.startsWith('=')
    ? { direct_response: { status: 200, body: { inline_string: cluster.slice(1) } } }
    : { route: { cluster } };
  return {
    name,
    json: { name, virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, ...action, ...more }] }] },
  };
}

export interface ListenerParts {
  readonly filters?: readonly Json[];
  readonly listener?: Json;
  readonly chain?: Json;
}

const router: Json = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': type('envoy.extensions.filters.http.router.v3.Router') },
};

/** A listener with routes from `source` (RDS), or inline ones as `routes` makes them. */
export function httpListener(
  name: string,
  port: number,
  how: { readonly rds: string; readonly source: Json } | Resource,
  parts: ListenerParts = {},
): Resource {
  const specifier = 'rds' in how ? { rds: { route_config_name: how.rds, config_source: how.source } } : { route_config: how.json };
  const manager = {
    '@type': type('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: name,
    http_filters: [...(parts.filters ?? []), router],
    ...specifier,
  };
  return {
    name,
    json: {
      name,
      address: address(port),
      filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }], ...parts.chain }],
      ...parts.listener,
    },
  };
}
