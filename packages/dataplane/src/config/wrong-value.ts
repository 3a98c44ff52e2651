import { type DescEnum, type DescField, type DescMessage, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { errorText, nearest } from '@xebec/core';
import { isJsonObject, nestedJson } from './nested-json.ts';
import { protoRegistry } from './proto-registry.ts';

/**
 * Which value of protobuf JSON does not fit its field, as a sentence with its path: protobuf's own error names the type, which
 * may stand in a hundred places of a bootstrap. Undefined when every value fits.
 */
export function wrongValue(json: JsonValue, schema: DescMessage, path: string): string | undefined {
  const failure = misfit(json, schema);
  if (failure === undefined) return undefined;
  if (!isJsonObject(json) || schema.typeName.startsWith('google.protobuf.')) return `${path}: ${failure}`;
  for (const [key, value] of Object.entries(json)) {
    const field = schema.fields.find((candidate) => candidate.jsonName === key || candidate.name === key);
    if (field === undefined) continue;
    const inner = ofField(schema, field, value, path === '' ? key : `${path}.${key}`);
    if (inner !== undefined) return inner;
  }
  return path === '' ? failure : `${path}: ${failure}`;
}

function ofField(owner: DescMessage, field: DescField, value: JsonValue, path: string): string | undefined {
  if (misfit({ [field.name]: value }, owner) === undefined) return undefined;
  for (const { schema, value: inner, path: there } of nestedJson(field, value, path)) {
    const found = ofMessage(schema, inner, there);
    if (found !== undefined) return found;
  }
  const kind = field.fieldKind === 'enum' || (field.fieldKind === 'list' && field.listKind === 'enum') ? field.enum : undefined;
  return kind === undefined
    ? `${path}: ${misfit({ [field.name]: value }, owner)}`
    : `${path}: ${JSON.stringify(value)} is no ${kind.typeName}${choices(kind, value)}`;
}

function ofMessage(schema: DescMessage, value: JsonValue, path: string): string | undefined {
  if (schema.typeName !== 'google.protobuf.Any' || !isJsonObject(value)) return wrongValue(value, schema, path);
  const { '@type': type, ...rest } = value;
  const inner = typeof type === 'string' ? protoRegistry().getMessage(type.slice(type.lastIndexOf('/') + 1)) : undefined;
  return inner === undefined ? undefined : wrongValue(rest, inner, path);
}

function choices(kind: DescEnum, value: JsonValue): string {
  const names = kind.values.map(({ name }) => name);
  const suggestion = typeof value === 'string' ? nearest(value, names) : undefined;
  if (suggestion !== undefined) return `; did you mean "${suggestion}"?`;
  return names.length > 8 ? '' : `; there are ${names.join(', ')}`;
}

/** Why the message cannot be read, without the name of its type in front. */
function misfit(json: JsonValue, schema: DescMessage): string | undefined {
  try {
    fromJson(schema, json, { registry: protoRegistry() });
    return undefined;
  } catch (error) {
    return errorText(error);
  }
}
