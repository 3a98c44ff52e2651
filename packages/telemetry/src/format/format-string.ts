import { XebecError } from '@xebec/core';
import { emptyFormatEnvironment, type FormatContext, type FormatEnvironment, type FormatValue } from './context.ts';
import { checkOperatorForm, compileOperator, type Operator } from './operators.ts';

export interface FormatOptions {
  readonly environment?: FormatEnvironment;
  /** Absent values become nothing instead of `-`. */
  readonly omitEmpty?: boolean;
}

export interface CompiledFormat {
  /** The text for one request. */
  format(context: FormatContext): string;
  /** The bare value when the format is exactly one operator (keeps numbers for JSON); else the text. */
  value(context: FormatContext): FormatValue;
  /** The text when nothing varies. */
  readonly constant: string | undefined;
}

/** More is a mistake or an attack, not a log line. */
const maxFormatBytes = 64 * 1024;

// Operators as Envoy reads them: name, optional argument without `)`, optional maximum length.
const operatorPattern = /%([A-Z][A-Z0-9_]*)(?:\(((?:[^)\n]|\)(?!(?::\d+)?%))*)\))?(?::(\d+))?%/y;

/** Compiles `text %OPERATOR(argument):length% text`; `%%` is a percent sign. Throws XebecError `E_FORMAT` naming the position. */
export function compileFormat(source: string, options: FormatOptions = {}): CompiledFormat {
  if (source.length > maxFormatBytes) throw new XebecError('E_FORMAT', `format string is longer than ${maxFormatBytes} bytes`);
  const environment = options.environment ?? emptyFormatEnvironment;
  const missing = options.omitEmpty === true ? '' : '-';
  const parts: (string | Operator)[] = [];
  let literal = '';
  for (let i = 0; i < source.length; ) {
    const next = source.indexOf('%', i);
    if (next === -1) {
      literal += source.slice(i);
      break;
    }
    literal += source.slice(i, next);
    if (source[next + 1] === '%') {
      literal += '%';
      i = next + 2;
      continue;
    }
    operatorPattern.lastIndex = next;
    const match = operatorPattern.exec(source);
    if (match === null)
      throw new XebecError('E_FORMAT', `format string has a bad operator at position ${next}: "${source.slice(next, next + 40)}"`);
    if (literal !== '') parts.push(literal);
    literal = '';
    checkOperatorForm(match[1] ?? '', match[2] ?? '', match[3] !== undefined);
    parts.push(truncated(compileOperator(match[1] ?? '', match[2] ?? '', environment), match[3]));
    i = operatorPattern.lastIndex;
  }
  if (literal !== '') parts.push(literal);

  const format = (context: FormatContext): string => {
    let text = '';
    for (const part of parts) text += typeof part === 'string' ? part : valueText(part(context), missing);
    return text;
  };
  const only = parts.length === 1 ? parts[0] : undefined;
  const constant = parts.length === 0 ? '' : typeof only === 'string' ? only : undefined;
  return {
    format: constant === undefined ? format : () => constant,
    value: typeof only === 'function' ? only : format,
    constant,
  };
}

function truncated(operator: Operator, length: string | undefined): Operator {
  if (length === undefined) return operator;
  const max = Number(length);
  return (context) => {
    const value = operator(context);
    return typeof value === 'string' ? value.slice(0, max) : value;
  };
}

function valueText(value: FormatValue, missing: string): string {
  if (value === undefined) return missing;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
