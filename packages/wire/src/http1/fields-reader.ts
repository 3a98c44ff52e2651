import { type Fields, parseFields } from './fields.ts';

const maxKeptChars = 4096;

/**
 * Reads the header sections of one connection. Peers say nearly the same again and again: a section that equals the one before it
 * is not parsed again. The answer is the caller's own, to change as it likes.
 */
export class FieldsReader {
  readonly #message: number;
  #text = '';
  #fields: Fields | undefined = undefined;
  /** Of the last section that could be read. Whoever asks sets it to 0 before. */
  bytes = 0;

  /** `message`: one of `joinedIn`. */
  constructor(message: number) {
    this.#message = message;
  }
  /** As `parseFields`. */
  read(text: string, at: number, maxCount: number, allowChunkedLength = false): Fields | string {
    const section = text.slice(at);
    const last = this.#fields;
    if (last !== undefined && section === this.#text) {
      this.bytes = last.bytes;
      return copyOf(last);
    }
    const fields = parseFields(section, 0, maxCount, allowChunkedLength, this.#message);
    if (typeof fields === 'string') return fields;
    this.bytes = fields.bytes;
    if (text.length > maxKeptChars) return fields;
    this.#text = section;
    this.#fields = fields;
    return copyOf(fields);
  }
}

function copyOf({
  headers,
  contentLength,
  chunked,
  expectsContinue,
  host,
  connection,
  connectionText,
  upgrade,
  proxyClose,
  bytes,
}: Fields): Fields {
  return {
    headers: headers.slice(),
    contentLength,
    chunked,
    expectsContinue,
    host,
    connection,
    connectionText,
    upgrade,
    proxyClose,
    bytes,
  };
}
