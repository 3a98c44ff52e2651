import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { beginBatch, endBatch } from '@xebec/wire';
import type { ByteStream, ByteStreamHandler } from './byte-stream.ts';
import type { DirectBindings, StreamHandle, WriteRequest } from './direct-bindings.ts';
import { readArea, readView } from './read-area.ts';

/** Bytes that may wait in the kernel's place before the writer is told to stop. */
const highWaterBytes = 65_536;
const writeAreaBytes = 131_072;

/** Where writes are put together; given away with a plain write that did not finish at once. */
let writeArea: Buffer | undefined;
/** Not used up by a write that finished at once, as nearly all do. */
let spareRequest: WriteRequest | undefined;

/**
 * A byte stream that calls the socket's native handle: no Readable, no Writable, no buffer allocated for a read, no request object
 * for a write. The socket itself stays in charge of its end, errors and close.
 */
export class DirectByteStream implements ByteStream {
  readonly #socket: Socket;
  readonly #handle: StreamHandle;
  #handler: ByteStreamHandler | undefined;
  readonly #bindings: DirectBindings;
  #paused = false;
  #pendingBytes = 0;
  #wantsDrain = false;
  /** TLS takes one write at a time: the rest waits here, copied. */
  readonly #oneAtATime: boolean;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  /** How the socket ends once all of it is written. */
  #ending: 'end' | 'destroySoon' | undefined;

  /** Undefined when the socket is not of the kind. */
  static open(socket: Socket, bindings: DirectBindings): DirectByteStream | undefined {
    const handle = bindings.handleOf(socket);
    return handle === undefined || socket.writableLength > 0 ? undefined : new DirectByteStream(socket, handle, bindings);
  }
  private constructor(socket: Socket, handle: StreamHandle, bindings: DirectBindings) {
    this.#socket = socket;
    this.#handle = handle;
    this.#bindings = bindings;
    this.#oneAtATime = socket instanceof TLSSocket;
    const { onread } = handle;
    const { state, kReadBytesOrError } = bindings;
    handle.useUserBuffer(readArea);
    handle.onread = (arrayBuffer) => {
      const length = state[kReadBytesOrError] as number;
      // End and errors are for the socket, which makes events of them.
      if (length <= 0) onread.call(handle, arrayBuffer);
      else this.#receive(readView(length));
      return undefined;
    };
  }
  start(handler: ByteStreamHandler): void {
    this.#handler = handler;
    // What the socket has read already; nothing more has come to it since it was taken over.
    const early: unknown = this.#socket.readableLength > 0 ? this.#socket.read() : null;
    if (early instanceof Buffer) this.#receive(early);
    if (!this.#paused) this.#read();
  }
  write(bytes: Buffer): boolean {
    if (this.#oneAtATime && this.#pendingBytes > 0) return this.#enqueue(Buffer.from(bytes));
    let piece = bytes;
    // Bytes that do not leave at once are read when they do: the read area has others by then. TLS has read them when the call ends.
    if (bytes.buffer === readArea.buffer && !this.#oneAtATime) {
      piece = this.writeArea(bytes.length)?.subarray(0, bytes.length) ?? Buffer.allocUnsafeSlow(bytes.length);
      piece.set(bytes);
    }
    const request = this.#request();
    return this.#written(request, this.#handle.writeBuffer(request, piece), piece.length, piece);
  }
  writeText(text: string): boolean {
    if (this.#oneAtATime) {
      if (this.#pendingBytes > 0) return this.#enqueue(Buffer.from(text, 'latin1'));
      // Text would be copied twice on its way, the second time into a buffer allocated for it.
      const area = this.writeArea(text.length);
      if (area !== undefined) return this.write(area.subarray(0, area.latin1Write(text, 0, text.length)));
    }
    const request = this.#request();
    return this.#written(request, this.#handle.writeLatin1String(request, text), text.length, undefined);
  }
  writeArea(size: number): Buffer | undefined {
    if (size > writeAreaBytes) return undefined;
    writeArea ??= Buffer.allocUnsafeSlow(writeAreaBytes);
    return writeArea;
  }
  end(): void {
    if (this.#queue.length > 0) this.#ending = 'end';
    else this.#socket.end();
  }
  destroySoon(): void {
    if (this.#queue.length > 0) this.#ending = 'destroySoon';
    else this.#socket.destroySoon();
  }
  destroy(): void {
    this.#socket.destroy();
  }
  resetAndDestroy(): void {
    if (this.#socket instanceof TLSSocket) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }
  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    if (this.#socket.destroyed) return;
    this.#handle.readStop();
    this.#handle.reading = false;
  }
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#read();
  }
  #read(): void {
    if (this.#socket.destroyed || this.#handle.reading) return;
    this.#handle.reading = true;
    const error = this.#handle.readStart();
    if (error !== 0) this.#socket.destroy(new Error(`read failed (libuv error ${error})`));
  }
  #receive(bytes: Buffer): void {
    beginBatch();
    try {
      this.#handler?.receive(bytes);
    } finally {
      endBatch();
    }
  }
  #request(): WriteRequest {
    spareRequest ??= new this.#bindings.WriteWrap();
    return spareRequest;
  }
  #written(request: WriteRequest, error: number, bytes: number, buffer: Buffer | undefined): boolean {
    if (error !== 0) {
      spareRequest = undefined;
      this.#socket.destroy(new Error(`write failed (libuv error ${error})`));
      return true;
    }
    if (this.#bindings.state[this.#bindings.kLastWriteWasAsync] === 0) return this.#pendingBytes < highWaterBytes;
    spareRequest = undefined;
    // TLS never finishes at once, yet has encrypted the bytes, or copied those that it could not.
    if (!this.#oneAtATime) {
      if (buffer !== undefined && buffer.buffer === writeArea?.buffer) writeArea = undefined;
      request.buffer = buffer;
    }
    request.oncomplete = (status) => this.#completed(bytes, status);
    this.#pendingBytes += bytes;
    this.#wantsDrain ||= this.#pendingBytes >= highWaterBytes;
    return this.#pendingBytes < highWaterBytes;
  }
  #enqueue(copy: Buffer): boolean {
    this.#queue.push(copy);
    this.#queuedBytes += copy.length;
    const bytes = this.#pendingBytes + this.#queuedBytes;
    this.#wantsDrain ||= bytes >= highWaterBytes;
    return bytes < highWaterBytes;
  }
  #flushQueue(): void {
    if (this.#queue.length === 0 || this.#pendingBytes > 0) return;
    const bytes = Buffer.concat(this.#queue, this.#queuedBytes);
    this.#queue = [];
    this.#queuedBytes = 0;
    if (this.#socket.destroyed) return;
    const request = this.#request();
    this.#written(request, this.#handle.writeBuffer(request, bytes), bytes.length, bytes);
    if (this.#ending !== undefined) this.#socket[this.#ending]();
  }
  #completed(bytes: number, status: number): void {
    this.#pendingBytes -= bytes;
    if (status < 0) {
      if (!this.#socket.destroyed) this.#socket.destroy(new Error(`write failed (libuv error ${status})`));
      return;
    }
    this.#flushQueue();
    if (!this.#wantsDrain || this.#pendingBytes > 0) return;
    this.#wantsDrain = false;
    beginBatch();
    try {
      this.#handler?.onSocketDrain();
    } finally {
      endBatch();
    }
  }
}
