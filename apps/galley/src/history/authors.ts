import { type ContentChange, canonical, changeKey, contentKey, contentOfRaw } from '@xebec/history';

/** As many as fit between admission and the watch, with room to spare. */
const KEPT = 2_000;

/** Who asked admission for what: the only place that names the user of the API server. */
export class Authors {
  readonly #users = new Map<string, string>();

  /** An object that was admitted; its last writer with the same content counts. */
  note(user: string, object: unknown): void {
    const content = contentOfRaw(object);
    if (content === undefined || user === '') return;
    const key = `${contentKey(content)} ${canonical(content)}`;
    this.#users.delete(key);
    this.#users.set(key, user);
    for (const oldest of this.#users.keys()) {
      if (this.#users.size <= KEPT) break;
      this.#users.delete(oldest);
    }
  }
  /** Who deleted an object. */
  noteDeletion(user: string, oldObject: unknown): void {
    const content = contentOfRaw(oldObject);
    if (content !== undefined && user !== '') this.#users.set(contentKey(content), user);
  }
  /** The user behind changes; empty when none of them went through this admission webhook. */
  of(changes: readonly ContentChange[]): string {
    for (const change of changes) {
      const key = change.after === undefined ? changeKey(change) : `${changeKey(change)} ${canonical(change.after)}`;
      const user = this.#users.get(key);
      if (user !== undefined) return user;
    }
    return '';
  }
}
