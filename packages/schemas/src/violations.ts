import { nearest, type Violation } from '@xebec/core';
import type { z } from 'zod';
import { duration } from './fields.ts';

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
    if (issue.code !== 'unrecognized_keys') return [{ path: formatPath(path), message: describe(issue, schemaAt(schema, issue.path)) }];
    return issue.keys.map((key) => {
      const suggestion = key.startsWith('-') ? undefined : nearest(key, knownFields(schema, issue.path));
      const hint = suggestion === undefined ? placeHint(schema, issue.path, prefix, key) : `; did you mean "${suggestion}"?`;
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
  return `${shown(input)} is not one of ${values.map((value) => JSON.stringify(value)).join(', ')}${hint}`;
}

/** `schema`: of the value that the issue is about. */
function describe(issue: z.core.$ZodIssue, schema?: unknown): string {
  if (issue.code === 'invalid_value') return notOneOf(issue.input, issue.values);
  if (issue.code === 'invalid_union') {
    // Spellings of one value, such as an enumerator's name or its number: what each alternative would take.
    const alternatives = issue.errors.flat();
    const values = alternatives.flatMap((one) => (one.code === 'invalid_value' ? one.values : []));
    if (values.length > 0 && alternatives.every(({ code, path }) => code === 'invalid_value' && path.length === 0))
      return notOneOf(issue.input, values);
    const own = alternatives.filter(({ path }) => path.length === 0).map((one) => describe(one));
    if (own.length > 0 && own.length === alternatives.length) return [...new Set(own)].join('; or: ');
  }
  if (issue.code === 'invalid_type' && typeof issue.input === 'number' && isDuration(schema))
    return `${issue.input} has no unit: write ${issue.input}s, or another unit such as ms or m`;
  if (issue.code === 'invalid_type') return wrongType(issue.input, issue.expected);
  if (issue.code === 'too_small') return isEmpty(issue.input) ? 'must not be empty' : `${shown(issue.input)} is less than ${issue.minimum}`;
  if (issue.code === 'too_big') return `${shown(issue.input)} is greater than ${issue.maximum}`;
  if (issue.code === 'invalid_key') return issue.issues.map((one) => describe(one)).join('; ');
  return issue.message;
}

/** Of zod's names for what it expects: what a user would call it, and how it is written. */
const EXPECTED: Readonly<Record<string, string>> = {
  array: 'a list: begin each item with "- "',
  object: 'an object: indented lines of the form "field: value"',
  record: 'an object: indented lines of the form "name: value"',
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

function wrongType(input: unknown, expected: string): string {
  if (input === undefined) return 'required field is missing';
  const wanted = EXPECTED[expected] ?? expected;
  if (input === null) return `has no value; expected ${wanted}, or leave the field out`;
  if (typeof input === 'number' && expected === 'int') return `${input} is not a whole number`;
  const hint = expected === 'string' ? quotesHint(input) : '';
  return `${shown(input)} is ${typeOf(input)}; expected ${wanted}${hint}`;
}

/** YAML reads `port: 80` as a number, and in a list in brackets `[2001:db8::]` as an object; users meant the text. */
function quotesHint(input: unknown): string {
  if (typeof input === 'number' || typeof input === 'boolean') return `: write "${String(input)}", in quotes`;
  const [key] = isRecord(input) && !Array.isArray(input) ? Object.keys(input) : [];
  return key?.includes(':') === true ? `: write "${key}:", in quotes` : '';
}

function typeOf(input: unknown): string {
  if (Array.isArray(input)) return 'a list';
  return typeof input === 'object' ? 'an object' : typeof input === 'string' ? 'text' : `a ${typeof input}`;
}

const MOST_SHOWN = 80;

function shown(input: unknown): string {
  const text = JSON.stringify(input) ?? String(input);
  return text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text;
}

function isEmpty(input: unknown): boolean {
  return (typeof input === 'string' || Array.isArray(input)) && input.length === 0;
}

/** Walks the schema down an issue's path. */
function schemaAt(schema: z.ZodType, path: readonly PropertyKey[]): unknown {
  let current: unknown = schema;
  for (const step of path) current = child(inner(current), step);
  return inner(current);
}

function knownFields(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  return fieldsOf(schemaAt(schema, path));
}

function fieldsOf(object: unknown): string[] {
  return isRecord(object) && isRecord(object['shape']) ? Object.keys(object['shape']) : [];
}

/** Where a field that is not known here would be: one step further in or further out, as wrong indentation brings it about. */
function placeHint(schema: z.ZodType, path: readonly PropertyKey[], prefix: readonly PropertyKey[], key: string): string {
  if (key.startsWith('-')) return `; a space is missing after "-"`;
  const below = knownFields(schema, path).filter((field) => fieldsWithin(schemaAt(schema, [...path, field])).includes(key));
  if (below.length > 0) return `; it belongs below ${below.map((field) => `"${field}"`).join(' or ')}: indent it further`;
  for (let length = path.length - 1; length >= 0; length--) {
    const outer = path.slice(0, length);
    if (knownFields(schema, outer).includes(key)) return `; it belongs to ${formatPath([...prefix, ...outer])}: indent it less`;
  }
  return '';
}

/** Of an object, or of the objects in a list. */
function fieldsWithin(schema: unknown): string[] {
  return isRecord(schema) && 'element' in schema ? fieldsOf(inner(schema['element'])) : fieldsOf(schema);
}

function isDuration(schema: unknown): boolean {
  return schema === duration;
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
