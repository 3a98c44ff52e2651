import { status } from '@grpc/grpc-js';

/** An adapter outside of Mixer did not answer as it should. `code` is gRPC's; UNAVAILABLE: it is away or too slow. */
export class CallFailure extends Error {
  readonly code: status;

  constructor(code: status, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Whether nobody answered, so that the same call may succeed later. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof CallFailure && error.code === status.UNAVAILABLE;
}
