/** Names of gRPC statuses in the order of their numbers (grpc/grpc doc/statuscodes.md). */
const names = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

/** The number of `14`, `UNAVAILABLE` or `unavailable`; undefined for anything else. */
export function grpcStatusNumber(text: string): number | undefined {
  if (/^[0-9]{1,2}$/.test(text)) return Number(text) < names.length ? Number(text) : undefined;
  const at = names.indexOf(text.toUpperCase().replaceAll('-', '_'));
  return at === -1 ? undefined : at;
}
