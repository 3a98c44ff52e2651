import { create, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { type ConfigSource, ConfigSourceSchema } from '@xebec/protos/envoy/config/core/v3/config_source';
import type { CollectionWatcher, ResourceWatcher, Subscribe } from '../xds-client/subscribe.ts';
import type { FromWorker, ResourceBytes, ToWorker } from './protocol.ts';
import { subscriptionKey } from './resource-relay.ts';
import type { ConfigSources } from './thread.ts';

interface Named {
  readonly watchers: Set<ResourceWatcher>;
  /** Kept without watchers too: the main thread sends what it follows before it is asked, and does not send it again. */
  current: ResourceBytes | undefined;
  timedOut: boolean;
  /** The main thread knows that this worker follows it. */
  asked: boolean;
}

/** A worker's configuration: what the main thread has accepted, as it says. */
export class RelayedSources implements ConfigSources {
  readonly #send: (message: FromWorker) => void;
  readonly #named = new Map<string, Named>();
  readonly #collections = new Map<string, CollectionWatcher>();

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }
  readonly subscribe: Subscribe = (source: ConfigSource, typeUrl, name, watcher) => {
    const key = subscriptionKey(source, typeUrl, name);
    const named = this.#open(key);
    if (!named.asked) {
      named.asked = true;
      this.#send({ kind: 'subscribe', key, source: toBinary(ConfigSourceSchema, source), typeUrl, name });
    }
    const { watchers, current } = named;
    watchers.add(watcher);
    if (current !== undefined) watcher.onResource(anyOf(current), current.version);
    else if (named.timedOut) queueMicrotask(() => watcher.onTimeout?.());
    return () => {
      watchers.delete(watcher);
      queueMicrotask(() => {
        if (watchers.size > 0 || !named.asked) return;
        named.asked = false;
        named.timedOut = false;
        if (named.current === undefined) this.#forget(key, named);
        this.#send({ kind: 'unsubscribe', key });
      });
    };
  };
  collect(_source: ConfigSource, _typeUrl: string, watcher: CollectionWatcher, statPrefix: string): void {
    this.#collections.set(statPrefix, watcher);
    this.#send({ kind: 'collect', statPrefix });
  }
  close(): void {
    this.#named.clear();
    this.#collections.clear();
  }
  /** Takes a message that is for this; returns what could not be applied, which the main thread could. */
  receive(message: ToWorker): readonly string[] {
    switch (message.kind) {
      case 'collection': {
        const changed = message.changed.map((resource) => ({ name: resource.name, resource: anyOf(resource), version: resource.version }));
        return this.#collections.get(message.statPrefix)?.onChange({ changed, removed: message.removed, complete: false }) ?? [];
      }
      case 'resource': {
        const named = this.#open(message.key);
        named.current = message.resource;
        return [...named.watchers].flatMap((watcher) => watcher.onResource(anyOf(message.resource), message.resource.version) ?? []);
      }
      case 'resource-removed': {
        const named = this.#named.get(message.key);
        if (named === undefined) return [];
        named.current = undefined;
        if (!named.asked) this.#forget(message.key, named);
        for (const watcher of [...named.watchers]) watcher.onRemoved();
        return [];
      }
      case 'resource-released': {
        const named = this.#named.get(message.key);
        // Asked for again meanwhile: an answer is on its way.
        if (named?.asked === false) this.#forget(message.key, named);
        return [];
      }
      case 'resource-timeout': {
        const named = this.#named.get(message.key);
        if (named === undefined) return [];
        named.timedOut = true;
        for (const watcher of [...named.watchers]) watcher.onTimeout?.();
        return [];
      }
      default:
        return [];
    }
  }
  #open(key: string): Named {
    let named = this.#named.get(key);
    if (named === undefined) {
      named = { watchers: new Set(), current: undefined, timedOut: false, asked: false };
      this.#named.set(key, named);
    }
    return named;
  }
  #forget(key: string, named: Named): void {
    if (this.#named.get(key) === named) this.#named.delete(key);
  }
}

function anyOf({ typeUrl, value }: ResourceBytes): Any {
  return create(AnySchema, { typeUrl, value });
}
