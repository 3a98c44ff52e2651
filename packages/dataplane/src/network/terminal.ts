import type { NetworkFilterFactory } from '@xebec/filters';
import type { ConnectionInfo, StreamInfo } from '@xebec/telemetry';
import type { DrainDecision } from '../runtime/drain-sequence.ts';

/** What a terminal filter may do with the client's socket; `net.Socket` fits, and so does one with write filters before it. */
export interface DownstreamSocket {
  write(bytes: Buffer): boolean;
  /** Cheaper ways, when there are: see `ByteStream`. */
  writeText?(text: string): boolean;
  writeArea?(size: number): Buffer | undefined;
  end(): void;
  destroySoon(): void;
  destroy(): void;
  /** Closes with a reset; absent where there is none (TLS). */
  resetAndDestroy?(): void;
  pause(): void;
  resume(): void;
}

/** The last network filter of a chain: takes the connection's bytes. */
export interface TerminalFilter {
  /** Every filter before it has let the new connection pass. */
  open?(): void;
  /** Nothing is to be read yet: the filter resumes its socket itself when it is ready. */
  readonly waits?: boolean;
  /** `receive` keeps none of the bytes without copying them: it may be given bytes that change after the batch. */
  readonly copiesWhatItKeeps?: boolean;
  receive(bytes: Buffer): void;
  receiveEnd(): void;
  /** So many bytes came and were kept from this filter until the end. */
  withheld?(bytes: number): void;
  onSocketDrain(): void;
  closed(detail: string): void;
  /** `decide` is asked from now on where the filter can end the connection between two exchanges. */
  drain(decide: DrainDecision): void;
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
