import { clone, create } from '@bufbuild/protobuf';
import type { HttpFilterDefinition, NetworkFilterDefinition } from '@xebec/filters';
import { type Extension, ExtensionSchema, type Node, NodeSchema } from '@xebec/protos/envoy/config/core/v3/base';

interface ExtensionEntry {
  readonly name: string;
  readonly category: string;
  readonly typeNames: readonly string[];
}

/** What the data plane has beside the filters. */
const builtIn: readonly ExtensionEntry[] = [
  {
    name: 'envoy.filters.http.router',
    category: 'envoy.filters.http',
    typeNames: ['envoy.extensions.filters.http.router.v3.Router'],
  },
  {
    name: 'envoy.filters.network.http_connection_manager',
    category: 'envoy.filters.network',
    typeNames: ['envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'],
  },
  {
    name: 'envoy.filters.network.tcp_proxy',
    category: 'envoy.filters.network',
    typeNames: ['envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'],
  },
  {
    name: 'envoy.filters.listener.original_dst',
    category: 'envoy.filters.listener',
    typeNames: ['envoy.extensions.filters.listener.original_dst.v3.OriginalDst'],
  },
  {
    name: 'envoy.filters.listener.tls_inspector',
    category: 'envoy.filters.listener',
    typeNames: ['envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector'],
  },
  {
    name: 'envoy.filters.listener.http_inspector',
    category: 'envoy.filters.listener',
    typeNames: ['envoy.extensions.filters.listener.http_inspector.v3.HttpInspector'],
  },
  {
    name: 'envoy.transport_sockets.tls',
    category: 'envoy.transport_sockets.upstream',
    typeNames: ['envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'],
  },
  {
    name: 'envoy.transport_sockets.tls',
    category: 'envoy.transport_sockets.downstream',
    typeNames: ['envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'],
  },
  {
    name: 'envoy.transport_sockets.raw_buffer',
    category: 'envoy.transport_sockets.upstream',
    typeNames: ['envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'],
  },
  {
    name: 'envoy.access_loggers.file',
    category: 'envoy.access_loggers',
    typeNames: ['envoy.extensions.access_loggers.file.v3.FileAccessLog'],
  },
  {
    name: 'envoy.access_loggers.stdout',
    category: 'envoy.access_loggers',
    typeNames: ['envoy.extensions.access_loggers.stream.v3.StdoutAccessLog'],
  },
  {
    name: 'envoy.access_loggers.http_grpc',
    category: 'envoy.access_loggers',
    typeNames: ['envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig'],
  },
  {
    name: 'envoy.access_loggers.tcp_grpc',
    category: 'envoy.access_loggers',
    typeNames: ['envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig'],
  },
  {
    name: 'envoy.access_loggers.open_telemetry',
    category: 'envoy.access_loggers',
    typeNames: ['envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig'],
  },
  { name: 'envoy.tracers.opentelemetry', category: 'envoy.tracers', typeNames: ['envoy.config.trace.v3.OpenTelemetryConfig'] },
  { name: 'envoy.tracers.zipkin', category: 'envoy.tracers', typeNames: ['envoy.config.trace.v3.ZipkinConfig'] },
  {
    name: 'envoy.upstreams.http.http_protocol_options',
    category: 'envoy.upstream_options',
    typeNames: ['envoy.extensions.upstreams.http.v3.HttpProtocolOptions'],
  },
  { name: 'envoy.cluster.eds', category: 'envoy.clusters', typeNames: [] },
  { name: 'envoy.cluster.static', category: 'envoy.clusters', typeNames: [] },
  { name: 'envoy.cluster.strict_dns', category: 'envoy.clusters', typeNames: [] },
  { name: 'envoy.cluster.logical_dns', category: 'envoy.clusters', typeNames: [] },
  { name: 'envoy.cluster.original_dst', category: 'envoy.clusters', typeNames: [] },
  {
    name: 'envoy.retry_host_predicates.previous_hosts',
    category: 'envoy.retry_host_predicates',
    typeNames: ['envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate'],
  },
];

/** The node as xDS servers see it: the bootstrap's, with our name, version and extensions. */
export function nodeIdentity(
  base: Node | undefined,
  version: string,
  httpFilters: readonly HttpFilterDefinition[],
  networkFilters: readonly NetworkFilterDefinition[],
): Node {
  const entries: readonly ExtensionEntry[] = [
    ...builtIn,
    ...httpFilters.map(({ name, typeNames }) => ({ name, category: 'envoy.filters.http', typeNames })),
    ...networkFilters.map(({ name, typeNames }) => ({ name, category: 'envoy.filters.network', typeNames })),
  ];
  const extensions: Extension[] = entries.map(({ name, category, typeNames }) =>
    create(ExtensionSchema, { name, category, typeUrls: [...typeNames] }),
  );
  const node = base === undefined ? create(NodeSchema) : clone(NodeSchema, base);
  node.userAgentName = 'xebec';
  node.userAgentVersionType = { case: 'userAgentVersion', value: version };
  node.extensions = extensions;
  return node;
}
