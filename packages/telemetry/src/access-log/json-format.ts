import { XebecError } from '@xebec/core';
import type { FormatContext } from '../format/context.ts';
import { compileFormat, type FormatOptions } from '../format/format-string.ts';

type JsonNode = (context: FormatContext) => unknown;

const maxDepth = 16;

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
  return (context) => `${JSON.stringify(root(context))}\n`;
}

function compileNode(template: unknown, options: FormatOptions & { sortKeys?: boolean }, depth: number): JsonNode {
  if (depth > maxDepth) throw new XebecError('E_FORMAT', `JSON format is nested deeper than ${maxDepth}`);
  if (typeof template === 'string') return compileText(template, options);
  if (Array.isArray(template)) {
    const items = template.map((item) => compileNode(item, options, depth + 1));
    return (context) => items.map((item) => item(context) ?? null);
  }
  if (typeof template === 'object' && template !== null) {
    const entries = Object.entries(template).map(([key, value]) => [key, compileNode(value, options, depth + 1)] as const);
    if (options.sortKeys !== false) entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    const omit = options.omitEmpty === true;
    return (context) => {
      const result: Record<string, unknown> = {};
      for (const [key, node] of entries) {
        const value = node(context);
        if (value === undefined && omit) continue;
        result[key] = value ?? null;
      }
      return result;
    };
  }
  return () => template;
}

function compileText(template: string, options: FormatOptions): JsonNode {
  const format = compileFormat(template, options);
  if (format.constant !== undefined) return () => format.constant;
  return format.value;
}
