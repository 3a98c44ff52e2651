import type { MessageInitShape } from '@bufbuild/protobuf';
import type { TypedValue } from '@xebec/expressions';
import type { AnyValueSchema, KeyValueSchema } from '@xebec/protos/opentelemetry/proto/common/v1/common';
import { logValue } from '../delivery/instance-fields.ts';

export type Attribute = MessageInitShape<typeof KeyValueSchema>;

/** A value as OTLP has it: texts, integers, doubles, booleans and maps stay what they are, all else is text. */
export function anyValue(typed: TypedValue): MessageInitShape<typeof AnyValueSchema> {
  const { type, value } = typed;
  if (type === 'INT64' && typeof value === 'bigint') return { value: { case: 'intValue', value: BigInt.asIntN(64, value) } };
  if (typeof value === 'number') return { value: { case: 'doubleValue', value } };
  if (typeof value === 'boolean') return { value: { case: 'boolValue', value } };
  if (value instanceof Map) {
    const values = [...value].map(([key, text]) => textAttribute(key, String(text)));
    return { value: { case: 'kvlistValue', value: { values } } };
  }
  return { value: { case: 'stringValue', value: String(logValue(typed)) } };
}

export function textAttribute(key: string, value: string): Attribute {
  return { key, value: { value: { case: 'stringValue', value } } };
}

export function attributesOf(values: ReadonlyMap<string, TypedValue>): Attribute[] {
  return [...values].map(([key, value]) => ({ key, value: anyValue(value) }));
}

/** About the bytes that values take, for the bounds of a queue. */
export function roughBytes(values: ReadonlyMap<string, TypedValue>): number {
  let bytes = 0;
  for (const [key, { value }] of values) {
    bytes += key.length + 16;
    if (typeof value === 'string') bytes += value.length;
    else if (value instanceof Map) for (const [inner, text] of value) bytes += inner.length + text.length + 16;
  }
  return bytes;
}
