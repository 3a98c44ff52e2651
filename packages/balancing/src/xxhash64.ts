const prime1 = 0x9e3779b185ebca87n;
const prime2 = 0xc2b2ae3d27d4eb4fn;
const prime3 = 0x165667b19e3779f9n;
const prime4 = 0x85ebca77c2b2ae63n;
const prime5 = 0x27d4eb2f165667c5n;
const u64 = (value: bigint) => BigInt.asUintN(64, value);
const rotate = (value: bigint, bits: bigint) => u64((value << bits) | (value >> (64n - bits)));
const round = (lane: bigint, input: bigint) => u64(rotate(u64(lane + u64(input * prime2)), 31n) * prime1);
const merge = (hash: bigint, lane: bigint) => u64(u64(hash ^ round(0n, lane)) * prime1 + prime4);

/** xxHash64 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md), the hash of Envoy's consistent-hash balancers. Text is UTF-8. */
export function xxHash64(input: string | Uint8Array, seed = 0n): bigint {
  const bytes = typeof input === 'string' ? Buffer.from(input) : input;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.byteLength;
  let at = 0;
  let hash: bigint;
  if (length >= 32) {
    let a = u64(seed + prime1 + prime2);
    let b = u64(seed + prime2);
    let c = seed;
    let d = u64(seed - prime1);
    for (; at + 32 <= length; at += 32) {
      a = round(a, view.getBigUint64(at, true));
      b = round(b, view.getBigUint64(at + 8, true));
      c = round(c, view.getBigUint64(at + 16, true));
      d = round(d, view.getBigUint64(at + 24, true));
    }
    hash = u64(rotate(a, 1n) + rotate(b, 7n) + rotate(c, 12n) + rotate(d, 18n));
    hash = merge(merge(merge(merge(hash, a), b), c), d);
  } else hash = u64(seed + prime5);
  hash = u64(hash + BigInt(length));
  for (; at + 8 <= length; at += 8) hash = u64(rotate(hash ^ round(0n, view.getBigUint64(at, true)), 27n) * prime1 + prime4);
  if (at + 4 <= length) {
    hash = u64(rotate(hash ^ u64(BigInt(view.getUint32(at, true)) * prime1), 23n) * prime2 + prime3);
    at += 4;
  }
  for (; at < length; at++) hash = u64(rotate(hash ^ u64(BigInt(view.getUint8(at)) * prime5), 11n) * prime1);
  hash = u64((hash ^ (hash >> 33n)) * prime2);
  hash = u64((hash ^ (hash >> 29n)) * prime3);
  return hash ^ (hash >> 32n);
}

/** Joins the hashes of several hash policies: the earlier one turned left by a bit, exclusive-or the next. */
export function combineHashes(before: bigint | undefined, next: bigint): bigint {
  return before === undefined ? next : rotate(before, 1n) ^ next;
}
