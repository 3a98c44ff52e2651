import { type DescField, type DescMessage, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { errorText, nearest, XebecError } from '@xebec/core';
import { type Bootstrap, BootstrapSchema } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import { protoRegistry } from './proto-registry.ts';
import { readYamlOrJson } from './yaml.ts';

/**
 * Reads a bootstrap from YAML or JSON text, `override` (also YAML or JSON) merged over it. Unknown fields are refused with their
 * path and the nearest right name. Throws XebecError `E_BOOTSTRAP` or `E_YAML`.
 */
export function parseBootstrap(text: string, file: string, override?: string): Bootstrap {
  let json: JsonValue = text === '' ? {} : readYamlOrJson(text, file);
  if (override !== undefined && override !== '') json = merge(json, readYamlOrJson(override, '--config-yaml'));
  const unknown = unknownField(json, BootstrapSchema, '');
  if (unknown !== undefined) throw new XebecError('E_BOOTSTRAP', `${file}: ${unknown}`);
  try {
    return fromJson(BootstrapSchema, json ?? {}, { registry: protoRegistry() });
  } catch (cause) {
    throw new XebecError('E_BOOTSTRAP', `${file}: ${errorText(cause)}`, { cause });
  }
}

/** Messages merge field by field, lists are joined, other values replaced, as protobuf's MergeFrom does. */
function merge(base: JsonValue, over: JsonValue): JsonValue {
  if (Array.isArray(base) && Array.isArray(over)) return [...base, ...over];
  if (isObject(base) && isObject(over)) {
    const result = { ...base };
    for (const [key, value] of Object.entries(over)) {
      const before = result[key];
      result[key] = before === undefined ? value : merge(before, value);
    }
    return result;
  }
  return over;
}

function isObject(value: JsonValue): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The first field that the schema does not have, as a sentence with its path. */
function unknownField(json: JsonValue, schema: DescMessage, path: string): string | undefined {
  if (!isObject(json) || schema.typeName.startsWith('google.protobuf.')) return undefined;
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
  if (field.fieldKind === 'message') return ofMessage(field.message, value, path);
  if (field.fieldKind === 'list' && field.listKind === 'message' && Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const found = ofMessage(field.message, item, `${path}[${index}]`);
      if (found !== undefined) return found;
    }
  }
  if (field.fieldKind === 'map' && field.mapKind === 'message' && isObject(value)) {
    for (const [key, item] of Object.entries(value)) {
      const found = ofMessage(field.message, item, `${path}["${key}"]`);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function ofMessage(schema: DescMessage, value: JsonValue, path: string): string | undefined {
  if (schema.typeName !== 'google.protobuf.Any') return unknownField(value, schema, path);
  if (!isObject(value)) return undefined;
  const { '@type': type, ...rest } = value;
  if (typeof type !== 'string') return `${path}: "@type" is missing`;
  const typeName = type.slice(type.lastIndexOf('/') + 1);
  const inner = protoRegistry().getMessage(typeName);
  if (inner === undefined) return `${path}: type "${type}" is not known`;
  return inner.typeName.startsWith('google.protobuf.') ? undefined : unknownField(rest, inner, path);
}
