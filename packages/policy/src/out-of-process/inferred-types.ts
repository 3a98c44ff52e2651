import type { DescEnum, DescMessage } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { ValueType } from '@xebec/expressions';

/** Types of fields of type `Value`, by name; below messages, unless the name has a dot for them, and below maps there are more of these. */
export type InferredTypes = ReadonlyMap<string, ValueType | InferredTypes>;

/** Encodes them as a template's message `Type`, which has the fields of its `InstanceMsg` that take any type. */
export function encodeInferredTypes(type: DescMessage, inferred: InferredTypes, prefix = ''): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  for (const field of type.fields) {
    const { number } = field;
    const own = inferred.get(`${prefix}${field.name}`) ?? inferred.get(`${prefix}${field.jsonName}`);
    if (field.fieldKind === 'enum' && typeof own === 'string') {
      writer.tag(number, WireType.Varint).int32(numberOf(field.enum, own));
    } else if (field.fieldKind === 'message' && typeof own !== 'string') {
      const bytes = encodeInferredTypes(field.message, own ?? inferred, own === undefined ? `${prefix}${field.name}.` : '');
      if (bytes.length > 0) writer.tag(number, WireType.LengthDelimited).bytes(bytes);
    } else if (field.fieldKind === 'map' && typeof own === 'object') {
      for (const [key, content] of own) {
        writer.tag(number, WireType.LengthDelimited).fork();
        writer.tag(1, WireType.LengthDelimited).string(key);
        if (field.mapKind === 'enum' && typeof content === 'string') writer.tag(2, WireType.Varint).int32(numberOf(field.enum, content));
        if (field.mapKind === 'message' && typeof content !== 'string')
          writer.tag(2, WireType.LengthDelimited).bytes(encodeInferredTypes(field.message, content));
        writer.join();
      }
    }
  }
  return writer.finish();
}

const numberOf = ({ values }: DescEnum, type: ValueType): number => values.find(({ name }) => name === type)?.number ?? 0;
