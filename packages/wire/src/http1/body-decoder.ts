import type { HeaderList } from '../http.ts';
import { joinedIn } from '../joined-fields.ts';
import { parseFields } from './fields.ts';
import type { Http1Limits } from './options.ts';

/** A number of bytes; chunked; everything until the connection ends, or raw bytes after an upgrade. */
export type BodyFraming = number | 'chunked' | 'until-close';

/** Hears the body in order. `paused` is asked after each call: while true the decoder takes nothing more. */
export interface BodySink {
  readonly paused: boolean;
  onBody(data: Buffer, end: boolean): void;
  onBodyTrailers(trailers: HeaderList): void;
}

type State = 'idle' | 'length' | 'until-close' | 'size' | 'extension' | 'size-lf' | 'chunk' | 'chunk-cr' | 'chunk-lf' | 'trailers';

const emptyBuffer = Buffer.alloc(0);
const maxSizeDigits = 12;
const forbiddenTrailers = new Set(['content-length', 'transfer-encoding', 'host', 'connection', 'trailer', 'content-encoding', 'te']);

/** Reads one message body after another (RFC 9112 sections 6 and 7). */
export class BodyDecoder {
  readonly #limits: Http1Limits;
  readonly #sink: BodySink;
  #state: State = 'idle';
  #remaining = 0;
  #digits = 0;
  #extensionBytes = 0;
  #trailerText = '';
  /** What is wrong with the body; nothing more is decoded. */
  error: string | undefined;

  constructor(limits: Http1Limits, sink: BodySink) {
    this.#limits = limits;
    this.#sink = sink;
  }
  get done(): boolean {
    return this.#state === 'idle';
  }
  get untilClose(): boolean {
    return this.#state === 'until-close';
  }
  start(framing: BodyFraming): void {
    if (framing === 'until-close') this.#state = 'until-close';
    else if (framing === 'chunked') {
      this.#state = 'size';
      this.#remaining = 0;
      this.#digits = 0;
      this.#extensionBytes = 0;
      this.#trailerText = '';
    } else {
      this.#remaining = framing;
      this.#state = framing === 0 ? 'idle' : 'length';
    }
  }
  abandon(): void {
    this.#state = 'idle';
  }
  /** Takes what belongs to the body from `offset` on; returns the offset of the first byte not taken. */
  decode(bytes: Buffer, offset: number): number {
    const length = bytes.length;
    if (this.#state === 'until-close') {
      this.#sink.onBody(offset === 0 ? bytes : bytes.subarray(offset), false);
      return length;
    }
    if (this.#state === 'length') {
      const taken = Math.min(this.#remaining, length - offset);
      this.#remaining -= taken;
      const end = this.#remaining === 0;
      if (end) this.#state = 'idle';
      this.#sink.onBody(bytes.subarray(offset, offset + taken), end);
      return offset + taken;
    }
    return this.#decodeChunks(bytes, offset);
  }
  #decodeChunks(bytes: Buffer, offset: number): number {
    // One chunk is held back so that the last one can carry the end of the stream.
    let held: Buffer | undefined;
    let at = offset;
    while (at < bytes.length && this.error === undefined) {
      if (this.#state === 'chunk') {
        if (held !== undefined) {
          this.#sink.onBody(held, false);
          held = undefined;
          // Paused, or abandoned, inside the call.
          if (this.#sink.paused || this.done) return at;
        }
        const taken = Math.min(this.#remaining, bytes.length - at);
        held = bytes.subarray(at, at + taken);
        at += taken;
        this.#remaining -= taken;
        if (this.#remaining === 0) this.#state = 'chunk-cr';
      } else if (this.#state === 'trailers') {
        const lf = bytes.indexOf(10, at);
        const end = lf < 0 ? bytes.length : lf + 1;
        if (this.#trailerText.length + end - at > this.#limits.maxHeadersBytes) return this.#fail('trailers too large', held, at);
        this.#trailerText += bytes.toString('latin1', at, end);
        at = end;
        if (lf >= 0 && (this.#trailerText === '\r\n' || this.#trailerText.endsWith('\r\n\r\n'))) return this.#finish(held, at);
        if (lf >= 0 && !this.#trailerText.endsWith('\r\n')) return this.#fail('bare LF in trailers', held, at);
      } else this.#framingByte(bytes[at++] as number);
    }
    if (held !== undefined) this.#sink.onBody(held, false);
    return at;
  }
  #framingByte(byte: number): void {
    switch (this.#state) {
      case 'size': {
        const digit = hexValue(byte);
        if (digit >= 0) {
          if (++this.#digits > maxSizeDigits) this.error = 'chunk size too large';
          else this.#remaining = this.#remaining * 16 + digit;
        } else if (this.#digits === 0) this.error = 'invalid chunk size';
        else if (byte === 13) this.#state = 'size-lf';
        else if (byte === 59) this.#state = 'extension';
        else this.error = 'invalid chunk size';
        return;
      }
      case 'extension':
        if (byte === 13) this.#state = 'size-lf';
        else if ((byte < 32 && byte !== 9) || byte === 127) this.error = 'control character in chunk extension';
        else if (++this.#extensionBytes > this.#limits.maxChunkExtensionBytes) this.error = 'chunk extension too long';
        return;
      case 'size-lf':
        if (byte !== 10) this.error = 'bare CR after chunk size';
        else this.#state = this.#remaining === 0 ? 'trailers' : 'chunk';
        return;
      case 'chunk-cr':
        if (byte !== 13) this.error = 'chunk longer than its size';
        else this.#state = 'chunk-lf';
        return;
      default:
        if (byte !== 10) this.error = 'chunk without CRLF at its end';
        this.#state = 'size';
        this.#digits = 0;
        this.#remaining = 0;
    }
  }
  #finish(held: Buffer | undefined, at: number): number {
    const text = this.#trailerText;
    this.#trailerText = '';
    if (text === '\r\n') {
      this.#state = 'idle';
      this.#sink.onBody(held ?? emptyBuffer, true);
      return at;
    }
    const fields = parseTrailers(text.slice(0, -4), this.#limits.maxHeadersCount);
    if (typeof fields === 'string') return this.#fail(fields, held, at);
    if (held !== undefined) this.#sink.onBody(held, false);
    this.#state = 'idle';
    if (fields.length === 0) this.#sink.onBody(emptyBuffer, true);
    else this.#sink.onBodyTrailers(fields);
    return at;
  }
  #fail(error: string, held: Buffer | undefined, at: number): number {
    if (held !== undefined) this.#sink.onBody(held, false);
    this.error = error;
    return at;
  }
}

/** Trailers without those that would change framing or routing (RFC 9110 section 6.5.1), or what is wrong. */
function parseTrailers(text: string, maxCount: number): HeaderList | string {
  const fields = parseFields(text, 0, maxCount, false, joinedIn.trailers);
  if (typeof fields === 'string') return fields;
  const kept: HeaderList = [];
  for (let i = 0; i < fields.headers.length; i += 2) {
    const name = fields.headers[i] as string;
    if (!forbiddenTrailers.has(name)) kept.push(name, fields.headers[i + 1] as string);
  }
  return kept;
}

function hexValue(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
