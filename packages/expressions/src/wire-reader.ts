/** Bytes that are no protobuf message; caught at the border of whoever reads. */
export class MalformedMessage extends Error {}

const TWO_32 = 2 ** 32;

/** Reads protobuf's wire format from a part of a buffer. Every read checks its end; what is wrong throws MalformedMessage. */
export class WireReader {
  readonly bytes: Buffer;
  at: number;
  end: number;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
  }
  /** Takes up reading at another part. */
  seek(start: number, end: number): void {
    this.at = start;
    this.end = end;
  }
  /** Field number and wire type: `number << 3 | type`. */
  tag(): number {
    const tag = this.uint32();
    if (tag >>> 3 === 0) throw new MalformedMessage('a field has the number 0');
    return tag;
  }
  /** The low 32 bits of a varint. */
  uint32(): number {
    const { bytes } = this;
    const first = this.at < this.end ? (bytes[this.at++] ?? 0) : this.#cut();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let shift = 7; shift < 70; shift += 7) {
      const byte = this.at < this.end ? (bytes[this.at++] ?? 0) : this.#cut();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new MalformedMessage('a number has more than ten bytes');
  }
  /** `sint32`. */
  sint32(): number {
    const value = this.uint32();
    return (value >>> 1) ^ -(value & 1);
  }
  /** `int64`. */
  int64(): bigint {
    const { bytes } = this;
    let low = 0;
    let high = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.at < this.end ? (bytes[this.at++] ?? 0) : this.#cut();
      if (i < 4) low |= (byte & 0x7f) << (7 * i);
      else if (i === 4) {
        low |= (byte & 0x0f) << 28;
        high = (byte & 0x7f) >>> 4;
      } else high |= (byte & 0x7f) << (7 * i - 32);
      if (byte >= 0x80) continue;
      const unsigned = high >>> 0;
      // Most numbers are small, and a bigint made of one number is made faster.
      if (unsigned < 0x20_0000) return BigInt(unsigned * TWO_32 + (low >>> 0));
      return BigInt.asIntN(64, (BigInt(unsigned) << 32n) | BigInt(low >>> 0));
    }
    throw new MalformedMessage('a number has more than ten bytes');
  }
  double(): number {
    const at = this.#take(8);
    return this.bytes.readDoubleLE(at);
  }
  /** Length of what follows, which fits. */
  length(): number {
    const length = this.uint32();
    if (length > this.end - this.at) this.#cut();
    return length;
  }
  string(): string {
    const length = this.length();
    const start = this.at;
    this.at += length;
    return length === 0 ? '' : this.bytes.toString('utf8', start, this.at);
  }
  /** A copy: the buffer is not ours. */
  copy(): Uint8Array {
    const length = this.length();
    const start = this.at;
    this.at += length;
    const copied = new Uint8Array(length);
    copied.set(this.bytes.subarray(start, this.at));
    return copied;
  }
  skip(wireType: number): void {
    if (wireType === 0) this.uint32();
    else if (wireType === 1) this.#take(8);
    else if (wireType === 5) this.#take(4);
    else if (wireType === 2) {
      const length = this.length();
      this.at += length;
    } else throw new MalformedMessage(`a field has the wire type ${wireType}`);
  }

  #take(count: number): number {
    if (count > this.end - this.at) this.#cut();
    const { at } = this;
    this.at += count;
    return at;
  }
  #cut(): never {
    throw new MalformedMessage('the message ends in the middle of a field');
  }
}
