import type { StreamInfo } from '@xebec/telemetry';
import type { HeaderList, RequestHead, ResponseHead } from '@xebec/wire';
import type { ForwardedAttributes } from './forwarded-attributes.ts';
import type { KnownPeer, ProxySide } from './peers.ts';

/** What a check said, for the report. */
export interface CheckOutcome {
  /** google.rpc.Code */
  readonly errorCode: number;
  readonly errorMessage: string;
  readonly cacheHit: boolean;
  readonly quotaCacheHit: boolean;
}

/** What Mixer is asked or told about: a request or a connection. */
export interface Call {
  readonly side: ProxySide;
  readonly info: StreamInfo;
  /** The other end: the caller of an inbound call, whom an outbound one went to. */
  readonly peer: KnownPeer | undefined;
  /** What the caller's proxy said, as far as it is believed. */
  readonly forwarded: ForwardedAttributes | undefined;
  readonly outcome: CheckOutcome | undefined;
}

export interface HttpCall extends Call {
  readonly request: RequestHead;
  readonly response: ResponseHead | undefined;
  readonly responseTrailers: HeaderList | undefined;
  /** Bytes of names and values of heads and trailers of the request. */
  readonly requestHeaderBytes: number;
  readonly apiKeys: readonly ApiKeyPlace[];
  /** What the API that the request is one of says of it. */
  readonly api: ReadonlyMap<string, string> | undefined;
}

/** Where an API key stands. */
export interface ApiKeyPlace {
  readonly place: 'query' | 'header' | 'cookie';
  readonly name: string;
}

export interface ConnectionCall extends Call {
  readonly event: 'open' | 'continue' | 'close';
  /** What was told before. */
  readonly reported: { readonly received: number; readonly sent: number };
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
  /** Different for each connection of each proxy. */
  readonly connectionId: string;
}
