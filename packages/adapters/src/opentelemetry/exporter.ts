import { create, type DescMessage, fromBinary, fromJson, type JsonValue, type MessageShape, toBinary, toJson } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { Clock } from '@xebec/core';
import {
  ExportLogsServiceRequestSchema,
  type ExportLogsServiceResponse,
  LogsService,
} from '@xebec/protos/opentelemetry/proto/collector/logs/v1/logs_service';
import {
  ExportMetricsServiceRequestSchema,
  type ExportMetricsServiceResponse,
  MetricsService,
} from '@xebec/protos/opentelemetry/proto/collector/metrics/v1/metrics_service';
import {
  ExportTraceServiceRequestSchema,
  type ExportTraceServiceResponse,
  TraceService,
} from '@xebec/protos/opentelemetry/proto/collector/trace/v1/trace_service';
import type { LogRecord } from '@xebec/protos/opentelemetry/proto/logs/v1/logs';
import type { Metric } from '@xebec/protos/opentelemetry/proto/metrics/v1/metrics';
import type { Span } from '@xebec/protos/opentelemetry/proto/trace/v1/trace';
import { methodDefinition } from '@xebec/rpc';
import { RefusedError, RetryLaterError } from '../delivery/delivery.ts';
import { post } from '../delivery/http-post.ts';
import type { OpenTelemetryParams } from './params.ts';
import { textAttribute } from './values.ts';

/** A span and the workload that it happened in; undefined: not known. */
export interface ServiceSpan {
  readonly service: string | undefined;
  readonly span: Span;
}

/** Sends each signal to one collector; resolves with the number of records that it refused. */
export interface Exporter {
  traces(spans: readonly ServiceSpan[], signal: AbortSignal): Promise<number>;
  logs(logRecords: LogRecord[], signal: AbortSignal): Promise<number>;
  metrics(metrics: Metric[], signal: AbortSignal): Promise<number>;
  close(): void;
}

/** What carries one request: gRPC or HTTP. */
interface Transport {
  call<I extends DescMessage, O extends DescMessage>(
    method: Method<I, O>,
    message: MessageShape<I>,
    signal: AbortSignal,
  ): Promise<MessageShape<O>>;
  close(): void;
}

type Method<I extends DescMessage, O extends DescMessage> = Parameters<typeof methodDefinition<I, O>>[0];

const SCOPE = { name: 'xebec-mixer' };

export function createExporter(params: OpenTelemetryParams, clock: Clock): Exporter {
  const transport = params.protocol === 'GRPC' ? grpcTransport(params) : httpTransport(params, clock);
  const resourceOf = (own: Readonly<Record<string, string>>) => ({
    attributes: Object.entries({ 'service.name': 'xebec-mixer', ...params.resource, ...own }).map(([key, value]) =>
      textAttribute(key, value),
    ),
  });
  const resource = resourceOf({});
  return {
    traces: async (spans, signal) => {
      // Backends tell services apart by the resource: each workload is one.
      const resourceSpans = [...Map.groupBy(spans, ({ service }) => service)].map(([service, group]) => ({
        resource: service === undefined ? resource : resourceOf({ 'service.name': service }),
        scopeSpans: [{ scope: SCOPE, spans: group.map(({ span }) => span) }],
      }));
      const request = create(ExportTraceServiceRequestSchema, { resourceSpans });
      const answer: ExportTraceServiceResponse = await transport.call(TraceService.method.export, request, signal);
      return Number(answer.partialSuccess?.rejectedSpans ?? 0n);
    },
    logs: async (logRecords, signal) => {
      const request = create(ExportLogsServiceRequestSchema, { resourceLogs: [{ resource, scopeLogs: [{ scope: SCOPE, logRecords }] }] });
      const answer: ExportLogsServiceResponse = await transport.call(LogsService.method.export, request, signal);
      return Number(answer.partialSuccess?.rejectedLogRecords ?? 0n);
    },
    metrics: async (metrics, signal) => {
      const request = create(ExportMetricsServiceRequestSchema, {
        resourceMetrics: [{ resource, scopeMetrics: [{ scope: SCOPE, metrics }] }],
      });
      const answer: ExportMetricsServiceResponse = await transport.call(MetricsService.method.export, request, signal);
      return Number(answer.partialSuccess?.rejectedDataPoints ?? 0n);
    },
    close: () => transport.close(),
  };
}

/** Codes after which the same request may be taken later (OTLP specification, "Failures"). */
const LATER: ReadonlySet<number> = new Set([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.RESOURCE_EXHAUSTED,
  status.ABORTED,
  status.OUT_OF_RANGE,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

function grpcTransport({ target, secure, headers }: OpenTelemetryParams): Transport {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
  const client = new Client(target, secure ? credentials.createSsl() : credentials.createInsecure(), {
    // A collector that comes back is to be found soon; one try costs little.
    'grpc.initial_reconnect_backoff_ms': 200,
    'grpc.max_reconnect_backoff_ms': 5_000,
  });
  return {
    call: (method, message, signal) =>
      new Promise((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = methodDefinition(method);
        const failed = (error: ServiceError) => {
          const text = `${status[error.code]}: ${error.details}`;
          reject(LATER.has(error.code) ? new RetryLaterError(text, 0) : new RefusedError(text));
        };
        const call = client.makeUnaryRequest(path, requestSerialize, responseDeserialize, message, metadata, (error, answer) => {
          signal.removeEventListener('abort', cancel);
          if (error !== null) failed(error);
          else if (answer === undefined || !('$typeName' in answer)) reject(new Error('no message'));
          else resolve(answer as MessageShape<typeof method.output>); // `responseDeserialize` made it
        });
        const cancel = () => call.cancel();
        signal.addEventListener('abort', cancel);
      }),
    close: () => client.close(),
  };
}

/** `opentelemetry.proto.collector.trace.v1.TraceService` is at `/v1/traces`. */
const PATHS: Readonly<Record<string, string>> = {
  [TraceService.typeName]: '/v1/traces',
  [LogsService.typeName]: '/v1/logs',
  [MetricsService.typeName]: '/v1/metrics',
};

function httpTransport({ target, protocol, headers }: OpenTelemetryParams, clock: Clock): Transport {
  const asJson = protocol === 'HTTP_JSON';
  return {
    call: async (method, message, signal) => {
      const body = asJson ? JSON.stringify(otlpJson(toJson(method.input, message, { enumAsInteger: true }))) : bytes(method.input, message);
      const contentType = asJson ? 'application/json' : 'application/x-protobuf';
      const url = `${target}${PATHS[method.parent.typeName] ?? ''}`;
      const answer = await post({ url, headers: { ...headers, 'content-type': contentType }, body }, signal, clock);
      if (answer.length === 0) return create(method.output);
      try {
        return asJson
          ? fromJson(method.output, JSON.parse(new TextDecoder().decode(answer)), { ignoreUnknownFields: true })
          : fromBinary(method.output, answer);
      } catch {
        // Taken, as the status says; an answer that is not understood refuses nothing.
        return create(method.output);
      }
    },
    close: () => undefined,
  };
}

function bytes<D extends DescMessage>(desc: D, message: MessageShape<D>): Uint8Array<ArrayBuffer> {
  return toBinary(desc, message);
}

const HEX_IDS: ReadonlySet<string> = new Set(['traceId', 'spanId', 'parentSpanId']);

/** OTLP's JSON is protobuf's, except that ids are hexadecimal (OTLP specification, "JSON Protobuf Encoding"). */
function otlpJson(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(otlpJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      HEX_IDS.has(key) && typeof inner === 'string' ? Buffer.from(inner, 'base64').toString('hex') : otlpJson(inner),
    ]),
  );
}
