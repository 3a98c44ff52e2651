import type { HeaderList } from '../http.ts';
import { latin1Text } from '../latin1.ts';
import { DynamicTable, entrySize } from './dynamic-table.ts';
import { huffmanDecode } from './huffman.ts';
import { staticCount, staticTable } from './static-table.ts';

const noBytes = Buffer.alloc(0);

export interface DecodedBlock {
  readonly fields: HeaderList;
  /** The list passed `maxListBytes` or `maxCount`: `fields` holds only its beginning. */
  readonly tooLarge: boolean;
  /** Of all names and values, also of those that were not kept. */
  readonly listBytes: number;
}

/** Decodes header blocks of one direction of a connection (RFC 7541). */
export class HpackDecoder {
  readonly #table: DynamicTable;
  readonly #tableLimit: number;
  #bytes: Buffer = noBytes;
  #at = 0;
  #end = 0;

  /** `tableLimit`: SETTINGS_HEADER_TABLE_SIZE that this side has announced. */
  constructor(tableLimit = 4096) {
    this.#tableLimit = tableLimit;
    this.#table = new DynamicTable(tableLimit);
  }
  /** Changes with each change of the table: blocks decoded at the same generation, that left it as it was, mean the same. */
  get generation(): number {
    return this.#table.changes;
  }
  /**
   * Decodes a complete block, `block[from, to)`; undefined is a compression error, after which the connection cannot go on. The whole
   * block is always read, so that the table stays right; fields past the limits are not kept.
   */
  decode(block: Buffer, maxListBytes: number, maxCount: number, from = 0, to = block.length): DecodedBlock | undefined {
    this.#bytes = block;
    this.#at = from;
    this.#end = to;
    const fields: HeaderList = [];
    let listBytes = 0;
    let sizes = 0;
    let tooLarge = false;
    while (this.#at < this.#end) {
      const byte = block[this.#at] as number;
      let name: string | undefined;
      let value: string | undefined;
      if ((byte & 0x80) !== 0) {
        const index = this.#integer(7);
        name = this.#name(index);
        value = this.#value(index);
      } else if ((byte & 0xe0) === 0x20) {
        const size = this.#integer(5);
        if (fields.length > 0 || size < 0 || size > this.#tableLimit) return undefined;
        this.#table.resize(size);
        continue;
      } else {
        const indexed = (byte & 0x40) !== 0;
        const index = this.#integer(indexed ? 6 : 4);
        name = index === 0 ? this.#string() : this.#name(index);
        if (name === undefined) return undefined;
        value = this.#string();
        if (value === undefined) return undefined;
        if (indexed) this.#table.add(name, value);
      }
      if (name === undefined || value === undefined) return undefined;
      listBytes += name.length + value.length;
      sizes += entrySize(name, value);
      if (sizes > maxListBytes || fields.length >= 2 * maxCount) tooLarge = true;
      else fields.push(name, value);
    }
    return { fields, tooLarge, listBytes };
  }
  #name(index: number): string | undefined {
    if (index <= 0) return undefined;
    return index <= staticCount ? staticTable[2 * index - 2] : this.#table.name(index - staticCount - 1);
  }
  #value(index: number): string | undefined {
    if (index <= 0) return undefined;
    return index <= staticCount ? staticTable[2 * index - 1] : this.#table.value(index - staticCount - 1);
  }
  /** An integer with a prefix of `bits` (section 5.1); -1 when it is cut short or larger than 2^28. */
  #integer(bits: number): number {
    const mask = (1 << bits) - 1;
    let value = (this.#bytes[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= this.#end) return -1;
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 127) << shift;
      if ((byte & 128) === 0) return value;
    }
    return -1;
  }
  #string(): string | undefined {
    if (this.#at >= this.#end) return undefined;
    const huffman = ((this.#bytes[this.#at] as number) & 0x80) !== 0;
    const length = this.#integer(7);
    const from = this.#at;
    if (length < 0 || from + length > this.#end) return undefined;
    this.#at = from + length;
    return huffman ? huffmanDecode(this.#bytes, from, this.#at) : latin1Text(this.#bytes, from, this.#at);
  }
}
