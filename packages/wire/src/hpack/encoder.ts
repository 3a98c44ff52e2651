import { DynamicTable, entrySize } from './dynamic-table.ts';
import { huffmanEncode, huffmanLength } from './huffman.ts';
import { staticCount, staticTable } from './static-table.ts';

const staticFields = new Map<string, number>();
const staticNames = new Map<string, number>();
for (let i = staticCount; i >= 1; i--) {
  staticNames.set(staticTable[2 * i - 2] as string, i);
  if (staticTable[2 * i - 1] !== '') staticFields.set(`${staticTable[2 * i - 2]}\0${staticTable[2 * i - 1]}`, i);
}

/** Secrets: never in a table, here or further on (RFC 7541 section 7.1.3). */
const neverIndexed = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);
/** Differ from message to message: a table entry would only push out useful ones. */
const notWorthIndexing = new Set([
  ...[':path', 'content-length', 'date', 'etag', 'last-modified', 'x-request-id', 'traceparent', 'x-b3-traceid', 'x-b3-spanid'],
  ...['x-b3-parentspanid', 'x-envoy-upstream-service-time', 'x-forwarded-for', 'age', 'if-none-match', 'location', 'grpc-timeout'],
]);
const maxIndexedBytes = 512;
const maxTableSize = 4096;

/** Encodes header blocks of one direction of a connection (RFC 7541). */
export class HpackEncoder {
  readonly #inserted = new Map<string, number>();
  readonly #table = new DynamicTable(maxTableSize, (name, value) => {
    // A later entry of the same field keeps its place in the map.
    const key = `${name}\0${value}`;
    this.#evicted++;
    if (this.#inserted.get(key) === this.#evicted) this.#inserted.delete(key);
  });
  #evicted = 0;
  #target: Buffer = Buffer.allocUnsafeSlow(4096);
  #at = 0;
  #sizeUpdate = -1;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setTableLimit(limit: number): void {
    const size = Math.min(limit, maxTableSize);
    if (size === this.#table.maxSize) return;
    this.#table.resize(size);
    this.#sizeUpdate = size;
  }
  /** Starts a block; fields follow by `field`, `finish` returns it. */
  begin(): void {
    this.#at = 0;
    if (this.#sizeUpdate >= 0) {
      this.#room(16);
      this.#integer(this.#sizeUpdate, 5, 0x20);
      this.#sizeUpdate = -1;
    }
  }
  field(name: string, value: string): void {
    this.#room(name.length + value.length + 24);
    const key = `${name}\0${value}`;
    const fixed = staticFields.get(key);
    if (fixed !== undefined) {
      this.#integer(fixed, 7, 0x80);
      return;
    }
    const insertion = this.#inserted.get(key);
    if (insertion !== undefined) {
      this.#integer(staticCount + 1 + this.#table.insertions - insertion, 7, 0x80);
      return;
    }
    const nameIndex = staticNames.get(name) ?? 0;
    if (neverIndexed.has(name)) this.#literal(nameIndex, 4, 0x10, name, value);
    else if (notWorthIndexing.has(name) || entrySize(name, value) > Math.min(maxIndexedBytes, this.#table.maxSize)) {
      this.#literal(nameIndex, 4, 0, name, value);
    } else {
      this.#literal(nameIndex, 6, 0x40, name, value);
      this.#table.add(name, value);
      this.#inserted.set(key, this.#table.insertions);
    }
  }
  /** The block, valid until the next `begin`. */
  finish(): Buffer {
    return this.#target.subarray(0, this.#at);
  }
  #literal(nameIndex: number, bits: number, flags: number, name: string, value: string): void {
    this.#integer(nameIndex, bits, flags);
    if (nameIndex === 0) this.#string(name);
    this.#string(value);
  }
  #string(text: string): void {
    const length = huffmanLength(text);
    if (length < text.length) {
      this.#integer(length, 7, 0x80);
      this.#at = huffmanEncode(text, this.#target, this.#at);
    } else {
      this.#integer(text.length, 7, 0);
      this.#at += this.#target.write(text, this.#at, 'latin1');
    }
  }
  #integer(value: number, bits: number, flags: number): void {
    const mask = (1 << bits) - 1;
    if (value < mask) {
      this.#target[this.#at++] = flags | value;
      return;
    }
    this.#target[this.#at++] = flags | mask;
    let rest = value - mask;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#target[this.#at++] = (rest & 127) | 128;
    this.#target[this.#at++] = rest;
  }
  #room(bytes: number): void {
    if (this.#at + bytes <= this.#target.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.#target.length, this.#at + bytes));
    this.#target.copy(larger, 0, 0, this.#at);
    this.#target = larger;
  }
}
