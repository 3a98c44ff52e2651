import type { Transform } from 'node:stream';

/** Bytes that may wait in a transform before its source is asked to pause. */
const HIGH_WATER_BYTES = 1024 * 1024;

export interface ByteTransformOwner {
  onBytes(data: Buffer): void;
  onEnd(): void;
  onError(error: Error): void;
  pause(): void;
  resume(): void;
}

/** Feeds body pieces through a compression stream of `node:zlib`, whose work is done on its thread pool. */
export class ByteTransform {
  readonly #stream: Transform & { flush?: (kind: number | undefined, callback: () => void) => void };
  readonly #owner: ByteTransformOwner;
  readonly #flushKind: number | undefined;
  #waiting = 0;
  #paused = false;
  #closed = false;
  #unflushed = false;
  bytesIn = 0;
  bytesOut = 0;

  constructor(stream: Transform, owner: ByteTransformOwner, flushKind?: number) {
    this.#stream = stream;
    this.#flushKind = flushKind;
    this.#owner = owner;
    stream.on('data', (data: Buffer) => {
      this.bytesOut += data.length;
      if (!this.#closed) owner.onBytes(data);
    });
    stream.on('end', () => {
      if (!this.#closed) owner.onEnd();
    });
    stream.on('error', (error: Error) => {
      if (this.#closed) return;
      this.#closed = true;
      owner.onError(error);
    });
  }
  /**
   * What came in one turn of the event loop comes out whole: a flush follows. `flushEnd` flushes the last bytes apart from the
   * end, as Envoy does with HTTP/1 bodies, whose end comes after their last bytes.
   */
  write(data: Buffer, end: boolean, flushEnd = false): void {
    if (this.#closed) return;
    this.bytesIn += data.length;
    this.#waiting += data.length;
    if (data.length > 0) this.#stream.write(data, () => this.#written(data.length));
    if (data.length > 0) this.#unflushed = true;
    if (end) {
      const finish = () => this.#stream.end();
      // The end would swallow a flush that is still waiting.
      if (flushEnd && this.#unflushed && this.#stream.flush !== undefined) this.#stream.flush(this.#flushKind, finish);
      else finish();
      this.#unflushed = false;
    } else queueMicrotask(() => this.#flush());
    if (this.#waiting > HIGH_WATER_BYTES && !this.#paused) {
      this.#paused = true;
      this.#owner.pause();
    }
  }
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream.destroy();
  }
  #flush(): void {
    if (!this.#unflushed || this.#closed) return;
    this.#unflushed = false;
    this.#stream.flush?.(this.#flushKind, () => undefined);
  }
  #written(bytes: number): void {
    this.#waiting -= bytes;
    if (!this.#paused || this.#waiting > HIGH_WATER_BYTES / 2 || this.#closed) return;
    this.#paused = false;
    this.#owner.resume();
  }
}
