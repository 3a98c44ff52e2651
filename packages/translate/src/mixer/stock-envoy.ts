import type { Any } from '@bufbuild/protobuf/wkt';
import type { MeshProxy, MeshSnapshot, Service } from '@xebec/model';
import { ApiVersion } from '@xebec/protos/envoy/config/core/v3/config_source';
import { HttpGrpcAccessLogConfigSchema, TcpGrpcAccessLogConfigSchema } from '@xebec/protos/envoy/extensions/access_loggers/grpc/v3/als';
import { ExtAuthzPerRouteSchema, ExtAuthzSchema } from '@xebec/protos/envoy/extensions/filters/http/ext_authz/v3/ext_authz';
import { ExtAuthzSchema as NetworkExtAuthzSchema } from '@xebec/protos/envoy/extensions/filters/network/ext_authz/v3/ext_authz';
import { StatusCode } from '@xebec/protos/envoy/type/v3/http_status';
import { extension, pack } from '../envoy/any.ts';
import { duration, seconds } from '../envoy/duration.ts';
import { runs } from '../extensions.ts';
import type { NetworkFilter } from '../listener/connection-manager.ts';
import type { Direction, HttpFilter } from '../listener/http-filters.ts';
import type { AccessLogFields } from '../telemetry/access-log.ts';
import { grpcService, type ProviderService, providerService } from '../telemetry/provider-service.ts';
import { serviceTexts, staticTexts } from './attributes.ts';
import { checksCalls, failsOpen } from './policy.ts';
import { quotaRulesOf } from './service-specs.ts';

/**
 * What stands in for Mixer's client in an Envoy that lacks our filter: its own external authorization asks Mixer's service of that
 * API, and its access log streams are Mixer's reports. What is lost by it is in docs/guides/mixer-in-the-proxy.md.
 */
export const EXT_AUTHZ = 'envoy.filters.http.ext_authz';
const NETWORK_EXT_AUTHZ = 'envoy.filters.network.ext_authz';
const HTTP_LOG = 'envoy.access_loggers.http_grpc';
const TCP_LOG = 'envoy.access_loggers.tcp_grpc';
/** gRPC metadata in which filters say what all their checks have in common: attributes as JSON. Mixer's authorizer reads it. */
const ATTRIBUTES_METADATA = 'x-mixer-attributes';
const QUOTAS = 'mixer.quotas';
const JWT = 'envoy.filters.http.jwt_authn';
/** As long as our own client waits for Mixer. */
const CHECK_TIMEOUT = seconds(1);

/** Empty where nothing is to be checked. An Envoy that lacks ext_authz still gets it while checks fail closed: see `executable`. */
export function authorizationFilter(snapshot: MeshSnapshot, proxy: MeshProxy, direction: Direction): HttpFilter[] {
  const service = checkService(snapshot, proxy, direction, EXT_AUTHZ);
  if (service === undefined) return [];
  return [
    extension(EXT_AUTHZ, ExtAuthzSchema, {
      services: { case: 'grpcService', value: askedWith(service, staticTexts(snapshot, proxy, direction)) },
      transportApiVersion: ApiVersion.V3,
      failureModeAllow: failsOpen(snapshot.mesh, proxy),
      statusOnError: { code: StatusCode.ServiceUnavailable },
      // Rules may change headers that routes are chosen by.
      clearRouteCache: true,
      includeTlsSession: true,
      // Claims of tokens are attributes.
      metadataContextNamespaces: [JWT],
    }),
  ];
}

export function connectionAuthorizationFilter(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  direction: Direction,
  target: Service | undefined,
): NetworkFilter[] {
  const service = checkService(snapshot, proxy, direction, NETWORK_EXT_AUTHZ);
  if (service === undefined) return [];
  const attributes = {
    ...staticTexts(snapshot, proxy, direction),
    ...(target === undefined ? {} : { ...serviceTexts(target), ...quotaTexts(snapshot, target) }),
  };
  return [
    extension(NETWORK_EXT_AUTHZ, NetworkExtAuthzSchema, {
      statPrefix: 'mixer.',
      grpcService: askedWith(service, attributes),
      transportApiVersion: ApiVersion.V3,
      failureModeAllow: failsOpen(snapshot.mesh, proxy),
      includeTlsSession: true,
    }),
  ];
}

/** Which service a route or virtual host stands for, and which quotas its calls take. */
export function authorizationRouteConfig(snapshot: MeshSnapshot, service: Service): Record<string, Any> {
  const contextExtensions = { ...serviceTexts(service), ...quotaTexts(snapshot, service) };
  return { [EXT_AUTHZ]: pack(ExtAuthzPerRouteSchema, { override: { case: 'checkSettings', value: { contextExtensions } } }) };
}

export interface ReportLogs {
  readonly http: readonly AccessLogFields[];
  readonly tcp: readonly AccessLogFields[];
}

/** Loggers that tell Mixer of requests and connections. */
export function reportLogs(snapshot: MeshSnapshot, proxy: MeshProxy, direction: Direction): ReportLogs {
  const { mesh } = snapshot;
  const service = mixerService(mesh.mixerReportServer, snapshot, proxy);
  if (service === undefined) return { http: [], tcp: [] };
  const flush = mesh.reportBatchMaxTime === undefined ? undefined : duration(mesh.reportBatchMaxTime);
  const commonConfig = (kind: 'http' | 'tcp') => ({
    // The side tells Mixer whose report it is where the name of a cluster does not.
    logName: `mixer_${direction === 'inbound' ? 'inbound' : 'outbound'}_${kind}`,
    grpcService: grpcService(service),
    transportApiVersion: ApiVersion.V3,
    ...(flush === undefined ? {} : { bufferFlushInterval: flush }),
    ...(direction === 'inbound' ? { customTags: [servicesBehind(kind)] } : {}),
  });
  const http = extension(HTTP_LOG, HttpGrpcAccessLogConfigSchema, {
    commonConfig: commonConfig('http'),
    // What tells gRPC from HTTP, and how it ended.
    additionalRequestHeadersToLog: ['content-type'],
    additionalResponseHeadersToLog: ['grpc-status', 'grpc-message'],
    additionalResponseTrailersToLog: ['grpc-status', 'grpc-message'],
  });
  const tcp = extension(TCP_LOG, TcpGrpcAccessLogConfigSchema, { commonConfig: commonConfig('tcp') });
  return {
    http: mesh.disableMixerHttpReports === true || !runs(proxy, HTTP_LOG) ? [] : [http],
    tcp: runs(proxy, TCP_LOG) ? [tcp] : [],
  };
}

/** Undefined: calls are not checked, or cannot be and may go on. */
function checkService(snapshot: MeshSnapshot, proxy: MeshProxy, direction: Direction, filter: string): ProviderService | undefined {
  const { mesh } = snapshot;
  if (!checksCalls(mesh, proxy, direction) || (failsOpen(mesh, proxy) && !runs(proxy, filter))) return undefined;
  return mixerService(mesh.mixerCheckServer, snapshot, proxy);
}

/** A proxy refuses a filter whose cluster it does not have. */
function mixerService(server: string | undefined, snapshot: MeshSnapshot, proxy: MeshProxy): ProviderService | undefined {
  if (server === undefined || server === '') return undefined;
  const [host = '', port = ''] = server.split(':');
  return providerService(snapshot, proxy, host, Number(port));
}

function askedWith(service: ProviderService, attributes: Readonly<Record<string, unknown>>) {
  // Envoy reads values of metadata as formats, in which a percent sign is written twice.
  const value = JSON.stringify(attributes).replaceAll('%', '%%');
  return { ...grpcService(service), timeout: CHECK_TIMEOUT, initialMetadata: [{ key: ATTRIBUTES_METADATA, value }] };
}

/** Rules of quota that every call falls under; those that look at calls cannot be said to ext_authz. */
function quotaTexts(snapshot: MeshSnapshot, service: Service): Record<string, string> {
  const rules = quotaRulesOf(snapshot, service).filter(({ match }) => (match ?? []).length === 0);
  const quotas = rules.flatMap((rule) => (rule.quotas ?? []).map(({ quota, charge }) => `${quota}=${charge}`));
  return quotas.length === 0 ? {} : { [QUOTAS]: quotas.join(',') };
}

/**
 * Inbound clusters are named by their port; metadata says which services stand behind it. That of the route is there for calls too that
 * no cluster was chosen for.
 */
function servicesBehind(kind: 'http' | 'tcp') {
  const metadataKey = { key: 'istio', path: [{ segment: { case: 'key' as const, value: 'services' } }] };
  const place = kind === 'http' ? { case: 'route' as const, value: {} } : { case: 'cluster' as const, value: {} };
  return { tag: 'istio.services', type: { case: 'metadata' as const, value: { kind: { kind: place }, metadataKey } } };
}
