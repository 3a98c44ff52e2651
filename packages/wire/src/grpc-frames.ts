/** A length-prefixed message of gRPC (gRPC over HTTP/2, "Length-Prefixed-Message"). */
export interface GrpcFrame {
  readonly compressed: boolean;
  readonly message: Buffer;
}

const prefixBytes = 5;

export function encodeGrpcFrame(message: Uint8Array, compressed = false): Buffer {
  const frame = Buffer.allocUnsafe(prefixBytes + message.length);
  frame[0] = compressed ? 1 : 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, prefixBytes);
  return frame;
}

/** Cuts a stream of bytes into gRPC messages. */
export class GrpcFrameReader {
  readonly #maxMessageBytes: number;
  #pieces: Buffer[] = [];
  #size = 0;
  /** What is wrong with the stream; no more frames come. */
  error: string | undefined;

  /** gRPC's own default limit is 4 MiB. */
  constructor(maxMessageBytes = 4 * 1024 * 1024) {
    this.#maxMessageBytes = maxMessageBytes;
  }
  /** Bytes of a message that is not complete yet: a stream may end only at 0. */
  get pendingBytes(): number {
    return this.#size;
  }
  /** The messages that `data` completes. */
  push(data: Buffer): GrpcFrame[] {
    const frames: GrpcFrame[] = [];
    if (this.error !== undefined || data.length === 0) return frames;
    this.#pieces.push(data);
    this.#size += data.length;
    while (this.#size >= prefixBytes) {
      let first = this.#pieces[0] as Buffer;
      if (first.length < prefixBytes) first = this.#join();
      const flags = first[0] as number;
      const length = first.readUInt32BE(1);
      if (flags > 1) this.error = `unknown gRPC frame flags ${flags}`;
      else if (length > this.#maxMessageBytes) this.error = `gRPC message of ${length} bytes, more than ${this.#maxMessageBytes}`;
      if (this.error !== undefined) {
        this.#pieces = [];
        this.#size = 0;
        break;
      }
      if (this.#size < prefixBytes + length) break;
      if (first.length < prefixBytes + length) first = this.#join();
      frames.push({ compressed: flags === 1, message: first.subarray(prefixBytes, prefixBytes + length) });
      const rest = first.subarray(prefixBytes + length);
      this.#size -= prefixBytes + length;
      if (rest.length > 0) this.#pieces[0] = rest;
      else this.#pieces.shift();
    }
    return frames;
  }
  #join(): Buffer {
    const joined = Buffer.concat(this.#pieces);
    this.#pieces = [joined];
    return joined;
  }
}
