import { create, toBinary } from '@bufbuild/protobuf';
import { AnySchema, DurationSchema, durationFromMs } from '@bufbuild/protobuf/wkt';
import { Metadata, status } from '@grpc/grpc-js';
import { StatusSchema } from '@xebec/protos/google/rpc/status';

/** Field 1, length-delimited: `RetryInfo.retry_delay` (google/rpc/error_details.proto). */
const RETRY_DELAY_TAG = 0x0a;

/** Trailers of an answer that asks to come again later: `google.rpc.RetryInfo` for programs, the push-back for gRPC's own retries. */
export function retryTrailers(message: string, delayMs: number): Metadata {
  const delay = toBinary(DurationSchema, durationFromMs(delayMs));
  const info = create(AnySchema, {
    typeUrl: 'type.googleapis.com/google.rpc.RetryInfo',
    value: Uint8Array.of(RETRY_DELAY_TAG, delay.length, ...delay),
  });
  const details = create(StatusSchema, { code: status.RESOURCE_EXHAUSTED, message, details: [info] });
  const trailers = new Metadata();
  trailers.set('grpc-status-details-bin', Buffer.from(toBinary(StatusSchema, details)));
  trailers.set('grpc-retry-pushback-ms', String(delayMs));
  return trailers;
}
