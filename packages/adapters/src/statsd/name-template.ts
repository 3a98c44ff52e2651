import { err, ok, type Result } from '@xebec/core';
import { formatValue, type TypedValue } from '@xebec/expressions';

/** Writes a metric's name from its dimensions. */
export type NameTemplate = (dimensions: ReadonlyMap<string, TypedValue>) => string;

const MAX_LENGTH = 4096;
const FIELD = /^\.([A-Za-z_][A-Za-z0-9_]*)$/;
const INDEX = /^index\s+\.\s+(?:"([^"\\]*)"|`([^`]*)`)$/;

/**
 * The part of Go's text/template that names need: text, `{{.dimension}}` and `{{index . "dimension"}}`, with `{{-` and `-}}` that
 * take away the space beside them. A dimension that the metric lacks is `unknown`.
 */
export function compileNameTemplate(source: string): Result<NameTemplate, string> {
  if (source.length > MAX_LENGTH) return err(`is longer than ${MAX_LENGTH} characters`);
  const parts: (string | { readonly dimension: string })[] = [];
  let rest = source;
  let trimNext = false;
  while (rest !== '') {
    const start = rest.indexOf('{{');
    const literal = start === -1 ? rest : rest.slice(0, start);
    const text = trimNext ? literal.trimStart() : literal;
    if (start === -1) {
      parts.push(text);
      break;
    }
    const end = rest.indexOf('}}', start);
    if (end === -1) return err('has "{{" without "}}"');
    let action = rest.slice(start + 2, end);
    const trimBefore = /^-\s/.test(action);
    trimNext = /\s-$/.test(action);
    action = action.replace(/^-\s/, '').replace(/\s-$/, '').trim();
    parts.push(trimBefore ? text.trimEnd() : text);
    rest = rest.slice(end + 2);
    if (action.startsWith('/*') && action.endsWith('*/')) continue;
    const field = FIELD.exec(action)?.[1];
    const index = INDEX.exec(action);
    const dimension = field ?? index?.[1] ?? index?.[2];
    if (dimension === undefined) return err(`"{{${action}}}" is not understood; write {{.dimension}} or {{index . "dimension"}}`);
    parts.push({ dimension });
  }
  return ok((dimensions) =>
    parts
      .map((part) => {
        if (typeof part === 'string') return part;
        const value = dimensions.get(part.dimension);
        return value === undefined ? 'unknown' : formatValue(value);
      })
      .join(''),
  );
}
