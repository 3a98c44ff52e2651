import { latin1Text } from '../latin1.ts';

const empty = Buffer.alloc(0);
const wholeTextBytes = 2048;

/** Bytes received and not yet taken: `bytes` from `at` on. */
export class InputWindow {
  bytes: Buffer = empty;
  at = 0;
  /** Why `takeHead` will never succeed. */
  fault: 'too-large' | 'bare-lf' | undefined = undefined;
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
  /** Copies what is left: the bytes given to `append` will change. */
  keep(): void {
    if (this.at >= this.bytes.length) {
      this.bytes = empty;
      this.#searched = 0;
    } else {
      this.#searched -= this.at;
      this.bytes = Buffer.from(this.bytes.subarray(this.at));
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
   * Takes a start line with its header section, without the empty line; undefined while it is incomplete, or when `fault` says
   * that it is larger than `maxBytes` or has a line that does not end in CRLF.
   */
  takeHead(maxBytes: number): string | undefined {
    const bytes = this.bytes;
    const { at } = this;
    // What came whole and is small (the usual case) is text at once, and searched as text.
    if (this.#searched <= at && bytes.length - at <= wholeTextBytes) {
      const text = latin1Text(bytes, at, bytes.length);
      const end = text.indexOf('\r\n\r\n');
      if (end >= 0 && end <= maxBytes) {
        this.at = at + end + 4;
        this.#searched = this.at;
        return text.slice(0, end);
      }
    }
    const from = Math.max(at, this.#searched - 3);
    const end = bytes.indexOf('\r\n\r\n', from, 'latin1');
    if (end < 0) {
      for (let lf = bytes.indexOf(10, from); lf >= 0; lf = bytes.indexOf(10, lf + 1)) {
        if (lf === at || bytes[lf - 1] !== 13) {
          this.fault = 'bare-lf';
          return undefined;
        }
      }
      if (this.size > maxBytes) this.fault = 'too-large';
      this.#searched = bytes.length;
      return undefined;
    }
    if (end - at > maxBytes) {
      this.fault = 'too-large';
      return undefined;
    }
    this.at = end + 4;
    this.#searched = this.at;
    return latin1Text(bytes, at, end);
  }
}
