import type { DescField, DescMessage, JsonObject, JsonValue, Registry } from '@bufbuild/protobuf';
import { durationMs } from '@xebec/schemas';

const MS_PER_S = 1000;

/**
 * A message's JSON with durations as protobuf writes them: admission lets `100ms` and `1h` through, as Istio does, which protobuf's
 * own reader refuses. What is not as the message has it stays as it is.
 */
export function withSeconds(schema: DescMessage, value: JsonValue, registry: Registry): JsonValue {
  if (schema.typeName === 'google.protobuf.Duration') return inSeconds(value);
  if (!isObject(value)) return value;
  const type = value['@type'];
  const inner =
    schema.typeName === 'google.protobuf.Any' && typeof type === 'string'
      ? registry.getMessage(type.slice(type.lastIndexOf('/') + 1))
      : schema;
  if (inner === undefined || inner.typeName.startsWith('google.protobuf.')) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => {
      const field = inner.fields.find(({ jsonName, name }) => jsonName === key || name === key);
      return [key, field === undefined ? entry : ofField(field, entry, registry)];
    }),
  );
}

function ofField(field: DescField, value: JsonValue, registry: Registry): JsonValue {
  const { message } = field;
  if (message === undefined) return value;
  if (field.fieldKind === 'list' && Array.isArray(value)) return value.map((entry) => withSeconds(message, entry, registry));
  if (field.fieldKind === 'map' && isObject(value))
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withSeconds(message, entry, registry)]));
  return withSeconds(message, value, registry);
}

function inSeconds(value: JsonValue): JsonValue {
  const ms = typeof value === 'string' ? durationMs(value) : undefined;
  return ms === undefined ? value : `${Number((ms / MS_PER_S).toFixed(9))}s`;
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
