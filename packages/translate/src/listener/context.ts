import { query, sameList } from '@xebec/incremental';
import {
  type MeshProxy,
  type MeshSnapshot,
  type PeerAuthentication,
  type Protocol,
  peerAuthenticationOf,
  type SidecarScope,
  sidecarScope,
  type VirtualServiceLookup,
  virtualServiceLookup,
} from '@xebec/model';
import { PluginConfigSchema } from '@xebec/protos/istio/filters/stats';
import type { ConnectionSettings, MeshConfig, MeshProxyConfig } from '@xebec/schemas';
import { denialReply } from '../authorization-policy/denial-reply.ts';
import { type AuthorizationFilters, authorizationFilters } from '../authorization-policy/filters.ts';
import { extension } from '../envoy/any.ts';
import { type DurationFields, duration } from '../envoy/duration.ts';
import { listsEverything, STATS } from '../extensions.ts';
import type { ConfigReference } from '../generated.ts';
import { mixerConnectionFilter, mixerFilter, mixerLogs } from '../mixer/client.ts';
import { type JwtFilters, jwtFilters } from '../request-authentication/filters.ts';
import type { InboundRetry } from '../route/inbound.ts';
import { type AccessLogFields, accessLogs } from '../telemetry/access-log.ts';
import { statsConfig } from '../telemetry/metrics.ts';
import { type Tracing, tracingOf } from '../telemetry/tracing.ts';
import { extensionFilters } from '../wasm-plugin/filters.ts';
import type { NetworkFilter } from './connection-manager.ts';
import { connectionSettingsOf } from './connection-settings.ts';
import { type MutualTls, mutualTlsOf } from './downstream-tls.ts';
import { type Direction, type HttpFilter, httpFilters } from './http-filters.ts';
import { proxyConfigOf } from './proxy-config.ts';
import { type ProxyHeaders, proxyHeadersOf } from './proxy-headers.ts';
import { type FamilyAddresses, familyAddresses } from './wildcards.ts';

/** What every connection manager and TCP proxy of a direction shares. */
export interface SideContext {
  /** Of connection managers. */
  readonly accessLog: readonly AccessLogFields[];
  readonly tcpAccessLog: readonly AccessLogFields[];
  /** Of listeners: connections that no filter chain takes. */
  readonly listenerLog: readonly AccessLogFields[];
  readonly tracing: Tracing;
  /** `port` is where the proxy listens. */
  httpFilters(protocol: Protocol, port?: number): HttpFilter[];
  /** What guards and reports plain TCP on a port, before the TCP proxy. */
  tcpFilters(port: number): NetworkFilter[];
  readonly tcpStats: readonly NetworkFilter[];
  /** Extensions of connections that stand before a connection manager. */
  networkExtensions(port: number): NetworkFilter[];
  readonly headers: ProxyHeaders;
  readonly settings: ConnectionSettings;
  readonly topology?: NonNullable<MeshProxyConfig['gatewayTopology']>;
  /** Of connections without traffic, where the proxy names one (metadata `IDLE_TIMEOUT`). */
  readonly idleTimeout?: DurationFields;
  readonly http10: boolean;
  /** What callers are told whom a policy denies, where they are told more than Envoy tells. */
  readonly denials?: NonNullable<ReturnType<typeof denialReply>>;
}

/** The narrow view that listeners are made from. */
export interface ListenerContext {
  readonly proxy: MeshProxy;
  readonly scope: SidecarScope;
  readonly domain: string;
  /** The VirtualService with TCP or TLS routes for a host. */
  readonly tcpRuleOf: VirtualServiceLookup;
  readonly mutualTls: MutualTls;
  readonly detectionTimeout: { seconds: bigint; nanos: number };
  readonly pathNormalization: string;
  readonly family: FamilyAddresses;
  readonly inboundPort: number;
  readonly outboundPort: number;
  readonly httpProxyPort: number;
  readonly peerAuthentication: PeerAuthentication;
  readonly securityReferences: readonly ConfigReference[];
  /** Whether inbound calls are checked by Mixer or reported to it. */
  readonly mixer: boolean;
  readonly tlsDefaults?: NonNullable<MeshConfig['tlsDefaults']>;
  /** How the mesh retries what comes in and never reached the workload. */
  readonly inboundRetry?: InboundRetry;
  readonly inbound: SideContext;
  readonly outbound: SideContext;
  readonly gateway: SideContext;
}

/** Default of the explicit HTTP proxy port where no iptables bring the traffic. */
const HTTP_PROXY_PORT = 15080;

/**
 * The view is made as it is asked for: what takes outgoing connections must not come to depend on fields of the proxy that only
 * its inbound side is made from, since many proxies share the former.
 */
export function listenerContext(snapshot: MeshSnapshot, proxy: MeshProxy): ListenerContext {
  const { mesh } = snapshot;
  const scope = sidecarScope(snapshot, proxy);
  const policies = once(() => ({ authorization: authorizationFilters(snapshot, proxy), jwt: jwtFilters(snapshot, proxy) }));
  const sides = new Map<Direction, SideContext>();
  const side = (direction: Direction): SideContext => {
    const known = sides.get(direction) ?? sideContext(snapshot, proxy, scope, direction, policies);
    sides.set(direction, known);
    return known;
  };
  const family = once(() => familyAddresses(proxy));
  const peerAuthentication = once(() => peerAuthenticationOf(snapshot, proxy.namespace, proxy.labels));
  const given = Number(proxy.metadata['HTTP_PROXY_PORT']);
  return {
    proxy,
    scope,
    domain: snapshot.domain,
    tcpRuleOf: virtualServiceLookup(tcpRules(snapshot, scope), snapshot.domain),
    mutualTls: mutualTlsOf(mesh),
    detectionTimeout: duration(mesh.protocolDetectionTimeout ?? '0s'),
    pathNormalization: mesh.pathNormalization?.normalization ?? 'DEFAULT',
    inboundPort: mesh.proxyInboundListenPort ?? 15006,
    outboundPort: mesh.proxyListenPort ?? 15001,
    httpProxyPort: given > 0 ? given : mesh.proxyHttpPort !== undefined && mesh.proxyHttpPort > 0 ? mesh.proxyHttpPort : HTTP_PROXY_PORT,
    ...(mesh.tlsDefaults === undefined ? {} : { tlsDefaults: mesh.tlsDefaults }),
    ...(mesh.defaultInboundHttpRetryPolicy === undefined ? {} : { inboundRetry: mesh.defaultInboundHttpRetryPolicy }),
    get family() {
      return family();
    },
    get peerAuthentication() {
      return peerAuthentication();
    },
    get securityReferences() {
      const { authorization, jwt } = policies();
      return [...authorization.references, ...jwt.references];
    },
    get mixer() {
      return mixerFilter(snapshot, proxy, scope, 'inbound').length > 0;
    },
    get inbound() {
      return side('inbound');
    },
    get outbound() {
      return side('outbound');
    },
    get gateway() {
      return side('gateway');
    },
  };
}

/** Apart from the others, so that listeners do not depend on HTTP routes. */
const tcpRules = query(
  'tcp rules',
  (_: MeshSnapshot, scope: SidecarScope) =>
    scope.virtualServices.filter((config) => config.spec.tcp !== undefined || config.spec.tls !== undefined),
  { same: sameList },
);

interface Policies {
  readonly authorization: AuthorizationFilters;
  readonly jwt: JwtFilters;
}

const NO_POLICIES = { external: [], externalTcp: [], http: [], tcp: [], references: [] };

function sideContext(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  scope: SidecarScope,
  direction: Direction,
  policies: () => Policies,
): SideContext {
  const { mesh } = snapshot;
  const config = proxyConfigOf(snapshot, proxy);
  const settings = connectionSettingsOf(config.connectionSettings ?? mesh.defaultConfig?.connectionSettings, direction === 'gateway');
  const idle = proxy.metadata['IDLE_TIMEOUT'];
  const idleTimeout = typeof idle === 'string' && idle !== '' ? duration(idle) : undefined;
  const mode = direction === 'inbound' ? 'SERVER' : 'CLIENT';
  // Policies speak of what arrives at a workload; a gateway is where that happens for the outside.
  const { authorization, jwt } = direction === 'outbound' ? { authorization: NO_POLICIES, jwt: NO_POLICIES } : policies();
  const denials = direction === 'outbound' ? undefined : denialReply(config);
  const headers = proxyHeadersOf(config.proxyHeaders, direction === 'outbound');
  const logs = accessLogs(snapshot, proxy, mode);
  const reports = mixerLogs(snapshot, proxy, direction);
  const stats = statsConfig(snapshot, proxy, mode, direction === 'gateway', direction === 'inbound');
  const tcpStats = stats === undefined || !proxy.extensions.has(STATS) ? [] : [extension(STATS, PluginConfigSchema, stats)];
  const extensions = extensionFilters(snapshot, proxy);
  return {
    headers,
    settings,
    ...(config.gatewayTopology === undefined ? {} : { topology: config.gatewayTopology }),
    ...(idleTimeout === undefined ? {} : { idleTimeout }),
    http10: proxy.metadata['HTTP10'] === '1',
    ...(denials === undefined ? {} : { denials }),
    accessLog: [...logs.http, ...reports.http],
    tcpAccessLog: [...logs.tcp, ...reports.tcp],
    listenerLog: logs.listener,
    tracing: tracingOf(snapshot, proxy, mode, config),
    tcpStats,
    tcpFilters: (port) => {
      const own = extensions.network(mode, port);
      return [
        ...authorization.externalTcp,
        ...own.AUTHN,
        ...own.AUTHZ,
        ...authorization.tcp,
        ...own.STATS,
        ...own.UNSPECIFIED_PHASE,
        ...tcpStats,
        ...(direction === 'inbound' ? [] : mixerConnectionFilter(snapshot, proxy, scope, direction, undefined)),
      ];
    },
    networkExtensions: (port) => {
      const own = extensions.network(mode, port);
      return [...own.AUTHN, ...own.AUTHZ, ...own.STATS, ...own.UNSPECIFIED_PHASE];
    },
    httpFilters: (protocol, port = 0) =>
      httpFilters({
        direction,
        protocol,
        suppressEnvoyHeaders: headers.suppressEnvoyHeaders,
        exchangeInMeshOnly: headers.exchangeInMeshOnly,
        extensions: proxy.extensions,
        listsAll: listsEverything(proxy),
        requestAuthentication: jwt.http,
        externalAuthorization: authorization.external,
        authorization: authorization.http,
        own: extensions.http(mode, port),
        mixer: mixerFilter(snapshot, proxy, scope, direction),
        ...(stats === undefined ? {} : { stats }),
      }),
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
