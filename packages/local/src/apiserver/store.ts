import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { deepFreeze, type KubeObject } from './object.ts';

export interface StoreEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly revision: number;
  /** The resource's id, such as `deployments.apps`. */
  readonly resource: string;
  readonly object: KubeObject;
  /** What lay there before; unknown for events of an earlier run. */
  readonly previous: KubeObject | undefined;
}

export interface StoreOptions {
  /** A file, or `:memory:`. */
  readonly file: string;
  /** How many events a watch can go back. */
  readonly historyLimit?: number;
  /** Sync to disk on every commit: a power cut loses nothing. Without it only `kill -9` loses nothing. */
  readonly fullSync?: boolean;
}

const DEFAULT_HISTORY = 8192;

/**
 * All objects, in memory for reading and in SQLite (WAL) for keeping: a write has reached the file before it is
 * acknowledged, so killing the process loses nothing. One counter gives every change its revision.
 */
export class ObjectStore {
  readonly #database: DatabaseSync;
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #text = new WeakMap<KubeObject, string>();
  readonly #listeners = new Set<(event: StoreEvent) => void>();
  readonly #historyLimit: number;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #log: StatementSync;
  readonly #trim: StatementSync;
  #history: StoreEvent[] = [];
  /** Watches can resume from this revision or later. */
  #compacted = 0;
  #revision = 0;

  constructor({ file, historyLimit = DEFAULT_HISTORY, fullSync = false }: StoreOptions) {
    this.#historyLimit = historyLimit;
    this.#database = new DatabaseSync(file);
    this.#database.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=${fullSync ? 'FULL' : 'NORMAL'}; PRAGMA busy_timeout=2000`);
    this.#database.exec(`
      CREATE TABLE IF NOT EXISTS objects (resource TEXT, namespace TEXT, name TEXT, body TEXT NOT NULL,
        PRIMARY KEY (resource, namespace, name)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS history (revision INTEGER PRIMARY KEY, type TEXT NOT NULL, resource TEXT NOT NULL, body TEXT NOT NULL)`);
    this.#put = this.#database.prepare('INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)');
    this.#remove = this.#database.prepare('DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?');
    this.#log = this.#database.prepare('INSERT INTO history VALUES (?, ?, ?, ?)');
    this.#trim = this.#database.prepare('DELETE FROM history WHERE revision <= ?');
    this.#load();
  }

  #load(): void {
    for (const row of this.#database.prepare('SELECT resource, body FROM objects').iterate()) {
      const object = this.#decode(String(row['body']));
      this.#table(String(row['resource'])).set(keyOf(object), object);
    }
    for (const row of this.#database.prepare('SELECT revision, type, resource, body FROM history ORDER BY revision').iterate()) {
      const type = String(row['type']);
      if (type !== 'ADDED' && type !== 'MODIFIED' && type !== 'DELETED') continue;
      const revision = Number(row['revision']);
      const object = this.#decode(String(row['body']));
      this.#history.push({ type, revision, resource: String(row['resource']), object, previous: undefined });
      this.#revision = revision;
    }
    this.#compacted = (this.#history[0]?.revision ?? this.#revision + 1) - 1;
  }

  #decode(body: string): KubeObject {
    // Our own encoding of an object that passed validation when it was written.
    const object = deepFreeze(JSON.parse(body) as KubeObject);
    this.#text.set(object, body);
    return object;
  }

  #table(resource: string): Map<string, KubeObject> {
    let table = this.#objects.get(resource);
    if (table === undefined) {
      table = new Map();
      this.#objects.set(resource, table);
    }
    return table;
  }

  /** The revision of the latest change; what a list carries. */
  get revision(): number {
    return this.#revision;
  }

  get compactedRevision(): number {
    return this.#compacted;
  }

  get(resource: string, namespace: string, name: string): KubeObject | undefined {
    return this.#objects.get(resource)?.get(`${namespace}/${name}`);
  }

  /** Objects of one resource in order of namespace and name; all namespaces when `namespace` is undefined. */
  list(resource: string, namespace?: string): KubeObject[] {
    const all = [...(this.#objects.get(resource)?.entries() ?? [])];
    const wanted = namespace === undefined ? all : all.filter(([key]) => key.startsWith(`${namespace}/`));
    return wanted.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
  }

  /** Ids of resources that hold or held an object. */
  resources(): string[] {
    return [...this.#objects.keys()];
  }

  /** The JSON text of a stored object, encoded once. */
  text(object: KubeObject): string {
    let text = this.#text.get(object);
    if (text === undefined) {
      text = JSON.stringify(object);
      if (Object.isFrozen(object)) this.#text.set(object, text);
    }
    return text;
  }

  /** Stores an object, new or changed; returns it frozen, with its resourceVersion. */
  put(resource: string, object: KubeObject): KubeObject {
    const table = this.#table(resource);
    const previous = table.get(keyOf(object));
    const revision = this.#revision + 1;
    const stored = deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } });
    this.#commit(previous === undefined ? 'ADDED' : 'MODIFIED', resource, stored, previous);
    return stored;
  }

  /** Removes an object; returns its last state with the revision of its removal. */
  delete(resource: string, object: KubeObject): KubeObject {
    const previous = this.#table(resource).get(keyOf(object));
    const revision = this.#revision + 1;
    const last = deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } });
    this.#commit('DELETED', resource, last, previous);
    return last;
  }

  #commit(type: StoreEvent['type'], resource: string, object: KubeObject, previous: KubeObject | undefined): void {
    const { namespace = '', name } = object.metadata;
    const body = this.text(object);
    const revision = this.#revision + 1;
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      if (type === 'DELETED') this.#remove.run(resource, namespace, name);
      else this.#put.run(resource, namespace, name, body);
      this.#log.run(revision, type, resource, body);
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
    this.#revision = revision;
    if (type === 'DELETED') this.#table(resource).delete(keyOf(object));
    else this.#table(resource).set(keyOf(object), object);
    const event: StoreEvent = { type, revision, resource, object, previous };
    this.#history.push(event);
    if (this.#history.length > this.#historyLimit * 1.25) this.compact(this.#historyLimit);
    for (const listener of this.#listeners) listener(event);
  }

  /** Forgets all but the newest `keep` events. */
  compact(keep: number): void {
    const cut = this.#history.length - keep;
    if (cut <= 0) return;
    const last = this.#history[cut - 1];
    this.#history = this.#history.slice(cut);
    this.#compacted = last?.revision ?? this.#compacted;
    // The newest event stays in the file: it holds the counter.
    this.#trim.run(Math.min(this.#compacted, this.#revision - 1));
  }

  /** Events after a revision, or undefined when they were forgotten. */
  since(revision: number): StoreEvent[] | undefined {
    if (revision < this.#compacted) return undefined;
    let low = 0;
    let high = this.#history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#history[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#history.slice(low);
  }

  /** Calls `listener` after every commit, in order; it must not write in the same turn. Returns the way to stop. */
  subscribe(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#listeners.clear();
    this.#database.close();
  }
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}
