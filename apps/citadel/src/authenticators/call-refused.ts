import type { Metadata, status } from '@grpc/grpc-js';

/** The end of a call that is not answered: a gRPC status and what the client may read. */
export class CallRefused extends Error {
  readonly status: status;
  readonly trailers: Metadata | undefined;
  constructor(code: status, message: string, trailers?: Metadata) {
    super(message);
    this.name = 'CallRefused';
    this.status = code;
    this.trailers = trailers;
  }
}
