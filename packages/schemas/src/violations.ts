import { nearest, type Violation } from '@xebec/core';
import type { z } from 'zod';

/** `spec.http[0].route`: the path that users, `kubectl` and editors understand. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += text === '' ? String(step) : `.${String(step)}`;
  }
  return text;
}

/** Every issue of a failed parse (made with `reportInput`) as a violation; an unknown field brings the nearest known name. */
export function toViolations(error: z.ZodError, prefix: readonly PropertyKey[], schema: z.ZodType): Violation[] {
  return error.issues.flatMap((issue) => {
    const path = [...prefix, ...issue.path];
    if (issue.code !== 'unrecognized_keys') return [{ path: formatPath(path), message: describe(issue) }];
    return issue.keys.map((key) => {
      const suggestion = nearest(key, knownFields(schema, issue.path));
      const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
      return {
        path: formatPath([...path, key]),
        message: `unknown field "${key}"${hint}`,
        ...(suggestion === undefined ? {} : { suggestion }),
      };
    });
  });
}

function notOneOf(input: unknown, values: readonly z.core.util.Primitive[]): string {
  const words = values.filter((value) => typeof value === 'string');
  const suggestion = typeof input === 'string' ? nearest(input, words) : undefined;
  const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
  return `${JSON.stringify(input)} is not one of ${values.map((value) => JSON.stringify(value)).join(', ')}${hint}`;
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return notOneOf(issue.input, issue.values);
  if (issue.code === 'invalid_union') {
    // Spellings of one value, such as an enumerator's name or its number: what each alternative would take.
    const alternatives = issue.errors.flat();
    const values = alternatives.flatMap((one) => (one.code === 'invalid_value' ? one.values : []));
    if (values.length > 0 && alternatives.every(({ code, path }) => code === 'invalid_value' && path.length === 0))
      return notOneOf(issue.input, values);
    const own = alternatives.filter(({ path }) => path.length === 0).map(describe);
    if (own.length > 0 && own.length === alternatives.length) return [...new Set(own)].join('; or: ');
  }
  if (issue.code === 'invalid_type' && issue.input === undefined) return 'required field is missing';
  return issue.message;
}

/** Walks the schema down an issue's path to the object whose field is unknown. */
function knownFields(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let current: unknown = schema;
  for (const step of path) current = child(inner(current), step);
  const object = inner(current);
  return isRecord(object) && isRecord(object['shape']) ? Object.keys(object['shape']) : [];
}

/** As `unwrap`, and behind a step that prepares the value. */
function inner(schema: unknown): unknown {
  let current = unwrap(schema);
  while (isRecord(current) && 'in' in current && 'out' in current) current = unwrap(current['out']);
  return current;
}

/** The schema of a field or element; undefined where the schema knows none. */
export function child(schema: unknown, step: PropertyKey): unknown {
  if (!isRecord(schema)) return undefined;
  if (isRecord(schema['shape'])) return schema['shape'][String(step)];
  if ('element' in schema) return schema['element'];
  return schema['valueType'];
}

/** A schema without its optionals, defaults and refinements. */
export function unwrap(schema: unknown): unknown {
  let current = schema;
  while (isRecord(current) && typeof current['unwrap'] === 'function' && !('element' in current)) current = current['unwrap']();
  return current;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
