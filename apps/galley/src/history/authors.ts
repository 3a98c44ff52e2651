import type { Clock } from '@xebec/core';
import { type ContentChange, canonical, changeKey, contentKey, contentOfRaw } from '@xebec/history';

/** As many as fit between admission and the watch, with room to spare. */
const KEPT = 2_000;

/** Who asked admission for what: the only place that names the user of the API server. */
export class Authors {
  readonly #clock: Clock;
  readonly #notes = new Map<string, { readonly user: string; readonly at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }
  /** An object that was admitted; its last writer with the same content counts. */
  note(user: string, object: unknown): void {
    const content = contentOfRaw(object);
    if (content !== undefined) this.#put(`${contentKey(content)} ${canonical(content)}`, user);
  }
  /** Who deleted an object. */
  noteDeletion(user: string, oldObject: unknown): void {
    const content = contentOfRaw(oldObject);
    if (content !== undefined) this.#put(contentKey(content), user);
  }
  /**
   * The user behind changes that were admitted after `since` (milliseconds since 1970); empty when none of them went through this
   * admission webhook. Older notes are of somebody who wrote the same content before.
   */
  of(changes: readonly ContentChange[], since: number): string {
    for (const change of changes) {
      const note = this.#notes.get(noteKey(change));
      if (note !== undefined && note.at >= since) return note.user;
    }
    return '';
  }
  /** These changes are recorded: who writes the same again is another author. */
  forget(changes: readonly ContentChange[]): void {
    for (const change of changes) this.#notes.delete(noteKey(change));
  }

  #put(key: string, user: string): void {
    if (user === '') return;
    this.#notes.delete(key);
    this.#notes.set(key, { user, at: this.#clock.now() });
    for (const oldest of this.#notes.keys()) {
      if (this.#notes.size <= KEPT) break;
      this.#notes.delete(oldest);
    }
  }
}

function noteKey(change: ContentChange): string {
  return change.after === undefined ? changeKey(change) : `${changeKey(change)} ${canonical(change.after)}`;
}
