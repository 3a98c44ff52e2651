import type { NetworkFilterFactory } from '@xebec/filters';
import type { ConnectionInfo, StreamInfo } from '@xebec/telemetry';

/** What a terminal filter may do with the client's socket; `net.Socket` fits, and so does one with write filters before it. */
export interface DownstreamSocket {
  write(bytes: Buffer): boolean;
  end(): void;
  destroySoon(): void;
  destroy(): void;
  pause(): void;
  resume(): void;
}

/** The last network filter of a chain: takes the connection's bytes. */
export interface TerminalFilter {
  receive(bytes: Buffer): void;
  receiveEnd(): void;
  onSocketDrain(): void;
  closed(detail: string): void;
  drain(): void;
}

export interface TerminalParts {
  readonly socket: DownstreamSocket;
  readonly connection: ConnectionInfo;
  /** The connection's own record; HTTP keeps another per request. */
  readonly info: StreamInfo;
  /** The upstream connection of a TCP proxy is there. */
  onUpstreamConnected(): void;
}

export interface TerminalFactory {
  create(parts: TerminalParts): TerminalFilter;
}

/** A filter chain's network part, compiled. */
export interface NetworkChain {
  readonly filters: readonly NetworkFilterFactory[];
  readonly terminal: TerminalFactory | undefined;
  /** Called when the listener that owns the chain goes: RDS subscriptions end. */
  close(): void;
  /** Calls back once everything the chain needs (routes) is there: at once when it is. */
  whenReady(done: () => void): void;
}
