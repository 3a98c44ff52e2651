import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import { ApiVersion } from '@xebec/protos/envoy/config/core/v3/config_source';
import { HttpGrpcAccessLogConfigSchema, TcpGrpcAccessLogConfigSchema } from '@xebec/protos/envoy/extensions/access_loggers/grpc/v3/als';
import { OpenTelemetryAccessLogConfigSchema } from '@xebec/protos/envoy/extensions/access_loggers/open_telemetry/v3/logs_service';
import type { ExtensionProvider } from '@xebec/schemas';
import { extension } from '../envoy/any.ts';
import type { AccessLogFields } from './access-log.ts';
import { DEFAULT_TEXT_FORMAT, formatters } from './file-log.ts';
import { grpcService, type ProviderService, providerService } from './provider-service.ts';

const HTTP = 'envoy.access_loggers.http_grpc';
const TCP = 'envoy.tcp_grpc_access_log';
const OPEN_TELEMETRY = 'envoy.access_loggers.open_telemetry';

/** What metadata exchange leaves about both ends of a call. */
const PEERS = ['upstream_peer', 'downstream_peer'];
/** The same, and the names that older proxies used. */
const ALL_PEERS = [...PEERS, 'wasm.upstream_peer', 'wasm.upstream_peer_id', 'wasm.downstream_peer', 'wasm.downstream_peer_id'];

function common(service: ProviderService, logName: string, filterStateObjectsToLog: readonly string[]) {
  return {
    logName,
    grpcService: grpcService(service),
    transportApiVersion: ApiVersion.V3,
    filterStateObjectsToLog: [...filterStateObjectsToLog],
  };
}

function orElse(text: string | undefined, fallback: string): string {
  return text === undefined || text === '' ? fallback : text;
}

function stateOf(given: readonly string[] | undefined): readonly string[] {
  return given === undefined || given.length === 0 ? PEERS : given;
}

export function httpServiceLog(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  provider: NonNullable<ExtensionProvider['envoyHttpAls']>,
): AccessLogFields | undefined {
  const service = providerService(snapshot, proxy, provider.service, provider.port);
  if (service === undefined) return undefined;
  return extension(HTTP, HttpGrpcAccessLogConfigSchema, {
    commonConfig: common(service, orElse(provider.logName, 'http_envoy_accesslog'), stateOf(provider.filterStateObjectsToLog)),
    additionalRequestHeadersToLog: [...(provider.additionalRequestHeadersToLog ?? [])],
    additionalResponseHeadersToLog: [...(provider.additionalResponseHeadersToLog ?? [])],
    additionalResponseTrailersToLog: [...(provider.additionalResponseTrailersToLog ?? [])],
  });
}

export function tcpServiceLog(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  provider: NonNullable<ExtensionProvider['envoyTcpAls']>,
): AccessLogFields | undefined {
  const service = providerService(snapshot, proxy, provider.service, provider.port);
  if (service === undefined) return undefined;
  return extension(TCP, TcpGrpcAccessLogConfigSchema, {
    commonConfig: common(service, orElse(provider.logName, 'tcp_envoy_accesslog'), stateOf(provider.filterStateObjectsToLog)),
  });
}

export function openTelemetryLog(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  provider: NonNullable<ExtensionProvider['envoyOtelAls']>,
): AccessLogFields | undefined {
  const service = providerService(snapshot, proxy, provider.service, provider.port);
  if (service === undefined) return undefined;
  const body = orElse(provider.logFormat?.text, DEFAULT_TEXT_FORMAT);
  const labels = Object.entries(provider.logFormat?.labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const values = labels.map(([key, value]) => ({ key, value: text(typeof value === 'string' ? value : '') }));
  return extension(OPEN_TELEMETRY, OpenTelemetryAccessLogConfigSchema, {
    commonConfig: common(service, orElse(provider.logName, 'otel_envoy_accesslog'), ALL_PEERS),
    disableBuiltinLabels: true,
    body: text(body),
    ...(values.length === 0 ? {} : { attributes: { values } }),
    ...formatters(body, ...labels.map(([, value]) => value)),
  });
}

function text(value: string) {
  return { value: { case: 'stringValue' as const, value } };
}

/** The access log service that the mesh's bootstrap names (`enableEnvoyAccessLogService`). */
export function meshServiceLog(logName: string): AccessLogFields {
  const commonConfig = {
    logName,
    grpcService: { targetSpecifier: { case: 'envoyGrpc' as const, value: { clusterName: 'envoy_accesslog_service' } } },
    transportApiVersion: ApiVersion.V3,
    filterStateObjectsToLog: ALL_PEERS,
  };
  return logName === 'http_envoy_accesslog'
    ? extension(HTTP, HttpGrpcAccessLogConfigSchema, { commonConfig })
    : extension(TCP, TcpGrpcAccessLogConfigSchema, { commonConfig });
}
