import type { JsonObject } from '@bufbuild/protobuf';
import { type MeshProxy, type MeshSnapshot, telemetriesOf } from '@xebec/model';
import type { AccessLogSchema } from '@xebec/protos/envoy/config/accesslog/v3/accesslog';
import { FileAccessLogSchema } from '@xebec/protos/envoy/extensions/access_loggers/file/v3/file';
import { ExpressionFilterSchema } from '@xebec/protos/envoy/extensions/access_loggers/filters/cel/v3/cel';
import type { ExtensionProvider, MeshConfig } from '@xebec/schemas';
import { extension, type Fields, pack } from '../envoy/any.ts';

export type AccessLogFields = Fields<typeof AccessLogSchema>;
export type Mode = 'CLIENT' | 'SERVER';

/** Istio's text format (mesh access log reference). */
export const DEFAULT_TEXT_FORMAT = `${[
  '[%START_TIME%]',
  '"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%"',
  '%RESPONSE_CODE%',
  '%RESPONSE_FLAGS%',
  '%RESPONSE_CODE_DETAILS%',
  '%CONNECTION_TERMINATION_DETAILS%',
  '"%UPSTREAM_TRANSPORT_FAILURE_REASON%"',
  '%BYTES_RECEIVED%',
  '%BYTES_SENT%',
  '%DURATION%',
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  '"%REQ(X-FORWARDED-FOR)%"',
  '"%REQ(USER-AGENT)%"',
  '"%REQ(X-REQUEST-ID)%"',
  '"%REQ(:AUTHORITY)%"',
  '"%UPSTREAM_HOST%"',
  '%UPSTREAM_CLUSTER_RAW%',
  '%UPSTREAM_LOCAL_ADDRESS%',
  '%DOWNSTREAM_LOCAL_ADDRESS%',
  '%DOWNSTREAM_REMOTE_ADDRESS%',
  '%REQUESTED_SERVER_NAME%',
  '%ROUTE_NAME%',
].join(' ')}\n`;

const DEFAULT_JSON_FORMAT: JsonObject = {
  start_time: '%START_TIME%',
  route_name: '%ROUTE_NAME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
};

/** Access loggers of a proxy for one direction: Telemetry first, then the mesh's `defaultProviders`, then `accessLogFile`. */
export function accessLogs(snapshot: MeshSnapshot, proxy: MeshProxy, mode: Mode): AccessLogFields[] {
  const { mesh } = snapshot;
  let providers: readonly string[] | undefined;
  let expression: string | undefined;
  let disabled = false;
  for (const telemetry of telemetriesOf(snapshot, proxy)) {
    const entries = (telemetry.spec.accessLogging ?? []).filter((entry) => matchesMode(entry.match?.mode, mode));
    if (entries.length === 0) continue;
    const named = entries.flatMap((entry) => (entry.providers ?? []).map((provider) => provider.name));
    if (named.length > 0) providers = named;
    else providers ??= mesh.defaultProviders?.accessLogging ?? ['envoy'];
    disabled = entries.some((entry) => entry.disabled === true);
    expression = entries.find((entry) => entry.filter?.expression !== undefined)?.filter?.expression ?? expression;
  }
  if (disabled) return [];
  providers ??= mesh.defaultProviders?.accessLogging;
  if (providers === undefined) return mesh.accessLogFile === undefined || mesh.accessLogFile === '' ? [] : [meshAccessLog(mesh)];
  const filter = expression === undefined ? undefined : celFilter(expression);
  return [...new Set(providers)].flatMap((name) => {
    const provider = mesh.extensionProviders?.find((candidate) => candidate.name === name);
    if (provider?.envoyFileAccessLog === undefined) return [];
    const log = fileAccessLog(provider.envoyFileAccessLog, mesh);
    return [filter === undefined ? log : { ...log, filter }];
  });
}

/** Whether a rule for `rule` (both sides when absent) speaks of a listener of side `mode`. */
export function matchesMode(rule: 'UNDEFINED' | 'CLIENT' | 'SERVER' | 'CLIENT_AND_SERVER' | undefined, mode: Mode): boolean {
  return rule === undefined || rule === 'UNDEFINED' || rule === 'CLIENT_AND_SERVER' || rule === mode;
}

/** Loggers of a listener: connections that no filter chain takes. */
export function listenerAccessLogs(logs: readonly AccessLogFields[]): AccessLogFields[] {
  return logs.map((log) => ({
    ...log,
    filter: { filterSpecifier: { case: 'responseFlagFilter', value: { flags: ['NR'] } } },
  }));
}

function celFilter(expression: string): NonNullable<AccessLogFields['filter']> {
  return {
    filterSpecifier: {
      case: 'extensionFilter',
      value: {
        name: 'envoy.access_loggers.extension_filters.cel',
        configType: { case: 'typedConfig', value: pack(ExpressionFilterSchema, { expression }) },
      },
    },
  };
}

function meshAccessLog(mesh: MeshConfig): AccessLogFields {
  return fileLog(
    mesh.accessLogFile ?? '',
    mesh.accessLogEncoding === 'JSON' ? jsonFormat(mesh.accessLogFormat) : textFormat(mesh.accessLogFormat),
  );
}

function fileAccessLog(provider: NonNullable<ExtensionProvider['envoyFileAccessLog']>, mesh: MeshConfig): AccessLogFields {
  const { logFormat } = provider;
  const path = provider.path === undefined || provider.path === '' ? '/dev/stdout' : provider.path;
  if (logFormat?.labels !== undefined)
    // Labels were read from YAML or JSON, so they are JSON.
    return fileLog(path, { format: { case: 'jsonFormat', value: logFormat.labels as JsonObject } });
  if (logFormat?.text === undefined && mesh.accessLogEncoding === 'JSON') return fileLog(path, jsonFormat(mesh.accessLogFormat));
  return fileLog(path, textFormat(logFormat?.text ?? mesh.accessLogFormat));
}

type LogFormat = Extract<NonNullable<Fields<typeof FileAccessLogSchema>['accessLogFormat']>, { case: 'logFormat' }>['value'];

function textFormat(text: string | undefined): LogFormat {
  const line = text === undefined || text === '' ? DEFAULT_TEXT_FORMAT : text.endsWith('\n') ? text : `${text}\n`;
  return { format: { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: line } } } };
}

function jsonFormat(text: string | undefined): LogFormat {
  let value = DEFAULT_JSON_FORMAT;
  if (text !== undefined && text !== '') {
    try {
      value = JSON.parse(text);
    } catch {
      // A format that is no JSON was warned about when the mesh configuration was read; the default still logs.
    }
  }
  return { format: { case: 'jsonFormat', value } };
}

function fileLog(path: string, logFormat: LogFormat): AccessLogFields {
  return extension('envoy.access_loggers.file', FileAccessLogSchema, { path, accessLogFormat: { case: 'logFormat', value: logFormat } });
}
