import { globalDictionary, internName } from './global-dictionary.ts';
import type { AttributeBag, AttributeValue } from './value.ts';
import { MalformedMessage, type WireReader } from './wire-reader.ts';

const NANOS = 1_000_000_000n;
/** Most attributes of one bag, and words of one message: proxies send some dozens. */
const MAX_ATTRIBUTES = 2_000;
const MAX_WORDS = 50_000;
const NO_WORDS: readonly string[] = [];

/** Where a message lies in its buffer. */
export interface Slice {
  readonly start: number;
  readonly end: number;
}

/** Tags of CompressedAttributes: field number and wire type 2. */
const WORDS = 0x0a;
const STRINGS = 0x12;
const INT64S = 0x1a;
const DOUBLES = 0x22;
const BOOLS = 0x2a;
const TIMESTAMPS = 0x32;
const DURATIONS = 0x3a;
const BYTES = 0x42;
const STRING_MAPS = 0x4a;

/**
 * Reads CompressedAttributes straight from their bytes into a bag that starts with what `base` holds. Throws MalformedMessage, also on
 * words that no dictionary has.
 */
export function readAttributes(
  reader: WireReader,
  slices: readonly Slice[],
  defaultWords: readonly string[],
  base: AttributeBag | undefined,
): AttributeBag {
  // Encoders write words first, so one pass does nearly always; where words come late they are gathered before.
  try {
    const bag = readInto(reader, slices, defaultWords, base, undefined);
    if (bag !== undefined) return bag;
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
  }
  return readLate(reader, slices, defaultWords, base);
}

function readLate(reader: WireReader, slices: readonly Slice[], defaultWords: readonly string[], base: AttributeBag | undefined) {
  const words: string[] = [];
  for (const { start, end } of slices) {
    reader.seek(start, end);
    while (reader.at < end) {
      const tag = reader.tag();
      if (tag === WORDS) addWord(words, reader);
      else reader.skip(tag & 7);
    }
  }
  return readInto(reader, slices, defaultWords, base, words.length === 0 ? defaultWords : words) ?? new Map<string, AttributeValue>();
}

function addWord(words: string[], reader: WireReader): void {
  if (words.length >= MAX_WORDS) throw new MalformedMessage(`a message has more than ${MAX_WORDS} words`);
  words.push(reader.string());
}

/** Undefined when a word came after an attribute; with `known` words there are no others. */
function readInto(
  reader: WireReader,
  slices: readonly Slice[],
  defaultWords: readonly string[],
  base: AttributeBag | undefined,
  known: readonly string[] | undefined,
): AttributeBag | undefined {
  const bag = new Map<string, AttributeValue>(base);
  const own: string[] = [];
  let words = known ?? NO_WORDS;
  let begun = false;
  for (const { start, end } of slices) {
    reader.seek(start, end);
    while (reader.at < end) {
      const tag = reader.tag();
      if (tag === WORDS) {
        if (known !== undefined) {
          reader.skip(2);
          continue;
        }
        if (begun) return undefined;
        addWord(own, reader);
        continue;
      }
      if (!begun) {
        begun = true;
        words = known ?? (own.length === 0 ? defaultWords : own);
      }
      if ((tag & 7) === 2 && tag >= STRINGS && tag <= STRING_MAPS) readEntry(tag, reader, words, bag);
      else reader.skip(tag & 7);
    }
  }
  if (bag.size > MAX_ATTRIBUTES) throw new MalformedMessage(`a bag has more than ${MAX_ATTRIBUTES} attributes`);
  return bag;
}

function wordAt(index: number, words: readonly string[]): string {
  const text = index < 0 ? words[-index - 1] : globalDictionary[index];
  if (text !== undefined) return text;
  throw new MalformedMessage(
    index >= 0
      ? `word ${index} is not in the global dictionary of ${globalDictionary.length} words`
      : `word ${index} is not among the message's ${words.length} words`,
  );
}

/** One entry of one of the maps: key as field 1, value as field 2; either may be absent. */
function readEntry(tag: number, reader: WireReader, words: readonly string[], bag: Map<string, AttributeValue>): void {
  const length = reader.length();
  const outer = reader.end;
  const end = reader.at + length;
  reader.end = end;
  let key = 0;
  let value: AttributeValue | undefined;
  while (reader.at < end) {
    const field = reader.tag();
    if (field === 0x08) key = reader.sint32();
    else if (field >>> 3 === 2) value = readValue(tag, field & 7, reader, words) ?? value;
    else reader.skip(field & 7);
  }
  reader.end = outer;
  const name = wordAt(key, words);
  bag.set(key < 0 ? internName(name) : name, value ?? emptyValue(tag, words));
}

/** Undefined when the field has another wire type than its map's values: it is skipped, as protobuf wants it. */
function readValue(tag: number, wireType: number, reader: WireReader, words: readonly string[]): AttributeValue | undefined {
  switch (tag) {
    case STRINGS:
      if (wireType === 0) return { form: 'string', value: wordAt(reader.sint32(), words) };
      break;
    case INT64S:
      if (wireType === 0) return { form: 'int64', value: reader.int64() };
      break;
    case DOUBLES:
      if (wireType === 1) return { form: 'double', value: reader.double() };
      break;
    case BOOLS:
      if (wireType === 0) return { form: 'bool', value: reader.int64() !== 0n };
      break;
    case TIMESTAMPS:
      if (wireType === 2) return { form: 'timestamp', value: readNanoseconds(reader) };
      break;
    case DURATIONS:
      if (wireType === 2) return { form: 'duration', value: readNanoseconds(reader) };
      break;
    case BYTES:
      if (wireType === 2) return { form: 'bytes', value: reader.copy() };
      break;
    case STRING_MAPS:
      if (wireType === 2) return { form: 'stringMap', value: readStringMap(reader, words) };
      break;
  }
  reader.skip(wireType);
  return undefined;
}

function emptyValue(tag: number, words: readonly string[]): AttributeValue {
  switch (tag) {
    case STRINGS:
      return { form: 'string', value: wordAt(0, words) };
    case INT64S:
      return { form: 'int64', value: 0n };
    case DOUBLES:
      return { form: 'double', value: 0 };
    case BOOLS:
      return { form: 'bool', value: false };
    case TIMESTAMPS:
      return { form: 'timestamp', value: 0n };
    case DURATIONS:
      return { form: 'duration', value: 0n };
    case BYTES:
      return { form: 'bytes', value: new Uint8Array(0) };
    default:
      return { form: 'stringMap', value: new Map() };
  }
}

/** Timestamp and Duration have the same fields: seconds, and nanoseconds beyond them. */
function readNanoseconds(reader: WireReader): bigint {
  const length = reader.length();
  const outer = reader.end;
  const end = reader.at + length;
  reader.end = end;
  let seconds = 0n;
  let nanos = 0;
  while (reader.at < end) {
    const field = reader.tag();
    if (field === 0x08) seconds = reader.int64();
    else if (field === 0x10) nanos = reader.uint32() | 0;
    else reader.skip(field & 7);
  }
  reader.end = outer;
  return seconds === 0n ? BigInt(nanos) : seconds * NANOS + BigInt(nanos);
}

function readStringMap(reader: WireReader, words: readonly string[]): ReadonlyMap<string, string> {
  const length = reader.length();
  const outer = reader.end;
  const end = reader.at + length;
  reader.end = end;
  const map = new Map<string, string>();
  while (reader.at < end) {
    const field = reader.tag();
    if (field !== 0x0a) {
      reader.skip(field & 7);
      continue;
    }
    const entryLength = reader.length();
    const entryEnd = reader.at + entryLength;
    reader.end = entryEnd;
    let key = 0;
    let value = 0;
    while (reader.at < entryEnd) {
      const part = reader.tag();
      if (part === 0x08) key = reader.sint32();
      else if (part === 0x10) value = reader.sint32();
      else reader.skip(part & 7);
    }
    reader.end = end;
    map.set(wordAt(key, words), wordAt(value, words));
  }
  if (map.size > MAX_ATTRIBUTES) throw new MalformedMessage(`a string map has more than ${MAX_ATTRIBUTES} entries`);
  reader.end = outer;
  return map;
}
