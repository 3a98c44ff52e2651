import { create } from '@bufbuild/protobuf';
import { GRPC_STATUS } from '@xebec/core';
import { FaultDelaySchema } from '@xebec/protos/envoy/extensions/filters/common/fault/v3/fault';
import { FaultAbortSchema, type HTTPFaultSchema } from '@xebec/protos/envoy/extensions/filters/http/fault/v3/fault';
import type { HttpRoute } from '@xebec/schemas';
import type { Fields } from '../envoy/any.ts';
import { duration } from '../envoy/duration.ts';
import { hundredths, millionths } from './fraction.ts';

/** The fault filter's configuration of a route; undefined when there is nothing to inject. */
export function faultConfig(fault: NonNullable<HttpRoute['fault']>): Fields<typeof HTTPFaultSchema> | undefined {
  const { delay, abort } = fault;
  const wait = delay?.fixedDelay;
  const grpc = abort?.grpcStatus === undefined ? -1 : GRPC_STATUS.indexOf(abort.grpcStatus);
  // Stored before admission looked at it, a status may be none.
  const status = abort?.httpStatus === undefined ? undefined : Math.max(0, abort.httpStatus);
  if (wait === undefined && status === undefined && grpc < 0) return undefined;
  return {
    ...(wait === undefined
      ? {}
      : {
          delay: create(FaultDelaySchema, {
            faultDelaySecifier: { case: 'fixedDelay', value: duration(wait) },
            // Without a percentage no request is delayed, nor aborted: that is how the API defines it.
            percentage: delay?.percentage === undefined ? hundredths(delay?.percent ?? 0) : millionths(delay.percentage.value ?? 0),
          }),
        }),
    ...(status === undefined && grpc < 0
      ? {}
      : {
          abort: create(FaultAbortSchema, {
            errorType: status !== undefined ? { case: 'httpStatus', value: status } : { case: 'grpcStatus', value: grpc },
            ...(abort?.percentage === undefined ? {} : { percentage: millionths(abort.percentage.value ?? 0) }),
          }),
        }),
  };
}
