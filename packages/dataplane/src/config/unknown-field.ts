import type { DescField, DescMessage, JsonValue } from '@bufbuild/protobuf';
import { nearest } from '@xebec/core';
import { isJsonObject, nestedJson } from './nested-json.ts';
import { protoRegistry } from './proto-registry.ts';

/** The first field of protobuf JSON that its message does not have, as a sentence with its path and the nearest right name. */
export function unknownField(json: JsonValue, schema: DescMessage, path: string): string | undefined {
  if (!isJsonObject(json) || schema.typeName.startsWith('google.protobuf.')) return undefined;
  for (const [key, value] of Object.entries(json)) {
    const field = schema.fields.find((candidate) => candidate.jsonName === key || candidate.name === key);
    const here = path === '' ? key : `${path}.${key}`;
    if (field === undefined) {
      const suggestion = nearest(
        key,
        schema.fields.map((candidate) => candidate.name),
      );
      return `${here}: no such field in ${schema.typeName}${suggestion === undefined ? '' : `; did you mean "${suggestion}"?`}`;
    }
    const inner = inside(field, value, here);
    if (inner !== undefined) return inner;
  }
  return undefined;
}

function inside(field: DescField, value: JsonValue, path: string): string | undefined {
  for (const { schema, value: inner, path: there } of nestedJson(field, value, path)) {
    const found = ofMessage(schema, inner, there);
    if (found !== undefined) return found;
  }
  return undefined;
}

function ofMessage(schema: DescMessage, value: JsonValue, path: string): string | undefined {
  if (schema.typeName !== 'google.protobuf.Any') return unknownField(value, schema, path);
  if (!isJsonObject(value)) return undefined;
  const { '@type': type, ...rest } = value;
  if (Object.keys(value).length === 0) return undefined;
  if (typeof type !== 'string') return `${path}: "@type" is missing`;
  const typeName = type.slice(type.lastIndexOf('/') + 1);
  const inner = protoRegistry().getMessage(typeName);
  if (inner === undefined) return `${path}: could not find @type '${type}'`;
  return inner.typeName.startsWith('google.protobuf.') ? undefined : unknownField(rest, inner, path);
}
