import { type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { type BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { formatValue, type StringMap, type TypedValue } from '@xebec/expressions';
import { valueMessageType } from './value-messages.ts';

/** Writes one field with its tag. */
export type WriteValue = (writer: BinaryWriter, number: number, value: TypedValue) => void;
/** Writes a scalar without a tag. */
type WriteScalar = (writer: BinaryWriter, value: TypedValue) => void;

const asText = (typed: TypedValue): string => (typeof typed.value === 'string' ? typed.value : formatValue(typed));

function asInteger({ value }: TypedValue): bigint {
  if (typeof value === 'bigint') return BigInt.asIntN(64, value);
  return typeof value === 'number' && Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
}

const int32 = (value: TypedValue): number => Number(BigInt.asIntN(32, asInteger(value)));
const uint32 = (value: TypedValue): number => Number(BigInt.asUintN(32, asInteger(value)));
const uint64 = (value: TypedValue): bigint => BigInt.asUintN(64, asInteger(value));

/** How scalars lie on the wire. Integers wrap around, as in release 1.4; bytes are what no expression makes. */
export const SCALARS: Readonly<Record<Exclude<ScalarType, ScalarType.BYTES>, readonly [WireType, WriteScalar]>> = {
  [ScalarType.STRING]: [WireType.LengthDelimited, (writer, value) => writer.string(asText(value))],
  [ScalarType.BOOL]: [WireType.Varint, (writer, { value }) => writer.bool(value === true)],
  [ScalarType.DOUBLE]: [WireType.Bit64, (writer, { value }) => writer.double(Number(value))],
  [ScalarType.FLOAT]: [WireType.Bit32, (writer, { value }) => writer.float(Number(value))],
  [ScalarType.INT32]: [WireType.Varint, (writer, value) => writer.int32(int32(value))],
  [ScalarType.UINT32]: [WireType.Varint, (writer, value) => writer.uint32(uint32(value))],
  [ScalarType.SINT32]: [WireType.Varint, (writer, value) => writer.sint32(int32(value))],
  [ScalarType.FIXED32]: [WireType.Bit32, (writer, value) => writer.fixed32(uint32(value))],
  [ScalarType.SFIXED32]: [WireType.Bit32, (writer, value) => writer.sfixed32(int32(value))],
  [ScalarType.INT64]: [WireType.Varint, (writer, value) => writer.int64(asInteger(value))],
  [ScalarType.UINT64]: [WireType.Varint, (writer, value) => writer.uint64(uint64(value))],
  [ScalarType.SINT64]: [WireType.Varint, (writer, value) => writer.sint64(asInteger(value))],
  [ScalarType.FIXED64]: [WireType.Bit64, (writer, value) => writer.fixed64(uint64(value))],
  [ScalarType.SFIXED64]: [WireType.Bit64, (writer, value) => writer.sfixed64(asInteger(value))],
};

/** Bytes are left out. */
export function scalarWriter(scalar: ScalarType): WriteValue {
  if (scalar === ScalarType.BYTES) return () => undefined;
  const [type, write] = SCALARS[scalar];
  return (writer, number, value) => write(writer.tag(number, type), value);
}

export function* entriesOf({ value }: TypedValue): Iterable<[string, TypedValue]> {
  if (!(value instanceof Map)) return;
  for (const [key, text] of value as StringMap) yield [key, { type: 'STRING', value: text }]; // only STRING_MAP is a map
}

const NANOS = 1_000_000_000n;

/** Writes the content of a message that holds one value: all of them have it in field 1. */
function single(writer: BinaryWriter, typed: TypedValue): void {
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

/** Writes messages of `policy/v1beta1` that hold one value. */
export function valueWriter(message: DescMessage): WriteValue {
  const ofAnyType = valueMessageType(message) === 'any';
  return (writer, number, typed) => {
    writer.tag(number, WireType.LengthDelimited).fork();
    if (ofAnyType) anyValue(writer, typed);
    else single(writer, typed);
    writer.join();
  };
}

function anyValue(writer: BinaryWriter, typed: TypedValue): void {
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
      writer.tag(VALUE_FIELDS[typed.type], WireType.LengthDelimited).fork();
      single(writer, typed);
      writer.join();
  }
}
