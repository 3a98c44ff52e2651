import type { CodecOutput } from './http.ts';
import { latin1Text, writeLatin1 } from './latin1.ts';
import { flushLater } from './write-batch.ts';

/** Data up to this size joins the text around it; a string is the cheapest thing to write. */
const textLimitBytes = 2048;
/** Pieces up to this size are copied together into one write; larger ones go out as they are. */
const joinLimitBytes = 16_384;
/** This much is flushed at once, whoever holds. */
const eagerFlushBytes = 65_536;

/**
 * Gathers what a codec writes, so that one batch of input gives one write to the socket: between `hold` and `release` nothing
 * leaves; outside, everything written in the same batch (or turn) leaves together at its end.
 */
export class OutputBuffer {
  readonly #output: CodecOutput;
  /** What comes after `#pieces`, as latin1. */
  #text = '';
  #pieces: (string | Buffer)[] | undefined = undefined;
  #bytes = 0;
  /** Bytes that were pushed since the connection began. */
  pushed = 0;
  #held = 0;
  #scheduled = false;
  #blocked = false;
  #ending = false;
  #closed = false;

  constructor(output: CodecOutput) {
    this.#output = output;
  }
  /** True while the socket's buffer is full. */
  get congested(): boolean {
    return this.#blocked;
  }
  get closed(): boolean {
    return this.#closed || this.#ending;
  }
  /** Appends bytes; a string is written as latin1. Data must stay as it is until the end of the batch. */
  push(piece: string | Buffer): void {
    const { length } = piece;
    if (this.#closed || this.#ending || length === 0) return;
    this.#bytes += length;
    this.pushed += length;
    if (typeof piece === 'string') this.#text += piece;
    else if (length <= textLimitBytes) this.#text += latin1Text(piece, 0, length);
    else {
      this.#pieces ??= [];
      if (this.#text !== '') this.#pieces.push(this.#text);
      this.#text = '';
      this.#pieces.push(piece);
    }
    if (this.#bytes >= eagerFlushBytes) this.#flushNow();
    else if (this.#held === 0 && !this.#scheduled) this.#schedule();
  }
  hold(): void {
    this.#held++;
  }
  release(): void {
    if (--this.#held === 0 && (this.#bytes > 0 || this.#ending)) this.#flushNow();
  }
  /** Called at the end of the batch. */
  flush(): void {
    this.#scheduled = false;
    if (this.#held === 0) this.#flushNow();
  }
  /** Half-closes the socket after everything pushed so far. */
  end(): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    if (this.#held === 0 && !this.#scheduled) this.#schedule();
  }
  destroy(detail: string): void {
    if (this.#closed) return;
    this.#flushNow();
    if (this.#closed) return;
    this.#closed = true;
    this.#output.destroy(detail);
  }
  /** The socket is gone: everything pushed from now on is dropped. */
  abandon(): void {
    this.#closed = true;
    this.#clear();
  }
  /** The socket takes bytes again. */
  drained(): void {
    this.#blocked = false;
  }
  #clear(): void {
    this.#pieces = undefined;
    this.#text = '';
    this.#bytes = 0;
  }
  #schedule(): void {
    this.#scheduled = true;
    flushLater(this);
  }
  #flushNow(): void {
    if (this.#closed) return;
    if (this.#bytes > 0) {
      const pieces = this.#pieces;
      const text = this.#text;
      this.#clear();
      if (pieces === undefined) this.#writeText(text);
      else {
        if (text !== '') pieces.push(text);
        this.#writePieces(pieces);
      }
    }
    if (this.#ending && !this.#closed) {
      this.#closed = true;
      this.#output.end();
    }
  }
  #writeText(text: string): void {
    const output = this.#output;
    const flowing = output.writeText === undefined ? output.write(Buffer.from(text, 'latin1')) : output.writeText(text);
    if (!flowing) this.#blocked = true;
  }
  #writePieces(pieces: readonly (string | Buffer)[]): void {
    let start = 0;
    let size = 0;
    for (let i = 0; i < pieces.length; i++) {
      const piece = pieces[i] as string | Buffer;
      if (typeof piece === 'object' && piece.length > joinLimitBytes) {
        if (i > start) this.#writeJoined(pieces, start, i, size);
        if (!this.#output.write(piece)) this.#blocked = true;
        start = i + 1;
        size = 0;
      } else size += piece.length;
    }
    if (start < pieces.length) this.#writeJoined(pieces, start, pieces.length, size);
  }
  #writeJoined(pieces: readonly (string | Buffer)[], from: number, to: number, size: number): void {
    const output = this.#output;
    const area = output.writeArea?.(size);
    const joined = area ?? Buffer.allocUnsafe(size);
    let at = 0;
    for (let i = from; i < to; i++) {
      const piece = pieces[i] as string | Buffer;
      if (typeof piece === 'string') writeLatin1(joined, piece, at);
      else joined.set(piece, at);
      at += piece.length;
    }
    if (!output.write(area === undefined ? joined : area.subarray(0, size))) this.#blocked = true;
  }
}
