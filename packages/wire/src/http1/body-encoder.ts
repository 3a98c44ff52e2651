import type { ByteMeter } from '../byte-meter.ts';
import type { HeaderList } from '../http.ts';
import type { OutputBuffer } from '../output-buffer.ts';
import type { BodyFraming } from './body-decoder.ts';
import type { FieldLines } from './field-lines.ts';

const noBytes = Buffer.alloc(0);

/** Writes the message bodies of a connection, one after another, each in its framing. */
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
  trailers(trailers: HeaderList, lines: FieldLines, meter: ByteMeter): string | undefined {
    if (this.#framing !== 'chunked') return this.data(noBytes, true);
    const text = lines.of(trailers);
    meter.wireBytesSent += text.length + 5;
    meter.headerBytesSent += text.length;
    meter.decompressedHeaderBytesSent += text.length;
    this.#out.push(`0\r\n${text}\r\n`);
    return undefined;
  }
}
