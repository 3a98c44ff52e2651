import { toBinary } from '@bufbuild/protobuf';
import { DurationSchema, TimestampSchema } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@xebec/core';
import { durationMs } from '@xebec/matching';
import {
  type CheckResponse_PreconditionResult,
  ReferencedAttributes_Condition as Condition,
  type ReferencedAttributes,
} from '@xebec/protos/istio/mixer/v1/mixer';
import type { AttributeBag, AttributeValue } from './attributes.ts';

interface Reference {
  readonly name: string;
  readonly mapKey: string | undefined;
  readonly absent: boolean;
}

interface Entry {
  readonly result: CheckResponse_PreconditionResult;
  readonly expiresAtMs: number;
  usesLeft: number;
}

interface Pattern {
  readonly references: readonly Reference[];
  readonly entries: Map<string, Entry>;
}

const maxPatterns = 64;
const maxEntriesPerPattern = 10_000;

/**
 * Remembers answers of Check by the values of the attributes that decided them (`referenced_attributes`). An answer serves until
 * its `valid_duration` has passed or it was used `valid_use_count` times.
 */
export class CheckCache {
  readonly #clock: Clock;
  readonly #patterns = new Map<string, Pattern>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }
  get(bag: AttributeBag): CheckResponse_PreconditionResult | undefined {
    const now = this.#clock.monotonic();
    for (const { references, entries } of this.#patterns.values()) {
      const key = keyOf(bag, references);
      const entry = key === undefined ? undefined : entries.get(key);
      if (key === undefined || entry === undefined) continue;
      if (now < entry.expiresAtMs && entry.usesLeft > 0) {
        entry.usesLeft--;
        return entry.result;
      }
      entries.delete(key);
    }
    return undefined;
  }
  put(bag: AttributeBag, result: CheckResponse_PreconditionResult): void {
    const { referencedAttributes, validDuration, validUseCount } = result;
    if (referencedAttributes === undefined || validDuration === undefined) return;
    // The first use is the one that asked. Negative counts are unlimited.
    const usesLeft = validUseCount < 0 ? Number.POSITIVE_INFINITY : validUseCount - 1;
    const validMs = durationMs(validDuration);
    if (usesLeft <= 0 || validMs <= 0) return;
    const references = readReferences(referencedAttributes);
    const key = references === undefined ? undefined : keyOf(bag, references);
    if (references === undefined || key === undefined) return;
    const signature = JSON.stringify(references);
    let pattern = this.#patterns.get(signature);
    if (pattern === undefined) {
      if (this.#patterns.size >= maxPatterns) this.#patterns.clear();
      pattern = { references, entries: new Map() };
      this.#patterns.set(signature, pattern);
    }
    if (pattern.entries.size >= maxEntriesPerPattern) {
      const oldest = pattern.entries.keys().next();
      if (!oldest.done) pattern.entries.delete(oldest.value);
    }
    pattern.entries.set(key, { result, expiresAtMs: this.#clock.monotonic() + validMs, usesLeft });
  }
}

/** Undefined when a word is not in the message's dictionary: such an answer cannot be cached. */
function readReferences(referenced: ReferencedAttributes): Reference[] | undefined {
  const word = (index: number): string | undefined => (index < 0 ? referenced.words[-index - 1] : undefined);
  const references: Reference[] = [];
  for (const match of referenced.attributeMatches) {
    const name = word(match.name);
    if (name === undefined) return undefined;
    references.push({ name, mapKey: match.mapKey < 0 ? word(match.mapKey) : undefined, absent: match.condition === Condition.ABSENCE });
  }
  return references;
}

/** The referenced values in one text; undefined when something referenced as absent is there, or the other way round. */
function keyOf(bag: AttributeBag, references: readonly Reference[]): string | undefined {
  const parts: string[] = [];
  for (const { name, mapKey, absent } of references) {
    const attribute = bag.get(name);
    const value = attribute === undefined ? undefined : valueText(attribute, mapKey);
    if ((value === undefined) !== absent) return undefined;
    if (value !== undefined) parts.push(value);
  }
  return JSON.stringify(parts);
}

function valueText(attribute: AttributeValue, mapKey: string | undefined): string | undefined {
  switch (attribute.case) {
    case 'stringMapValue': {
      const { entries } = attribute.value;
      if (mapKey !== undefined) return Object.hasOwn(entries, mapKey) ? entries[mapKey] : undefined;
      return JSON.stringify(Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1)));
    }
    case 'bytesValue':
      return Buffer.from(attribute.value).toString('base64');
    case 'timestampValue':
      return Buffer.from(toBinary(TimestampSchema, attribute.value)).toString('base64');
    case 'durationValue':
      return Buffer.from(toBinary(DurationSchema, attribute.value)).toString('base64');
    default:
      return String(attribute.value);
  }
}
