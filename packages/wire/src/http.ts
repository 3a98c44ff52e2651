import type { ByteMeter } from './byte-meter.ts';
import type { FieldCase } from './field-cases.ts';

/**
 * HTTP as the data plane sees it, whatever the version. Codecs do no I/O: bytes come in through `receive`, bytes go out
 * through `output`.
 */

/** Names and values in turn: `['accept', '*\/*', 'cookie', 'a=1']`. Names are lower-case; order and repeats are kept. */
export type HeaderList = string[];

export interface RequestHead {
  method: string;
  /** Path with query, as it was sent; `*` for OPTIONS *; empty for CONNECT. */
  path: string;
  /** From `:authority` or Host; not repeated in `headers`. */
  authority: string;
  scheme: string;
  headers: HeaderList;
  readonly version: HttpVersion;
  /** Wanted protocol of an upgrade: `websocket` from `Upgrade:` or from extended CONNECT's `:protocol`. */
  upgrade?: string | undefined;
  /** The two fields of an HTTP/1 upgrade as they were written, which is how they go on. */
  upgradeFields?: { readonly connection: string; readonly upgrade: string };
  /** How its names were written, where that is kept. */
  fieldCase?: FieldCase;
}

export interface ResponseHead {
  status: number;
  headers: HeaderList;
  /** How its names were written, where that is kept. */
  fieldCase?: FieldCase;
  /** The words of its status line, where they are kept. */
  reason?: string;
}

export type HttpVersion = 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';

/** Why a stream ended early; `remote-*` came from the peer. */
export type ResetReason =
  | 'local-reset'
  | 'remote-reset'
  | 'refused-stream'
  | 'connection-termination'
  | 'connection-failure'
  | 'protocol-error'
  | 'overflow';

/** What a stream's owner hears. `endStream` is true on the last call; after `onReset` nothing follows. */
export interface StreamReceiver {
  /** `data` is the receiver's only until the batch ends: who keeps it longer copies it. */
  onData(data: Buffer, endStream: boolean): void;
  onTrailers(trailers: HeaderList): void;
  onReset(reason: ResetReason, detail: string): void;
  /** The peer takes bytes again after a `send*` returned false. */
  onDrain(): void;
}

export interface RequestReceiver extends StreamReceiver {}

export interface ResponseReceiver extends StreamReceiver {
  /** Also called for 100 and 103 (`endStream` false); 101 hands over to the upgraded protocol: data flows raw from there. */
  onHead(head: ResponseHead, endStream: boolean): void;
}

/** One request on a server connection, as its owner answers it. */
export interface ServerStream extends ByteMeter {
  readonly version: HttpVersion;
  /** Once for the final response; before it any number of 1xx. */
  sendHead(head: ResponseHead, endStream: boolean): void;
  /** Returns false when the peer is slow: stop until `onDrain`. */
  sendData(data: Buffer, endStream: boolean): boolean;
  sendTrailers(trailers: HeaderList): void;
  /** Part of what was sent waits for the client to take it: `onDrain` follows when all has gone. */
  readonly unsent?: boolean;
  reset(reason: ResetReason): void;
  /** The connection behind a tunnel has failed: HTTP/2 says so if it has to reset the stream (RFC 9113 section 8.5). */
  connectFailed?: boolean;
  /** Stops reading the request's body (flow control towards the client) until `resume`. */
  pause(): void;
  resume(): void;
}

/** One request on a client connection. */
export interface ClientStream extends ByteMeter {
  sendHead(head: RequestHead, endStream: boolean): void;
  sendData(data: Buffer, endStream: boolean): boolean;
  sendTrailers(trailers: HeaderList): void;
  reset(reason: ResetReason): void;
  pause(): void;
  resume(): void;
}

/** What a codec asks of the socket that carries it. */
export interface CodecOutput {
  /**
   * Returns false when the socket's buffer is full; the owner calls `onSocketDrain` later. `bytes` may change after the call: the
   * owner copies what it cannot write at once.
   */
  write(bytes: Buffer): boolean;
  /** The same for latin1 text, when the owner has a cheaper way for it. */
  writeText?(text: string): boolean;
  /** Where to put the next `size` bytes that will be passed to `write`, when the owner has room for them; undefined when not. */
  writeArea?(size: number): Buffer | undefined;
  /** No more bytes will be written: half-close after what is buffered. */
  end(): void;
  /** Tear the connection down now. */
  destroy(detail: string): void;
  /**
   * Stop and start reading from the socket: HTTP/1's only way to slow a peer. Owners should have both; without them a paused
   * HTTP/1 stream buffers up to its limit and then loses the connection. HTTP/2 needs neither.
   */
  pauseReading?(): void;
  resumeReading?(): void;
}

export interface RefusedRequest {
  readonly status: number;
  readonly detail: string;
  /** What was read of it, where its head could be. */
  readonly head: RequestHead | undefined;
  /** `onRequest` has had it, and its receiver hears of the error. */
  readonly known: boolean;
  /** Of a request that is not known; the answer is in it once it has been written. */
  readonly bytes: ByteMeter;
}

export interface RefusalAnswer {
  /** In place of the codec's own. */
  readonly status?: number;
  readonly headers: HeaderList;
  readonly body: string;
  /** It has gone out. */
  readonly onWritten?: () => void;
}

export interface ServerConnectionHandler {
  /** A request's head has begun, and its end has not come with it: `onRequest` or `onRefusedRequest` follows when it does. `bytes` goes on counting. */
  onRequestBegins?(bytes: ByteMeter): void;
  /** A request's head has arrived; `endStream` when it has no body. */
  onRequest(stream: ServerStream, head: RequestHead, endStream: boolean): RequestReceiver;
  /**
   * A request that HTTP/1 cannot take: what to answer, with `connection: close` and the body's length added. Without it the answer has
   * a status alone.
   */
  onRefusedRequest?(refused: RefusedRequest): RefusalAnswer;
  /** A message that HTTP/2 forbids, of which there is no request: for the log. */
  onInvalidRequest?(detail: string): void;
  /** Protocol error: the codec has already answered (400, GOAWAY) and will end the connection. */
  onProtocolError(detail: string): void;
}

export interface ServerConnection {
  /**
   * Bytes from the socket. HTTP/1 copies what it keeps, so that `bytes` may be overwritten after the batch; HTTP/2 keeps slices
   * of them: the caller must not write to them again.
   */
  receive(bytes: Buffer): void;
  /** The peer will send no more. */
  receiveEnd(): void;
  /** The socket is gone: every open stream is reset with `connection-termination`. */
  closed(detail: string): void;
  onSocketDrain(): void;
  /** Tells the peer that the connection will end (GOAWAY that forbids nothing yet). HTTP/1 has no way to say so. */
  announceDrain(): void;
  /** Graceful: GOAWAY, or `connection: close` on the next response; ends when the last stream has. */
  drain(): void;
  /** Answers a request whose head has begun and does not end, and ends the connection; false where there is none. */
  refuse(status: number, detail: string): boolean;
  readonly activeStreams: number;
}

export interface ClientConnection {
  /** Undefined when the connection takes no more streams (busy, draining, closed). */
  openStream(receiver: ResponseReceiver): ClientStream | undefined;
  /** As for servers. */
  receive(bytes: Buffer): void;
  receiveEnd(): void;
  closed(detail: string): void;
  onSocketDrain(): void;
  drain(): void;
  readonly activeStreams: number;
  /** The peer broke the protocol; for statistics. */
  readonly protocolError?: boolean;
  /** It ended with an answer that came before the request had gone; for statistics. */
  readonly requestCut?: boolean;
  /** The peer has said that it will close (`connection: close`, GOAWAY); for statistics. */
  readonly peerClosing?: boolean;
  /** Whether `openStream` would succeed now. */
  readonly available: boolean;
  /** Called when `available` may have changed; set by the pool. */
  onAvailable: (() => void) | undefined;
}

/** The first value of a header (name in lower case), or undefined. */
export function header(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}

/** All values joined with commas, as matchers see repeated headers. */
export function headerJoined(headers: readonly string[], name: string): string | undefined {
  let joined: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === name) joined = joined === undefined ? headers[i + 1] : `${joined},${headers[i + 1]}`;
  }
  return joined;
}

/** Removes every occurrence, in place. */
export function removeHeader(headers: HeaderList, name: string): void {
  let kept = 0;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === name) continue;
    headers[kept] = headers[i] as string;
    headers[kept + 1] = headers[i + 1] as string;
    kept += 2;
  }
  headers.length = kept;
}

/** Replaces the first occurrence and removes the rest, or appends. */
export function setHeader(headers: HeaderList, name: string, value: string): void {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== name) continue;
    headers[i + 1] = value;
    for (let j = headers.length - 2; j > i; j -= 2) if (headers[j] === name) headers.splice(j, 2);
    return;
  }
  headers.push(name, value);
}
