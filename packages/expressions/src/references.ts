import { create } from '@bufbuild/protobuf';
import { err, ok, type Result } from '@xebec/core';
import {
  type ReferencedAttributes,
  ReferencedAttributes_AttributeMatchSchema,
  ReferencedAttributes_Condition,
  ReferencedAttributesSchema,
} from '@xebec/protos/istio/mixer/v1/mixer';
import { globalDictionary, globalWordIndexes } from './global-dictionary.ts';

export interface AttributeReference {
  readonly name: string;
  /** Set when one entry of a map was read, not the whole. */
  readonly mapKey: string | undefined;
  readonly present: boolean;
  /** Set when any value that this RE2 expression matches gives the same answer. */
  readonly regex?: string;
}

/** Remembers which attributes an evaluation read: what an answer may be cached by. */
export class ReferenceTracker {
  readonly #seen: Map<string, AttributeReference>;
  readonly #own: Set<string>;

  constructor(from?: ReferenceTracker) {
    this.#seen = new Map(from === undefined ? [] : from.#seen);
    this.#own = new Set(from === undefined ? [] : from.#own);
  }
  record(name: string, mapKey: string | undefined, present: boolean): void {
    if (this.#own.has(name)) return;
    const key = mapKey === undefined ? name : `${name}\0${mapKey}`;
    if (!this.#seen.has(key)) this.#seen.set(key, { name, mapKey, present });
  }
  /** From now on this attribute is one that Mixer itself made, of which the client knows nothing: it is not recorded. */
  exclude(name: string): void {
    this.#own.add(name);
  }
  list(): readonly AttributeReference[] {
    return [...this.#seen.values()];
  }
  /**
   * The message for the client. Words of the global dictionary are used as far as the client knows it; the others are the message's own
   * (negative indexes).
   */
  toMessage(globalWordCount = 0): ReferencedAttributes {
    return encodeReferences(this.list(), globalWordCount);
  }
}

function conditionOf({ present, regex }: AttributeReference): ReferencedAttributes_Condition {
  if (regex !== undefined) return ReferencedAttributes_Condition.REGEX;
  return present ? ReferencedAttributes_Condition.EXACT : ReferencedAttributes_Condition.ABSENCE;
}

/** `globalWordCount`: how many words of the global dictionary the reader knows. */
export function encodeReferences(references: readonly AttributeReference[], globalWordCount = 0): ReferencedAttributes {
  const words: string[] = [];
  const indexes = new Map<string, number>();
  const word = (text: string): number => {
    const global = globalWordIndexes.get(text);
    // 0 as a map key means that there is none.
    if (global !== undefined && global < globalWordCount && global !== 0) return global;
    const known = indexes.get(text);
    if (known !== undefined) return known;
    words.push(text);
    indexes.set(text, -words.length);
    return -words.length;
  };
  const attributeMatches = references.map((reference) =>
    create(ReferencedAttributes_AttributeMatchSchema, {
      name: word(reference.name),
      condition: conditionOf(reference),
      ...(reference.regex === undefined ? {} : { regex: reference.regex }),
      ...(reference.mapKey === undefined ? {} : { mapKey: word(reference.mapKey) }),
    }),
  );
  return create(ReferencedAttributesSchema, { words, attributeMatches });
}

/** What an answer was decided by; fails on words outside both dictionaries and on conditions that are none. */
export function decodeReferences(message: ReferencedAttributes, globalWordCount = 0): Result<readonly AttributeReference[], string> {
  const references: AttributeReference[] = [];
  const word = (index: number): string | undefined =>
    index < 0 ? message.words[-index - 1] : index < globalWordCount ? globalDictionary[index] : undefined;
  for (const { name, condition, regex, mapKey } of message.attributeMatches) {
    const [attribute, key] = [word(name), mapKey === 0 ? undefined : word(mapKey)];
    if (attribute === undefined) return err(`word ${name} is in no dictionary`);
    if (mapKey !== 0 && key === undefined) return err(`word ${mapKey} is in no dictionary`);
    const present = condition !== ReferencedAttributes_Condition.ABSENCE;
    if (condition === ReferencedAttributes_Condition.CONDITION_UNSPECIFIED) return err(`${attribute} is read under no condition`);
    const pattern = condition === ReferencedAttributes_Condition.REGEX ? { regex } : {};
    references.push({ name: attribute, mapKey: key, present, ...pattern });
  }
  return ok(references);
}
