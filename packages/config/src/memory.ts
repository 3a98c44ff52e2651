import type { ConfigObject } from '@xebec/schemas';
import { ObjectStore } from './object-store.ts';
import type { ConfigSource, ObjectKey } from './source.ts';

/** A source whose objects are put in by hand: for tests and for objects that a program makes. */
export interface MemorySource extends ConfigSource {
  apply(upserts: Iterable<ConfigObject>, deletions?: Iterable<ObjectKey>): void;
}

export function createMemorySource(initial: Iterable<ConfigObject> = [], name = 'memory'): MemorySource {
  const store = new ObjectStore();
  return {
    name,
    get synced() {
      return store.synced;
    },
    list: () => store.list(),
    subscribe: (listener) => store.subscribe(listener),
    onSynced: (listener) => store.onSynced(listener),
    problems: () => [],
    apply: (upserts, deletions) => store.apply(upserts, deletions),
    start: async () => {
      store.apply(initial);
      store.markSynced();
    },
    close: async () => undefined,
  };
}
