/** Bytes that are being put together: writers call `room`, write at `at`, and move it. `bytes` may be another buffer after `room`. */
export interface ByteTarget {
  readonly bytes: Buffer;
  at: number;
  /** Makes sure that `count` more bytes fit. */
  room(count: number): void;
}

/** A target that grows. */
export class GrowingBytes implements ByteTarget {
  bytes: Buffer = Buffer.allocUnsafeSlow(1024);
  at = 0;
  room(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.bytes.length, this.at + count));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }
}
