import { create } from '@bufbuild/protobuf';
import type { TypedValue } from '@xebec/expressions';
import type { InstanceValue } from '@xebec/policy';
import { type LogRecord, LogRecordSchema, SeverityNumber } from '@xebec/protos/opentelemetry/proto/logs/v1/logs';
import { type Span, Span_SpanKind, SpanSchema, Status_StatusCode } from '@xebec/protos/opentelemetry/proto/trace/v1/trace';
import { bigintField, mapField, textField, wireName } from '../delivery/instance-fields.ts';
import { hasFailed, type ReportedSpan } from '../delivery/span.ts';
import { attributesOf, textAttribute } from './values.ts';

/** Flags of an OTLP span: sampled, `is_remote` is known, the parent is remote (trace.proto, SpanFlags). */
const SAMPLED = 0x01;
const HAS_IS_REMOTE = 0x100;
const IS_REMOTE = 0x200;

/** A reported span; what the template knows of both ends has names of the semantic conventions. */
export function toOtlpSpan(span: ReportedSpan): Span {
  const attributes = attributesOf(span.tags);
  const add = (key: string, value: string | undefined) => {
    if (value !== undefined && !span.tags.has(key)) attributes.push(textAttribute(key, value));
  };
  const count = (key: string, value: number | undefined) => {
    if (value !== undefined && !span.tags.has(key)) attributes.push({ key, value: { value: { case: 'intValue', value: BigInt(value) } } });
  };
  if (span.httpStatus > 0) count('http.response.status_code', span.httpStatus);
  count('http.request.size', span.requestBytes);
  count('http.response.size', span.responseBytes);
  add('network.local.address', span.local.ip);
  add('service.peer.name', span.remote.name);
  add('network.peer.address', span.remote.ip);
  return create(SpanSchema, {
    traceId: Buffer.from(span.traceId.padStart(32, '0'), 'hex'),
    spanId: Buffer.from(span.id, 'hex'),
    parentSpanId: Buffer.from(span.parentId ?? '', 'hex'),
    name: span.name,
    kind: span.kind === 'SERVER' ? Span_SpanKind.SERVER : Span_SpanKind.CLIENT,
    startTimeUnixNano: unsigned(span.startNs),
    endTimeUnixNano: unsigned(span.endNs),
    attributes,
    flags: SAMPLED | HAS_IS_REMOTE | (span.kind === 'SERVER' ? IS_REMOTE : 0),
    ...(hasFailed(span) ? { status: { code: Status_StatusCode.ERROR } } : {}),
  });
}

const SEVERITIES: Readonly<Record<string, SeverityNumber>> = {
  trace: SeverityNumber.TRACE,
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  informational: SeverityNumber.INFO,
  default: SeverityNumber.INFO,
  notice: SeverityNumber.INFO2,
  warn: SeverityNumber.WARN,
  warning: SeverityNumber.WARN,
  err: SeverityNumber.ERROR,
  error: SeverityNumber.ERROR,
  critical: SeverityNumber.FATAL,
  fatal: SeverityNumber.FATAL,
  alert: SeverityNumber.FATAL2,
  emergency: SeverityNumber.FATAL4,
};

/** A log entry, or an edge, whose fields then are the attributes. */
export function toOtlpLog(instance: InstanceValue, nowNs: bigint): LogRecord {
  const { template, fields } = instance;
  const severity = textField(fields, 'severity') ?? '';
  const values = template === 'edge' ? scalars(fields) : mapField(fields, 'variables');
  const resourceType = textField(fields, 'monitoredResourceType') ?? textField(fields, 'monitored_resource_type') ?? '';
  return create(LogRecordSchema, {
    timeUnixNano: unsigned(bigintField(fields, 'timestamp') ?? nowNs),
    observedTimeUnixNano: nowNs,
    severityNumber: SEVERITIES[severity.toLowerCase()] ?? SeverityNumber.UNSPECIFIED,
    severityText: severity,
    eventName: wireName(instance),
    body: { value: { case: 'stringValue', value: wireName(instance) } },
    attributes: [...attributesOf(values), ...(resourceType === '' ? [] : [textAttribute('monitored_resource.type', resourceType)])],
  });
}

function scalars(fields: InstanceValue['fields']): ReadonlyMap<string, TypedValue> {
  return new Map(
    Object.entries(fields).flatMap(([key, field]): [string, TypedValue][] =>
      'type' in field && key !== 'timestamp' ? [[key, field]] : [],
    ),
  );
}

/** Times before 1970 have no place in OTLP. */
function unsigned(ns: bigint): bigint {
  return ns < 0n ? 0n : BigInt.asUintN(64, ns);
}
