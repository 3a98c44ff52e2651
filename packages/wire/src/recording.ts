import type { CodecOutput, RequestHead, ServerConnectionHandler, ServerStream } from './http.ts';

/** For specs and fuzz targets: what a connection wrote and told, as plain data. */
export class RecordingOutput implements CodecOutput {
  readonly written: Buffer[] = [];
  ended = false;
  destroyed: string | undefined;
  write(bytes: Buffer): boolean {
    this.written.push(Buffer.from(bytes));
    return true;
  }
  end(): void {
    this.ended = true;
  }
  destroy(detail: string): void {
    this.destroyed = detail;
  }
  get text(): string {
    return Buffer.concat(this.written).toString('latin1');
  }
}

export interface RecordedRequest {
  readonly head: RequestHead;
  body: string;
  trailers: string[] | undefined;
  ended: boolean;
  reset: string | undefined;
}

/** Records requests; `answer` is called when one is complete, or at its head for upgrades. */
export function recordingHandler(answer: (stream: ServerStream, request: RecordedRequest) => void): {
  requests: RecordedRequest[];
  errors: string[];
  handler: ServerConnectionHandler;
} {
  const requests: RecordedRequest[] = [];
  const errors: string[] = [];
  const handler: ServerConnectionHandler = {
    onRequest(stream, head, endStream) {
      const request: RecordedRequest = { head, body: '', trailers: undefined, ended: endStream, reset: undefined };
      requests.push(request);
      if (endStream || head.upgrade !== undefined) answer(stream, request);
      return {
        onData(data, end) {
          request.body += data.toString('latin1');
          request.ended = end;
          if (end && head.upgrade === undefined) answer(stream, request);
        },
        onTrailers(trailers) {
          request.trailers = trailers;
          request.ended = true;
          answer(stream, request);
        },
        onReset(reason) {
          request.reset = reason;
        },
        onDrain() {},
      };
    },
    onProtocolError: (detail) => errors.push(detail),
  };
  return { requests, errors, handler };
}
