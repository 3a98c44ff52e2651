import { toBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { type ConfigSource, ConfigSourceSchema } from '@xebec/protos/envoy/config/core/v3/config_source';
import type { CollectionWatcher, ResourceWatcher, Subscribe } from '../xds-client/subscribe.ts';
import type { ResourceBytes, ToWorker } from './protocol.ts';
import type { ConfigSources, InForce } from './thread.ts';

/** Who follows what the main thread accepts. */
export interface RelayTarget {
  send(message: ToWorker): void;
}

interface Named {
  readonly watchers: Set<ResourceWatcher>;
  /** Workers that have asked for it. */
  readonly targets: Set<RelayTarget>;
  /** Workers that have been sent what is current, asked for or not; they keep it until they hear that it is gone or released. */
  readonly told: Set<RelayTarget>;
  current: { readonly any: Any; readonly version: string } | undefined;
  /** Nothing came in time: those who join later shall not wait either. */
  timedOut: boolean;
  stop: () => void;
}

interface Collection {
  readonly typeUrl: string;
  readonly targets: Set<RelayTarget>;
  /** What targets have been told. */
  sent: ReadonlyMap<string, Uint8Array>;
  received: boolean;
}

/** Identifies a subscription in every thread: the same configuration asks for it in the same words. */
export function subscriptionKey(source: ConfigSource, typeUrl: string, name: string): string {
  return `${Buffer.from(toBinary(ConfigSourceSchema, source)).toString('base64')}|${typeUrl}|${name}`;
}

/**
 * Stands between the sources of configuration and the main thread's own data plane: what that accepts goes on to workers, what it
 * refuses they never see, and the server hears one answer.
 *
 * A server goes by the main thread's answers: once that has a cluster's endpoints, routes to the cluster may follow. So what the
 * main thread follows goes to all workers in the order in which it was accepted, before they ask: a busy worker that only then
 * asked for endpoints would have the route first, and answer 503 until they came.
 */
export class ResourceRelay implements ConfigSources {
  readonly #inner: ConfigSources;
  readonly #named = new Map<string, Named>();
  readonly #collections = new Map<string, Collection>();
  readonly #workers = new Set<RelayTarget>();
  #inForce: InForce = () => [];

  constructor(inner: ConfigSources) {
    this.#inner = inner;
  }
  /** Tells where the accepted resources of a collection can be read. */
  follow(inForce: InForce): void {
    this.#inForce = inForce;
  }
  readonly subscribe: Subscribe = (source, typeUrl, name, watcher) => {
    const key = subscriptionKey(source, typeUrl, name);
    const named = this.#open(key, source, typeUrl, name, watcher.statPrefix, (fresh) => fresh.watchers.add(watcher));
    if (!named.watchers.has(watcher)) {
      named.watchers.add(watcher);
      this.#tell(key, name, named, this.#workers);
      if (named.current !== undefined) watcher.onResource(named.current.any, named.current.version);
      else if (named.timedOut) queueMicrotask(() => watcher.onTimeout?.());
    }
    return () => {
      named.watchers.delete(watcher);
      this.#closeUnused(key, named);
    };
  };
  collect(source: ConfigSource, typeUrl: string, watcher: CollectionWatcher, statPrefix: string): void {
    const collection: Collection = {
      typeUrl,
      targets: this.#collections.get(statPrefix)?.targets ?? new Set(),
      sent: new Map(),
      received: false,
    };
    this.#collections.set(statPrefix, collection);
    const relaying: CollectionWatcher = {
      onChange: (change) => {
        const errors = watcher.onChange(change);
        collection.received = true;
        this.#sendChanges(statPrefix, collection);
        return errors;
      },
      onTimeout: () => {
        watcher.onTimeout?.();
        collection.received = true;
        this.#sendChanges(statPrefix, collection);
      },
    };
    this.#inner.collect(source, typeUrl, relaying, statPrefix);
  }
  close(): void {
    this.#inner.close();
  }
  /** A worker starts: from now on it gets what the main thread follows. */
  join(target: RelayTarget): void {
    this.#workers.add(target);
  }
  /** A worker follows a collection: it gets all of it now, or once it is there. */
  followCollection(statPrefix: string, target: RelayTarget): void {
    const collection = this.#collections.get(statPrefix);
    if (collection === undefined) {
      // The main thread has not got so far; it will.
      this.#collections.set(statPrefix, { typeUrl: '', targets: new Set([target]), sent: new Map(), received: false });
      return;
    }
    collection.targets.add(target);
    if (!collection.received) return;
    const changed = [...this.#inForce(statPrefix)].map((entry) =>
      resourceBytes(collection.typeUrl, entry.name, entry.bytes, entry.version),
    );
    target.send({ kind: 'collection', statPrefix, changed, removed: [] });
  }
  /** A worker follows one resource. */
  followResource(key: string, source: ConfigSource, typeUrl: string, name: string, target: RelayTarget): void {
    const named = this.#open(key, source, typeUrl, name, undefined, (fresh) => fresh.targets.add(target));
    if (named.targets.has(target) && named.current === undefined && !named.timedOut) return;
    named.targets.add(target);
    if (named.current !== undefined) this.#tell(key, name, named, [target]);
    else if (named.timedOut) target.send({ kind: 'resource-timeout', key });
  }
  unfollowResource(key: string, target: RelayTarget): void {
    const named = this.#named.get(key);
    if (named === undefined) return;
    named.targets.delete(target);
    this.#closeUnused(key, named);
  }
  /** A worker is gone. */
  forget(target: RelayTarget): void {
    this.#workers.delete(target);
    for (const collection of this.#collections.values()) collection.targets.delete(target);
    for (const [key, named] of this.#named) {
      named.told.delete(target);
      if (named.targets.delete(target)) this.#closeUnused(key, named);
    }
  }
  /** `first` joins before the subscription begins: an answer may come at once. */
  #open(
    key: string,
    source: ConfigSource,
    typeUrl: string,
    name: string,
    statPrefix: string | undefined,
    first: (named: Named) => void,
  ): Named {
    const existing = this.#named.get(key);
    if (existing !== undefined) return existing;
    const named: Named = {
      watchers: new Set(),
      targets: new Set(),
      told: new Set(),
      current: undefined,
      timedOut: false,
      stop: () => undefined,
    };
    this.#named.set(key, named);
    first(named);
    try {
      named.stop = this.#inner.subscribe(source, typeUrl, name, {
        onResource: (any, version) => this.#onResource(key, name, named, any, version),
        onRemoved: () => {
          named.current = undefined;
          for (const watcher of [...named.watchers]) watcher.onRemoved();
          for (const target of new Set([...named.targets, ...named.told])) target.send({ kind: 'resource-removed', key });
          named.told.clear();
        },
        onTimeout: () => {
          named.timedOut = true;
          for (const watcher of [...named.watchers]) watcher.onTimeout?.();
          for (const target of named.targets) target.send({ kind: 'resource-timeout', key });
        },
        ...(statPrefix === undefined ? {} : { statPrefix }),
      });
    } catch (error) {
      this.#named.delete(key);
      throw error;
    }
    return named;
  }
  #onResource(key: string, name: string, named: Named, any: Any, version: string): string | undefined {
    let refusal: string | undefined;
    for (const watcher of [...named.watchers]) refusal = watcher.onResource(any, version) ?? refusal;
    if (refusal !== undefined) return refusal;
    named.current = { any, version };
    const holders = [...named.targets, ...named.told];
    named.told.clear();
    this.#tell(key, name, named, named.watchers.size > 0 ? this.#workers : holders);
    return undefined;
  }
  /** Sends what is current to those who have not got it. */
  #tell(key: string, name: string, named: Named, targets: Iterable<RelayTarget>): void {
    const { current, told } = named;
    if (current === undefined) return;
    for (const target of targets) {
      if (told.has(target)) continue;
      told.add(target);
      target.send({ kind: 'resource', key, resource: resourceBytes(current.any.typeUrl, name, current.any.value, current.version) });
    }
  }
  #closeUnused(key: string, named: Named): void {
    if (named.watchers.size > 0 || named.targets.size > 0 || this.#named.get(key) !== named) return;
    // Left for a moment: a cluster that is replaced subscribes to the same name again at once.
    queueMicrotask(() => {
      if (named.watchers.size > 0 || named.targets.size > 0 || this.#named.get(key) !== named) return;
      this.#named.delete(key);
      for (const target of named.told) target.send({ kind: 'resource-released', key });
      named.stop();
    });
  }
  #sendChanges(statPrefix: string, collection: Collection): void {
    const now = new Map<string, Uint8Array>();
    const changed: ResourceBytes[] = [];
    for (const { name, bytes, version } of this.#inForce(statPrefix)) {
      now.set(name, bytes);
      if (collection.sent.get(name) !== bytes) changed.push(resourceBytes(collection.typeUrl, name, bytes, version));
    }
    const removed = [...collection.sent.keys()].filter((name) => !now.has(name));
    collection.sent = now;
    for (const target of collection.targets) target.send({ kind: 'collection', statPrefix, changed, removed });
  }
}

function resourceBytes(typeUrl: string, name: string, value: Uint8Array, version: string): ResourceBytes {
  // A view of a larger buffer would be cloned with all of it.
  return { typeUrl, name, version, value: value.byteLength === value.buffer.byteLength ? value : new Uint8Array(value) };
}
