import type { JsonObject } from '@bufbuild/protobuf';
import { FileAccessLogSchema } from '@xebec/protos/envoy/extensions/access_loggers/file/v3/file';
import { ReqWithoutQuerySchema } from '@xebec/protos/envoy/extensions/formatter/req_without_query/v3/req_without_query';
import type { ExtensionProvider, MeshConfig } from '@xebec/schemas';
import { extension, type Fields, typedExtension } from '../envoy/any.ts';
import type { AccessLogFields } from './access-log.ts';

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

/** The logger of MeshConfig's `accessLogFile`, `accessLogFormat` and `accessLogEncoding`. */
export function meshAccessLog(path: string, mesh: MeshConfig): AccessLogFields {
  return fileLog(path, mesh.accessLogEncoding === 'JSON' ? meshJsonFormat(mesh.accessLogFormat) : textFormat(mesh.accessLogFormat));
}

/** The logger of an `envoyFileAccessLog` provider; that named `envoy` takes the mesh's format where it has none of its own. */
export function providerFileLog(
  name: string,
  provider: NonNullable<ExtensionProvider['envoyFileAccessLog']>,
  mesh: MeshConfig,
): AccessLogFields {
  const { logFormat } = provider;
  const path = provider.path === undefined || provider.path === '' ? '/dev/stdout' : provider.path;
  if (name === 'envoy' && logFormat === undefined && provider.omitEmptyValues !== true) return meshAccessLog(path, mesh);
  const format = logFormat?.labels === undefined ? textFormat(logFormat?.text) : jsonFormat(labelsOf(logFormat.labels));
  return fileLog(path, { ...format, ...(provider.omitEmptyValues === true ? { omitEmptyValues: true } : {}) });
}

type LogFormat = Extract<NonNullable<Fields<typeof FileAccessLogSchema>['accessLogFormat']>, { case: 'logFormat' }>['value'];

/** Labels were read from YAML or JSON, so they are JSON. */
function labelsOf(labels: Readonly<Record<string, unknown>>): JsonObject {
  return Object.keys(labels).length === 0 ? DEFAULT_JSON_FORMAT : (labels as JsonObject);
}

function textFormat(text: string | undefined): LogFormat {
  const line = text === undefined || text === '' ? DEFAULT_TEXT_FORMAT : text.endsWith('\n') ? text : `${text}\n`;
  return { format: { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: line } } }, ...formatters(line) };
}

function jsonFormat(value: JsonObject): LogFormat {
  return { format: { case: 'jsonFormat', value }, jsonFormatOptions: { sortProperties: false }, ...formatters(...Object.values(value)) };
}

function meshJsonFormat(text: string | undefined): LogFormat {
  if (text === undefined || text === '') return jsonFormat(DEFAULT_JSON_FORMAT);
  try {
    return jsonFormat(JSON.parse(text));
  } catch {
    // A format that is no JSON was warned about when the mesh configuration was read; the default still logs.
    return jsonFormat(DEFAULT_JSON_FORMAT);
  }
}

/** Commands that Envoy knows only with an extension. */
export function formatters(...texts: readonly unknown[]): Pick<LogFormat, 'formatters'> {
  const needed = texts.some((text) => typeof text === 'string' && text.includes('%REQ_WITHOUT_QUERY'));
  return needed ? { formatters: [typedExtension('envoy.formatter.req_without_query', ReqWithoutQuerySchema)] } : {};
}

function fileLog(path: string, logFormat: LogFormat): AccessLogFields {
  return extension('envoy.access_loggers.file', FileAccessLogSchema, { path, accessLogFormat: { case: 'logFormat', value: logFormat } });
}
