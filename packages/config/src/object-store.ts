import { type ConfigObject, isMeshGroup } from '@xebec/schemas';
import { type ConfigChange, type ConfigListener, type ObjectKey, objectKey } from './source.ts';

/** The objects of one source with their listeners: what every implementation keeps its state in. */
export class ObjectStore {
  readonly #objects = new Map<ObjectKey, ConfigObject>();
  readonly #listeners = new Set<ConfigListener>();
  #syncedListeners: (() => void)[] = [];
  #synced = false;

  get synced(): boolean {
    return this.#synced;
  }
  get(key: ObjectKey): ConfigObject | undefined {
    return this.#objects.get(key);
  }
  list(): readonly ConfigObject[] {
    return [...this.#objects.values()];
  }
  subscribe(listener: ConfigListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
  onSynced(listener: () => void): void {
    if (this.#synced) listener();
    else this.#syncedListeners.push(listener);
  }
  markSynced(): void {
    if (this.#synced) return;
    this.#synced = true;
    const listeners = this.#syncedListeners;
    this.#syncedListeners = [];
    for (const listener of listeners) listener();
  }
  /** Applies changes together. Objects that are the same as before, and deletions of unknown keys, tell nobody. */
  apply(upserts: Iterable<ConfigObject>, deletions: Iterable<ObjectKey> = []): void {
    const changes: ConfigChange[] = [];
    for (const key of deletions) {
      const previous = this.#objects.get(key);
      if (previous === undefined) continue;
      this.#objects.delete(key);
      changes.push({ type: 'delete', key, previous });
    }
    for (const object of upserts) {
      const key = objectKey(object);
      const previous = this.#objects.get(key);
      if (previous !== undefined && isSame(previous, object)) continue;
      this.#objects.set(key, object);
      changes.push({ type: 'upsert', key, object, previous });
    }
    if (changes.length > 0) for (const listener of this.#listeners) listener(changes);
  }
  /** Makes `objects` all there is, among the keys that `owns` says belong to the caller. */
  replace(objects: Iterable<ConfigObject>, owns: (key: ObjectKey) => boolean = () => true): void {
    const kept = [...objects];
    const keys = new Set(kept.map(objectKey));
    this.apply(
      kept,
      [...this.#objects.keys()].filter((key) => owns(key) && !keys.has(key)),
    );
  }
}

function isSame(a: ConfigObject, b: ConfigObject): boolean {
  if (a === b) return true;
  const versioned = a.metadata.resourceVersion !== '' && a.metadata.uid === b.metadata.uid;
  if (versioned && a.metadata.resourceVersion === b.metadata.resourceVersion) return true;
  // The status of the mesh's own objects is written by the mesh itself, and what changes nothing else is no change.
  return (a.source !== undefined || isMeshGroup(a.apiVersion)) && withoutVersion(a) === withoutVersion(b);
}

function withoutVersion({ metadata: { resourceVersion: _version, ...metadata }, ...rest }: ConfigObject): string {
  return JSON.stringify({ ...rest, metadata });
}
