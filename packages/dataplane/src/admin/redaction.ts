import { type DescField, type DescMessage, getOption, hasOption, type JsonValue } from '@bufbuild/protobuf';
import { sensitive } from '@xebec/protos/udpa/annotations/sensitive';
import { protoRegistry } from '../config/proto-registry.ts';

const hidden = '[redacted]';
/** As protobuf JSON writes bytes. */
const hiddenBytes = Buffer.from(hidden).toString('base64');

const bytesScalar = 12;

/**
 * A message in JSON (names as in the .proto files) without what the API marks as sensitive, at any depth and inside every Any:
 * private keys, passwords, tokens, generic secrets. Texts become `[redacted]`, numbers and booleans go.
 */
export function redacted(value: JsonValue, message: DescMessage): JsonValue {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  if (message.typeName === 'google.protobuf.Any') return redactedAny(value);
  const result: { [key: string]: JsonValue } = {};
  for (const [key, inner] of Object.entries(value)) {
    const field = message.fields.find(({ name }) => name === key);
    if (field === undefined) result[key] = inner;
    else if (hasOption(field, sensitive) && getOption(field, sensitive)) {
      const covered = blank(inner, field);
      if (covered !== undefined) result[key] = covered;
    } else result[key] = redactedField(inner, field);
  }
  return result;
}

function redactedAny(value: { [key: string]: JsonValue }): JsonValue {
  const url = String(value['@type'] ?? '');
  const inner = protoRegistry().getMessage(url.slice(url.lastIndexOf('/') + 1));
  return inner === undefined ? value : { '@type': url, ...Object(redacted(value, inner)) };
}

function redactedField(value: JsonValue, field: DescField): JsonValue {
  const element = elementOf(field);
  if (element === undefined) return value;
  return eachElement(value, field, (one) => redacted(one, element));
}

/** Everything below a sensitive field is. */
function blank(value: JsonValue, field: DescField): JsonValue | undefined {
  const element = elementOf(field);
  const one = (inner: JsonValue): JsonValue | undefined => {
    if (element === undefined) return typeof inner === 'string' ? (field.scalar === bytesScalar ? hiddenBytes : hidden) : undefined;
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return hidden;
    const result: { [key: string]: JsonValue } = {};
    for (const [key, part] of Object.entries(inner)) {
      const below = element.fields.find(({ name }) => name === key);
      const covered = below === undefined ? undefined : blank(part, below);
      if (covered !== undefined) result[key] = covered;
    }
    return result;
  };
  return eachElement(value, field, (inner) => one(inner) ?? null);
}

function elementOf(field: DescField): DescMessage | undefined {
  return field.fieldKind === 'message' || field.fieldKind === 'list' || field.fieldKind === 'map' ? field.message : undefined;
}

function eachElement(value: JsonValue, field: DescField, change: (one: JsonValue) => JsonValue): JsonValue {
  if (field.fieldKind === 'list' && Array.isArray(value)) return value.map(change);
  if (field.fieldKind === 'map' && typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, change(inner)]));
  return change(value);
}
