import type { HttpConnectionManager } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { type ResponseFlag, responseFlagsText, type StreamInfo } from '@xebec/telemetry';
import { headerJoined, type ResponseHead, setHeader } from '@xebec/wire';

/** `proxy_status_config`: says in a header why an answer is not the upstream's (RFC 9209). */
export interface ProxyStatus {
  readonly name: string;
  readonly details: boolean;
  readonly terminationDetails: boolean;
  readonly flags: boolean;
  readonly recommendedStatus: boolean;
}

export function compileProxyStatus(proto: HttpConnectionManager, serverName: string, nodeId: string): ProxyStatus | undefined {
  const config = proto.proxyStatusConfig;
  if (config === undefined) return undefined;
  const { proxyName } = config;
  return {
    name: proxyName.case === 'literalProxyName' ? proxyName.value : proxyName.case === 'useNodeId' && proxyName.value ? nodeId : serverName,
    details: !config.removeDetails,
    terminationDetails: !config.removeConnectionTerminationDetails,
    flags: !config.removeResponseFlags,
    recommendedStatus: config.setRecommendedResponseCode,
  };
}

/** Errors by flag, and the status that RFC 9209 recommends for each; the first flag in this order counts. */
const errors: readonly (readonly [ResponseFlag, error: string, status: number | undefined])[] = [
  ['LH', 'destination_unavailable', 503],
  ['UH', 'destination_unavailable', 503],
  ['UT', 'http_response_timeout', 504],
  ['LR', 'connection_timeout', 504],
  ['UR', 'connection_terminated', 502],
  ['UF', 'connection_refused', 502],
  ['UC', 'connection_terminated', 502],
  ['UO', 'connection_limit_reached', 503],
  ['NR', 'destination_not_found', 500],
  ['FI', 'http_request_error', undefined],
  ['RL', 'connection_limit_reached', 503],
  ['RLSE', 'connection_limit_reached', 503],
  ['URX', 'destination_unavailable', 503],
  ['SI', 'http_response_timeout', 504],
  ['IH', 'http_request_error', undefined],
  ['DPE', 'http_request_error', undefined],
  ['UMSDR', 'http_response_timeout', 504],
  ['NFCF', 'proxy_configuration_error', 500],
  ['UPE', 'http_protocol_error', 502],
  ['NC', 'destination_unavailable', 503],
  ['DF', 'dns_error', 502],
];

/** Adds the header, and takes the recommended status, where a flag says that something went wrong. */
export function addProxyStatus(head: ResponseHead, info: StreamInfo, settings: ProxyStatus): void {
  const { responseFlags } = info;
  if (responseFlags.size === 0) return;
  const found = errors.find(([flag]) => responseFlags.has(flag));
  if (found === undefined) return;
  const [, error, status] = found;
  let text = `${settings.name}; error=${error}`;
  if (settings.details && info.responseCodeDetails !== '') {
    const parts = [info.responseCodeDetails];
    if (settings.terminationDetails && info.connectionTerminationDetails !== '') parts.push(info.connectionTerminationDetails);
    if (settings.flags) parts.push(responseFlagsText(responseFlags));
    text += `; details="${parts.join('; ')}"`;
  }
  const before = headerJoined(head.headers, 'proxy-status');
  setHeader(head.headers, 'proxy-status', before === undefined ? text : `${before}, ${text}`);
  if (settings.recommendedStatus && status !== undefined) head.status = status;
}
