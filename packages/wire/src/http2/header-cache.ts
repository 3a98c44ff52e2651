import type { HeaderList } from '../http.ts';

/** A decoded header block. What a role makes of it is kept with it, for blocks that come again. */
export interface HeaderBlock<Parsed> {
  readonly fields: HeaderList;
  readonly tooLarge: boolean;
  /** Of all names and values. */
  readonly listBytes: number;
  /** It will be given out again: its parsed form must not be changed. */
  readonly cached: boolean;
  parsed: Parsed | undefined;
}

interface Entry<Parsed> {
  readonly hash: number;
  readonly generation: number;
  readonly bytes: Uint8Array;
  readonly block: HeaderBlock<Parsed>;
}

const slots = 16;
const maxBytes = 256;

/**
 * Decoded blocks of one connection by their bytes: clients repeat themselves, and a block that did not change the HPACK table means the
 * same until something else does. Never shared between connections, so the time of a lookup tells a peer only what it has sent itself.
 */
export class HeaderCache<Parsed> {
  #entries: (Entry<Parsed> | undefined)[] | undefined;
  #lastMissed = 0;

  /** Of `bytes[from, to)`; 0 when blocks of this size are not kept. */
  hash(bytes: Buffer, from: number, to: number): number {
    if (to - from > maxBytes) return 0;
    let hash = 0x811c9dc5 | 0;
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
    return hash === 0 ? 1 : hash;
  }
  find(hash: number, generation: number, bytes: Buffer, from: number, to: number): HeaderBlock<Parsed> | undefined {
    const entry = this.#entries?.[slotOf(hash)];
    if (entry === undefined || entry.hash !== hash || entry.generation !== generation || entry.bytes.length !== to - from) return undefined;
    const known = entry.bytes;
    for (let i = 0; i < known.length; i++) if (known[i] !== bytes[from + i]) return undefined;
    return entry.block;
  }
  /** Whether a block that was just missed is worth keeping: it came twice in a row. */
  wants(hash: number): boolean {
    const again = this.#lastMissed === hash;
    this.#lastMissed = hash;
    return again;
  }
  keep(hash: number, generation: number, bytes: Buffer, from: number, to: number, block: HeaderBlock<Parsed>): void {
    this.#entries ??= new Array<Entry<Parsed> | undefined>(slots).fill(undefined);
    this.#entries[slotOf(hash)] = { hash, generation, bytes: new Uint8Array(bytes.subarray(from, to)), block };
  }
}

function slotOf(hash: number): number {
  return (hash ^ (hash >>> 15)) & (slots - 1);
}
