import {
  type MeshProxy,
  type MeshSnapshot,
  type PeerAuthentication,
  type Protocol,
  peerAuthenticationOf,
  type SidecarScope,
  sidecarScope,
  telemetriesOf,
  type VirtualServiceLookup,
  virtualServiceLookup,
} from '@xebec/model';
import type { FilterSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { authorizationFilters } from '../authorization-policy/filters.ts';
import type { Fields } from '../envoy/any.ts';
import { duration } from '../envoy/duration.ts';
import type { ConfigReference } from '../generated.ts';
import { mixerFilter } from '../mixer/client.ts';
import { jwtFilters } from '../request-authentication/filters.ts';
import { type AccessLogFields, accessLogs } from '../telemetry/access-log.ts';
import { type Tracing, tracingOf } from '../telemetry/tracing.ts';
import { type Direction, type HttpFilter, httpFilters } from './http-filters.ts';

/** What every connection manager and TCP proxy of a direction shares. */
export interface SideContext {
  readonly accessLog: readonly AccessLogFields[];
  readonly tracing: Tracing;
  httpFilters(protocol: Protocol): HttpFilter[];
  /** Authorization of plain TCP. */
  readonly networkFilters: readonly Fields<typeof FilterSchema>[];
}

/** The narrow view that listeners are made from. */
export interface ListenerContext {
  readonly proxy: MeshProxy;
  readonly scope: SidecarScope;
  readonly domain: string;
  /** The VirtualService with TCP or TLS routes for a host. */
  readonly tcpRuleOf: VirtualServiceLookup;
  readonly trustDomains: readonly string[];
  readonly detectionTimeout: { seconds: bigint; nanos: number };
  readonly pathNormalization: string;
  readonly trustedProxies: number;
  readonly inboundPort: number;
  readonly outboundPort: number;
  readonly httpProxyPort: number;
  readonly peerAuthentication: PeerAuthentication;
  readonly securityReferences: readonly ConfigReference[];
  /** Whether inbound calls are checked by Mixer or reported to it. */
  readonly mixer: boolean;
  readonly inbound: SideContext;
  readonly outbound: SideContext;
  readonly gateway: SideContext;
}

/** Default of the explicit HTTP proxy port where no iptables bring the traffic. */
const HTTP_PROXY_PORT = 15080;

export function listenerContext(snapshot: MeshSnapshot, proxy: MeshProxy): ListenerContext {
  const { mesh } = snapshot;
  const scope = sidecarScope(snapshot, proxy);
  const authorization = authorizationFilters(snapshot, proxy);
  const jwt = jwtFilters(snapshot, proxy);
  const metrics = metricsOn(snapshot, proxy);
  const side = (direction: Direction): SideContext => {
    const mode = direction === 'inbound' ? 'SERVER' : 'CLIENT';
    // Policies speak of what arrives at a workload; a gateway is where that happens for the outside.
    const guarded = direction !== 'outbound';
    return {
      accessLog: accessLogs(snapshot, proxy, mode),
      tracing: tracingOf(snapshot, proxy, mode),
      networkFilters: guarded ? authorization.tcp : [],
      httpFilters: (protocol) =>
        httpFilters({
          direction,
          protocol,
          extensions: proxy.extensions,
          listsAll: proxy.flavour === 'xebec',
          requestAuthentication: guarded ? jwt.http : [],
          externalAuthorization: guarded ? authorization.external : [],
          authorization: guarded ? authorization.http : [],
          mixer: mixerFilter(snapshot, proxy, scope, direction === 'inbound'),
          metrics,
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
    trustDomains: [mesh.trustDomain ?? 'cluster.local', ...(mesh.trustDomainAliases ?? [])],
    detectionTimeout: duration(mesh.protocolDetectionTimeout ?? '0s'),
    pathNormalization: mesh.pathNormalization?.normalization ?? 'DEFAULT',
    trustedProxies: mesh.defaultConfig?.gatewayTopology?.numTrustedProxies ?? 0,
    inboundPort: mesh.proxyInboundListenPort ?? 15006,
    outboundPort: mesh.proxyListenPort ?? 15001,
    httpProxyPort: given > 0 ? given : mesh.proxyHttpPort !== undefined && mesh.proxyHttpPort > 0 ? mesh.proxyHttpPort : HTTP_PROXY_PORT,
    peerAuthentication: peerAuthenticationOf(snapshot, proxy.namespace, proxy.labels),
    securityReferences: [...authorization.references, ...jwt.references],
    mixer: mixerFilter(snapshot, proxy, scope, true).length > 0,
    inbound: side('inbound'),
    outbound: side('outbound'),
    gateway: side('gateway'),
  };
}

/** Standard metrics are on unless the mesh names other providers or a Telemetry switches all of them off. */
function metricsOn(snapshot: MeshSnapshot, proxy: MeshProxy): boolean {
  const providers = snapshot.mesh.defaultProviders?.metrics;
  let on = providers === undefined || providers.includes('prometheus');
  for (const telemetry of telemetriesOf(snapshot, proxy))
    for (const entry of telemetry.spec.metrics ?? []) {
      if (entry.providers?.some((provider) => provider.name === 'prometheus') === true) on = true;
      const all = entry.overrides?.find(
        (override) =>
          (override.match?.metric === undefined || override.match.metric === 'ALL_METRICS') && override.match?.customMetric === undefined,
      );
      if (all?.disabled === true && all.match?.mode === undefined) on = false;
    }
  return on;
}
