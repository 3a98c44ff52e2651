import { at, clone, define, equalJson, isObject, type Json, type JsonObject, numberAt, objectAt, textAt, textsAt } from './object.ts';
import { type FieldError, invalidValue, notSupported, required } from './status.ts';

const MAX_ERRORS = 100;
const ROOT_FIELDS = new Set(['apiVersion', 'kind', 'metadata']);

/** Removes fields that a structural schema does not name, in place; returns their paths. */
export function pruneBySchema(schema: JsonObject, object: JsonObject): string[] {
  const unknown: string[] = [];
  prune(schema, object, '', unknown, true);
  return unknown;
}

function prune(schema: JsonObject, value: Json, path: string, unknown: string[], root = false): void {
  if (Array.isArray(value)) {
    const items = objectAt(schema, 'items');
    if (items !== undefined) for (const [index, item] of value.entries()) prune(items, item, `${path}[${index}]`, unknown);
    return;
  }
  if (!isObject(value)) return;
  const properties = objectAt(schema, 'properties') ?? {};
  const additional = schema['additionalProperties'];
  const keeps =
    schema['x-kubernetes-preserve-unknown-fields'] === true || schema['x-kubernetes-embedded-resource'] === true || additional === true;
  for (const [key, item] of Object.entries(value)) {
    if (root && ROOT_FIELDS.has(key)) continue;
    const fieldPath = path === '' ? key : `${path}.${key}`;
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (isObject(property)) prune(property, item, fieldPath, unknown);
    else if (isObject(additional)) prune(additional, item, fieldPath, unknown);
    else if (!keeps) {
      unknown.push(fieldPath);
      delete value[key];
    }
  }
}

/** Fills in `default` values of a schema, in place. */
export function defaultBySchema(schema: JsonObject, value: Json): void {
  if (Array.isArray(value)) {
    const items = objectAt(schema, 'items');
    if (items !== undefined) for (const item of value) defaultBySchema(items, item);
    return;
  }
  if (!isObject(value)) return;
  for (const [key, property] of Object.entries(objectAt(schema, 'properties') ?? {})) {
    if (!isObject(property)) continue;
    const fallback = property['default'];
    if (!Object.hasOwn(value, key) && fallback !== undefined) define(value, key, clone(fallback));
    const item = Object.hasOwn(value, key) ? value[key] : undefined;
    if (item === null && property['nullable'] !== true && fallback !== undefined) define(value, key, clone(fallback));
    if (item !== undefined && item !== null) defaultBySchema(property, item);
  }
  const additional = schema['additionalProperties'];
  if (isObject(additional)) for (const item of Object.values(value)) defaultBySchema(additional, item);
}

/** Checks a custom resource against its schema; `apiVersion`, `kind` and `metadata` are checked elsewhere. */
export function validateBySchema(schema: JsonObject, object: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const { metadata: _metadata, apiVersion: _apiVersion, kind: _kind, ...rest } = object;
  const properties = { ...objectAt(schema, 'properties') };
  for (const field of ROOT_FIELDS) delete properties[field];
  const needed = textsAt(schema, 'required').filter((field) => !ROOT_FIELDS.has(field));
  check({ ...schema, properties, required: needed }, rest, '', errors);
  return errors;
}

function typeName(value: Json): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function check(schema: JsonObject, value: Json, path: string, errors: FieldError[]): void {
  if (errors.length >= MAX_ERRORS) return;
  if (value === null && schema['nullable'] === true) return;
  const type = textAt(schema, 'type');
  const actual = typeName(value);
  const field = path === '' ? '<nil>' : path;
  if (schema['x-kubernetes-int-or-string'] === true) {
    if (actual !== 'integer' && actual !== 'string')
      errors.push(invalidValue(field, actual, `${field} in body must be of type integer or string: "${actual}"`));
  } else if (type !== '' && type !== actual && !(type === 'number' && actual === 'integer')) {
    errors.push({
      ...invalidValue(field, actual, `${field} in body must be of type ${type}: "${actual}"`),
      reason: 'FieldValueTypeInvalid',
    });
    return;
  }
  const allowed = schema['enum'];
  if (Array.isArray(allowed) && !allowed.some((item) => equalJson(item, value))) errors.push(notSupported(field, value, allowed));
  if (typeof value === 'string') checkText(schema, value, field, errors);
  else if (typeof value === 'number') checkNumber(schema, value, field, errors);
  else if (Array.isArray(value)) checkList(schema, value, path, field, errors);
  else if (isObject(value)) checkObject(schema, value, path, field, errors);
  checkCombinations(schema, value, path, field, errors);
}

function checkText(schema: JsonObject, value: string, field: string, errors: FieldError[]): void {
  const least = numberAt(schema, 'minLength');
  const most = numberAt(schema, 'maxLength');
  if (least !== undefined && value.length < least)
    errors.push(invalidValue(field, value, `${field} in body should be at least ${least} chars long`));
  if (most !== undefined && value.length > most)
    errors.push({ field, reason: 'FieldValueTooMany', message: `Too long: may not be more than ${most} bytes` });
  const pattern = textAt(schema, 'pattern');
  // Patterns come from CRDs, which only administrators write; values are bounded by the request limit.
  if (pattern !== '' && !new RegExp(pattern, 'u').test(value))
    errors.push(invalidValue(field, value, `${field} in body should match '${pattern}'`));
}

function checkNumber(schema: JsonObject, value: number, field: string, errors: FieldError[]): void {
  const least = numberAt(schema, 'minimum');
  const most = numberAt(schema, 'maximum');
  const aboveLeast = least === undefined || (schema['exclusiveMinimum'] === true ? value > least : value >= least);
  const belowMost = most === undefined || (schema['exclusiveMaximum'] === true ? value < most : value <= most);
  if (!aboveLeast)
    errors.push(
      invalidValue(
        field,
        value,
        `${field} in body should be greater than ${schema['exclusiveMinimum'] === true ? '' : 'or equal to '}${least}`,
      ),
    );
  if (!belowMost)
    errors.push(
      invalidValue(
        field,
        value,
        `${field} in body should be less than ${schema['exclusiveMaximum'] === true ? '' : 'or equal to '}${most}`,
      ),
    );
}

function checkList(schema: JsonObject, value: Json[], path: string, field: string, errors: FieldError[]): void {
  const least = numberAt(schema, 'minItems');
  const most = numberAt(schema, 'maxItems');
  if (least !== undefined && value.length < least)
    errors.push(invalidValue(field, value.length, `${field} in body should have at least ${least} items`));
  if (most !== undefined && value.length > most)
    errors.push({ field, reason: 'FieldValueTooMany', message: `Too many: ${value.length}: must have at most ${most} items` });
  const items = objectAt(schema, 'items');
  if (items !== undefined) for (const [index, item] of value.entries()) check(items, item, `${path}[${index}]`, errors);
}

function checkObject(schema: JsonObject, value: JsonObject, path: string, field: string, errors: FieldError[]): void {
  for (const name of textsAt(schema, 'required')) {
    if (!Object.hasOwn(value, name)) errors.push(required(path === '' ? name : `${path}.${name}`));
  }
  const most = numberAt(schema, 'maxProperties');
  if (most !== undefined && Object.keys(value).length > most)
    errors.push({ field, reason: 'FieldValueTooMany', message: `Too many: must have at most ${most} items` });
  const properties = objectAt(schema, 'properties') ?? {};
  const additional = at(schema, 'additionalProperties');
  for (const [key, item] of Object.entries(value)) {
    const property = Object.hasOwn(properties, key) ? properties[key] : additional;
    if (isObject(property)) check(property, item, path === '' ? key : `${path}.${key}`, errors);
  }
}

function passes(schema: Json, value: Json, path: string): boolean {
  const errors: FieldError[] = [];
  if (isObject(schema)) check(schema, value, path, errors);
  return errors.length === 0;
}

function checkCombinations(schema: JsonObject, value: Json, path: string, field: string, errors: FieldError[]): void {
  const anyOf = schema['anyOf'];
  const oneOf = schema['oneOf'];
  const allOf = schema['allOf'];
  const not = schema['not'];
  if (Array.isArray(allOf)) for (const part of allOf) if (isObject(part)) check(part, value, path, errors);
  if (Array.isArray(anyOf) && !anyOf.some((part) => passes(part, value, path))) {
    errors.push(invalidValue(field, '', `"${field}" must validate at least one schema (anyOf)`));
  }
  if (Array.isArray(oneOf)) {
    const count = oneOf.filter((part) => passes(part, value, path)).length;
    if (count !== 1)
      errors.push(
        invalidValue(field, '', `"${field}" must validate one and only one schema (oneOf). Found ${count === 0 ? 'none' : count} valid`),
      );
  }
  if (isObject(not) && passes(not, value, path)) errors.push(invalidValue(field, '', `"${field}" must not validate the schema (not)`));
}
