import type { Clock } from '@xebec/core';
import {
  type ConfigVersion,
  type ContentChange,
  canonical,
  changeKey,
  MAX_PACKED_BYTES,
  packChanges,
  type StoredObject,
} from '@xebec/history';

/** A version that has no number yet. */
export type Unnumbered = Omit<ConfigVersion, 'number'>;

export interface Pending {
  readonly version: Unnumbered;
  /** Called with the number, undefined where it is not known in time. Calls after the first do nothing. */
  readonly done: (number: number | undefined) => void;
}

/** Above this many waiting versions, single changes are put together: a restore of a thousand objects need not be a thousand versions. */
const MERGE_ABOVE = 20;
const MAX_MERGED = 200;
/** Another Galley may record a change this long before it is in force here: longer than any watch lags. */
const AHEAD_MS = 60_000;
const MAX_AHEAD = 1_000;

interface Ahead {
  /** Of the object, or `bundle` and its name. */
  readonly key: string;
  readonly after: string;
  readonly number: number;
  readonly at: number;
}

/**
 * What took effect here and is not known to be recorded, oldest first. With several Galleys each has the same changes; `recorded` takes out
 * what another has written, also when it comes before the change itself.
 */
export class VersionQueue {
  readonly #clock: Clock;
  #waiting: Pending[] = [];
  #ahead: Ahead[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }
  get length(): number {
    return this.#waiting.length;
  }
  /** Keys of the objects that wait. */
  keys(): ReadonlySet<string> {
    return new Set(this.#waiting.flatMap(({ version }) => version.changes.map(changeKey)));
  }
  /** Puts a version at the end, in parts where it is too large for one object; one that another has recorded already is done. */
  add(version: Unnumbered, done: Pending['done']): void {
    const number = this.#takeAhead(version);
    if (number !== undefined) done(number);
    else for (const part of fitting(version)) this.#waiting.push({ version: part, done });
  }
  /** Back to the front, or something that happened before all the rest. */
  addFirst(...pending: readonly Pending[]): void {
    this.#waiting.unshift(...pending);
  }
  /** Gives up the oldest beyond `limit`. */
  shorten(limit: number): number {
    const given = this.#waiting.splice(0, Math.max(0, this.#waiting.length - limit));
    for (const { done } of given) done(undefined);
    return given.length;
  }

  /** The next version to be written; many single changes of one author are one. */
  take(): Pending | undefined {
    const [first] = this.#waiting;
    if (first === undefined || this.#waiting.length <= MERGE_ABOVE || first.version.cause !== 'change') return this.#waiting.shift();
    const end = this.#waiting.findIndex(({ version }) => version.cause !== 'change' || version.author !== first.version.author);
    const run = this.#waiting.slice(0, end === -1 ? this.#waiting.length : end);
    const changes: ContentChange[] = [];
    let taken = 0;
    for (const { version } of run) {
      // Well below what one object may hold packed: unpacked it is ten times that.
      if (taken > 0 && JSON.stringify(version.changes).length + JSON.stringify(changes).length > MAX_PACKED_BYTES) break;
      changes.push(...version.changes);
      taken++;
      if (taken === MAX_MERGED) break;
    }
    const merged = this.#waiting.splice(0, taken);
    return {
      version: { ...first.version, changes },
      done: (number) => {
        for (const { done } of merged) done(number);
      },
    };
  }

  /** Another Galley has recorded this. */
  recorded({ bundle, changes, number }: ConfigVersion): void {
    const at = this.#clock.monotonic();
    if (bundle !== '') {
      const found = this.#waiting.findIndex(({ version }) => version.bundle === bundle);
      if (found === -1) this.#ahead.push({ key: `bundle ${bundle}`, after: '', number, at });
      else for (const { done } of this.#waiting.splice(found, 1)) done(number);
    } else
      for (const change of changes) {
        const [key, after] = [changeKey(change), canonical(change.after)];
        const found = this.#waiting.findIndex(
          ({ version }) => version.bundle === '' && version.changes.some((one) => changeKey(one) === key && canonical(one.after) === after),
        );
        if (found === -1) this.#ahead.push({ key, after, number, at });
        // What came before of the same object was passed over there.
        else this.#rewrite((one, index) => (index <= found && changeKey(one) === key ? undefined : one), number);
      }
    this.#ahead = this.#ahead.filter((one) => one.at > at - AHEAD_MS).slice(-MAX_AHEAD);
  }

  /** Nobody is to wait longer for a number; the versions stay. */
  answer(): void {
    for (const { done } of this.#waiting) done(undefined);
  }
  /**
   * Makes what waits go on from where the history ends (`latest`, and the numbers of `bundles`): what is there already is dropped, the
   * rest begins with what was last.
   */
  continue(latest: ReadonlyMap<string, StoredObject | undefined>, bundles: ReadonlyMap<string, number>): void {
    this.#waiting = this.#waiting.filter(({ version, done }) => {
      const number = bundles.get(version.bundle);
      if (number !== undefined) done(number);
      return number === undefined;
    });
    const now = new Map(latest);
    this.#rewrite((change) => {
      const key = changeKey(change);
      const before = now.has(key) ? now.get(key) : change.before;
      now.set(key, change.after);
      return canonical(before) === canonical(change.after) ? undefined : { before, after: change.after };
    }, undefined);
  }

  #rewrite(each: (change: ContentChange, index: number) => ContentChange | undefined, number: number | undefined): void {
    this.#waiting = this.#waiting.flatMap(({ version, done }, index) => {
      const changes = version.changes.flatMap((change) => each(change, index) ?? []);
      if (changes.length > 0) return [{ version: { ...version, changes }, done }];
      done(number);
      return [];
    });
  }

  #takeAhead({ bundle, changes }: Unnumbered): number | undefined {
    const [change] = changes;
    if (change === undefined || (bundle === '' && changes.length > 1)) return undefined;
    const [key, after] = bundle === '' ? [changeKey(change), canonical(change.after)] : [`bundle ${bundle}`, ''];
    const found = this.#ahead.findLastIndex((one) => one.key === key && one.after === after);
    const number = this.#ahead[found]?.number;
    this.#ahead = this.#ahead.filter((one, index) => index > found || one.key !== key);
    return number;
  }
}

/** One version, or several where it is too large for one object. */
function fitting(version: Unnumbered): Unnumbered[] {
  const { changes } = version;
  if (changes.length <= 1 || packChanges(changes).length <= MAX_PACKED_BYTES) return [version];
  const half = Math.ceil(changes.length / 2);
  return [...fitting({ ...version, changes: changes.slice(0, half) }), ...fitting({ ...version, changes: changes.slice(half) })];
}
