/** Of a gRPC message: one byte that says whether it is compressed, and four of length. */
const HEAD_BYTES = 5;
/** Longer messages are put together at their end: a peer must not make this side keep memory by announcing much. */
const MAX_LENT_BYTES = 1024 * 1024;
/** What is kept for the next messages. */
const MAX_IDLE_BYTES = 8 * 1024 * 1024;

/** Buffers whose message has been read and of which nobody holds a part, shortest first. */
const idle: Buffer[] = [];
let idleBytes = 0;
const lent = new WeakMap<ArrayBufferLike, Buffer>();

/**
 * Gives back the memory of a message that came in pieces, for others to come. Whoever does must be done with it: nothing that was decoded
 * from it may still refer to its bytes. Of a message without such memory nothing happens.
 */
export function giveBack(message: Uint8Array): void {
  const buffer = lent.get(message.buffer);
  if (buffer === undefined || !lent.delete(message.buffer)) return;
  if (idleBytes + buffer.length > MAX_IDLE_BYTES) return;
  const at = idle.findIndex(({ length }) => length >= buffer.length);
  idle.splice(at < 0 ? idle.length : at, 0, buffer);
  idleBytes += buffer.length;
}

function borrow(length: number): Buffer {
  const at = idle.findIndex((candidate) => candidate.length >= length);
  // What is much too large stays for those that need it.
  const found = (idle[at]?.length ?? Number.POSITIVE_INFINITY) <= length * 4 ? idle.splice(at, 1)[0] : undefined;
  if (found !== undefined) idleBytes -= found.length;
  const buffer = found ?? Buffer.allocUnsafeSlow(length);
  lent.set(buffer.buffer, buffer);
  return buffer;
}

/**
 * Cuts a stream into gRPC messages with their heads, like grpc-js's own decoder, in whose place it can stand. A message that came in
 * pieces lies in memory that can be given back: a thousand proxies that repeat long lists of names send tens of megabytes a push.
 */
export class GatheringDecoder {
  readonly #maxBytes: number;
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #headLength = 0;
  /** The message that is being gathered: its memory, or pieces of a very long one. */
  #message: Buffer | Buffer[] | undefined;
  #size = 0;
  #filled = 0;

  /** `maxBytes` of a message without its head; -1: any. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }
  /** The messages that end in this piece. Throws when one is too long. */
  write(data: Buffer): Buffer[] {
    const messages: Buffer[] = [];
    for (let offset = 0; offset < data.length; ) {
      if (this.#message === undefined) {
        if (this.#headLength === 0 && data.length - offset >= HEAD_BYTES) {
          const end = offset + HEAD_BYTES + this.#check(data.readUInt32BE(offset + 1));
          if (end <= data.length) {
            messages.push(data.subarray(offset, end));
            offset = end;
            continue;
          }
        }
        offset += this.#takeHead(data, offset);
        if (this.#headLength < HEAD_BYTES) break;
        this.#begin(HEAD_BYTES + this.#check(this.#head.readUInt32BE(1)));
      } else {
        const part = data.subarray(offset, offset + this.#size - this.#filled);
        offset += part.length;
        this.#add(part);
      }
      if (this.#filled === this.#size) messages.push(this.#end());
    }
    return messages;
  }

  #check(length: number): number {
    if (this.#maxBytes !== -1 && length > this.#maxBytes)
      throw new Error(`Received message larger than max (${length} vs ${this.#maxBytes})`);
    return length;
  }
  #takeHead(data: Buffer, offset: number): number {
    const taken = data.copy(this.#head, this.#headLength, offset, offset + HEAD_BYTES - this.#headLength);
    this.#headLength += taken;
    return taken;
  }
  #begin(size: number): void {
    this.#size = size;
    this.#filled = 0;
    this.#message = size <= MAX_LENT_BYTES ? borrow(size) : [];
    this.#add(Buffer.from(this.#head));
  }
  #add(part: Buffer): void {
    if (Array.isArray(this.#message)) this.#message.push(part);
    else if (this.#message !== undefined) part.copy(this.#message, this.#filled);
    this.#filled += part.length;
  }
  #end(): Buffer {
    const message = this.#message ?? Buffer.alloc(0);
    const whole = Array.isArray(message) ? Buffer.concat(message, this.#size) : message.subarray(0, this.#size);
    this.#message = undefined;
    this.#headLength = 0;
    return whole;
  }
}
