import { XebecError } from '@xebec/core';
import { optionalDurationMs } from '@xebec/matching';
import type { OpenTelemetryConfig } from '@xebec/protos/envoy/config/trace/v3/opentelemetry';
import { encodeOtlp, type FinishedSpan, SpanReporter, type SpanTransport } from '@xebec/telemetry';
import { httpTarget } from '../http/http-target.ts';
import { flushing, type ReporterEnvironment, type ReporterHandle } from './zipkin-reporters.ts';

const exportPath = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
const flushIntervalMs = 5000;
const minFlushSpans = 5;
const defaultTimeoutMs = 5000;

/** Opens the exporter of one connection manager's OpenTelemetry tracer: OTLP over gRPC or HTTP. Throws XebecError `E_CONFIG`. */
export function openTelemetryExporter(config: OpenTelemetryConfig, environment: ReporterEnvironment, where: string): ReporterHandle {
  const { clock, logger, stats, version } = environment;
  const resource = {
    attributes: {
      'service.name': config.serviceName === '' ? 'unknown_service:xebec' : config.serviceName,
      'telemetry.sdk.language': 'nodejs',
      'telemetry.sdk.name': 'xebec',
      'telemetry.sdk.version': version,
    },
    scopeName: 'xebec',
    scopeVersion: version,
  };
  const scope = stats.scope('tracing.opentelemetry');
  const sent = scope.counter('spans_sent');
  const dropped = scope.counter('spans_dropped');
  if (config.sampler !== undefined || config.resourceDetectors.length > 0)
    logger.warn({}, `${where}: sampler and resource_detectors are not executed; every request that tracing chooses is sampled`);
  const reporter = new SpanReporter({
    encode: (spans: readonly FinishedSpan[]) => encodeOtlp(spans, resource),
    transport: transportOf(config, environment, where),
    clock,
    logger,
    ...flushing(environment.runtime, 'opentelemetry', minFlushSpans, flushIntervalMs),
    onSent: (spans) => sent.add(spans),
    onDropped: (spans) => dropped.add(spans),
  });
  return { report: (span) => reporter.report(span), release: () => reporter.close() };
}

function transportOf(config: OpenTelemetryConfig, { upstream, version }: ReporterEnvironment, where: string): SpanTransport {
  const { grpcService, httpService } = config;
  if (grpcService !== undefined) {
    if (grpcService.targetSpecifier.case !== 'envoyGrpc') throw new XebecError('E_CONFIG', `${where}: grpc_service needs envoy_grpc`);
    const { clusterName } = grpcService.targetSpecifier.value;
    const timeoutMs = optionalDurationMs(grpcService.timeout) ?? defaultTimeoutMs;
    return async (body) => {
      await upstream.grpcUnary(clusterName, exportPath, body, timeoutMs);
    };
  }
  if (httpService === undefined) throw new XebecError('E_CONFIG', `${where}: set grpc_service or http_service`);
  const { cluster, path, authority, scheme, headers, timeoutMs = defaultTimeoutMs } = httpTarget(httpService, `${where}.http_service`);
  return async (body) => {
    const { head } = await upstream.http(
      cluster,
      {
        method: 'POST',
        path,
        authority,
        scheme,
        version: 'HTTP/1.1',
        headers: [
          ...['content-type', 'application/x-protobuf', 'content-length', String(body.length)],
          ...['user-agent', `OTel-OTLP-Exporter-Xebec/${version}`, ...headers],
        ],
      },
      body,
      timeoutMs,
    );
    if (head.status < 200 || head.status > 299)
      throw new XebecError('E_UPSTREAM', `collector "${cluster}" answered ${path} with ${head.status}`);
  };
}
