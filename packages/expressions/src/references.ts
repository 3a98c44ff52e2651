import { create } from '@bufbuild/protobuf';
import {
  type ReferencedAttributes,
  ReferencedAttributes_AttributeMatchSchema,
  ReferencedAttributes_Condition,
  ReferencedAttributesSchema,
} from '@xebec/protos/istio/mixer/v1/mixer';

export interface AttributeReference {
  readonly name: string;
  /** Set when one entry of a map was read, not the whole. */
  readonly mapKey: string | undefined;
  readonly present: boolean;
}

/** Remembers which attributes an evaluation read: what an answer may be cached by. */
export class ReferenceTracker {
  readonly #seen = new Map<string, AttributeReference>();

  record(name: string, mapKey: string | undefined, present: boolean): void {
    const key = mapKey === undefined ? name : `${name}\0${mapKey}`;
    if (!this.#seen.has(key)) this.#seen.set(key, { name, mapKey, present });
  }
  list(): readonly AttributeReference[] {
    return [...this.#seen.values()];
  }
  /** The message for the client, with words of its own (negative indexes). */
  toMessage(): ReferencedAttributes {
    const words: string[] = [];
    const indexes = new Map<string, number>();
    const word = (text: string): number => {
      const known = indexes.get(text);
      if (known !== undefined) return known;
      words.push(text);
      indexes.set(text, -words.length);
      return -words.length;
    };
    const attributeMatches = this.list().map(({ name, mapKey, present }) =>
      create(ReferencedAttributes_AttributeMatchSchema, {
        name: word(name),
        condition: present ? ReferencedAttributes_Condition.EXACT : ReferencedAttributes_Condition.ABSENCE,
        ...(mapKey === undefined ? {} : { mapKey: word(mapKey) }),
      }),
    );
    return create(ReferencedAttributesSchema, { words, attributeMatches });
  }
}
