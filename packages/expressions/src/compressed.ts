import { create } from '@bufbuild/protobuf';
import { DurationSchema, TimestampSchema } from '@bufbuild/protobuf/wkt';
import { err, ok, type Result } from '@xebec/core';
import { type CompressedAttributes, CompressedAttributesSchema, StringMapSchema } from '@xebec/protos/istio/mixer/v1/attributes';
import { type ReportRequest, ReportRequest_RepeatedAttributesSemantics } from '@xebec/protos/istio/mixer/v1/mixer';
import type { AttributeBag, AttributeValue } from './value.ts';

const NANOS = 1_000_000_000n;
const NO_WORDS: readonly string[] = [];

/** A word that is in no dictionary; caught at this file's border. */
class UnknownWord extends Error {}

export interface DecodeOptions {
  /** Words of indexes from 0: the dictionary both ends know. */
  readonly globalWords?: readonly string[];
  /** Values that hold where the message has none. */
  readonly base?: AttributeBag;
  /** Words of a message that brings none. */
  readonly defaultWords?: readonly string[];
}

/** Attributes from their wire form. An index outside the dictionaries is an error: the ends do not understand each other. */
export function decodeAttributes(message: CompressedAttributes, options: DecodeOptions = {}): Result<AttributeBag, string> {
  const globalWords = options.globalWords ?? NO_WORDS;
  const words = message.words.length > 0 ? message.words : (options.defaultWords ?? NO_WORDS);
  const bag = new Map<string, AttributeValue>(options.base ?? []);
  const word = (index: number): string => {
    const text = index >= 0 ? globalWords[index] : words[-index - 1];
    if (text === undefined) {
      throw new UnknownWord(
        index >= 0
          ? `word ${index} is not in the global dictionary of ${globalWords.length} words`
          : `word ${index} is not among the message's ${words.length} words`,
      );
    }
    return text;
  };
  // Map keys of protobuf messages are property names, hence text.
  const put = <V>(entries: Record<string, V>, read: (value: V) => AttributeValue): void => {
    for (const [key, value] of Object.entries(entries)) bag.set(word(Number(key)), read(value));
  };
  try {
    put(message.strings, (index) => ({ form: 'string', value: word(index) }));
    put(message.int64s, (value) => ({ form: 'int64', value }));
    put(message.doubles, (value) => ({ form: 'double', value }));
    put(message.bools, (value) => ({ form: 'bool', value }));
    put(message.timestamps, ({ seconds, nanos }) => ({ form: 'timestamp', value: seconds * NANOS + BigInt(nanos) }));
    put(message.durations, ({ seconds, nanos }) => ({ form: 'duration', value: seconds * NANOS + BigInt(nanos) }));
    put(message.bytes, (value) => ({ form: 'bytes', value }));
    put(message.stringMaps, ({ entries }) => ({
      form: 'stringMap',
      value: new Map(Object.entries(entries).map(([key, value]) => [word(Number(key)), word(value)])),
    }));
  } catch (error) {
    if (error instanceof UnknownWord) return err(error.message);
    throw error;
  }
  return ok(bag);
}

/** All bags of a report. With delta encoding each holds what the one before held, where it says nothing else. */
export function decodeReport(request: ReportRequest, globalWords: readonly string[] = NO_WORDS): Result<readonly AttributeBag[], string> {
  const delta = request.repeatedAttributesSemantics !== ReportRequest_RepeatedAttributesSemantics.INDEPENDENT_ENCODING;
  const bags: AttributeBag[] = [];
  for (const [index, message] of request.attributes.entries()) {
    const base = delta ? bags.at(-1) : undefined;
    const bag = decodeAttributes(message, { globalWords, defaultWords: request.defaultWords, ...(base === undefined ? {} : { base }) });
    if (!bag.ok) return err(`attributes[${index}]: ${bag.error}`);
    bags.push(bag.value);
  }
  return ok(bags);
}

/** Attributes in their wire form, with words of the message's own unless the global dictionary has them. */
export function encodeAttributes(bag: AttributeBag, globalWords: ReadonlyMap<string, number> = new Map()): CompressedAttributes {
  const message = create(CompressedAttributesSchema);
  const indexes = new Map<string, number>();
  const word = (text: string): number => {
    const known = globalWords.get(text) ?? indexes.get(text);
    if (known !== undefined) return known;
    message.words.push(text);
    indexes.set(text, -message.words.length);
    return -message.words.length;
  };
  for (const [name, attribute] of bag) {
    const key = word(name);
    switch (attribute.form) {
      case 'string':
        message.strings[key] = word(attribute.value);
        break;
      case 'int64':
        message.int64s[key] = attribute.value;
        break;
      case 'double':
        message.doubles[key] = attribute.value;
        break;
      case 'bool':
        message.bools[key] = attribute.value;
        break;
      case 'bytes':
        message.bytes[key] = attribute.value;
        break;
      case 'timestamp': {
        // Nanos of a timestamp are never negative, before the epoch neither.
        const nanos = ((attribute.value % NANOS) + NANOS) % NANOS;
        message.timestamps[key] = create(TimestampSchema, { seconds: (attribute.value - nanos) / NANOS, nanos: Number(nanos) });
        break;
      }
      case 'duration':
        message.durations[key] = create(DurationSchema, { seconds: attribute.value / NANOS, nanos: Number(attribute.value % NANOS) });
        break;
      case 'stringMap': {
        const map = create(StringMapSchema);
        for (const [entry, value] of attribute.value) map.entries[word(entry)] = word(value);
        message.stringMaps[key] = map;
        break;
      }
    }
  }
  return message;
}
