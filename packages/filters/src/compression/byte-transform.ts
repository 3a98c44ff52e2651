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
  readonly #stream: Transform & { flush?: (callback: () => void) => void };
  readonly #owner: ByteTransformOwner;
  #waiting = 0;
  #paused = false;
  #closed = false;
  bytesIn = 0;
  bytesOut = 0;

  constructor(stream: Transform, owner: ByteTransformOwner) {
    this.#stream = stream;
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
  /** Whole pieces come out as they go in: a flush follows each. */
  write(data: Buffer, end: boolean): void {
    if (this.#closed) return;
    this.bytesIn += data.length;
    this.#waiting += data.length;
    if (data.length > 0) this.#stream.write(data, () => this.#written(data.length));
    if (end) this.#stream.end();
    else this.#stream.flush?.(() => undefined);
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
  #written(bytes: number): void {
    this.#waiting -= bytes;
    if (!this.#paused || this.#waiting > HIGH_WATER_BYTES / 2 || this.#closed) return;
    this.#paused = false;
    this.#owner.resume();
  }
}
