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
import { authorizationFilters } from '../authorization-policy/filters.ts';
import { extension } from '../envoy/any.ts';
import { type DurationFields, duration } from '../envoy/duration.ts';
import { STATS } from '../extensions.ts';
import type { ConfigReference } from '../generated.ts';
import { mixerFilter } from '../mixer/client.ts';
import { jwtFilters } from '../request-authentication/filters.ts';
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

const NOTHING = { externalTcp: [], tcp: [] };

/** Default of the explicit HTTP proxy port where no iptables bring the traffic. */
const HTTP_PROXY_PORT = 15080;

export function listenerContext(snapshot: MeshSnapshot, proxy: MeshProxy): ListenerContext {
  const { mesh } = snapshot;
  const scope = sidecarScope(snapshot, proxy);
  const authorization = authorizationFilters(snapshot, proxy);
  const jwt = jwtFilters(snapshot, proxy);
  const config = proxyConfigOf(snapshot, proxy);
  const settings = connectionSettingsOf(config.connectionSettings ?? mesh.defaultConfig?.connectionSettings, proxy.type === 'router');
  const idle = proxy.metadata['IDLE_TIMEOUT'];
  const idleTimeout = typeof idle === 'string' && idle !== '' ? duration(idle) : undefined;
  const extensions = extensionFilters(snapshot, proxy);
  const side = (direction: Direction): SideContext => {
    const mode = direction === 'inbound' ? 'SERVER' : 'CLIENT';
    // Policies speak of what arrives at a workload; a gateway is where that happens for the outside.
    const guarded = direction !== 'outbound';
    const headers = proxyHeadersOf(config.proxyHeaders, direction === 'outbound');
    const logs = accessLogs(snapshot, proxy, mode);
    const stats = statsConfig(snapshot, proxy, mode, direction === 'gateway', direction === 'inbound');
    const tcpStats = stats === undefined || !proxy.extensions.has(STATS) ? [] : [extension(STATS, PluginConfigSchema, stats)];
    return {
      headers,
      settings,
      ...(config.gatewayTopology === undefined ? {} : { topology: config.gatewayTopology }),
      ...(idleTimeout === undefined ? {} : { idleTimeout }),
      http10: proxy.metadata['HTTP10'] === '1',
      accessLog: logs.http,
      tcpAccessLog: logs.tcp,
      listenerLog: logs.listener,
      tracing: tracingOf(snapshot, proxy, mode, config),
      tcpStats,
      tcpFilters: (port) => {
        const own = extensions.network(mode, port);
        const authorized = guarded ? authorization : NOTHING;
        return [
          ...authorized.externalTcp,
          ...own.AUTHN,
          ...own.AUTHZ,
          ...authorized.tcp,
          ...own.STATS,
          ...own.UNSPECIFIED_PHASE,
          ...tcpStats,
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
          listsAll: proxy.flavour === 'xebec',
          requestAuthentication: guarded ? jwt.http : [],
          externalAuthorization: guarded ? authorization.external : [],
          authorization: guarded ? authorization.http : [],
          own: extensions.http(mode, port),
          mixer: mixerFilter(snapshot, proxy, scope, direction === 'inbound'),
          ...(stats === undefined ? {} : { stats }),
        }),
    };
  };
  const given = Number(proxy.metadata.HTTP_PROXY_PORT);
  return {
    proxy,
    scope,
    domain: snapshot.domain,
    tcpRuleOf: virtualServiceLookup(
      scope.virtualServices.filter((config) => config.spec.tcp !== undefined || config.spec.tls !== undefined),
      snapshot.domain,
    ),
    mutualTls: mutualTlsOf(mesh),
    detectionTimeout: duration(mesh.protocolDetectionTimeout ?? '0s'),
    pathNormalization: mesh.pathNormalization?.normalization ?? 'DEFAULT',
    family: familyAddresses(proxy),
    inboundPort: mesh.proxyInboundListenPort ?? 15006,
    outboundPort: mesh.proxyListenPort ?? 15001,
    httpProxyPort: given > 0 ? given : mesh.proxyHttpPort !== undefined && mesh.proxyHttpPort > 0 ? mesh.proxyHttpPort : HTTP_PROXY_PORT,
    peerAuthentication: peerAuthenticationOf(snapshot, proxy.namespace, proxy.labels),
    securityReferences: [...authorization.references, ...jwt.references],
    mixer: mixerFilter(snapshot, proxy, scope, true).length > 0,
    ...(mesh.tlsDefaults === undefined ? {} : { tlsDefaults: mesh.tlsDefaults }),
    ...(mesh.defaultInboundHttpRetryPolicy === undefined ? {} : { inboundRetry: mesh.defaultInboundHttpRetryPolicy }),
    inbound: side('inbound'),
    outbound: side('outbound'),
    gateway: side('gateway'),
  };
}
