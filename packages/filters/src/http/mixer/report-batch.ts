import type { AttributeContent, AttributeSet } from './attribute.ts';
import { WireWriter } from './wire-writer.ts';
import { WordDictionary } from './word-dictionary.ts';
import { writeAttribute } from './write-attributes.ts';

const ATTRIBUTES_TAG = 0x0a;
const DEFAULT_WORDS_TAG = 0x12;
const GLOBAL_WORD_COUNT_TAG = 0x18;
const SEMANTICS_TAG = 0x20;
const INDEPENDENT_ENCODING = 1;

/** The values of one call in the order of its set's attributes. */
export type ReadValues = readonly (AttributeContent | undefined)[];

/**
 * A ReportRequest as it grows. With `shape` every entry says only what differs from the one before, so all of them must have the same
 * attributes: a difference cannot say that something is gone. Without it entries stand for themselves.
 */
export class ReportBatch<C> {
  /** Whose calls these are, where they have one shape. */
  readonly set: AttributeSet<C> | undefined;
  readonly shape: string;
  readonly #entries = new WireWriter();
  readonly #words: WordDictionary;
  #wordBytes = 0;
  #before: ReadValues | undefined;
  #count = 0;

  constructor(globalWordCount: number, set?: AttributeSet<C>, shape = '') {
    this.#words = new WordDictionary(globalWordCount);
    this.set = set;
    this.shape = shape;
  }
  get count(): number {
    return this.#count;
  }
  /** Bytes of the request so far, nearly. */
  get bytes(): number {
    return this.#entries.length + this.#wordBytes;
  }
  add(set: AttributeSet<C>, values: ReadValues): void {
    const to = this.#entries;
    const before = this.#before;
    const known = this.#words.words.length;
    to.byte(ATTRIBUTES_TAG);
    const entry = to.begin();
    const { attributes } = set;
    for (let i = 0; i < attributes.length; i++) {
      const attribute = attributes[i];
      const value = values[i];
      if (attribute === undefined || value === undefined || (before !== undefined && same(before[i], value))) continue;
      writeAttribute(to, this.#words, attribute.name, attribute.kind, value);
    }
    to.end(entry);
    if (this.set !== undefined) this.#before = values;
    this.#count++;
    const { words } = this.#words;
    for (let i = known; i < words.length; i++) this.#wordBytes += (words[i]?.length ?? 0) + 2;
  }
  finish(): Buffer {
    const to = new WireWriter();
    for (const word of this.#words.words) {
      to.byte(DEFAULT_WORDS_TAG);
      to.text(word);
    }
    to.byte(GLOBAL_WORD_COUNT_TAG);
    to.varint(this.#words.globalCount);
    if (this.set === undefined) {
      to.byte(SEMANTICS_TAG);
      to.byte(INDEPENDENT_ENCODING);
    }
    to.raw(this.#entries.view());
    return to.copy();
  }
}

function same(a: AttributeContent | undefined, b: AttributeContent): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a instanceof Uint8Array || b instanceof Uint8Array || a.length !== b.length)
    return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
