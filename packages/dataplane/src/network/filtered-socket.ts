import type { Clock } from '@xebec/core';
import type { NetworkFilter, NetworkFilterCallbacks, NetworkFilterFactory } from '@xebec/filters';
import type { ConnectionInfo, ResponseFlag, StreamInfo } from '@xebec/telemetry';
import type { DownstreamSocket, TerminalFilter } from './terminal.ts';

/** A connection with network filters before its terminal one: bytes pass them in order, and back in reverse. */
export class FilteredSocket implements DownstreamSocket, TerminalFilter {
  readonly #socket: DownstreamSocket;
  readonly #filters: NetworkFilter[];
  readonly #makeTerminal: () => TerminalFilter | undefined;
  #terminal: TerminalFilter | undefined;
  readonly #clock: Clock;
  readonly #timers = new Set<() => void>();
  /** How many filters have seen the new connection. */
  #opened = 0;
  #held: Buffer[] = [];
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
    this.#makeTerminal = () => makeTerminal(this);
    this.#filters = factories.map((factory, index) => factory.create(this.#callbacks(index, connection, info)));
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
    if (!this.#done) this.#terminal ??= this.#makeTerminal();
  }
  onUpstreamConnected(): void {
    for (const filter of this.#filters) filter.onUpstreamConnected?.();
  }
  receive(bytes: Buffer): void {
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
    this.#terminal?.closed(detail);
    for (const filter of this.#filters) filter.onClose?.();
  }
  drain(): void {
    this.#terminal?.drain();
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
  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }
  #read(from: number, bytes: Buffer, endStream: boolean): void {
    for (let i = from; i < this.#filters.length; i++) {
      if (this.#done) return;
      const status = this.#filters[i]?.onData?.(bytes, endStream) ?? 'continue';
      if (status === 'stop' || (this.#heldAt === i && this.#filters[i]?.onData === undefined)) {
        this.#heldAt = i;
        if (bytes.length > 0) this.#held.push(bytes);
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
    if (this.#terminal === undefined) this.open();
    if (bytes.length > 0) this.#terminal?.receive(bytes);
    if (endStream) this.#terminal?.receiveEnd();
  }
  #write(from: number, bytes: Buffer, endStream: boolean): boolean {
    for (let i = from; i >= 0; i--) if (this.#filters[i]?.onWrite?.(bytes, endStream) === 'stop') return true;
    return bytes.length === 0 ? true : this.#socket.write(bytes);
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
        info.connectionTerminationDetails = details;
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
