import { defaultMaxFrameBytes, frameHeaderBytes, maxStreamId } from './constants.ts';

/** Takes frames as they are found. The payload is `bytes[from, to)`, borrowed until the batch ends. */
export interface FrameSink {
  /** False when no more frames are wanted. */
  readonly readsFrames: boolean;
  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number): void;
  onFrameTooLarge(length: number): void;
}

/** Cuts a connection's input into frames; keeps a copy of one that is not complete yet, and nothing else. */
export class FrameReader {
  readonly #sink: FrameSink;
  /** The beginning of a frame, with room for all of it once its length is known. */
  #partial: Buffer | undefined;
  #have = 0;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }
  read(bytes: Buffer, start: number): void {
    let at = start;
    if (this.#partial !== undefined) {
      at = this.#complete(this.#partial, bytes, at);
      if (this.#partial !== undefined) return;
    }
    const sink = this.#sink;
    while (sink.readsFrames && bytes.length - at >= frameHeaderBytes) {
      const end = at + frameHeaderBytes + lengthAt(bytes, at);
      if (end - at > frameHeaderBytes + defaultMaxFrameBytes) {
        sink.onFrameTooLarge(end - at - frameHeaderBytes);
        return;
      }
      if (end > bytes.length) break;
      this.#pass(bytes, at, end);
      at = end;
    }
    if (at < bytes.length && sink.readsFrames) this.#keep(bytes, at);
  }
  #keep(bytes: Buffer, at: number): void {
    const size = bytes.length - at >= frameHeaderBytes ? frameHeaderBytes + lengthAt(bytes, at) : frameHeaderBytes;
    this.#partial = Buffer.allocUnsafe(size);
    this.#have = bytes.copy(this.#partial, 0, at);
  }
  /** Adds input to the kept beginning; returns where the next frame starts in `bytes`. */
  #complete(kept: Buffer, bytes: Buffer, start: number): number {
    let partial = kept;
    let at = start;
    for (;;) {
      const copied = bytes.copy(partial, this.#have, at);
      this.#have += copied;
      at += copied;
      if (this.#have < partial.length) return at;
      const length = lengthAt(partial, 0);
      const size = frameHeaderBytes + length;
      if (length > defaultMaxFrameBytes) {
        this.#partial = undefined;
        this.#sink.onFrameTooLarge(length);
        return bytes.length;
      }
      if (size === partial.length) break;
      const larger = Buffer.allocUnsafe(size);
      partial.copy(larger, 0, 0, this.#have);
      partial = larger;
      this.#partial = larger;
    }
    this.#partial = undefined;
    this.#pass(partial, 0, partial.length);
    return at;
  }
  #pass(bytes: Buffer, at: number, end: number): void {
    const id =
      (((bytes[at + 5] as number) << 24) |
        ((bytes[at + 6] as number) << 16) |
        ((bytes[at + 7] as number) << 8) |
        (bytes[at + 8] as number)) &
      maxStreamId;
    this.#sink.onFrame(bytes[at + 3] as number, bytes[at + 4] as number, id, bytes, at + frameHeaderBytes, end);
  }
}

function lengthAt(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
}
