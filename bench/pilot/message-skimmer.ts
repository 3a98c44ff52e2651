/** What a client must know of a response; resources are passed over, unless they are wanted whole. */
export interface Skimmed {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  /** Bytes of the gRPC message. */
  readonly length: number;
  /** The message itself, where it was asked for. */
  readonly whole: Buffer | undefined;
}

const RESOURCES = 2;
const LENGTH_DELIMITED = 2;

/**
 * Reads DiscoveryResponses and DeltaDiscoveryResponses from the chunks of a gRPC stream without looking at their resources: clients of
 * a benchmark must be cheap. Both messages have their version in field 1, resources in 2, type in 4 and nonce in 5.
 */
export class MessageSkimmer {
  readonly #keepWhole: boolean;
  readonly #onMessage: (message: Skimmed) => void;
  /** Bytes of a header or a small field that is not complete. */
  #pending = Buffer.alloc(0);
  /** Bytes of the current message that have not been read, -1 between messages. */
  #left = -1;
  #skip = 0;
  #length = 0;
  #fields = new Map<number, string>();
  #chunks: Buffer[] = [];

  constructor(keepWhole: boolean, onMessage: (message: Skimmed) => void) {
    this.#keepWhole = keepWhole;
    this.#onMessage = onMessage;
  }
  push(chunk: Buffer): void {
    let data = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = Buffer.alloc(0);
    while (data.length > 0) {
      const taken = this.#take(data);
      if (taken === 0) {
        this.#pending = Buffer.from(data);
        return;
      }
      data = data.subarray(taken);
    }
  }
  /** Reads one thing; 0: more bytes are needed. */
  #take(data: Buffer): number {
    if (this.#left < 0) {
      if (data.length < 5) return 0;
      this.#length = data.readUInt32BE(1);
      this.#left = this.#length;
      if (this.#left === 0) this.#finish();
      return 5;
    }
    if (this.#skip > 0) return this.#consume(data, Math.min(this.#skip, data.length), true);
    const tag = data[0] ?? 0;
    const head = lengthAt(data, 1);
    if (head === undefined) return 0;
    if ((tag & 7) !== LENGTH_DELIMITED) throw new Error(`field ${tag >> 3} has wire type ${tag & 7}`);
    if (tag >> 3 === RESOURCES) {
      this.#skip = head.value + head.end;
      return this.#consume(data, Math.min(this.#skip, data.length), true);
    }
    const end = head.end + head.value;
    if (data.length < end) return 0;
    this.#fields.set(tag >> 3, data.toString('utf8', head.end, end));
    return this.#consume(data, end, false);
  }
  #consume(data: Buffer, count: number, skipped: boolean): number {
    if (skipped) this.#skip -= count;
    if (this.#keepWhole) this.#chunks.push(Buffer.from(data.subarray(0, count)));
    this.#left -= count;
    if (this.#left === 0) this.#finish();
    return count;
  }
  #finish(): void {
    const text = (field: number) => this.#fields.get(field) ?? '';
    const message = {
      version: text(1),
      typeUrl: text(4),
      nonce: text(5),
      length: this.#length,
      whole: this.#keepWhole ? Buffer.concat(this.#chunks) : undefined,
    };
    this.#left = -1;
    this.#fields = new Map();
    this.#chunks = [];
    this.#onMessage(message);
  }
}

function lengthAt(data: Buffer, start: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let index = start, scale = 1; index < data.length; index++, scale *= 128) {
    const byte = data[index] ?? 0;
    value += (byte & 127) * scale;
    if (byte < 128) return { value, end: index + 1 };
  }
  return undefined;
}
