const multiplier = 0xc6a4a7935bd1e995n;
const u64 = (value: bigint) => BigInt.asUintN(64, value);
const shiftMix = (value: bigint) => value ^ (value >> 47n);

/** The seed of libstdc++'s `std::hash`, which Envoy's ring uses with MURMUR_HASH_2. */
export const standardHashSeed = 0xc70f6907n;

/** MurmurHash2 of 64 bits as libstdc++ computes it (`_Hash_bytes`). Text is UTF-8. */
export function murmurHash2(input: string | Uint8Array, seed = standardHashSeed): bigint {
  const bytes = typeof input === 'string' ? Buffer.from(input) : input;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = bytes.byteLength & ~7;
  let hash = seed ^ u64(BigInt(bytes.byteLength) * multiplier);
  for (let at = 0; at < whole; at += 8) {
    const data = u64(shiftMix(u64(view.getBigUint64(at, true) * multiplier)) * multiplier);
    hash = u64((hash ^ data) * multiplier);
  }
  if (whole < bytes.byteLength) {
    let tail = 0n;
    for (let at = bytes.byteLength - 1; at >= whole; at--) tail = (tail << 8n) | BigInt(view.getUint8(at));
    hash = u64((hash ^ tail) * multiplier);
  }
  hash = u64(shiftMix(hash) * multiplier);
  return shiftMix(hash);
}
