import { type ObjectKey, objectKey } from '@xebec/config';
import type { ConfigObject } from '@xebec/schemas';
import { alternativesOf, needsOf, providesOf, type Reference } from './references.ts';

/** An object that is about to be published or taken back. */
export interface Candidate {
  readonly key: ObjectKey;
  readonly before: ConfigObject | undefined;
  readonly after: ConfigObject | undefined;
}

/** What published objects provide and need, kept up to date change by change. */
export class ReferenceIndex {
  readonly #providers = new Map<Reference, number>();
  readonly #consumers = new Map<Reference, Set<ObjectKey>>();

  apply(before: ConfigObject | undefined, after: ConfigObject | undefined): void {
    if (before !== undefined) {
      for (const reference of providesOf(before)) this.#count(reference, -1);
      for (const need of needsOf(before)) this.#consumers.get(need)?.delete(objectKey(before));
    }
    if (after !== undefined) {
      for (const reference of providesOf(after)) this.#count(reference, 1);
      for (const need of needsOf(after)) {
        const consumers = this.#consumers.get(need);
        if (consumers === undefined) this.#consumers.set(need, new Set([objectKey(after)]));
        else consumers.add(objectKey(after));
      }
    }
  }

  /**
   * The candidates that would leave a reference without its target that has one now, or bring one that has none, each with the
   * reference. Publishing the others together is safe.
   */
  unsafe(candidates: readonly Candidate[], exempt: (key: ObjectKey) => boolean): ReadonlyMap<ObjectKey, Reference> {
    const unsafe = new Map<ObjectKey, Reference>();
    for (let rest = candidates; ; ) {
      const found = this.#unsafeOnce(rest, exempt);
      if (found.size === 0) return unsafe;
      for (const [key, reference] of found) unsafe.set(key, reference);
      rest = rest.filter(({ key }) => !found.has(key));
    }
  }

  #unsafeOnce(candidates: readonly Candidate[], exempt: (key: ObjectKey) => boolean): Map<ObjectKey, Reference> {
    const delta = new Map<Reference, number>();
    for (const { before, after } of candidates) {
      for (const reference of before === undefined ? [] : providesOf(before)) delta.set(reference, (delta.get(reference) ?? 0) - 1);
      for (const reference of after === undefined ? [] : providesOf(after)) delta.set(reference, (delta.get(reference) ?? 0) + 1);
    }
    const isThere = (need: Reference) =>
      alternativesOf(need).some((reference) => (this.#providers.get(reference) ?? 0) + (delta.get(reference) ?? 0) > 0);
    const wasThere = (need: Reference) => alternativesOf(need).some((reference) => (this.#providers.get(reference) ?? 0) > 0);
    const moving = new Set(candidates.map(({ key }) => key));
    const found = new Map<ObjectKey, Reference>();
    for (const { key, before, after } of candidates) {
      if (exempt(key)) continue;
      const old = new Set(before === undefined ? [] : needsOf(before));
      for (const need of after === undefined ? [] : needsOf(after))
        if (!isThere(need) && (wasThere(need) || !old.has(need))) found.set(key, need);
      const kept = new Set(after === undefined ? [] : providesOf(after));
      for (const reference of before === undefined ? [] : providesOf(before)) {
        if (kept.has(reference) || isThere(reference)) continue;
        for (const consumer of this.#consumers.get(reference) ?? []) if (!moving.has(consumer)) found.set(key, reference);
      }
    }
    return found;
  }

  #count(reference: Reference, by: number): void {
    const count = (this.#providers.get(reference) ?? 0) + by;
    if (count === 0) this.#providers.delete(reference);
    else this.#providers.set(reference, count);
  }
}
