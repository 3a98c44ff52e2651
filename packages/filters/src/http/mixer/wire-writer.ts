/** Builds a protobuf message byte by byte in memory that is used again for the next one. */
export class WireWriter {
  #buffer = Buffer.allocUnsafe(4096);
  #length = 0;

  get length(): number {
    return this.#length;
  }
  reset(): void {
    this.#length = 0;
  }
  /** What was written, in memory of its own. */
  copy(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#length));
  }
  /** What was written; only until the next write. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
  byte(value: number): void {
    this.#room(1);
    this.#buffer[this.#length++] = value;
  }
  /** Non-negative integers up to 2^53. */
  varint(value: number): void {
    this.#room(8);
    let rest = value;
    while (rest > 127) {
      this.#buffer[this.#length++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[this.#length++] = rest;
  }
  sint32(value: number): void {
    this.varint(((value << 1) ^ (value >> 31)) >>> 0);
  }
  int64(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER) {
      this.varint(Math.trunc(value));
      return;
    }
    let rest = BigInt.asUintN(64, typeof value === 'bigint' ? value : BigInt(Math.trunc(value)));
    while (rest > 127n) {
      this.byte(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    this.byte(Number(rest));
  }
  double(value: number): void {
    this.#room(8);
    this.#length = this.#buffer.writeDoubleLE(value, this.#length);
  }
  /** With its length in front. */
  text(value: string): void {
    const mark = this.begin();
    this.#room(value.length * 3);
    this.#length += this.#buffer.write(value, this.#length, 'utf8');
    this.end(mark);
  }
  /** With their length in front. */
  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }
  raw(value: Uint8Array): void {
    this.#room(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }
  /** Starts something whose length stands in front of it; `end` takes what this returned. */
  begin(): number {
    this.byte(0);
    return this.#length;
  }
  end(mark: number): void {
    const size = this.#length - mark;
    if (size < 128) {
      this.#buffer[mark - 1] = size;
      return;
    }
    // One byte was kept for the length; most things fit, the others move.
    const more = size < 128 ** 2 ? 1 : size < 128 ** 3 ? 2 : size < 128 ** 4 ? 3 : 4;
    this.#room(more);
    this.#buffer.copyWithin(mark + more, mark, this.#length);
    this.#length = mark - 1;
    this.varint(size);
    this.#length += size;
  }
  #room(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}
