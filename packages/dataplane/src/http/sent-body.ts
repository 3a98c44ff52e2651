import type { HeaderList, RequestReceiver } from '@xebec/wire';
import { keptBytes } from '../net/read-area.ts';
import type { UpstreamAttempt } from './upstream-attempt.ts';

const noPieces: readonly Buffer[] = [];

/** A request's body so far: kept for retries, or until there is a connection. */
export class SentBody {
  #pieces: Buffer[] | undefined = undefined;
  #bytes = 0;
  #trailers: HeaderList | undefined = undefined;
  /** Whether what has come can be sent again. */
  kept = false;
  /** The client has sent all. */
  ended = false;

  get bytes(): number {
    return this.#bytes;
  }
  add(data: Buffer): void {
    this.#pieces ??= [];
    this.#pieces.push(keptBytes(data));
    this.#bytes += data.length;
  }
  end(trailers: HeaderList): void {
    this.ended = true;
    this.#trailers = trailers;
  }
  /** Nothing follows the head. */
  get empty(): boolean {
    return this.ended && this.#pieces === undefined && this.#trailers === undefined;
  }
  /** Sends again what has come. Undefined when the try ended meanwhile, else whether the upstream takes more. */
  replay(attempt: UpstreamAttempt, current: () => boolean): boolean | undefined {
    const pieces = this.#pieces ?? noPieces;
    const last = this.ended && this.#trailers === undefined ? pieces.length - 1 : -1;
    let flowing = true;
    for (const [i, piece] of pieces.entries()) {
      flowing = attempt.sendData(piece, i === last);
      if (!current()) return undefined;
    }
    if (this.#trailers !== undefined) attempt.sendTrailers(this.#trailers);
    return flowing;
  }
  /** Gives all that has come to another receiver. */
  resend(to: Pick<RequestReceiver, 'onData' | 'onTrailers'>): void {
    const pieces = this.#pieces ?? noPieces;
    if (pieces.length > 0 || this.#trailers === undefined)
      to.onData(pieces.length === 1 ? (pieces[0] ?? Buffer.alloc(0)) : Buffer.concat(pieces), this.#trailers === undefined);
    if (this.#trailers !== undefined) to.onTrailers(this.#trailers);
  }
  /** No retry will need it. */
  drop(): void {
    this.kept = false;
    this.#pieces = undefined;
  }
}
