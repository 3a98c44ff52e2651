const empty = Buffer.alloc(0);

/** Bytes received and not yet taken: `bytes` from `at` on. */
export class InputWindow {
  bytes: Buffer = empty;
  at = 0;
  /** How far the search for the end of a head has come, so that slow senders are not searched again and again. */
  #searched = 0;

  get size(): number {
    return this.bytes.length - this.at;
  }
  append(more: Buffer): void {
    if (this.size === 0) {
      this.bytes = more;
      this.#searched = 0;
    } else {
      this.#searched -= this.at;
      this.bytes = Buffer.concat([this.bytes.subarray(this.at), more]);
    }
    this.at = 0;
  }
  clear(): void {
    this.bytes = empty;
    this.at = 0;
    this.#searched = 0;
  }
  /** Drops empty lines before a start line (RFC 9112 section 2.2). */
  skipEmptyLines(): void {
    while (this.size >= 2 && this.bytes[this.at] === 13 && this.bytes[this.at + 1] === 10) this.at += 2;
  }
  /**
   * Takes a start line with its header section, without the empty line: as text, or undefined while it is incomplete. An error
   * when it is larger than `maxBytes` or has a line that does not end in CRLF.
   */
  takeHead(maxBytes: number): { text: string } | { error: 'too-large' | 'bare-lf' } | undefined {
    const bytes = this.bytes;
    const from = Math.max(this.at, this.#searched - 3);
    const end = bytes.indexOf('\r\n\r\n', from, 'latin1');
    if (end < 0) {
      for (let lf = bytes.indexOf(10, from); lf >= 0; lf = bytes.indexOf(10, lf + 1)) {
        if (lf === this.at || bytes[lf - 1] !== 13) return { error: 'bare-lf' };
      }
      if (this.size > maxBytes) return { error: 'too-large' };
      this.#searched = bytes.length;
      return undefined;
    }
    if (end - this.at > maxBytes) return { error: 'too-large' };
    const text = bytes.toString('latin1', this.at, end);
    this.at = end + 4;
    this.#searched = this.at;
    return { text };
  }
}
