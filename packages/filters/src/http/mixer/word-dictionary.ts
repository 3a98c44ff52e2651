import { globalDictionary, globalWordIndexes } from '@xebec/expressions';

/** The first version of the global dictionary, which every Mixer knows (istio/proxy 1.4, `attribute_compressor.cc`). */
const baseWordCount = 111;

/** How many words of the global dictionary Mixer understands; a refusal makes it fewer. */
export class GlobalWords {
  count = globalDictionary.length;

  /**
   * After `INVALID_ARGUMENT` to a message with `used` words: an older Mixer knows fewer words, one without a dictionary none. False when
   * there are none left to do without.
   */
  shrink(used: number): boolean {
    if (used === 0) return false;
    if (this.count === used) this.count = used > baseWordCount ? baseWordCount : 0;
    return true;
  }
}

/** The words of one message: those of the global dictionary have indexes from 0, its own count down from -1. */
export class WordDictionary {
  readonly words: string[] = [];
  readonly #indexes = new Map<string, number>();
  readonly #globalCount: number;

  constructor(globalCount: number) {
    this.#globalCount = globalCount;
  }
  get globalCount(): number {
    return this.#globalCount;
  }
  indexOf(word: string): number {
    // Global words are kept among the own ones: in a batch nearly every word was there before, and one look finds it.
    const known = this.#indexes.get(word);
    if (known !== undefined) return known;
    const global = globalWordIndexes.get(word);
    if (global !== undefined && global < this.#globalCount) {
      this.#indexes.set(word, global);
      return global;
    }
    this.words.push(word);
    const index = -this.words.length;
    this.#indexes.set(word, index);
    return index;
  }
}
