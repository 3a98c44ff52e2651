import { readFileSync } from 'node:fs';
import { isObject, type JsonObject } from './object.ts';
import type { FieldError } from './status.ts';

/** Field types by type name: `string`, `number`, `[V1Container` (list of), `{string` (map of), … */
type FieldTypes = Readonly<Record<string, string>>;

/** The shapes of built-in kinds. */
export interface BuiltinTypes {
  readonly roots: Readonly<Record<string, string>>;
  readonly types: Readonly<Record<string, FieldTypes>>;
}

/** Reads the generated table. */
export function loadBuiltinTypes(): BuiltinTypes {
  const table: unknown = JSON.parse(readFileSync(new URL('./gen/builtin-types.json', import.meta.url), 'utf8'));
  // Written by generate-builtin-types.ts with exactly this shape.
  return table as BuiltinTypes;
}

export interface PruneResult {
  /** Paths of fields that the kind does not have; they were removed. */
  readonly unknown: string[];
  readonly wrong: FieldError[];
}

/** Removes unknown fields from an object of a built-in kind, in place, and reports them and values of the wrong type. */
export function pruneBuiltin({ roots, types }: BuiltinTypes, resourceId: string, object: JsonObject): PruneResult {
  const result: PruneResult = { unknown: [], wrong: [] };
  const root = roots[resourceId];
  if (root !== undefined) visitObject(types, root, object, '', result);
  return result;
}

function visitObject(types: BuiltinTypes['types'], type: string, object: JsonObject, path: string, result: PruneResult): void {
  const fields = types[type];
  if (fields === undefined) return;
  for (const [key, value] of Object.entries(object)) {
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
    const fieldPath = path === '' ? key : `${path}.${key}`;
    if (field === undefined) {
      result.unknown.push(fieldPath);
      delete object[key];
    } else if (value === null) delete object[key];
    else visit(types, field, value, fieldPath, result);
  }
}

function visit(types: BuiltinTypes['types'], type: string, value: unknown, path: string, result: PruneResult): void {
  const wrong = (want: string) => {
    const got = Array.isArray(value) ? 'array' : typeof value;
    result.wrong.push({
      field: path,
      reason: 'FieldValueTypeInvalid',
      message: `cannot unmarshal ${got} into field ${path} of type ${want}`,
    });
  };
  if (type.startsWith('[')) {
    if (!Array.isArray(value)) wrong('array');
    else for (const [index, item] of value.entries()) visit(types, type.slice(1), item, `${path}[${index}]`, result);
  } else if (type.startsWith('{')) {
    if (!isObject(value)) wrong('object');
    else for (const [key, item] of Object.entries(value)) visit(types, type.slice(1), item, `${path}.${key}`, result);
  } else if (types[type] !== undefined) {
    if (!isObject(value)) wrong('object');
    else visitObject(types, type, value, path, result);
  } else if (type === 'string' || type === 'Date' || type === 'V1MicroTime') {
    if (typeof value !== 'string') wrong('string');
  } else if (type === 'number') {
    if (typeof value !== 'number') wrong('integer');
  } else if (type === 'boolean') {
    if (typeof value !== 'boolean') wrong('boolean');
  } else if (type === 'IntOrString' && typeof value !== 'string' && typeof value !== 'number') wrong('integer or string');
}
