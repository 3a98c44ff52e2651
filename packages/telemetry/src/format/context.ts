import type { StreamInfo } from '../stream-info.ts';

/** A request as formats read it; `RequestHead` of the wire package fits. */
export interface FormatRequest {
  readonly method: string;
  readonly path: string;
  /** Undefined where a request has none, which is refused. */
  readonly authority: string | undefined;
  readonly scheme: string;
  /** Names and values in turn, names in lower case. */
  readonly headers: readonly string[];
}

export interface FormatResponse {
  readonly status: number;
  readonly headers: readonly string[];
}

/** What one line, header value or tag is made from. Everything but `info` may be absent (TCP connections have no request). */
export interface FormatContext {
  readonly info: StreamInfo;
  readonly request?: FormatRequest | undefined;
  readonly response?: FormatResponse | undefined;
  readonly responseTrailers?: readonly string[] | undefined;
  readonly traceId?: string | undefined;
  readonly spanId?: string | undefined;
  /** `%ACCESS_LOG_TYPE%`: `DownstreamEnd`, `TcpConnectionEnd`... */
  readonly accessLogType?: string | undefined;
  readonly localReplyBody?: string | undefined;
  /** The health-check filter recognised the request: `not_health_check_filter` drops it. */
  readonly healthCheck?: boolean | undefined;
  /** The request is traced: `traceable_filter` keeps it. */
  readonly traced?: boolean | undefined;
}

/** What an operator yields: numbers stay numbers in JSON logs; undefined is `-` in text and `null` in JSON. */
export type FormatValue = string | number | boolean | object | undefined;

/** Where formats find what belongs to the process rather than the request. */
export interface FormatEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly hostname: string;
  /** Milliseconds since the epoch, for the time at which a line is written. */
  readonly now?: () => number;
  /** A new UUID, for `%UNIQUE_ID%`. */
  readonly uuid?: () => string;
}

export const emptyFormatEnvironment: FormatEnvironment = { env: {}, hostname: '-' };
