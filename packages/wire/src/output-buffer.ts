import type { CodecOutput } from './http.ts';

/** Pieces up to this size are copied together into one write; larger ones go out as they are. */
const joinLimitBytes = 16_384;
/** This much is flushed at once, whoever holds. */
const eagerFlushBytes = 65_536;

/**
 * Gathers what a codec writes, so that one batch of input gives one write to the socket: between `hold` and `release` nothing
 * leaves; outside, pieces written in the same turn leave together in a microtask.
 */
export class OutputBuffer {
  readonly #output: CodecOutput;
  #pieces: (string | Buffer)[] = [];
  #bytes = 0;
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
  /** Appends bytes; a string is written as latin1. */
  push(piece: string | Buffer): void {
    if (this.#closed || this.#ending || piece.length === 0) return;
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes >= eagerFlushBytes) this.flush();
    else if (this.#held === 0) this.#schedule();
  }
  hold(): void {
    this.#held++;
  }
  release(): void {
    if (--this.#held === 0) this.flush();
  }
  flush(): void {
    if (this.#closed) return;
    const pieces = this.#pieces;
    if (pieces.length > 0) {
      const total = this.#bytes;
      this.#pieces = [];
      this.#bytes = 0;
      this.#write(pieces, total);
    }
    if (this.#ending && !this.#closed) {
      this.#closed = true;
      this.#output.end();
    }
  }
  /** Half-closes the socket after everything pushed so far. */
  end(): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    if (this.#held === 0) this.#schedule();
  }
  destroy(detail: string): void {
    if (this.#closed) return;
    this.flush();
    if (this.#closed) return;
    this.#closed = true;
    this.#output.destroy(detail);
  }
  /** The socket is gone: everything pushed from now on is dropped. */
  abandon(): void {
    this.#closed = true;
    this.#pieces = [];
    this.#bytes = 0;
  }
  /** The socket takes bytes again. */
  drained(): void {
    this.#blocked = false;
  }
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (this.#held === 0) this.flush();
    });
  }
  #write(pieces: (string | Buffer)[], total: number): void {
    const first = pieces[0];
    if (pieces.length === 1 && typeof first === 'object') {
      this.#send(first);
      return;
    }
    let start = 0;
    let size = 0;
    for (let i = 0; i < pieces.length; i++) {
      const piece = pieces[i] as string | Buffer;
      if (typeof piece === 'object' && piece.length > joinLimitBytes) {
        if (i > start) this.#send(join(pieces, start, i, size));
        this.#send(piece);
        start = i + 1;
        size = 0;
      } else size += piece.length;
    }
    if (start < pieces.length) this.#send(join(pieces, start, pieces.length, start === 0 ? total : size));
  }
  #send(bytes: Buffer): void {
    if (!this.#output.write(bytes)) this.#blocked = true;
  }
}

function join(pieces: readonly (string | Buffer)[], from: number, to: number, size: number): Buffer {
  const joined = Buffer.allocUnsafe(size);
  let at = 0;
  for (let i = from; i < to; i++) {
    const piece = pieces[i] as string | Buffer;
    if (typeof piece === 'string') joined.write(piece, at, 'latin1');
    else piece.copy(joined, at);
    at += piece.length;
  }
  return joined;
}
