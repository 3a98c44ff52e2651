import { globalDictionary } from '@xebec/expressions';
import { type CompiledRegex, compileRegex } from '@xebec/matching';
import { ReferencedAttributes_Condition as Condition, type ReferencedAttributes } from '@xebec/protos/istio/mixer/v1/mixer';
import { type Attribute, type AttributeSet, attributeText } from './attribute.ts';

interface Reference {
  readonly name: string;
  readonly mapKey: string | undefined;
  readonly absent: boolean;
  /** Any value that it matches gives the same answer. */
  readonly regex: CompiledRegex | undefined;
}

/** More attributes do not decide one answer; a message that says so is garbage. */
const maxReferences = 256;
/** A longer key is not worth its memory. */
const maxKeyLength = 4096;

/** Which attributes decided an answer, and how. */
export class References<C> {
  /** The same for answers that depend on the same attributes in the same way. */
  readonly signature: string;
  readonly #references: readonly Reference[];
  #set: AttributeSet<C> | undefined;
  #attributes: readonly (Attribute<C> | undefined)[] = [];

  constructor(references: readonly Reference[]) {
    this.#references = references;
    this.signature = JSON.stringify(
      references.map(({ name, mapKey, absent, regex }) => [name, mapKey ?? null, absent, regex?.source ?? null]),
    );
  }
  /** The values that decide for this call, in one text; undefined when the call is not one that the answer could be for. */
  keyOf(set: AttributeSet<C>, call: C): string | undefined {
    if (this.#set !== set) {
      // Nearly always the calls of one route come one after the other.
      this.#set = set;
      this.#attributes = this.#references.map(({ name }) => set.get(name));
    }
    let key = '';
    for (let i = 0; i < this.#references.length; i++) {
      const reference = this.#references[i];
      if (reference === undefined) continue;
      const attribute = this.#attributes[i];
      const value = attribute === undefined ? undefined : attributeText(attribute, call, reference.mapKey);
      if ((value === undefined) !== reference.absent) return undefined;
      if (value === undefined) continue;
      if (reference.regex === undefined) key += `${value.length}:${value}`;
      else if (!reference.regex.matches(value)) return undefined;
    }
    return key.length > maxKeyLength ? undefined : key;
  }
}

/** Undefined for what cannot be understood: such an answer is not kept. */
export function readReferences<C>(message: ReferencedAttributes): References<C> | undefined {
  if (message.attributeMatches.length > maxReferences) return undefined;
  const word = (index: number): string | undefined => (index < 0 ? message.words[-index - 1] : globalDictionary[index]);
  const references: Reference[] = [];
  for (const match of message.attributeMatches) {
    const name = word(match.name);
    if (name === undefined) return undefined;
    // Also what stands there where no entry of a map is meant.
    const mapKey = match.mapKey === 0 ? undefined : word(match.mapKey);
    if (match.mapKey !== 0 && mapKey === undefined) return undefined;
    switch (match.condition) {
      case Condition.EXACT:
      case Condition.ABSENCE:
        references.push({ name, mapKey, absent: match.condition === Condition.ABSENCE, regex: undefined });
        break;
      case Condition.REGEX: {
        const regex = tryRegex(match.regex);
        if (regex === undefined) return undefined;
        references.push({ name, mapKey, absent: false, regex });
        break;
      }
      default:
        return undefined;
    }
  }
  return new References(references);
}

function tryRegex(source: string): CompiledRegex | undefined {
  try {
    return compileRegex(source);
  } catch {
    return undefined;
  }
}
