import { HpackDecoder } from '../hpack/decoder.ts';
import { defaultMaxFrameBytes } from './constants.ts';
import { type HeaderBlock, HeaderCache } from './header-cache.ts';

const maxFrames = 32;

/** Puts HEADERS and CONTINUATION together and decodes them, within limits (CONTINUATION floods, HPACK bombs). */
export class HeaderReader<Parsed> {
  readonly #decoder: HpackDecoder;
  readonly #cache = new HeaderCache<Parsed>();
  readonly #maxListBytes: number;
  readonly #maxCount: number;
  /** Copies of the pieces so far; undefined outside of a block. */
  #pieces: Buffer[] | undefined;
  #bytes = 0;
  // Of the HEADERS frame that began the block.
  streamId = 0;
  flags = 0;
  selfDependent = false;
  /** All of it, with the header of its first frame: so it is metered. */
  wireBytes = 0;

  constructor(maxListBytes: number, maxCount: number, tableBytes: number) {
    this.#decoder = new HpackDecoder(tableBytes);
    this.#maxListBytes = maxListBytes;
    this.#maxCount = maxCount;
  }
  /** A block has begun and not ended: nothing but CONTINUATION may follow. */
  get open(): boolean {
    return this.#pieces !== undefined;
  }
  begin(streamId: number, flags: number, selfDependent: boolean, wireBytes: number): void {
    this.wireBytes = wireBytes;
    this.streamId = streamId;
    this.flags = flags;
    this.selfDependent = selfDependent;
  }
  /** Keeps a piece of a block that goes on; false when there are too many or they are too large. */
  add(bytes: Buffer, from: number, to: number): boolean {
    this.#pieces ??= [];
    this.#pieces.push(Buffer.from(bytes.subarray(from, to)));
    this.#bytes += to - from;
    // A block cannot be much larger than the list it stands for; small frames without end cost more than they carry.
    return this.#pieces.length <= maxFrames && this.#bytes <= 2 * this.#maxListBytes + defaultMaxFrameBytes;
  }
  /** The whole block, whose last piece is `bytes[from, to)`; undefined when it cannot be decoded. */
  end(bytes: Buffer, from: number, to: number): HeaderBlock<Parsed> | undefined {
    if (this.#pieces === undefined) return this.#decode(bytes, from, to);
    const whole = Buffer.concat([...this.#pieces, bytes.subarray(from, to)]);
    this.#pieces = undefined;
    this.#bytes = 0;
    return this.#decode(whole, 0, whole.length);
  }
  #decode(bytes: Buffer, from: number, to: number): HeaderBlock<Parsed> | undefined {
    const { generation } = this.#decoder;
    const hash = this.#cache.hash(bytes, from, to);
    const known = hash === 0 ? undefined : this.#cache.find(hash, generation, bytes, from, to);
    if (known !== undefined) return known;
    const decoded = this.#decoder.decode(bytes, this.#maxListBytes, this.#maxCount, from, to);
    if (decoded === undefined) return undefined;
    const cached = hash !== 0 && this.#decoder.generation === generation && this.#cache.wants(hash);
    const { fields, tooLarge, listBytes } = decoded;
    const block: HeaderBlock<Parsed> = { fields, tooLarge, listBytes, cached, parsed: undefined };
    if (cached) this.#cache.keep(hash, generation, bytes, from, to, block);
    return block;
  }
}
