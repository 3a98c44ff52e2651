import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import type { AnyValue, AnyValueSchema, KeyValueList } from '@xebec/protos/opentelemetry/proto/common/v1/common';
import { type LogRecord, LogRecordSchema } from '@xebec/protos/opentelemetry/proto/logs/v1/logs';
import type { FormatContext } from '../format/context.ts';
import { compileFormat, type FormatOptions } from '../format/format-string.ts';

type Value = (context: FormatContext) => MessageInitShape<typeof AnyValueSchema>;

/** Compiles body and attributes of an OpenTelemetry log, whose texts are formats, to a record for each stream. Throws XebecError `E_FORMAT`. */
export function compileOtlpRecord(
  body: AnyValue | undefined,
  attributes: KeyValueList | undefined,
  options: FormatOptions,
): (context: FormatContext) => LogRecord {
  const bodyOf = body === undefined ? undefined : compileValue(body, options);
  const attributesOf = compileList(attributes, options);
  return (context) =>
    create(LogRecordSchema, {
      timeUnixNano: BigInt(Math.round(context.info.startTimeMs * 1000)) * 1000n,
      ...(bodyOf === undefined ? {} : { body: bodyOf(context) }),
      attributes: attributesOf(context),
      ...(context.traceId === undefined ? {} : { traceId: Buffer.from(context.traceId.padStart(32, '0'), 'hex') }),
      ...(context.spanId === undefined ? {} : { spanId: Buffer.from(context.spanId, 'hex') }),
    });
}

function compileList(list: KeyValueList | undefined, options: FormatOptions) {
  const members = (list?.values ?? []).map(({ key, value }) => ({
    key,
    value: value === undefined ? undefined : compileValue(value, options),
  }));
  return (context: FormatContext) => members.map(({ key, value }) => ({ key, ...(value === undefined ? {} : { value: value(context) }) }));
}

function compileValue({ value }: AnyValue, options: FormatOptions): Value {
  switch (value.case) {
    case 'stringValue': {
      const { format } = compileFormat(value.value, options);
      return (context) => ({ value: { case: 'stringValue', value: format(context) } });
    }
    case 'kvlistValue': {
      const members = compileList(value.value, options);
      return (context) => ({ value: { case: 'kvlistValue', value: { values: members(context) } } });
    }
    case 'arrayValue': {
      const items = value.value.values.map((item) => compileValue(item, options));
      return (context) => ({ value: { case: 'arrayValue', value: { values: items.map((item) => item(context)) } } });
    }
    default:
      throw new XebecError(
        'E_FORMAT',
        'Only string values, nested key value lists and array values are supported in OpenTelemetry access log format.',
      );
  }
}
