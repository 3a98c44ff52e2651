import jsonpatch, { type Operation } from 'fast-json-patch';
import { clone, define, isObject, type Json, type JsonObject } from './object.ts';
import { ApiError, badRequest } from './status.ts';

const MAX_OPERATIONS = 10_000;

/** Applies a JSON Patch (RFC 6902). Bad patches are a 400, failed ones (`test`, missing paths) a 422. */
export function applyJsonPatch(target: JsonObject, patch: unknown): JsonObject {
  if (!Array.isArray(patch))
    throw badRequest('json: cannot unmarshal object into Go value of type jsonpatch.Patch: a JSON Patch is a list of operations');
  if (patch.length > MAX_OPERATIONS)
    throw new ApiError(
      413,
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`,
    );
  const operations = patch.map((operation: unknown) => {
    if (!isObject(operation) || typeof operation['op'] !== 'string' || typeof operation['path'] !== 'string') {
      throw badRequest(`a JSON Patch operation wants "op" and "path": ${JSON.stringify(operation).slice(0, 200)}`);
    }
    // fast-json-patch checks the rest of the shape itself (validate = true below).
    return operation as unknown as Operation;
  });
  try {
    const result: unknown = jsonpatch.applyPatch(clone(target), operations, true, false, true).newDocument;
    if (!isObject(result)) throw badRequest('the patched object is not an object');
    return result;
  } catch (error) {
    if (error instanceof ApiError) throw error;
    const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    throw new ApiError(422, 'Invalid', `the server rejected our request due to an error in our request: ${message}`);
  }
}

/** Applies a JSON merge patch (RFC 7386). */
export function applyMergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else define(result, key, applyMergePatch(Object.hasOwn(result, key) ? result[key] : undefined, value));
  }
  return result;
}
