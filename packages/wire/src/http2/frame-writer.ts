import type { ByteTarget } from '../byte-target.ts';
import type { CodecOutput } from '../http.ts';
import { writeLatin1 } from '../latin1.ts';
import { type Flushable, flushLater } from '../write-batch.ts';
import { frameHeaderBytes } from './constants.ts';

/** Frames are put together in a chunk that is lent out while there is something to write: idle connections have none. */
const chunkBytes = 16_384;
const maxSpareChunks = 64;
const spare: Buffer[] = [];
/** This much is flushed at once, whoever holds. */
const eagerFlushBytes = 65_536;
const noBytes = Buffer.alloc(0);

/**
 * Writes frames of one connection. Everything written while a batch of input is read (`hold` to `release`), or until the end of the
 * batch or turn otherwise, leaves in one write.
 */
export class FrameWriter implements ByteTarget, Flushable {
  readonly #output: CodecOutput;
  bytes: Buffer = noBytes;
  at = 0;
  #held = 0;
  #scheduled = false;
  #blocked = false;
  #ending = false;
  /** Where output ends once it may not grow any more. */
  #endAt = 0;
  #closed = false;

  constructor(output: CodecOutput) {
    this.#output = output;
  }
  /** True while the socket's buffer is full. */
  get congested(): boolean {
    return this.#blocked;
  }
  room(count: number): void {
    const needed = this.at + count;
    if (needed <= this.bytes.length) return;
    const size = Math.max(needed, 2 * this.bytes.length);
    const larger = size <= chunkBytes ? (spare.pop() ?? Buffer.allocUnsafeSlow(chunkBytes)) : Buffer.allocUnsafeSlow(size);
    if (this.at > 0) this.bytes.copy(larger, 0, 0, this.at);
    giveBack(this.bytes);
    this.bytes = larger;
  }
  /** Leaves room for a frame's header; `endFrame` fills it in when the payload stands behind it. */
  beginFrame(): number {
    this.room(frameHeaderBytes);
    const start = this.at;
    this.at += frameHeaderBytes;
    return start;
  }
  endFrame(start: number, type: number, flags: number, streamId: number): void {
    this.#header(start, this.at - start - frameHeaderBytes, type, flags, streamId);
    this.#written();
  }
  frame(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    const { length } = payload;
    this.room(frameHeaderBytes + length);
    this.#header(this.at, length, type, flags, streamId);
    this.bytes.set(payload, this.at + frameHeaderBytes);
    this.at += frameHeaderBytes + length;
    this.#written();
  }
  /** A frame whose payload is one number and perhaps text: RST_STREAM, WINDOW_UPDATE, SETTINGS. */
  textFrame(type: number, flags: number, streamId: number, payload: string): void {
    const { length } = payload;
    this.room(frameHeaderBytes + length);
    this.#header(this.at, length, type, flags, streamId);
    writeLatin1(this.bytes, payload, this.at + frameHeaderBytes);
    this.at += frameHeaderBytes + length;
    this.#written();
  }
  text(text: string): void {
    this.room(text.length);
    writeLatin1(this.bytes, text, this.at);
    this.at += text.length;
    this.#written();
  }
  hold(): void {
    this.#held++;
  }
  release(): void {
    if (--this.#held === 0 && (this.at > 0 || this.#ending)) this.#flushNow();
  }
  /** Called at the end of the batch. */
  flush(): void {
    this.#scheduled = false;
    if (this.#held === 0) this.#flushNow();
  }
  /** Half-closes the socket after everything written so far. */
  end(): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    this.#endAt = this.at;
    if (this.#held === 0 && !this.#scheduled) this.#schedule();
  }
  destroy(detail: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#clear();
    this.#output.destroy(detail);
  }
  /** The socket is gone: everything written from now on is dropped. */
  abandon(): void {
    this.#closed = true;
    this.#clear();
  }
  /** The socket takes bytes again. */
  drained(): void {
    this.#blocked = false;
  }
  #header(at: number, length: number, type: number, flags: number, streamId: number): void {
    const { bytes } = this;
    bytes[at] = length >>> 16;
    bytes[at + 1] = length >>> 8;
    bytes[at + 2] = length;
    bytes[at + 3] = type;
    bytes[at + 4] = flags;
    bytes[at + 5] = streamId >>> 24;
    bytes[at + 6] = streamId >>> 16;
    bytes[at + 7] = streamId >>> 8;
    bytes[at + 8] = streamId;
  }
  #written(): void {
    if (this.#closed) this.#clear();
    else if (this.#ending) this.at = this.#endAt;
    else if (this.at >= eagerFlushBytes) this.#flushNow();
    else if (this.#held === 0 && !this.#scheduled) this.#schedule();
  }
  #schedule(): void {
    this.#scheduled = true;
    flushLater(this);
  }
  #flushNow(): void {
    if (this.#closed) return;
    const { at } = this;
    if (at > 0) {
      this.at = 0;
      this.#endAt = 0;
      this.#write(at);
    }
    if (this.#ending && !this.#closed) {
      this.#closed = true;
      this.#output.end();
    }
  }
  #write(size: number): void {
    const chunk = this.bytes;
    this.bytes = noBytes;
    let flowing: boolean;
    if (this.#output.writeArea !== undefined) {
      // Such an owner copies what it cannot write at once.
      flowing = this.#output.write(chunk.subarray(0, size));
      giveBack(chunk);
    } else if (size * 2 > chunkBytes) flowing = this.#output.write(chunk.subarray(0, size));
    else {
      flowing = this.#output.write(Buffer.from(chunk.subarray(0, size)));
      giveBack(chunk);
    }
    if (!flowing) this.#blocked = true;
  }
  #clear(): void {
    giveBack(this.bytes);
    this.bytes = noBytes;
    this.at = 0;
  }
}

function giveBack(chunk: Buffer): void {
  if (chunk.length === chunkBytes && spare.length < maxSpareChunks) spare.push(chunk);
}
