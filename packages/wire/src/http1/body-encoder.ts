import { lowerCaseFieldName, safeFieldValue } from '../field-name.ts';
import { type HeaderList, header } from '../http.ts';
import type { OutputBuffer } from '../output-buffer.ts';
import type { BodyFraming } from './body-decoder.ts';

/** Fields that a codec writes itself. */
const ownFields = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'host', 'content-length']);

/** The announced length, or undefined when there is none that can be trusted. */
export function announcedLength(headers: readonly string[]): number | undefined {
  const text = header(headers, 'content-length');
  return text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Header lines of `headers` without those that belong to the connection or frame the body: the caller adds its own. */
export function fieldLines(headers: readonly string[], formatName: ((name: string) => string) | undefined): string {
  let text = '';
  for (let i = 0; i < headers.length; i += 2) {
    const name = lowerCaseFieldName(headers[i] as string);
    if (name === undefined || ownFields.has(name)) continue;
    text += `${formatName === undefined ? name : formatName(name)}: ${safeFieldValue(headers[i + 1] as string)}\r\n`;
  }
  return text;
}

/** Writes one message body in its framing. */
export class BodyEncoder {
  readonly #out: OutputBuffer;
  #framing: BodyFraming = 0;
  #remaining = 0;

  constructor(out: OutputBuffer) {
    this.#out = out;
  }
  start(framing: BodyFraming): void {
    this.#framing = framing;
    this.#remaining = typeof framing === 'number' ? framing : 0;
  }
  /** Returns what is wrong when the body does not fit the announced length. */
  data(data: Buffer, end: boolean): string | undefined {
    if (this.#framing === 'chunked') {
      if (data.length > 0) {
        this.#out.push(`${data.length.toString(16)}\r\n`);
        this.#out.push(data);
        this.#out.push(end ? '\r\n0\r\n\r\n' : '\r\n');
      } else if (end) this.#out.push('0\r\n\r\n');
      return undefined;
    }
    if (this.#framing !== 'until-close') {
      if (data.length > this.#remaining) return 'body longer than its content-length';
      this.#remaining -= data.length;
      if (end && this.#remaining > 0) return 'body shorter than its content-length';
    }
    this.#out.push(data);
    return undefined;
  }
  /** Ends the body; trailers exist only in chunked framing and are dropped elsewhere. */
  trailers(trailers: HeaderList, formatName: ((name: string) => string) | undefined): string | undefined {
    if (this.#framing !== 'chunked') return this.data(Buffer.alloc(0), true);
    this.#out.push(`0\r\n${fieldLines(trailers, formatName)}\r\n`);
    return undefined;
  }
}
