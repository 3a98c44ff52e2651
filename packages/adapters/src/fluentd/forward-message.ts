import { Encoder, ExtData } from '@msgpack/msgpack';

/** MessagePack with 64-bit integers from bigints. */
const encoder = new Encoder({ useBigInt64: true });
const SECOND = 1_000_000_000n;
/** Extension 0 of the forward protocol: seconds and nanoseconds, 32 bits each. */
const EVENT_TIME = 0;

/** One event of the forward protocol (v1.5): `[time, record]`. Times before 1970 or after 2106 are cut to that. */
export function encodeEvent(timeNs: bigint, record: Readonly<Record<string, unknown>>): Uint8Array {
  const last = 2n ** 32n * SECOND - 1n;
  const ns = timeNs < 0n ? 0n : timeNs > last ? last : timeNs;
  const time = Buffer.alloc(8);
  time.writeUInt32BE(Number(ns / SECOND), 0);
  time.writeUInt32BE(Number(ns % SECOND), 4);
  return encoder.encode([new ExtData(EVENT_TIME, time), record]);
}

/** A message in PackedForward mode: encoded events of one tag. With a `chunk` the other end answers when it has them. */
export function encodeForward(tag: string, events: readonly Uint8Array[], chunk?: string): Uint8Array {
  return encoder.encode([tag, Buffer.concat(events), { size: events.length, ...(chunk === undefined ? {} : { chunk }) }]);
}
