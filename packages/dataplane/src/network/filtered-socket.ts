import { TLSSocket } from 'node:tls';
import type { Clock } from '@xebec/core';
import type { NetworkFilter, NetworkFilterCallbacks, NetworkFilterFactory } from '@xebec/filters';
import type { ConnectionInfo, ResponseFlag, StreamInfo } from '@xebec/telemetry';
import type { DrainDecision } from '../runtime/drain-sequence.ts';
import type { DownstreamSocket, TerminalFilter } from './terminal.ts';

/** Bytes that wait for a filter; beyond these the client waits too. */
const maxHeldBytes = 1024 * 1024;

/** Closes with a reset where the socket can. */
export function resetSocket(socket: DownstreamSocket): void {
  // TLS has none: its sockets refuse.
  if (socket.resetAndDestroy === undefined || socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}

/** A connection with network filters before its terminal one: bytes pass them in order, and back in reverse. */
export class FilteredSocket implements DownstreamSocket, TerminalFilter {
  readonly #socket: DownstreamSocket;
  readonly #filters: NetworkFilter[];
  readonly #terminal: TerminalFilter | undefined;
  /** Whether the terminal filter has seen the new connection. */
  #reached = false;
  /** Counts bytes where no terminal filter does. */
  readonly #info: StreamInfo;
  readonly #clock: Clock;
  readonly #timers = new Set<() => void>();
  /** How many filters have seen the new connection. */
  #opened = 0;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #heldEnd = false;
  #heldAt = -1;
  #done = false;

  constructor(
    socket: DownstreamSocket,
    factories: readonly NetworkFilterFactory[],
    connection: ConnectionInfo,
    info: StreamInfo,
    clock: Clock,
    makeTerminal: (self: FilteredSocket) => TerminalFilter | undefined,
  ) {
    this.#socket = socket;
    this.#clock = clock;
    this.#info = info;
    this.#filters = factories.map((factory, index) => factory.create(this.#callbacks(index, connection, info)));
    this.#terminal = makeTerminal(this);
  }
  get waits(): boolean {
    return this.#terminal?.waits === true;
  }
  open(): void {
    while (this.#opened < this.#filters.length && !this.#done) {
      const at = this.#opened;
      this.#opened++;
      if (this.#filters[at]?.onNewConnection?.() === 'stop') {
        this.#heldAt = at;
        return;
      }
    }
    if (this.#done || this.#reached) return;
    this.#reached = true;
    this.#terminal?.open?.();
  }
  onUpstreamConnected(): void {
    for (const filter of this.#filters) filter.onUpstreamConnected?.();
  }
  receive(bytes: Buffer): void {
    if (this.#terminal === undefined && this.#filters.some((filter) => filter.onData !== undefined))
      this.#info.bytesReceived += bytes.length;
    this.#read(0, bytes, false);
  }
  receiveEnd(): void {
    this.#read(0, Buffer.alloc(0), true);
  }
  onSocketDrain(): void {
    this.#terminal?.onSocketDrain();
  }
  closed(detail: string): void {
    if (this.#done) return;
    this.#done = true;
    for (const cancel of this.#timers) cancel();
    if (this.#heldBytes > 0) this.#terminal?.withheld?.(this.#heldBytes);
    this.#terminal?.closed(detail);
    for (const filter of this.#filters) filter.onClose?.();
  }
  drain(decide: DrainDecision): void {
    this.#terminal?.drain(decide);
  }
  write(bytes: Buffer): boolean {
    return this.#write(this.#filters.length - 1, bytes, false);
  }
  end(): void {
    this.#write(this.#filters.length - 1, Buffer.alloc(0), true);
    this.#socket.end();
  }
  destroySoon(): void {
    this.#socket.destroySoon();
  }
  destroy(): void {
    this.#socket.destroy();
  }
  resetAndDestroy(): void {
    resetSocket(this.#socket);
  }
  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }
  #read(from: number, read: Buffer, endStream: boolean): void {
    let bytes = read;
    for (let i = from; i < this.#filters.length; i++) {
      if (this.#done) return;
      const status = this.#filters[i]?.onData?.(bytes, endStream) ?? 'continue';
      if (typeof status === 'object') {
        bytes = status;
        if (bytes.length === 0 && !endStream) return;
      }
      if (status === 'stop' || (this.#heldAt === i && this.#filters[i]?.onData === undefined)) {
        this.#heldAt = i;
        if (bytes.length > 0 && (i + 1 < this.#filters.length || this.#terminal !== undefined)) this.#hold(bytes);
        this.#heldEnd ||= endStream;
        return;
      }
      if (this.#heldAt === i) {
        // Data that a filter lets pass ends its hold.
        this.#heldAt = -1;
        this.open();
      }
    }
    if (this.#done) return;
    if (!this.#reached) this.open();
    if (bytes.length > 0) this.#terminal?.receive(bytes);
    if (endStream) this.#terminal?.receiveEnd();
  }
  #hold(bytes: Buffer): void {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > maxHeldBytes) this.#socket.pause();
  }
  #write(from: number, bytes: Buffer, endStream: boolean): boolean {
    for (let i = from; i >= 0; i--) if (this.#filters[i]?.onWrite?.(bytes, endStream) === 'stop') return true;
    if (bytes.length === 0) return true;
    if (this.#terminal === undefined) this.#info.bytesSent += bytes.length;
    return this.#socket.write(bytes);
  }
  #callbacks(index: number, connection: ConnectionInfo, info: StreamInfo): NetworkFilterCallbacks {
    return {
      connection,
      info,
      continueReading: () => {
        if (this.#heldAt !== index || this.#done) return;
        this.#heldAt = -1;
        const held = this.#held;
        const end = this.#heldEnd;
        this.#held = [];
        if (this.#heldBytes > maxHeldBytes) this.#socket.resume();
        this.#heldBytes = 0;
        this.#heldEnd = false;
        this.open();
        const bytes = held.length === 1 ? (held[0] ?? Buffer.alloc(0)) : Buffer.concat(held);
        if (bytes.length > 0 || end) this.#read(index + 1, bytes, end);
      },
      write: (data, endStream) => {
        this.#write(index - 1, data, endStream);
        if (endStream) this.#socket.end();
      },
      close: (how: 'flush' | 'now', details: string, flag?: ResponseFlag) => {
        if (details !== '') info.connectionTerminationDetails = details;
        if (flag !== undefined) info.responseFlags.add(flag);
        if (how === 'flush') this.#socket.destroySoon();
        else this.#socket.destroy();
      },
      setTimeout: (fn, delayMs) => {
        const cancel = this.#clock.setTimeout(() => {
          this.#timers.delete(cancel);
          if (!this.#done) fn();
        }, delayMs);
        this.#timers.add(cancel);
        return cancel;
      },
    };
  }
}
