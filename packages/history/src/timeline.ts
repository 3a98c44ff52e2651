import { type ContentChange, canonical, changeKey, type StoredObject } from './content.ts';
import type { ConfigVersion } from './version.ts';

/** What a set of versions changed in all: of each object the first before and the last after; what came back is no change. */
export function summarize(versions: Iterable<ConfigVersion>): ContentChange[] {
  const byKey = new Map<string, ContentChange>();
  for (const { changes } of [...versions].sort((a, b) => a.number - b.number)) {
    for (const change of changes) {
      const key = changeKey(change);
      const first = byKey.get(key);
      byKey.set(key, { before: first === undefined ? change.before : first.before, after: change.after });
    }
  }
  return [...byKey.values()].filter(({ before, after }) => canonical(before) !== canonical(after));
}

/** The versions with numbers above `from` and up to `to`. Undefined when one of them is no longer kept. */
export function versionsBetween(history: readonly ConfigVersion[], from: number, to: number): readonly ConfigVersion[] | undefined {
  const found = history.filter(({ number }) => number > from && number <= to);
  return found.length === Math.max(0, to - from) ? found : undefined;
}

/** The newest known content of each object that any version changed. */
export function latestContents(history: readonly ConfigVersion[]): ReadonlyMap<string, StoredObject | undefined> {
  const latest = new Map<string, StoredObject | undefined>();
  for (const { changes } of [...history].sort((a, b) => a.number - b.number))
    for (const change of changes) latest.set(changeKey(change), change.after);
  return latest;
}

/**
 * What has to be written so that the objects which `undone` changed are as they were before the first of them. `live` is the
 * present content of an object; what is as it was needs nothing.
 */
export function planRollback(
  undone: readonly ConfigVersion[],
  live: (key: string) => StoredObject | undefined,
  wanted: (content: StoredObject) => boolean = () => true,
): ContentChange[] {
  const targets = new Map<string, { target: StoredObject | undefined; any: StoredObject | undefined }>();
  for (const { changes } of [...undone].sort((a, b) => a.number - b.number))
    for (const change of changes) {
      const key = changeKey(change);
      if (!targets.has(key)) targets.set(key, { target: change.before, any: change.before ?? change.after });
    }
  return [...targets]
    .filter(([, { any }]) => any !== undefined && wanted(any))
    .map(([key, { target }]) => ({ before: live(key), after: target }))
    .filter(({ before, after }) => canonical(before) !== canonical(after));
}
