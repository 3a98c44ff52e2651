import type { Logger } from '@xebec/core';
import type { ConfigObject } from '@xebec/schemas';
import { ObjectStore } from './object-store.ts';
import { type ConfigChange, type ConfigProblem, type ConfigSource, type ObjectKey, objectKey, problemText } from './source.ts';

/** An object that several sources have. */
export interface SourceConflict {
  readonly key: ObjectKey;
  /** Name of the source whose object is in force. */
  readonly inForce: string;
  /** Names of the others, in order of precedence. */
  readonly notInForce: readonly string[];
}

export interface MergedSource extends ConfigSource {
  readonly sources: readonly ConfigSource[];
  conflicts(): readonly SourceConflict[];
}

/**
 * Several sources as one. Of the same object (group, kind, namespace, name) the one of the first listed source counts; the others are
 * reported, and the next takes its place when it goes. What a source tells with one callback stays one callback. Synced when all are.
 */
export function mergeSources(sources: readonly ConfigSource[], logger: Logger): MergedSource {
  const store = new ObjectStore();
  const held = sources.map((source) => new Map(source.list().map((object) => [objectKey(object), object])));
  const conflicts = new Map<ObjectKey, SourceConflict>();
  const nameOf = (index: number): string => sources[index]?.name ?? '';

  /** The object in force, and who else has one. */
  const settle = (key: ObjectKey): ConfigObject | undefined => {
    const holders = held.flatMap((objects, index) => (objects.has(key) ? [index] : []));
    const [first = -1, ...others] = holders;
    if (others.length === 0) conflicts.delete(key);
    else {
      const conflict = { key, inForce: nameOf(first), notInForce: others.map(nameOf) };
      const before = conflicts.get(key);
      conflicts.set(key, conflict);
      if (before?.inForce !== conflict.inForce || before.notInForce.join() !== conflict.notInForce.join())
        for (const problem of problemsOf(conflict)) logger.warn({ source: 'several' }, problemText(problem));
    }
    return held[first]?.get(key);
  };
  const settleAll = (keys: Iterable<ObjectKey>): void => {
    const upserts: ConfigObject[] = [];
    const deletions: ObjectKey[] = [];
    for (const key of keys) {
      const object = settle(key);
      if (object === undefined) deletions.push(key);
      else upserts.push(object);
    }
    store.apply(upserts, deletions);
  };
  const take = (index: number, changes: readonly ConfigChange[]): void => {
    for (const change of changes) {
      if (change.type === 'upsert') held[index]?.set(change.key, change.object);
      else held[index]?.delete(change.key);
    }
    settleAll(new Set(changes.map(({ key }) => key)));
  };
  settleAll(held.flatMap((objects) => [...objects.keys()]));
  const stops = sources.map((source, index) => source.subscribe((changes) => take(index, changes)));
  const checkSynced = (): void => {
    if (sources.every(({ synced }) => synced)) store.markSynced();
  };
  return {
    name: sources.map(({ name }) => name).join(', then '),
    sources,
    get synced() {
      return store.synced;
    },
    list: () => store.list(),
    subscribe: (listener) => store.subscribe(listener),
    onSynced: (listener) => store.onSynced(listener),
    problems: () => [...sources.flatMap((source) => source.problems()), ...[...conflicts.values()].flatMap(problemsOf)],
    conflicts: () => [...conflicts.values()],
    start: async () => {
      for (const source of sources) source.onSynced(checkSynced);
      await Promise.all(sources.map((source) => source.start()));
      checkSynced();
    },
    close: async () => {
      for (const stop of stops) stop();
      await Promise.all(sources.map((source) => source.close()));
    },
  };
}

function problemsOf({ key, inForce, notInForce }: SourceConflict): readonly ConfigProblem[] {
  return notInForce.map((name) => ({ origin: name, line: 0, message: `${key} is not in force: ${inForce}, listed before, has it too` }));
}
