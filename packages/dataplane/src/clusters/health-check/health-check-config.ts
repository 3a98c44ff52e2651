import { XebecError } from '@xebec/core';
import { compileStringMatcher, optionalDurationMs, type StringPredicate } from '@xebec/matching';
import { type HeaderValueOption, RequestMethod } from '@xebec/protos/envoy/config/core/v3/base';
import type { HealthCheck, HealthCheck_Payload } from '@xebec/protos/envoy/config/core/v3/health_check';
import { HealthCheckEventFileSinkSchema } from '@xebec/protos/envoy/extensions/health_check/event_sinks/file/v3/file';
import { CodecClientType } from '@xebec/protos/envoy/type/v3/http';
import type { Int64Range } from '@xebec/protos/envoy/type/v3/range';
import { typeNameOf, unpack } from '../../config/unpack.ts';

export type HealthCheckerType = 'HTTP' | 'TCP' | 'GRPC';

/** What a probe sends and expects. */
export type ProbeConfig =
  | {
      readonly kind: 'HTTP';
      readonly method: string;
      /** Empty: the host's own name, else the cluster's. */
      readonly host: string;
      readonly path: string;
      readonly http2: boolean;
      readonly headers: readonly HeaderValueOption[];
      readonly removedHeaders: readonly string[];
      /** Bytes of the request's body. */
      readonly send: Buffer | undefined;
      /** What the response's body must contain. */
      readonly receive: readonly Buffer[];
      readonly maxBodyBytes: number;
      readonly expects: (status: number) => boolean;
      /** A failure of these statuses counts towards the threshold instead of at once. */
      readonly retries: (status: number) => boolean;
      readonly serviceName: StringPredicate | undefined;
    }
  | { readonly kind: 'TCP'; readonly send: Buffer | undefined; readonly receive: readonly Buffer[] }
  | { readonly kind: 'GRPC'; readonly serviceName: string; readonly authority: string; readonly headers: readonly HeaderValueOption[] };

/** One entry of a cluster's `health_checks`. */
export interface HealthCheckConfig {
  readonly probe: ProbeConfig;
  readonly timeoutMs: number;
  readonly intervalMs: number;
  readonly initialJitterMs: number;
  readonly intervalJitterMs: number;
  readonly intervalJitterPercent: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  readonly reuseConnection: boolean;
  readonly noTrafficIntervalMs: number;
  readonly noTrafficHealthyIntervalMs: number;
  readonly unhealthyIntervalMs: number;
  readonly unhealthyEdgeIntervalMs: number;
  readonly healthyEdgeIntervalMs: number;
  readonly alpn: readonly string[] | undefined;
  /** Of `transport_socket_matches`, when checks go another way than requests. */
  readonly transportCriteria: Readonly<Record<string, unknown>> | undefined;
  readonly eventLogPath: string | undefined;
  readonly logsFailures: boolean;
  readonly logsSuccesses: boolean;
}

/** Throws XebecError `E_CONFIG` for what Envoy would refuse, or what cannot be done. */
export function compileHealthCheck(proto: HealthCheck, where: string): HealthCheckConfig {
  const intervalMs = required(optionalDurationMs(proto.interval), `${where}.interval`);
  const unhealthyIntervalMs = optionalDurationMs(proto.unhealthyInterval) ?? intervalMs;
  const noTrafficIntervalMs = optionalDurationMs(proto.noTrafficInterval) ?? 60_000;
  return {
    probe: compileProbe(proto, where),
    timeoutMs: required(optionalDurationMs(proto.timeout), `${where}.timeout`),
    intervalMs,
    initialJitterMs: optionalDurationMs(proto.initialJitter) ?? 0,
    intervalJitterMs: optionalDurationMs(proto.intervalJitter) ?? 0,
    intervalJitterPercent: proto.intervalJitterPercent,
    unhealthyThreshold: required(proto.unhealthyThreshold, `${where}.unhealthy_threshold`),
    healthyThreshold: required(proto.healthyThreshold, `${where}.healthy_threshold`),
    reuseConnection: proto.reuseConnection ?? true,
    noTrafficIntervalMs,
    noTrafficHealthyIntervalMs: optionalDurationMs(proto.noTrafficHealthyInterval) ?? noTrafficIntervalMs,
    unhealthyIntervalMs,
    unhealthyEdgeIntervalMs: optionalDurationMs(proto.unhealthyEdgeInterval) ?? unhealthyIntervalMs,
    healthyEdgeIntervalMs: optionalDurationMs(proto.healthyEdgeInterval) ?? intervalMs,
    alpn: proto.tlsOptions === undefined ? undefined : proto.tlsOptions.alpnProtocols,
    transportCriteria: proto.transportSocketMatchCriteria,
    eventLogPath: eventLogPath(proto, where),
    logsFailures: proto.alwaysLogHealthCheckFailures,
    logsSuccesses: proto.alwaysLogHealthCheckSuccess,
  };
}

function compileProbe(proto: HealthCheck, where: string): ProbeConfig {
  const { healthChecker } = proto;
  switch (healthChecker.case) {
    case 'httpHealthCheck': {
      const http = healthChecker.value;
      return {
        kind: 'HTTP',
        method: http.method === RequestMethod.METHOD_UNSPECIFIED ? 'GET' : (RequestMethod[http.method] ?? 'GET'),
        host: http.host,
        path: http.path,
        http2: http.codecClientType === CodecClientType.HTTP2,
        headers: http.requestHeadersToAdd,
        removedHeaders: http.requestHeadersToRemove.map((name) => name.toLowerCase()),
        send: payloadOf(http.send, `${where}.http_health_check.send`),
        receive: http.receive.flatMap((payload) => payloadOf(payload, `${where}.http_health_check.receive`) ?? []),
        maxBodyBytes: Number(http.responseBufferSize ?? 1024n),
        expects: http.expectedStatuses.length === 0 ? (status) => status === 200 : inRanges(http.expectedStatuses),
        retries: inRanges(http.retriableStatuses),
        serviceName: http.serviceNameMatcher === undefined ? undefined : compileStringMatcher(http.serviceNameMatcher),
      };
    }
    case 'tcpHealthCheck': {
      const tcp = healthChecker.value;
      if (tcp.proxyProtocolConfig !== undefined)
        throw new XebecError('E_CONFIG', `${where}.tcp_health_check.proxy_protocol_config is not supported; leave it out`);
      return {
        kind: 'TCP',
        send: payloadOf(tcp.send, `${where}.tcp_health_check.send`),
        receive: tcp.receive.flatMap((payload) => payloadOf(payload, `${where}.tcp_health_check.receive`) ?? []),
      };
    }
    case 'grpcHealthCheck': {
      const { serviceName, authority, initialMetadata } = healthChecker.value;
      return { kind: 'GRPC', serviceName, authority, headers: initialMetadata };
    }
    case 'customHealthCheck':
      throw new XebecError(
        'E_CONFIG',
        `${where}: custom_health_check "${healthChecker.value.name}" is not supported; use http, tcp or grpc`,
      );
    default:
      throw new XebecError('E_CONFIG', `${where}: one of http_health_check, tcp_health_check, grpc_health_check is needed`);
  }
}

/** Text payloads are hexadecimal. */
function payloadOf(payload: HealthCheck_Payload | undefined, where: string): Buffer | undefined {
  const content = payload?.payload;
  if (content?.case === 'binary') return Buffer.from(content.value);
  if (content?.case !== 'text') return undefined;
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(content.value))
    throw new XebecError('E_CONFIG', `${where}: text "${content.value}" is not hexadecimal`);
  return Buffer.from(content.value, 'hex');
}

function inRanges(ranges: readonly Int64Range[]): (status: number) => boolean {
  const bounds = ranges.map((range) => [Number(range.start), Number(range.end)] as const);
  return (status) => bounds.some(([start, end]) => status >= start && status < end);
}

function eventLogPath(proto: HealthCheck, where: string): string | undefined {
  if (proto.eventLogPath !== '') return proto.eventLogPath;
  for (const { typedConfig } of proto.eventLogger) {
    if (typedConfig === undefined || !typeNameOf(typedConfig).endsWith('.HealthCheckEventFileSink')) continue;
    return unpack(typedConfig, HealthCheckEventFileSinkSchema, `${where}.event_logger`).eventLogPath;
  }
  return undefined;
}

function required(value: number | undefined, where: string): number {
  if (value === undefined) throw new XebecError('E_CONFIG', `${where} is missing`);
  return value;
}
