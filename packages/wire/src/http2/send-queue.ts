import type { HeaderList } from '../http.ts';

/** What a stream has to send and may not yet. */
export class SendQueue {
  readonly #pieces: Buffer[] = [];
  /** Pieces up to here are copies of what the caller gave. */
  #owned = 0;
  bytes = 0;
  /** Nothing may be added. */
  ends = false;
  trailers: HeaderList | undefined = undefined;
  wantsDrain = false;

  push(data: Buffer): void {
    if (data.length === 0) return;
    this.#pieces.push(data);
    this.bytes += data.length;
  }
  end(trailers: HeaderList | undefined): void {
    this.ends = true;
    this.trailers = trailers;
  }
  /** The next bytes, at most `room`; there must be some. */
  take(room: number): Buffer {
    const first = this.#pieces[0] as Buffer;
    this.bytes -= Math.min(first.length, room);
    if (first.length > room) {
      this.#pieces[0] = first.subarray(room);
      return first.subarray(0, room);
    }
    this.#pieces.shift();
    if (this.#owned > 0) this.#owned--;
    return first;
  }
  /** Copies what still belongs to the caller. */
  own(): void {
    for (; this.#owned < this.#pieces.length; this.#owned++) this.#pieces[this.#owned] = Buffer.from(this.#pieces[this.#owned] as Buffer);
  }
}
