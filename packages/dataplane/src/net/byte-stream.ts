import type { Socket } from 'node:net';
import { type DirectBindings, directBindings } from './direct-bindings.ts';
import { DirectByteStream } from './direct-byte-stream.ts';
import { PlainByteStream } from './plain-byte-stream.ts';

/** What a connected socket brings. Its end, errors and close stay events of the socket. */
export interface ByteStreamHandler {
  /** `bytes` may change once the batch is over: who keeps them copies them. */
  receive(bytes: Buffer): void;
  /** The socket takes bytes again after a write returned false. */
  onSocketDrain(): void;
}

/** A connected socket at its cheapest: bytes in as they come, one system call for each write. */
export interface ByteStream {
  /** Begins to read. */
  start(handler: ByteStreamHandler): void;
  /** Returns false when the peer is slow: stop until `onSocketDrain`. `bytes` may change after the call. */
  write(bytes: Buffer): boolean;
  /** The same for text of one byte a character. */
  writeText(text: string): boolean;
  /** Room for the next `size` bytes to write, when there is; pass to `write` what was put there. */
  writeArea(size: number): Buffer | undefined;
  end(): void;
  destroySoon(): void;
  destroy(): void;
  /** Closes with a reset where the transport has one. */
  resetAndDestroy(): void;
  pause(): void;
  resume(): void;
}

/** Takes over the bytes of a connected socket: below node:net's streams where this Node lets us, else by its public API. */
export function openByteStream(socket: Socket, bindings: DirectBindings | null = directBindings()): ByteStream {
  return (bindings === null ? undefined : DirectByteStream.open(socket, bindings)) ?? new PlainByteStream(socket);
}
