import { GRPC_STATUS } from '@xebec/core';

/** The number of `14`, `UNAVAILABLE` or `unavailable`; undefined for anything else. */
export function grpcStatusNumber(text: string): number | undefined {
  if (/^[0-9]{1,2}$/.test(text)) return Number(text) < GRPC_STATUS.length ? Number(text) : undefined;
  const at = GRPC_STATUS.indexOf(text.toUpperCase().replaceAll('-', '_'));
  return at === -1 ? undefined : at;
}
