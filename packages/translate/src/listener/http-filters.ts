import type { Protocol } from '@xebec/model';
import { RBAC_Action } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { CorsSchema } from '@xebec/protos/envoy/extensions/filters/http/cors/v3/cors';
import { HTTPFaultSchema } from '@xebec/protos/envoy/extensions/filters/http/fault/v3/fault';
import { FilterConfigSchema as GrpcStatsSchema } from '@xebec/protos/envoy/extensions/filters/http/grpc_stats/v3/config';
import { GrpcWebSchema } from '@xebec/protos/envoy/extensions/filters/http/grpc_web/v3/grpc_web';
import { RBACSchema as RbacSchema } from '@xebec/protos/envoy/extensions/filters/http/rbac/v3/rbac';
import { RouterSchema } from '@xebec/protos/envoy/extensions/filters/http/router/v3/router';
import type { HttpFilterSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { FilterConfigSchema as AlpnSchema, FilterConfig_Protocol } from '@xebec/protos/istio/filters/alpn';
import { ConfigSchema as PeerMetadataSchema } from '@xebec/protos/istio/filters/peer_metadata';
import { PluginConfigSchema } from '@xebec/protos/istio/filters/stats';
import { extension, type Fields } from '../envoy/any.ts';
import { ALPN, METADATA_EXCHANGE, STATS } from '../extensions.ts';
import type { StatsConfig } from '../telemetry/metrics.ts';
import type { ByPhase } from '../wasm-plugin/filters.ts';

export type HttpFilter = Fields<typeof HttpFilterSchema>;
const ROUTER = 'envoy.filters.http.router';
const RBAC = 'envoy.filters.http.rbac';

export type Direction = 'inbound' | 'outbound' | 'gateway';

export interface HttpFilterView {
  readonly direction: Direction;
  readonly protocol: Protocol;
  readonly suppressEnvoyHeaders: boolean;
  /** What the proxy has of its own. */
  readonly extensions: ReadonlySet<string>;
  /** Whether that is everything it has: a filter that is not among them is never sent. */
  readonly listsAll: boolean;
  readonly requestAuthentication: readonly HttpFilter[];
  /** Of CUSTOM policies. */
  readonly externalAuthorization: readonly HttpFilter[];
  readonly authorization: readonly HttpFilter[];
  /** Users' extensions by phase. */
  readonly own: ByPhase<HttpFilter>;
  readonly mixer: readonly HttpFilter[];
  /** Absent: nothing is counted. */
  readonly stats?: StatsConfig;
  /** Metadata exchange headers are not sent outside the mesh. */
  readonly exchangeInMeshOnly: boolean;
}

/** The HTTP filters of a connection manager, first to last. */
export function httpFilters(view: HttpFilterView): HttpFilter[] {
  const inbound = view.direction === 'inbound';
  return executable(view, [
    // Who the peer is must be known before anything decides or reports by it.
    ...only(view, METADATA_EXCHANGE, () => metadataExchange(inbound, view.exchangeInMeshOnly)),
    ...view.externalAuthorization,
    ...view.own.AUTHN,
    // Tokens before policies: a policy may ask for their claims.
    ...view.requestAuthentication,
    ...view.own.AUTHZ,
    ...view.authorization,
    ...view.mixer,
    ...view.own.STATS,
    ...view.own.UNSPECIFIED_PHASE,
    ...(view.protocol === 'grpc-web' ? [extension('envoy.filters.http.grpc_web', GrpcWebSchema)] : []),
    extension('envoy.filters.http.grpc_stats', GrpcStatsSchema, {
      emitFilterState: true,
      perMethodStatSpecifier: { case: 'statsForAllMethods', value: { value: false } },
    }),
    // The ALPN offered upstream tells the peer what travels inside; inbound, the upstream is the application.
    ...(inbound ? [] : only(view, ALPN, alpn)),
    // Both do nothing until a route brings their configuration.
    extension('envoy.filters.http.fault', HTTPFaultSchema),
    extension('envoy.filters.http.cors', CorsSchema),
    ...only(view, STATS, () => (view.stats === undefined ? undefined : extension(STATS, PluginConfigSchema, view.stats))),
    extension(ROUTER, RouterSchema, { suppressEnvoyHeaders: view.suppressEnvoyHeaders }),
  ]);
}

/**
 * Drops what the proxy would refuse the whole listener for. A missing filter that guards is no reason to let everybody in:
 * in its place all requests are denied, by a policy whose name says which filter is missing.
 */
function executable(view: HttpFilterView, filters: readonly HttpFilter[]): HttpFilter[] {
  if (!view.listsAll) return [...filters];
  const guards = new Set([...view.externalAuthorization, ...view.requestAuthentication, ...view.authorization, ...view.mixer]);
  const own = new Set(Object.values(view.own).flat());
  return filters.flatMap((filter) => {
    const name = filter.name ?? '';
    // Users' extensions have names of their own, and are left out earlier where nothing could run them.
    if (name === ROUTER || name === RBAC || view.extensions.has(name) || own.has(filter)) return [filter];
    return guards.has(filter) ? [denyAll(name)] : [];
  });
}

function denyAll(missing: string): HttpFilter {
  const policy = {
    permissions: [{ rule: { case: 'any' as const, value: true } }],
    principals: [{ identifier: { case: 'any' as const, value: true } }],
  };
  return extension(RBAC, RbacSchema, {
    rules: { action: RBAC_Action.DENY, policies: { [`xebec-filter-missing[${missing}]`]: policy } },
  });
}

function only(view: HttpFilterView, name: string, build: () => HttpFilter | undefined): HttpFilter[] {
  const filter = view.extensions.has(name) ? build() : undefined;
  return filter === undefined ? [] : [filter];
}

function metadataExchange(inbound: boolean, inMeshOnly: boolean): HttpFilter {
  const headers = { methodSpecifier: { case: 'istioHeaders' as const, value: {} } };
  const outward = { methodSpecifier: { case: 'istioHeaders' as const, value: { skipExternalClusters: inMeshOnly } } };
  const discovery = [headers, { methodSpecifier: { case: 'workloadDiscovery' as const, value: {} } }];
  return extension(
    METADATA_EXCHANGE,
    PeerMetadataSchema,
    inbound
      ? { downstreamDiscovery: discovery, downstreamPropagation: [headers] }
      : { upstreamDiscovery: discovery, upstreamPropagation: [outward] },
  );
}

function alpn(): HttpFilter {
  return extension(ALPN, AlpnSchema, {
    alpnOverride: [
      { upstreamProtocol: FilterConfig_Protocol.HTTP10, alpnOverride: ['istio-http/1.0', 'istio', 'http/1.0'] },
      { upstreamProtocol: FilterConfig_Protocol.HTTP11, alpnOverride: ['istio-http/1.1', 'istio', 'http/1.1'] },
      { upstreamProtocol: FilterConfig_Protocol.HTTP2, alpnOverride: ['istio-h2', 'istio', 'h2'] },
    ],
  });
}
