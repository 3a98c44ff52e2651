import type { FieldCase } from '../field-cases.ts';
import { fieldNameOf, fieldRole, safeFieldValue } from '../field-name.ts';

const length = /^[0-9]{1,15}$/;
const keptLines = 32;
const maxKeptChars = 256;
/** Begins what stands in place of the value of a field that had another one before: it is not kept again. */
const changing = '\n';

/**
 * Writes the header lines of one connection's messages. A field that stands where it stood in the message before is written as it
 * was then: its line is kept.
 */
export class FieldLines {
  readonly #formatName: FieldCase | undefined;
  /** Of the message that is written, if it has its own way. */
  #fieldCase: FieldCase | undefined = undefined;
  /** `content-length: `, `transfer-encoding: ` and `connection: ` as they are written here. */
  lengthName: string;
  codingName: string;
  connectionName: string;
  readonly #names: string[] = [];
  readonly #values: string[] = [];
  readonly #lines: string[] = [];
  /** Of the last message: the announced length as text, or undefined when there is none that can be trusted. */
  contentLength: string | undefined = undefined;
  connection: string | undefined = undefined;
  upgrade: string | undefined = undefined;

  constructor(formatName: FieldCase | undefined) {
    this.#formatName = formatName;
    this.lengthName = this.named('content-length');
    this.codingName = this.named('transfer-encoding');
    this.connectionName = this.named('connection');
  }
  /** Begins a message whose names are written in its own way, or as this connection's are. */
  begin(fieldCase: FieldCase | undefined): void {
    if (fieldCase === this.#fieldCase) return;
    this.#fieldCase = fieldCase;
    this.#names.length = 0;
    this.#values.length = 0;
    this.#lines.length = 0;
    this.lengthName = this.named('content-length');
    this.codingName = this.named('transfer-encoding');
    this.connectionName = this.named('connection');
  }
  /** Header lines of `headers` without those that belong to the connection or frame the body: the caller adds its own. */
  of(headers: readonly string[]): string {
    this.contentLength = undefined;
    this.connection = undefined;
    this.upgrade = undefined;
    const names = this.#names;
    const values = this.#values;
    let text = '';
    for (let i = 0, at = 0; i < headers.length; i += 2, at++) {
      const name = headers[i] as string;
      const value = headers[i + 1] as string;
      if (at < names.length && names[at] === name && values[at] === value) text += this.#lines[at] as string;
      else text += this.#line(at, name, value);
    }
    if (this.contentLength === '') this.contentLength = undefined;
    return text;
  }
  /** `name: ` as names are written here. */
  named(name: string): string {
    const format = this.#fieldCase ?? this.#formatName;
    return `${format === undefined ? name : format(name)}: `;
  }
  #line(at: number, name: string, value: string): string {
    const field = fieldNameOf(name);
    if (field === undefined) return '';
    const { role } = field;
    if (role === fieldRole.plain || role === fieldRole.expect) {
      const line = `${this.#formatName === undefined && this.#fieldCase === undefined ? field.line : this.named(field.lower)}${safeFieldValue(value)}\r\n`;
      this.#keep(at, field.lower === name ? name : '', line);
      return line;
    }
    this.#keep(at, '', '');
    if (role === fieldRole.contentLength) {
      // The first one counts, also when it cannot be trusted.
      if (this.contentLength === undefined) this.contentLength = length.test(value) ? value : '';
    } else if (role === fieldRole.connection) this.connection ??= value;
    else if (role === fieldRole.upgrade) this.upgrade ??= value;
    return '';
  }
  /** Without holes: a place is kept when those before it are. An empty name equals none, a field that changes has none. */
  #keep(at: number, name: string, line: string): void {
    const known = this.#names.length;
    if (at > known || at >= keptLines || line.length > maxKeptChars) return;
    if (at < known && name !== '' && (this.#names[at] === name || this.#values[at] === changing + name)) {
      this.#names[at] = '';
      this.#values[at] = changing + name;
      this.#lines[at] = '';
      return;
    }
    this.#names[at] = name;
    // Cut from the line, so that it does not hold the whole head that it came in.
    this.#values[at] = line.slice(name.length + 2, -2);
    this.#lines[at] = line;
  }
}
