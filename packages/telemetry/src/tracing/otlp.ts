import { create, toBinary } from '@bufbuild/protobuf';
import { ExportTraceServiceRequestSchema } from '@xebec/protos/opentelemetry/proto/collector/trace/v1/trace_service';
import { type KeyValue, KeyValueSchema } from '@xebec/protos/opentelemetry/proto/common/v1/common';
import { type Span, Span_SpanKind, SpanSchema, Status_StatusCode } from '@xebec/protos/opentelemetry/proto/trace/v1/trace';
import type { FinishedSpan } from './span.ts';

/** Who sends spans, beside their own attributes. */
export interface OtlpResource {
  readonly attributes: Readonly<Record<string, string>>;
  readonly scopeName: string;
  readonly scopeVersion: string;
}

/** Flags of an OTLP span: sampled, `is_remote` is known, the parent is remote (OTLP trace.proto, SpanFlags). */
const flags = { sampled: 0x01, hasIsRemote: 0x100, isRemote: 0x200 };

/** Encodes spans as `ExportTraceServiceRequest` (OTLP 1.x), for gRPC and for HTTP with protobuf bodies. */
export function encodeOtlp(spans: readonly FinishedSpan[], resource: OtlpResource): Uint8Array {
  const request = create(ExportTraceServiceRequestSchema, {
    resourceSpans: [
      {
        resource: { attributes: attributes(resource.attributes) },
        scopeSpans: [{ scope: { name: resource.scopeName, version: resource.scopeVersion }, spans: spans.map(encodeSpan) }],
      },
    ],
  });
  return toBinary(ExportTraceServiceRequestSchema, request);
}

function encodeSpan(span: FinishedSpan): Span {
  const end = span.startMs + span.durationMs;
  return create(SpanSchema, {
    traceId: Buffer.from(span.traceId.padStart(32, '0'), 'hex'),
    spanId: Buffer.from(span.id, 'hex'),
    parentSpanId: span.parentId === undefined ? Buffer.alloc(0) : Buffer.from(span.parentId, 'hex'),
    traceState: span.traceState ?? '',
    name: span.name,
    kind: span.kind === 'SERVER' ? Span_SpanKind.SERVER : Span_SpanKind.CLIENT,
    startTimeUnixNano: nanos(span.startMs),
    endTimeUnixNano: nanos(end),
    attributes: attributes(span.tags),
    flags: flags.sampled | flags.hasIsRemote | (span.remoteParent === true ? flags.isRemote : 0),
    ...statusOf(span),
  });
}

const failing = new Set(['2', '4', '12', '13', '14', '15']);

/**
 * Whether a span has failed, by the semantic conventions for HTTP and gRPC: a client's span with every status from 400 on, a
 * server's with those that are its own fault. Undefined where nothing has an opinion.
 */
function statusOf({ kind, tags }: FinishedSpan): { status?: { code: Status_StatusCode } } {
  const grpc = tags['grpc.status_code'];
  if (grpc !== undefined) {
    const failed = kind === 'SERVER' ? failing.has(grpc) : grpc !== '0';
    return { status: { code: failed ? Status_StatusCode.ERROR : Status_StatusCode.UNSET } };
  }
  const http = Number(tags['http.status_code'] ?? 0);
  return http >= (kind === 'SERVER' ? 500 : 400) ? { status: { code: Status_StatusCode.ERROR } } : {};
}

const nanos = (ms: number) => BigInt(Math.round(ms * 1000)) * 1000n;

function attributes(values: Readonly<Record<string, string>>): KeyValue[] {
  return Object.entries(values).map(([key, value]) => create(KeyValueSchema, { key, value: { value: { case: 'stringValue', value } } }));
}
