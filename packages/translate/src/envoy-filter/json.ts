import { type DescMessage, fromJson, type JsonObject, type JsonValue, type MessageShape, type Registry, toJson } from '@bufbuild/protobuf';
import { createProtoRegistry } from '@xebec/protos/registry';

let registry: Registry | undefined;

/** Built at the first EnvoyFilter: a mesh without any does not pay for it. */
function types(): Registry {
  registry ??= createProtoRegistry();
  return registry;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Elements of a JSON list that are objects; anything else is an empty list. */
export function objects(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** A patch's value in the spelling of protobuf JSON, whichever spelling the user chose; undefined when it is no such message. */
export function normalise(schema: DescMessage, value: unknown): JsonObject | undefined {
  try {
    // The value was read from YAML or JSON, so it is JSON.
    const json = toJson(schema, fromJson(schema, unwrapTypedStructs(value as JsonValue), { registry: types() }), { registry: types() });
    return isObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

/** Runs `edit` on a message as JSON. A result that is no valid message any more leaves the message as it was. */
export function edited<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  edit: (json: JsonObject) => void,
): MessageShape<Desc> {
  const json = toJson(schema, message, { registry: types() });
  if (!isObject(json)) return message;
  edit(json);
  try {
    return fromJson(schema, json, { registry: types() });
  } catch {
    return message;
  }
}

/** As protobuf merges: objects field by field, lists appended, everything else replaced; another `@type` replaces it all. */
export function merge(target: JsonObject, patch: JsonObject): JsonObject {
  if (target['@type'] !== undefined && patch['@type'] !== undefined && target['@type'] !== patch['@type']) return patch;
  const out: JsonObject = { ...target };
  for (const [key, value] of Object.entries(patch)) {
    const present = out[key];
    if (isObject(present) && isObject(value)) out[key] = merge(present, value);
    else if (Array.isArray(present) && Array.isArray(value)) out[key] = [...present, ...value];
    else out[key] = value;
  }
  return out;
}

/** `TypedStruct` names a type and its fields as a struct: the same as a packed message of that type. */
function unwrapTypedStructs(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(unwrapTypedStructs);
  if (!isObject(value)) return value;
  const type = value['@type'];
  if (typeof type === 'string' && type.endsWith('.TypedStruct')) {
    const name = value['type_url'] ?? value['typeUrl'];
    const fields = value['value'];
    if (typeof name === 'string') return { '@type': name, ...(isObject(fields) ? unwrapObject(fields) : {}) };
  }
  return unwrapObject(value);
}

function unwrapObject(value: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, unwrapTypedStructs(entry)]));
}
