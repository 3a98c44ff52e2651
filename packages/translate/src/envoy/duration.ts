import { durationMs } from '@xebec/schemas';

/** Fields of `google.protobuf.Duration`. */
export interface DurationFields {
  readonly seconds: bigint;
  readonly nanos: number;
}

export const ZERO: DurationFields = { seconds: 0n, nanos: 0 };

export function seconds(value: number): DurationFields {
  return { seconds: BigInt(value), nanos: 0 };
}

/** A duration that was validated when it was read; undefined stays undefined. */
export function duration(text: string): DurationFields;
export function duration(text: string | undefined): DurationFields | undefined;
export function duration(text: string | undefined): DurationFields | undefined {
  if (text === undefined) return undefined;
  const ms = durationMs(text);
  if (ms === undefined) return undefined;
  const nanos = Math.round(ms * 1e6);
  return { seconds: BigInt(Math.trunc(nanos / 1e9)), nanos: nanos % 1e9 };
}
