import type { FieldCase, PreserveCase } from '../field-cases.ts';

/** Limits and manners of an HTTP/1 connection; the defaults are Envoy's where Envoy has the knob. */
export interface Http1Options {
  /** Start line and header fields together, also trailers. 60 KiB. */
  readonly maxHeadersBytes?: number;
  /** Header fields of a message. 100. */
  readonly maxHeadersCount?: number;
  /** Bytes kept while a stream is paused or a pipelined request waits, before reading stops. 64 KiB. */
  readonly maxPipelinedBytes?: number;
  /** Bytes of chunk extensions in one message. 4 KiB. */
  readonly maxChunkExtensionBytes?: number;
  /** How names are written, e.g. `properCaseWords`; lower-case without. */
  readonly formatName?: FieldCase;
  /** Messages read here tell how their names were written, and are written so on HTTP/1 wherever they go. */
  readonly preserveCase?: PreserveCase;
}

export interface Http1ServerOptions extends Http1Options {
  /** Answer HTTP/1.0 instead of refusing it with 426. */
  readonly acceptHttp10?: boolean;
  /** Scheme of requests in origin form: `https` behind TLS. `http`. */
  readonly scheme?: 'http' | 'https';
  /** Take a target in absolute form apart; else it stays in the path. True. */
  readonly allowAbsoluteUrl?: boolean;
  /** Keep answering a client that has shut its sending side; otherwise its request is reset, as Envoy does. */
  readonly allowHalfClose?: boolean;
}

export interface Http1ClientOptions extends Http1Options {
  /** Take an answer with both content-length and chunks; the chunks count. */
  readonly allowChunkedLength?: boolean;
}

export interface Http1Limits {
  readonly maxHeadersBytes: number;
  readonly maxHeadersCount: number;
  readonly maxPipelinedBytes: number;
  readonly maxChunkExtensionBytes: number;
}

export function http1Limits(options: Http1Options): Http1Limits {
  return {
    maxHeadersBytes: options.maxHeadersBytes ?? 60 * 1024,
    maxHeadersCount: options.maxHeadersCount ?? 100,
    maxPipelinedBytes: options.maxPipelinedBytes ?? 64 * 1024,
    maxChunkExtensionBytes: options.maxChunkExtensionBytes ?? 4096,
  };
}

/** `x-request-id` → `X-Request-Id`: Envoy's proper_case_words. */
export function properCaseWords(name: string): string {
  return name.replace(/(^|[^a-z0-9])([a-z])/g, (_match, before: string, letter: string) => before + letter.toUpperCase());
}
