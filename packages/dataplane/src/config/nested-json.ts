import type { DescField, DescMessage, JsonValue } from '@bufbuild/protobuf';

/** A message inside of protobuf JSON, with the path that leads to it. */
export interface NestedJson {
  readonly schema: DescMessage;
  readonly value: JsonValue;
  readonly path: string;
}

/** The messages that a field's value consists of: itself, or the items of a list or map. */
export function* nestedJson(field: DescField, value: JsonValue, path: string): Generator<NestedJson> {
  if (field.fieldKind === 'message') yield { schema: field.message, value, path };
  else if (field.fieldKind === 'list' && field.listKind === 'message' && Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield { schema: field.message, value: item, path: `${path}[${index}]` };
  } else if (field.fieldKind === 'map' && field.mapKind === 'message' && isJsonObject(value)) {
    for (const [key, item] of Object.entries(value)) yield { schema: field.message, value: item, path: `${path}["${key}"]` };
  }
}

export function isJsonObject(value: JsonValue): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
