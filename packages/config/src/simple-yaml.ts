/**
 * Reads the YAML that configuration is mostly written in, block style with plain or simply quoted scalars, some ten times as fast as a
 * parser of all of YAML. Whatever it is not sure about it does not read: the whole parser has the last word. Its one promise is that
 * what it returns is what the whole parser returns.
 */

/** The value of a document with its first line, from 0; undefined: this needs the whole parser. */
export interface SimpleDocument {
  readonly value: Record<string, unknown>;
  readonly line: number;
}

/** Called with the path of each key and item, such as `spec.http[0].route`, and its line, from 0. */
export type LineRecorder = (path: string, line: number) => void;

/** Anything else is left to the whole parser: tabs, carriage returns, other alphabets, control characters. */
const PLAIN_TEXT = /^[\x20-\x7e\n]*$/;
const KEY = /^([A-Za-z_][A-Za-z0-9_./-]*):(?: +|$)/;
/** What the core schema reads as something else than a string: kept out of keys, and where it is not simple out of values. */
const RESERVED = /^(?:null|Null|NULL|true|True|TRUE|false|False|FALSE|~)$/;
const INTEGER = /^(?:0|-?[1-9][0-9]{0,14})$/;
const DECIMAL = /^-?(?:0|[1-9][0-9]{0,9})\.[0-9]{1,6}$/;
const NUMBER_LIKE = /^[-+]?(?:0o[0-7]+|0x[0-9a-fA-F]+|(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF|nan|NaN|NAN))$/;
/** Plain scalars that begin with these, or hold `: ` or ` #`, mean something else. */
const PLAIN_START = /^[^-?:,[\]{}#&*!|>'"%@` ]/;
const DASHED_PLAIN = /^-[^ ]/;
const MAX_DEPTH = 40;

class NotSimple extends Error {}
const notSimple = new NotSimple('not simple');

interface Line {
  readonly indent: number;
  readonly text: string;
  readonly number: number;
}

/** Reads one document, without its `---`. */
export function readSimpleDocument(text: string, record?: LineRecorder): SimpleDocument | undefined {
  if (!PLAIN_TEXT.test(text)) return undefined;
  try {
    const reader = new SimpleReader(linesOf(text), record);
    return reader.document();
  } catch (error) {
    if (error instanceof NotSimple) return undefined;
    throw error;
  }
}

function linesOf(text: string): Line[] {
  const lines: Line[] = [];
  let number = 0;
  for (let start = 0; start <= text.length; number++) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    let at = start;
    while (at < end && text.charCodeAt(at) === 0x20) at++;
    if (at < end && text.charCodeAt(at) !== 0x23) {
      let last = end;
      while (text.charCodeAt(last - 1) === 0x20) last--;
      lines.push({ indent: at - start, text: text.slice(at, last), number });
    }
    start = end + 1;
  }
  return lines;
}

class SimpleReader {
  readonly #lines: Line[];
  readonly #record: LineRecorder | undefined;
  #at = 0;

  constructor(lines: Line[], record: LineRecorder | undefined) {
    this.#lines = lines;
    this.#record = record;
  }
  document(): SimpleDocument | undefined {
    const first = this.#lines[0];
    if (first === undefined || first.indent !== 0 || !KEY.test(first.text)) return undefined;
    const value = this.#map(0, '', 0);
    return this.#at === this.#lines.length ? { value, line: first.number } : undefined;
  }

  #map(indent: number, path: string, depth: number): Record<string, unknown> {
    if (depth > MAX_DEPTH) throw notSimple;
    const value: Record<string, unknown> = {};
    for (let line = this.#lines[this.#at]; line !== undefined && line.indent >= indent; line = this.#lines[this.#at]) {
      if (line.indent > indent) throw notSimple;
      const match = KEY.exec(line.text);
      const key = match?.[1];
      if (match === null || key === undefined) {
        // The next item of a sequence that this map is in stands as far left only where its dash does.
        throw notSimple;
      }
      if (RESERVED.test(key) || key === '__proto__' || Object.hasOwn(value, key)) throw notSimple;
      const childPath = path === '' ? key : `${path}.${key}`;
      this.#record?.(childPath, line.number);
      this.#at++;
      const rest = line.text.slice(match[0].length);
      value[key] = rest === '' || rest.startsWith('#') ? this.#nested(indent, childPath, depth + 1) : this.#scalarBefore(rest, indent);
    }
    return value;
  }
  /** What stands below a key that has nothing beside it. */
  #nested(parentIndent: number, path: string, depth: number): unknown {
    const line = this.#lines[this.#at];
    if (line === undefined || line.indent < parentIndent) return null;
    const dash = line.text === '-' || line.text.startsWith('- ');
    if (line.indent === parentIndent) return dash ? this.#sequence(parentIndent, path, depth) : null;
    if (dash) return this.#sequence(line.indent, path, depth);
    if (!KEY.test(line.text)) throw notSimple;
    return this.#map(line.indent, path, depth);
  }
  #sequence(indent: number, path: string, depth: number): unknown[] {
    if (depth > MAX_DEPTH) throw notSimple;
    const items: unknown[] = [];
    for (let line = this.#lines[this.#at]; line !== undefined && line.indent === indent; line = this.#lines[this.#at]) {
      // A key as far left as the dashes ends the sequence.
      if (!line.text.startsWith('- ')) {
        if (line.text === '-') throw notSimple;
        break;
      }
      let skip = 1;
      while (line.text.charCodeAt(skip) === 0x20) skip++;
      const rest = line.text.slice(skip);
      if (rest.startsWith('#') || rest.startsWith('- ') || rest === '-') throw notSimple;
      const itemPath = `${path}[${items.length}]`;
      this.#record?.(itemPath, line.number);
      if (KEY.test(rest)) {
        // The rest of the line is the first line of a map that begins where the rest does.
        this.#lines[this.#at] = { indent: indent + skip, text: rest, number: line.number };
        items.push(this.#map(indent + skip, itemPath, depth + 1));
      } else {
        this.#at++;
        items.push(this.#scalarBefore(rest, indent));
      }
    }
    const next = this.#lines[this.#at];
    if (next !== undefined && next.indent > indent) throw notSimple;
    return items;
  }
  /** A scalar beside its key or dash; a line further right would go on with it. */
  #scalarBefore(text: string, indent: number): unknown {
    const next = this.#lines[this.#at];
    if (next !== undefined && next.indent > indent) throw notSimple;
    return scalar(text);
  }
}

function scalar(written: string): unknown {
  const quote = written[0];
  if (quote === '"' || quote === "'") {
    const end = written.indexOf(quote, 1);
    if (end === -1 || !/^(?: +#.*)?$/.test(written.slice(end + 1))) throw notSimple;
    const inside = written.slice(1, end);
    if (inside.includes('\\')) throw notSimple;
    return inside;
  }
  const comment = written.indexOf(' #');
  const text = comment === -1 ? written : written.slice(0, comment).trimEnd();
  if (text === '{}') return {};
  if (text === '[]') return [];
  if (!PLAIN_START.test(text) && !DASHED_PLAIN.test(text)) throw notSimple;
  if (text.includes(': ') || text.endsWith(':')) throw notSimple;
  if (text === 'true') return true;
  if (text === 'false') return false;
  if (text === 'null') return null;
  if (INTEGER.test(text) || DECIMAL.test(text)) return Number(text);
  if (RESERVED.test(text) || NUMBER_LIKE.test(text)) throw notSimple;
  return text;
}
