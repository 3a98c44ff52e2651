import { XebecError } from '@xebec/core';
import type { FormatContext, FormatValue } from '../format/context.ts';
import { compileFormat, type FormatOptions } from '../format/format-string.ts';

/** The JSON text of one value; undefined when there is none. */
type JsonNode = (context: FormatContext) => string | undefined;

const maxDepth = 16;
/** A character that a JSON string cannot have as it is: quote, backslash, controls; and surrogates, of which `JSON.stringify` escapes lone ones. */
const escaped = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

/**
 * Compiles a JSON log format: each text is a format string. A text that is one operator keeps its type (numbers stay numbers);
 * what is absent is `null`, or left out with `omitEmpty`. One line per request, keys sorted as Envoy does unless `sortKeys` is
 * false.
 */
export function compileJsonFormat(
  template: Readonly<Record<string, unknown>>,
  options: FormatOptions & { sortKeys?: boolean } = {},
): (context: FormatContext) => string {
  const root = compileNode(template, options, 0);
  return (context) => `${root(context) ?? 'null'}\n`;
}

function compileNode(template: unknown, options: FormatOptions & { sortKeys?: boolean }, depth: number): JsonNode {
  if (depth > maxDepth) throw new XebecError('E_FORMAT', `JSON format is nested deeper than ${maxDepth}`);
  if (typeof template === 'string') return compileText(template, options);
  if (Array.isArray(template)) {
    const items = template.map((item) => compileNode(item, options, depth + 1));
    return (context) => `[${items.map((item) => item(context) ?? 'null').join()}]`;
  }
  if (typeof template === 'object' && template !== null) return compileRecord(Object.entries(template), options, depth);
  const text = JSON.stringify(template);
  return () => text;
}

function compileRecord(
  members: readonly (readonly [string, unknown])[],
  options: FormatOptions & { sortKeys?: boolean },
  depth: number,
): JsonNode {
  const compiled = members.map(([name, value]) => ({
    name,
    key: `${JSON.stringify(name)}:`,
    node: compileNode(value, options, depth + 1),
  }));
  if (options.sortKeys !== false) compiled.sort(({ name: a }, { name: b }) => (a < b ? -1 : a > b ? 1 : 0));
  const omit = options.omitEmpty === true;
  return (context) => {
    let text = '';
    for (let i = 0; i < compiled.length; i++) {
      const member = compiled[i];
      const value = member?.node(context);
      if (member === undefined || (value === undefined && omit)) continue;
      text += `${text === '' ? '{' : ','}${member.key}${value ?? 'null'}`;
    }
    return text === '' ? '{}' : `${text}}`;
  };
}

function compileText(template: string, options: FormatOptions): JsonNode {
  const format = compileFormat(template, options);
  if (format.constant !== undefined) {
    const text = JSON.stringify(format.constant);
    return () => text;
  }
  return (context) => jsonText(format.value(context));
}

function jsonText(value: FormatValue): string | undefined {
  if (typeof value === 'string') return escaped.test(value) ? JSON.stringify(value) : `"${value}"`;
  return value === undefined ? undefined : JSON.stringify(value);
}
