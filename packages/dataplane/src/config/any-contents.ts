import { type DescMessage, fromBinary, fromJson, type Message, toBinary } from '@bufbuild/protobuf';
import { type Any, StructSchema } from '@bufbuild/protobuf/wkt';
import { errorText, XebecError } from '@xebec/core';
import { TypedStructSchema as UdpaTypedStructSchema } from '@xebec/protos/udpa/type/v1/typed_struct';
import { TypedStructSchema } from '@xebec/protos/xds/type/v3/typed_struct';
import { findViolation } from './constraints.ts';
import { protoRegistry } from './proto-registry.ts';
import { unknownField } from './unknown-field.ts';

const maxDepth = 64;

/**
 * Goes into every Any of a message: a TypedStruct (either name) is replaced by the message that it spells out, and the message's
 * `validate.rules` are checked. Types that are not known stay: whoever compiles them says so. Changes `message`; throws XebecError
 * `E_CONFIG` in Envoy's words.
 */
export function resolveMessage(schema: DescMessage, message: Message): void {
  walk(schema, message, 0);
}

/** True when something inside changed, so that whoever holds these bytes must pack them anew. */
function walk(schema: DescMessage, message: Message, depth: number): boolean {
  if (depth > maxDepth) throw new XebecError('E_CONFIG', `${schema.typeName} is nested deeper than ${maxDepth} messages`);
  if (schema.typeName === 'google.protobuf.Any') return intoAny(message as Any, depth);
  let changed = false;
  for (const field of schema.fields) {
    const inner = field.message;
    if (inner === undefined || (inner.typeName.startsWith('google.protobuf.') && inner.typeName !== 'google.protobuf.Any')) continue;
    for (const value of valuesOf(message, field.oneof?.localName, field.localName)) {
      if (walk(inner, value, depth + 1)) changed = true;
    }
  }
  return changed;
}

function valuesOf(message: Message, oneof: string | undefined, name: string): Message[] {
  let value: unknown = Reflect.get(message, oneof ?? name);
  if (oneof !== undefined) {
    if (typeof value !== 'object' || value === null || Reflect.get(value, 'case') !== name) return [];
    value = Reflect.get(value, 'value');
  }
  if (typeof value !== 'object' || value === null) return [];
  // Fields of message kind hold messages, lists of them, or records of them: the descriptor said which.
  if (Array.isArray(value)) return value as Message[];
  return '$typeName' in value ? [value as Message] : (Object.values(value) as Message[]);
}

function intoAny(any: Any, depth: number): boolean {
  const typeName = any.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1);
  if (typeName === UdpaTypedStructSchema.typeName || typeName === TypedStructSchema.typeName) return spellOut(any, typeName, depth);
  const schema = typeName === '' || typeName.startsWith('google.protobuf.') ? undefined : protoRegistry().getMessage(typeName);
  if (schema === undefined) return false;
  const inner = decode(schema, any.value);
  check(schema, inner);
  if (!walk(schema, inner, depth + 1)) return false;
  any.value = toBinary(schema, inner);
  return true;
}

function spellOut(any: Any, typeName: string, depth: number): boolean {
  const { typeUrl, value } =
    typeName === TypedStructSchema.typeName ? fromBinary(TypedStructSchema, any.value) : fromBinary(UdpaTypedStructSchema, any.value);
  const schema = protoRegistry().getMessage(typeUrl.slice(typeUrl.lastIndexOf('/') + 1));
  if (schema === undefined || schema.typeName === StructSchema.typeName) return false;
  const json = value ?? {};
  const unknown = unknownField(json, schema, '');
  if (unknown !== undefined) throw new XebecError('E_CONFIG', `TypedStruct of ${schema.typeName}: ${unknown}`);
  let inner: Message;
  try {
    inner = fromJson(schema, json, { registry: protoRegistry() });
  } catch (cause) {
    throw new XebecError('E_CONFIG', `TypedStruct does not fit ${schema.typeName}: ${errorText(cause)}`, { cause });
  }
  check(schema, inner);
  walk(schema, inner, depth + 1);
  any.typeUrl = `type.googleapis.com/${schema.typeName}`;
  any.value = toBinary(schema, inner);
  return true;
}

function decode(schema: DescMessage, bytes: Uint8Array): Message {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw new XebecError('E_CONFIG', `Unable to unpack as ${schema.typeName}: ${errorText(cause)}`, { cause });
  }
}

function check(schema: DescMessage, message: Message): void {
  const violation = findViolation(schema, message);
  if (violation !== undefined) throw new XebecError('E_CONFIG', `Proto constraint validation failed (${violation.chain})`);
}
