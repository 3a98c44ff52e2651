import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { beginBatch, endBatch } from '@xebec/wire';
import type { ByteStream, ByteStreamHandler } from './byte-stream.ts';
import { keptBytes } from './read-area.ts';

/** A byte stream by node:net's public API. */
export class PlainByteStream implements ByteStream {
  readonly #socket: Socket;
  #paused = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }
  start(handler: ByteStreamHandler): void {
    const socket = this.#socket;
    socket.on('data', (bytes: Buffer) => {
      beginBatch();
      try {
        handler.receive(bytes);
      } finally {
        endBatch();
      }
    });
    socket.on('drain', () => handler.onSocketDrain());
    if (!this.#paused) socket.resume();
  }
  write(bytes: Buffer): boolean {
    return this.#socket.write(keptBytes(bytes));
  }
  writeText(text: string): boolean {
    return this.#socket.write(text, 'latin1');
  }
  writeArea(): Buffer | undefined {
    return undefined;
  }
  end(): void {
    this.#socket.end();
  }
  destroySoon(): void {
    this.#socket.destroySoon();
  }
  destroy(): void {
    this.#socket.destroy();
  }
  resetAndDestroy(): void {
    if (this.#socket instanceof TLSSocket) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }
  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }
  resume(): void {
    this.#paused = false;
    this.#socket.resume();
  }
}
