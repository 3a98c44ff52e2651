import type { KeepaliveOptions } from './keepalive.ts';

/** Limits and windows of an HTTP/2 connection; the defaults are Envoy's where Envoy has the knob. */
export interface Http2Options {
  /** Header list of a message, 32 bytes a field included. 60 KiB. */
  readonly maxHeadersBytes?: number;
  /** Header fields of a message. 100. */
  readonly maxHeadersCount?: number;
  /** Streams the peer may have open (server), or this side opens at most (client). 2^31 - 1; 100 suits an edge. */
  readonly maxConcurrentStreams?: number;
  /** Table for compressed header fields, of both directions. 4096. */
  readonly headerTableBytes?: number;
  /** More settings to be sent, by identifier. */
  readonly customSettings?: readonly (readonly [id: number, value: number])[];
  /** How far the peer may run ahead on a stream. 256 KiB. */
  readonly initialStreamWindowBytes?: number;
  /** The same for the whole connection. 1 MiB. */
  readonly initialConnectionWindowBytes?: number;
  /** Bytes a stream may hold for a slow peer, before it is reset with `overflow`. 16 MiB. */
  readonly maxSendBufferBytes?: number;
  /** Clients: an invalid answer resets its stream alone; without it, it ends the connection. False. */
  readonly resetsInvalidStreams?: boolean;
  /** Servers: an invalid request ends the connection; without it, it resets its stream alone. False. */
  readonly closesOnInvalidRequest?: boolean;
  /** Extended CONNECT (RFC 8441). True. */
  readonly allowExtendedConnect?: boolean;
  /**
   * Milliseconds that never go back, e.g. a clock's `monotonic`. With it the flood limits (resets, pings, settings, empty frames)
   * are rates per second; without it only useful frames pay them off.
   */
  readonly now?: () => number;
  /** Without it no pings are sent. */
  readonly keepalive?: KeepaliveOptions;
}

export interface Http2ServerOptions extends Http2Options {}
export interface Http2ClientOptions extends Http2Options {}

export type Http2Limits = Required<Omit<Http2Options, 'now' | 'keepalive'>> & {
  readonly now: (() => number) | undefined;
  readonly keepalive: KeepaliveOptions | undefined;
};

export function http2Limits(options: Http2Options): Http2Limits {
  return {
    maxHeadersBytes: options.maxHeadersBytes ?? 60 * 1024,
    maxHeadersCount: options.maxHeadersCount ?? 100,
    maxConcurrentStreams: options.maxConcurrentStreams ?? 2 ** 31 - 1,
    headerTableBytes: options.headerTableBytes ?? 4096,
    customSettings: options.customSettings ?? [],
    initialStreamWindowBytes: options.initialStreamWindowBytes ?? 256 * 1024,
    initialConnectionWindowBytes: Math.max(options.initialConnectionWindowBytes ?? 1024 * 1024, 65_535),
    maxSendBufferBytes: options.maxSendBufferBytes ?? 16 * 1024 * 1024,
    resetsInvalidStreams: options.resetsInvalidStreams ?? false,
    closesOnInvalidRequest: options.closesOnInvalidRequest ?? false,
    allowExtendedConnect: options.allowExtendedConnect ?? true,
    now: options.now,
    keepalive: options.keepalive,
  };
}
