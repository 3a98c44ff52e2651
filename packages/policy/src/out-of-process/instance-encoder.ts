import { type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { formatValue, type StringMap, type TypedValue } from '@xebec/expressions';
import type { FieldValue, InstanceValue } from '../adapter.ts';
import { NAME_FIELD } from './template-service.ts';
import { valueMessageType } from './value-messages.ts';

const MAX_DEPTH = 8;

type WriteField = (writer: BinaryWriter, fields: InstanceValue['fields']) => void;

/** Encodes instances as the `InstanceMsg` of their template. What it does not know is left out. */
export class InstanceEncoder {
  readonly #write: WriteField;

  constructor(instance: DescMessage) {
    this.#write = messageWriter(instance, [''], 0);
  }
  /** `name`: as the adapter is to hear it. */
  encode(name: string, { fields }: InstanceValue): Uint8Array<ArrayBuffer> {
    const writer = new BinaryWriter();
    this.#write(writer, fields);
    writer.tag(NAME_FIELD, WireType.LengthDelimited).string(name);
    return writer.finish();
  }
}

/** Built-in templates spell fields in camel case, others as their file does: `prefixes` are the ways that lead to this message. */
function messageWriter(message: DescMessage, prefixes: readonly string[], depth: number): WriteField {
  const writers = message.fields.flatMap((field): WriteField[] => {
    if (depth === 0 && field.number === NAME_FIELD) return [];
    const keys = [...new Set(prefixes.flatMap((prefix) => [`${prefix}${field.name}`, `${prefix}${field.jsonName}`]))];
    const lookup = (fields: InstanceValue['fields']): FieldValue | undefined => {
      for (const key of keys) {
        const value = fields[key];
        if (value !== undefined) return value;
      }
      return undefined;
    };
    const single =
      (write: WriteValue): WriteField =>
      (writer, fields) => {
        const value = lookup(fields);
        if (value !== undefined && !isMap(value)) write(writer, field.number, value);
      };
    switch (field.fieldKind) {
      case 'scalar':
        return [single(scalarWriter(field.scalar))];
      case 'message': {
        if (valueMessageType(field.message) !== undefined) return [single(valueWriter(field.message))];
        if (depth >= MAX_DEPTH) return [];
        const write = messageWriter(
          field.message,
          keys.map((key) => `${key}.`),
          depth + 1,
        );
        return [
          (writer, fields) => {
            const inner = new BinaryWriter();
            write(inner, fields);
            const bytes = inner.finish();
            if (bytes.length > 0) writer.tag(field.number, WireType.LengthDelimited).bytes(bytes);
          },
        ];
      }
      case 'map': {
        if (field.mapKind === 'enum' || field.mapKey !== ScalarType.STRING) return [];
        const write = field.mapKind === 'message' ? valueWriter(field.message) : scalarWriter(field.scalar);
        return [
          (writer, fields) => {
            const value = lookup(fields);
            if (value === undefined) return;
            for (const [key, entry] of isMap(value) ? value : entriesOf(value)) {
              writer.tag(field.number, WireType.LengthDelimited).fork();
              writer.tag(1, WireType.LengthDelimited).string(key);
              write(writer, 2, entry);
              writer.join();
            }
          },
        ];
      }
      default:
        return [];
    }
  });
  return (writer, fields) => {
    for (const write of writers) write(writer, fields);
  };
}

type WriteValue = (writer: BinaryWriter, number: number, value: TypedValue) => void;

const isMap = (value: FieldValue): value is ReadonlyMap<string, TypedValue> => value instanceof Map;

function* entriesOf({ value }: TypedValue): Iterable<[string, TypedValue]> {
  if (!(value instanceof Map)) return;
  for (const [key, text] of value as StringMap) yield [key, { type: 'STRING', value: text }]; // only STRING_MAP is a map
}

const asText = (typed: TypedValue): string => (typeof typed.value === 'string' ? typed.value : formatValue(typed));

function asInteger({ value }: TypedValue): bigint {
  if (typeof value === 'bigint') return BigInt.asIntN(64, value);
  return typeof value === 'number' && Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
}

function scalarWriter(scalar: ScalarType): WriteValue {
  switch (scalar) {
    case ScalarType.STRING:
      return (writer, number, value) => writer.tag(number, WireType.LengthDelimited).string(asText(value));
    case ScalarType.BOOL:
      return (writer, number, { value }) => writer.tag(number, WireType.Varint).bool(value === true);
    case ScalarType.DOUBLE:
      return (writer, number, { value }) => writer.tag(number, WireType.Bit64).double(Number(value));
    case ScalarType.FLOAT:
      return (writer, number, { value }) => writer.tag(number, WireType.Bit32).float(Number(value));
    case ScalarType.BYTES:
      return () => undefined;
    case ScalarType.INT32:
      return (writer, number, value) => writer.tag(number, WireType.Varint).int32(Number(BigInt.asIntN(32, asInteger(value))));
    case ScalarType.UINT32:
      return (writer, number, value) => writer.tag(number, WireType.Varint).uint32(Number(BigInt.asUintN(32, asInteger(value))));
    case ScalarType.SINT32:
      return (writer, number, value) => writer.tag(number, WireType.Varint).sint32(Number(BigInt.asIntN(32, asInteger(value))));
    case ScalarType.FIXED32:
      return (writer, number, value) => writer.tag(number, WireType.Bit32).fixed32(Number(BigInt.asUintN(32, asInteger(value))));
    case ScalarType.SFIXED32:
      return (writer, number, value) => writer.tag(number, WireType.Bit32).sfixed32(Number(BigInt.asIntN(32, asInteger(value))));
    case ScalarType.UINT64:
      return (writer, number, value) => writer.tag(number, WireType.Varint).uint64(BigInt.asUintN(64, asInteger(value)));
    case ScalarType.SINT64:
      return (writer, number, value) => writer.tag(number, WireType.Varint).sint64(asInteger(value));
    case ScalarType.FIXED64:
      return (writer, number, value) => writer.tag(number, WireType.Bit64).fixed64(BigInt.asUintN(64, asInteger(value)));
    case ScalarType.SFIXED64:
      return (writer, number, value) => writer.tag(number, WireType.Bit64).sfixed64(asInteger(value));
    default:
      return (writer, number, value) => writer.tag(number, WireType.Varint).int64(asInteger(value));
  }
}

const NANOS = 1_000_000_000n;

/** The bytes of a message that holds one value: all of them have it in field 1. */
function single(typed: TypedValue): Uint8Array {
  const writer = new BinaryWriter();
  switch (typed.type) {
    case 'IP_ADDRESS':
      if (typed.value instanceof Uint8Array) writer.tag(1, WireType.LengthDelimited).bytes(typed.value);
      break;
    case 'TIMESTAMP':
    case 'DURATION': {
      // A timestamp's nanoseconds count forward; a duration's have the sign of its seconds.
      const nanoseconds = asInteger(typed);
      const rest = typed.type === 'TIMESTAMP' ? ((nanoseconds % NANOS) + NANOS) % NANOS : nanoseconds % NANOS;
      writer.tag(1, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.Varint).int64((nanoseconds - rest) / NANOS);
      writer.tag(2, WireType.Varint).int32(Number(rest));
      writer.join();
      break;
    }
    case 'STRING_MAP':
      for (const [key, entry] of entriesOf(typed)) {
        writer.tag(1, WireType.LengthDelimited).fork();
        writer.tag(1, WireType.LengthDelimited).string(key);
        writer.tag(2, WireType.LengthDelimited).string(asText(entry));
        writer.join();
      }
      break;
    default:
      writer.tag(1, WireType.LengthDelimited).string(asText(typed));
  }
  return writer.finish();
}

/** Fields of `Value` whose content is a message, by type; the others are scalars. */
const VALUE_FIELDS = {
  IP_ADDRESS: 5,
  TIMESTAMP: 6,
  DURATION: 7,
  EMAIL_ADDRESS: 8,
  DNS_NAME: 9,
  URI: 10,
  STRING_MAP: 11,
} as const;

function valueWriter(message: DescMessage): WriteValue {
  if (valueMessageType(message) !== 'any')
    return (writer, number, value) => writer.tag(number, WireType.LengthDelimited).bytes(single(value));
  return (writer, number, typed) => {
    writer.tag(number, WireType.LengthDelimited).fork();
    switch (typed.type) {
      case 'STRING':
        writer.tag(1, WireType.LengthDelimited).string(asText(typed));
        break;
      case 'INT64':
        writer.tag(2, WireType.Varint).int64(asInteger(typed));
        break;
      case 'DOUBLE':
        writer.tag(3, WireType.Bit64).double(Number(typed.value));
        break;
      case 'BOOL':
        writer.tag(4, WireType.Varint).bool(typed.value === true);
        break;
      default:
        writer.tag(VALUE_FIELDS[typed.type], WireType.LengthDelimited).bytes(single(typed));
    }
    writer.join();
  };
}
