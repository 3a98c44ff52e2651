import { GRPC_STATUS } from '@xebec/core';

/** The HTTP status that Mixer's clients answer, by google.rpc.Code. */
const httpStatuses: readonly number[] = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

export function rpcCodeName(code: number): string {
  return GRPC_STATUS[code] ?? 'UNKNOWN';
}

export function httpStatusOf(code: number): number {
  return httpStatuses[code] ?? 500;
}

export function isRpcCode(code: number): boolean {
  return httpStatuses[code] !== undefined;
}
