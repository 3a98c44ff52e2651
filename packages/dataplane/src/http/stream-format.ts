import type { FormatContext, StreamInfo } from '@xebec/telemetry';
import { type HeaderList, header, type RequestHead, type ResponseHead } from '@xebec/wire';
import type { StreamTrace } from '../tracing/stream-trace.ts';

/** What formats read of a stream, at any time in its life. */
export interface FormattedStream {
  readonly info: StreamInfo;
  readonly request: RequestHead;
  readonly response: ResponseHead | undefined;
  readonly responseTrailers: HeaderList | undefined;
  readonly trace: StreamTrace | undefined;
  readonly accessLogType: string | undefined;
}

/**
 * The format context of a stream. A class, not a literal with getters: each of those would get a hidden class of its own, which
 * keeps the stream alive until the old generation is collected.
 */
export class StreamFormat implements FormatContext {
  readonly #stream: FormattedStream;

  constructor(stream: FormattedStream) {
    this.#stream = stream;
  }
  get info(): StreamInfo {
    return this.#stream.info;
  }
  get request(): RequestHead {
    return this.#stream.request;
  }
  get response(): ResponseHead | undefined {
    return this.#stream.response;
  }
  get responseTrailers(): HeaderList | undefined {
    return this.#stream.responseTrailers;
  }
  get traceId(): string | undefined {
    const { trace, request } = this.#stream;
    const { headers } = request;
    return trace?.context?.traceId ?? header(headers, 'x-b3-traceid') ?? header(headers, 'traceparent')?.split('-')[1];
  }
  get spanId(): string | undefined {
    return this.#stream.trace?.context?.spanId;
  }
  get traced(): boolean | undefined {
    return this.#stream.trace?.context?.sampled;
  }
  get accessLogType(): string | undefined {
    return this.#stream.accessLogType;
  }
}
