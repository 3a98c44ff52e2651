import { type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { TypedValue } from '@xebec/expressions';
import type { FieldValue, InstanceValue } from '../adapter.ts';
import { NAME_FIELD } from './template-service.ts';
import { valueMessageType } from './value-messages.ts';
import { entriesOf, scalarWriter, valueWriter, type WriteValue } from './value-writers.ts';

const MAX_DEPTH = 8;

type WriteField = (writer: BinaryWriter, fields: InstanceValue['fields']) => void;

/** Encodes instances as the `InstanceMsg` of their template. What it does not know is left out. */
export class InstanceEncoder {
  readonly #write: WriteField;

  constructor(instance: DescMessage) {
    this.#write = messageWriter(instance, [''], 0);
  }
  /** `name`: as the adapter is to hear it. */
  encode(name: string, { fields, message }: InstanceValue): Uint8Array<ArrayBuffer> {
    const writer = new BinaryWriter();
    if (message === undefined) this.#write(writer, fields);
    else writer.raw(message);
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

const isMap = (value: FieldValue): value is ReadonlyMap<string, TypedValue> => value instanceof Map;
