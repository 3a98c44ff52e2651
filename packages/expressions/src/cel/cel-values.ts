import type { CelInput } from '@bufbuild/cel';
import { isCelMap } from '@bufbuild/cel';
import { create, type Message } from '@bufbuild/protobuf';
import { type Duration, DurationSchema, type Timestamp, TimestampSchema } from '@bufbuild/protobuf/wkt';
import { normalIp } from '../text-types.ts';
import { type AttributeValue, FORM_OF, type Value, type ValueType } from '../value.ts';

const NANOS = 1_000_000_000n;

/** What an attribute that is absent counts as, where an expression reads it without asking `has` first: release 1.4's defaults. */
function emptyValue(type: ValueType): CelInput {
  switch (FORM_OF[type]) {
    case 'int64':
      return 0n;
    case 'double':
      return 0;
    case 'bool':
      return false;
    case 'bytes':
      return new Uint8Array(0);
    case 'timestamp':
      return create(TimestampSchema);
    case 'duration':
      return create(DurationSchema);
    case 'stringMap':
      return new Map<string, string>();
    default:
      return '';
  }
}

/** An attribute as CEL sees it. */
export function toCel(type: ValueType, attribute: AttributeValue | undefined): CelInput {
  if (attribute === undefined || attribute.form !== FORM_OF[type]) return emptyValue(type);
  switch (attribute.form) {
    case 'bytes':
      return normalIp(attribute.value);
    case 'timestamp':
      return create(TimestampSchema, secondsAndNanos(attribute.value));
    case 'duration':
      return create(DurationSchema, { seconds: attribute.value / NANOS, nanos: Number(attribute.value % NANOS) });
    default:
      return attribute.value;
  }
}

function secondsAndNanos(ns: bigint): { seconds: bigint; nanos: number } {
  const nanos = ((ns % NANOS) + NANOS) % NANOS;
  return { seconds: (ns - nanos) / NANOS, nanos: Number(nanos) };
}

/** A result of CEL as a value of this type; undefined when it is none. */
export function fromCel(type: ValueType, result: unknown): Value | undefined {
  switch (FORM_OF[type]) {
    case 'string':
      return typeof result === 'string' ? result : undefined;
    case 'int64':
      return typeof result === 'bigint' ? result : undefined;
    case 'double':
      return typeof result === 'number' ? result : undefined;
    case 'bool':
      return typeof result === 'boolean' ? result : undefined;
    case 'bytes':
      return result instanceof Uint8Array ? result : undefined;
    case 'timestamp':
      return nanosecondsOf(result, TimestampSchema.typeName);
    case 'duration':
      return nanosecondsOf(result, DurationSchema.typeName);
    case 'stringMap':
      return stringMapOf(result);
  }
}

function nanosecondsOf(result: unknown, typeName: string): bigint | undefined {
  const message = typeof result === 'object' && result !== null && 'message' in result ? result.message : result;
  if (typeof message !== 'object' || message === null || (message as Partial<Message>).$typeName !== typeName) return undefined;
  const { seconds, nanos } = message as Timestamp | Duration; // its type name says so
  return seconds * NANOS + BigInt(nanos);
}

function stringMapOf(result: unknown): ReadonlyMap<string, string> | undefined {
  const map = isCelMap(result) ? new Map(result.entries()) : result;
  if (!(map instanceof Map)) return undefined;
  const strings = new Map<string, string>();
  for (const [key, value] of map) {
    if (typeof key !== 'string' || typeof value !== 'string') return undefined;
    strings.set(key, value);
  }
  return strings;
}
