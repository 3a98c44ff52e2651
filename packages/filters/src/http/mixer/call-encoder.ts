import type { AttributeSet } from './attribute.ts';
import { WireWriter } from './wire-writer.ts';
import { type GlobalWords, WordDictionary } from './word-dictionary.ts';
import { WORDS_TAG, writeAttribute } from './write-attributes.ts';

/** An amount of a quota that is asked for. */
export interface QuotaDemand {
  readonly name: string;
  readonly amount: number;
  /** Whether less is better than nothing. */
  readonly bestEffort: boolean;
}

const attributesWriter = new WireWriter();
const requestWriter = new WireWriter();

/** The bytes of a CheckRequest. */
export function encodeCheck<C>(
  set: AttributeSet<C>,
  call: C,
  globalWords: GlobalWords,
  deduplicationId: string,
  quotas: readonly QuotaDemand[],
): Buffer {
  const words = new WordDictionary(globalWords.count);
  attributesWriter.reset();
  for (const attribute of set.attributes) {
    const value = attribute.read(call);
    if (value !== undefined) writeAttribute(attributesWriter, words, attribute.name, attribute.kind, value);
  }
  const to = requestWriter;
  to.reset();
  to.byte(0x0a);
  const attributes = to.begin();
  // Words before what refers to them: then one pass reads it.
  for (const word of words.words) {
    to.byte(WORDS_TAG);
    to.text(word);
  }
  to.raw(attributesWriter.view());
  to.end(attributes);
  to.byte(0x10);
  to.varint(globalWords.count);
  to.byte(0x1a);
  to.text(deduplicationId);
  for (const { name, amount, bestEffort } of quotas) {
    to.byte(0x22);
    const entry = to.begin();
    to.byte(0x0a);
    to.text(name);
    to.byte(0x12);
    const params = to.begin();
    to.byte(0x08);
    to.int64(amount);
    to.byte(0x10);
    to.byte(bestEffort ? 1 : 0);
    to.end(params);
    to.end(entry);
  }
  return to.copy();
}
