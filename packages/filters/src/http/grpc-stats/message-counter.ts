/** Counts gRPC messages in a body that comes in any pieces: one flag byte, four length bytes, the message. */
export class MessageCounter {
  #headerBytes = 0;
  #length = 0;
  #remaining = 0;

  /** How many messages begin in this piece. */
  push(data: Buffer): number {
    let count = 0;
    for (let i = 0; i < data.length; ) {
      if (this.#remaining > 0) {
        const skipped = Math.min(this.#remaining, data.length - i);
        this.#remaining -= skipped;
        i += skipped;
        continue;
      }
      const byte = data[i++] ?? 0;
      if (this.#headerBytes === 0) this.#length = 0;
      else this.#length = this.#length * 256 + byte;
      if (++this.#headerBytes < 5) continue;
      this.#headerBytes = 0;
      this.#remaining = this.#length;
      count++;
    }
    return count;
  }
}
