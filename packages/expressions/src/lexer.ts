import { err, ok, type Result } from '@xebec/core';
import type { ExpressionProblem } from './problem.ts';

export type TokenKind = 'name' | 'string' | 'int' | 'double' | 'operator' | 'end';

export interface Token {
  readonly kind: TokenKind;
  /** The operator or name as written; a string without its quotes and escapes. */
  readonly text: string;
  /** From 1. */
  readonly column: number;
}

const OPERATORS = ['==', '!=', '<=', '>=', '&&', '||', '<', '>', '+', '-', '|', '!', '?', ':', '(', ')', '[', ']', ',', '.'];
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '"': '"', '\\': '\\', a: '\x07', b: '\b', f: '\f', v: '\v' };

/** Splits an expression into tokens, ending with one of kind `end`. */
export function tokenize(text: string): Result<readonly Token[], ExpressionProblem> {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at] ?? '';
    const column = at + 1;
    if (/\s/.test(char)) {
      at++;
      continue;
    }
    // One character between single quotes is a string as well: Go's character, which release 1.4 read so.
    const character = /^'([^'\\\n])'/u.exec(text.slice(at, at + 4))?.[0];
    if (character !== undefined) {
      tokens.push({ kind: 'string', text: character.slice(1, -1), column });
      at += character.length;
      continue;
    }
    if (char === '"' || char === '`') {
      const read = char === '"' ? readQuoted(text, at) : readRaw(text, at);
      if (!read.ok) return read;
      tokens.push({ kind: 'string', text: read.value.text, column });
      at = read.value.end;
      continue;
    }
    const rest = text.slice(at, at + 256);
    // `$out` is what an attribute generator found out.
    const name = /^(?:\$out\b|[A-Za-z_][A-Za-z0-9_]*)/.exec(rest)?.[0];
    const number = /^(?:\d+\.\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|0[xX][0-9a-fA-F]+|\d+)/.exec(rest)?.[0];
    const operator = OPERATORS.find((candidate) => rest.startsWith(candidate));
    const word = name ?? number ?? operator;
    if (word === undefined) {
      const hint =
        char === "'" ? '; strings stand in double quotes' : char === '=' ? '; equality is ==' : char === '&' ? '; and is &&' : '';
      return err({ column, message: `unexpected character ${JSON.stringify(char)}${hint}` });
    }
    if (number !== undefined && /[A-Za-z0-9_]/.test(text[at + number.length] ?? '')) {
      return err({
        column,
        message: `"${number}${text[at + number.length] ?? ''}" is not a number; durations stand in quotes, such as "10ms"`,
      });
    }
    const kind = name !== undefined ? 'name' : number === undefined ? 'operator' : /^0[xX]|^\d+$/.test(number) ? 'int' : 'double';
    tokens.push({ kind, text: word, column });
    at += word.length;
  }
  tokens.push({ kind: 'end', text: '', column: text.length + 1 });
  return ok(tokens);
}

type Read = Result<{ text: string; end: number }, ExpressionProblem>;

function readRaw(text: string, start: number): Read {
  const end = text.indexOf('`', start + 1);
  if (end === -1) return err({ column: start + 1, message: 'the string has no closing `' });
  return ok({ text: text.slice(start + 1, end), end: end + 1 });
}

function readQuoted(text: string, start: number): Read {
  let value = '';
  let at = start + 1;
  for (;;) {
    const char = text[at];
    if (char === undefined || char === '\n') return err({ column: start + 1, message: 'the string has no closing "' });
    if (char === '"') return ok({ text: value, end: at + 1 });
    if (char !== '\\') {
      value += char;
      at++;
      continue;
    }
    const next = text[at + 1] ?? '';
    const code = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U(0010[0-9a-fA-F]{4}|000[0-9a-fA-F]{5})|([0-3][0-7]{2}))/.exec(
      text.slice(at + 1, at + 10),
    );
    if (code !== null) {
      const [, two, four, eight, octal = '0'] = code;
      const hex = two ?? four ?? eight;
      value += String.fromCodePoint(hex === undefined ? Number.parseInt(octal, 8) : Number.parseInt(hex, 16));
      at += 1 + code[0].length;
      continue;
    }
    const escaped = ESCAPES[next];
    if (escaped === undefined) {
      return err({
        column: at + 1,
        message: `unknown escape "\\${next}"; write \\\\ for a backslash, or put the string between backticks`,
      });
    }
    value += escaped;
    at += 2;
  }
}
