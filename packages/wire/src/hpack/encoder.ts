import { type ByteTarget, GrowingBytes } from '../byte-target.ts';
import { safeFieldValue } from '../field-name.ts';
import { writeLatin1 } from '../latin1.ts';
import { DynamicTable, entrySize } from './dynamic-table.ts';
import { huffmanEncode, huffmanLength } from './huffman.ts';
import { type KnownName, knownName } from './known-name.ts';
import { staticCount } from './static-table.ts';

const maxIndexedBytes = 512;
const maxTableSize = 4096;
/** Up to this many characters a loop is quicker than a call into the runtime. */
const loopLength = 24;

/**
 * Encodes header blocks of one direction of a connection (RFC 7541). Only what goes into the table is Huffman-coded: it is sent once.
 * Coding what differs from message to message would cost more CPU than its bytes are worth.
 */
export class HpackEncoder {
  readonly #target: ByteTarget;
  /** Insertions by name and value. */
  readonly #inserted = new Map<string, Map<string, number>>();
  readonly #table = new DynamicTable(maxTableSize, (name, value) => this.#onEvict(name, value));
  #evicted = 0;
  #start = 0;
  /** Of all names and values of the block. */
  listBytes = 0;
  /** The smallest table since the last block, and whether the peer has yet to be told of a change (section 4.2). */
  #smallest = maxTableSize;
  #resized = false;

  /** Blocks are written to `target`; without one the encoder has its own. */
  constructor(target: ByteTarget = new GrowingBytes()) {
    this.#target = target;
  }
  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setTableLimit(limit: number): void {
    const size = Math.min(limit, maxTableSize);
    if (size === this.#table.maxSize) return;
    this.#table.resize(size);
    this.#smallest = Math.min(this.#smallest, size);
    this.#resized = true;
  }
  /** Starts a block; fields follow by `field`. */
  begin(): void {
    const target = this.#target;
    if (target instanceof GrowingBytes) target.at = 0;
    this.#start = target.at;
    this.listBytes = 0;
    if (!this.#resized) return;
    target.room(16);
    const { maxSize } = this.#table;
    if (this.#smallest < maxSize) this.#integer(this.#smallest, 5, 0x20);
    this.#integer(maxSize, 5, 0x20);
    this.#smallest = maxSize;
    this.#resized = false;
  }
  /** Any name and value, as they are. */
  field(name: string, value: string): void {
    const known = knownName(name);
    if (known?.name === name && safeFieldValue(value) === value) {
      this.knownField(known, value);
      return;
    }
    this.listBytes += name.length + value.length;
    this.#target.room(name.length + value.length + 24);
    this.#integer(0, 4, 0);
    this.#plain(name);
    this.#plain(value);
  }
  /** NUL and line breaks in the value become spaces. */
  knownField(known: KnownName, value: string): void {
    const { name } = known;
    this.listBytes += name.length + value.length;
    this.#target.room(name.length + value.length + 24);
    const fixed = known.staticValues?.get(value);
    if (fixed !== undefined) {
      this.#integer(fixed, 7, 0x80);
      return;
    }
    if (known.indexing !== 'index') {
      this.#literal(known, 4, known.indexing === 'never' ? 0x10 : 0, safeFieldValue(value));
      return;
    }
    const insertion = this.#inserted.get(name)?.get(value);
    if (insertion !== undefined) {
      this.#integer(staticCount + 1 + this.#table.insertions - insertion, 7, 0x80);
      return;
    }
    this.#insert(known, safeFieldValue(value));
  }
  /** The block, valid until the next `begin`. */
  finish(): Buffer {
    return this.#target.bytes.subarray(this.#start, this.#target.at);
  }
  #insert(known: KnownName, value: string): void {
    const { name } = known;
    if (entrySize(name, value) > Math.min(maxIndexedBytes, this.#table.maxSize)) {
      this.#literal(known, 4, 0, value);
      return;
    }
    this.#integer(known.staticIndex, 6, 0x40);
    if (known.staticIndex === 0) this.#string(name);
    this.#string(value);
    this.#table.add(name, value);
    let values = this.#inserted.get(name);
    if (values === undefined) {
      values = new Map();
      this.#inserted.set(name, values);
    }
    values.set(value, this.#table.insertions);
  }
  #onEvict(name: string, value: string): void {
    this.#evicted++;
    const values = this.#inserted.get(name);
    // A later entry of the same field keeps its place.
    if (values?.get(value) !== this.#evicted) return;
    values.delete(value);
    if (values.size === 0) this.#inserted.delete(name);
  }
  #literal(known: KnownName, bits: number, flags: number, value: string): void {
    this.#integer(known.staticIndex, bits, flags);
    if (known.staticIndex === 0) this.#plain(known.name);
    this.#plain(value);
  }
  #plain(text: string): void {
    const { length } = text;
    this.#integer(length, 7, 0);
    const target = this.#target;
    const { bytes, at } = target;
    if (length > loopLength) writeLatin1(bytes, text, at);
    else for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i);
    target.at = at + length;
  }
  #string(text: string): void {
    const length = huffmanLength(text);
    if (length >= text.length) {
      this.#plain(text);
      return;
    }
    this.#integer(length, 7, 0x80);
    this.#target.at = huffmanEncode(text, this.#target.bytes, this.#target.at);
  }
  #integer(value: number, bits: number, flags: number): void {
    const target = this.#target;
    const { bytes } = target;
    const mask = (1 << bits) - 1;
    if (value < mask) {
      bytes[target.at++] = flags | value;
      return;
    }
    bytes[target.at++] = flags | mask;
    let rest = value - mask;
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[target.at++] = (rest & 127) | 128;
    bytes[target.at++] = rest;
  }
}
