import { type DescField, type DescMessage, fromBinary, type MessageShape, ScalarType } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { SCALARS } from './value-writers.ts';

const MAX_DEPTH = 64;

/**
 * Decodes what an adapter sent. Throws when it is another message: the decoder itself goes by field numbers alone and would read a length
 * as a number.
 */
export function readMessage<Desc extends DescMessage>(message: Desc, bytes: Uint8Array): MessageShape<Desc> {
  checkFields(message, new BinaryReader(bytes), 0);
  return fromBinary(message, bytes);
}

function checkFields(message: DescMessage, reader: BinaryReader, depth: number): void {
  if (depth > MAX_DEPTH) throw new Error(`${message.typeName} is nested more than ${MAX_DEPTH} deep`);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    const field = message.fields.find((one) => one.number === number);
    const inner = field?.message;
    if (field !== undefined && !fits(field, type)) throw new Error(`field ${number} is not ${message.typeName}.${field.name}`);
    if (inner === undefined || field?.fieldKind === 'map' || type !== WireType.LengthDelimited) reader.skip(type, number);
    else checkFields(inner, new BinaryReader(reader.bytes()), depth + 1);
  }
}

function fits(field: DescField, type: WireType): boolean {
  if (field.fieldKind === 'map') return type === WireType.LengthDelimited;
  if (field.message !== undefined) return type === WireType.LengthDelimited || type === WireType.StartGroup;
  const scalar = field.scalar === undefined ? ScalarType.INT32 : field.scalar;
  const own = scalar === ScalarType.BYTES ? WireType.LengthDelimited : SCALARS[scalar][0];
  return type === own || (field.fieldKind === 'list' && type === WireType.LengthDelimited);
}
