import { knownAddress } from './address-bytes.ts';
import type { AttributeContent, AttributeKind } from './attribute.ts';
import type { WireWriter } from './wire-writer.ts';
import type { WordDictionary } from './word-dictionary.ts';

/** Tags of CompressedAttributes: field number and "length-delimited". */
const tagOf: Readonly<Record<AttributeKind, number>> = {
  string: 0x12,
  int64: 0x1a,
  double: 0x22,
  bool: 0x2a,
  timestamp: 0x32,
  duration: 0x3a,
  address: 0x42,
  bytes: 0x42,
  stringMap: 0x4a,
};
export const WORDS_TAG = 0x0a;
/** Of the entries of maps. */
const KEY = 0x08;
const VARINT_VALUE = 0x10;
const FIXED64_VALUE = 0x11;
const BYTES_VALUE = 0x12;

/** Appends one attribute to a CompressedAttributes that is being written. */
export function writeAttribute(to: WireWriter, words: WordDictionary, name: string, kind: AttributeKind, value: AttributeContent): void {
  const bytes = kind === 'address' && typeof value === 'string' ? knownAddress(value) : undefined;
  if (kind === 'address' && bytes === undefined) return;
  to.byte(tagOf[kind]);
  const mark = to.begin();
  to.byte(KEY);
  to.sint32(words.indexOf(name));
  if (bytes !== undefined) {
    to.byte(BYTES_VALUE);
    to.bytes(bytes);
  } else if (typeof value === 'string') {
    to.byte(VARINT_VALUE);
    to.sint32(words.indexOf(value));
  } else if (typeof value === 'boolean') {
    to.byte(VARINT_VALUE);
    to.byte(value ? 1 : 0);
  } else if (typeof value === 'bigint') {
    to.byte(VARINT_VALUE);
    to.int64(value);
  } else if (typeof value === 'number') writeNumber(to, kind, value);
  else if (value instanceof Uint8Array) {
    to.byte(BYTES_VALUE);
    to.bytes(value);
  } else writeMap(to, words, value);
  to.end(mark);
}

function writeNumber(to: WireWriter, kind: AttributeKind, value: number): void {
  if (kind === 'double') {
    to.byte(FIXED64_VALUE);
    to.double(value);
  } else if (kind === 'timestamp' || kind === 'duration') {
    to.byte(BYTES_VALUE);
    const mark = to.begin();
    const seconds = Math.floor(value / 1000);
    to.byte(0x08);
    to.int64(seconds);
    to.byte(0x10);
    to.varint(Math.min(999_999_999, Math.round((value - seconds * 1000) * 1e6)));
    to.end(mark);
  } else {
    to.byte(VARINT_VALUE);
    to.int64(value);
  }
}

function writeMap(to: WireWriter, words: WordDictionary, pairs: readonly string[]): void {
  to.byte(BYTES_VALUE);
  const map = to.begin();
  for (let i = 0; i < pairs.length; i += 2) {
    if (isRepeated(pairs, i)) continue;
    to.byte(0x0a);
    const entry = to.begin();
    to.byte(KEY);
    to.sint32(words.indexOf(pairs[i] ?? ''));
    to.byte(VARINT_VALUE);
    to.sint32(words.indexOf(joinedFrom(pairs, i)));
    to.end(entry);
  }
  to.end(map);
}

/** Whether the name at `at` stood before: its first place has all values. */
function isRepeated(pairs: readonly string[], at: number): boolean {
  const name = pairs[at];
  for (let i = 0; i < at; i += 2) if (pairs[i] === name) return true;
  return false;
}

function joinedFrom(pairs: readonly string[], at: number): string {
  const name = pairs[at];
  let value = pairs[at + 1] ?? '';
  for (let i = at + 2; i < pairs.length; i += 2) if (pairs[i] === name) value += `,${pairs[i + 1]}`;
  return value;
}
