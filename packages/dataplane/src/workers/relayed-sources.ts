import { create, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { type ConfigSource, ConfigSourceSchema } from '@xebec/protos/envoy/config/core/v3/config_source';
import type { CollectionWatcher, ResourceWatcher, Subscribe } from '../xds-client/subscribe.ts';
import type { FromWorker, ResourceBytes, ToWorker } from './protocol.ts';
import { subscriptionKey } from './resource-relay.ts';
import type { ConfigSources } from './thread.ts';

/** A worker's configuration: what the main thread has accepted, as it says. */
export class RelayedSources implements ConfigSources {
  readonly #send: (message: FromWorker) => void;
  readonly #named = new Map<string, { readonly watchers: Set<ResourceWatcher>; current: ResourceBytes | undefined; timedOut: boolean }>();
  readonly #collections = new Map<string, CollectionWatcher>();

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }
  readonly subscribe: Subscribe = (source: ConfigSource, typeUrl, name, watcher) => {
    const key = subscriptionKey(source, typeUrl, name);
    let named = this.#named.get(key);
    if (named === undefined) {
      named = { watchers: new Set(), current: undefined, timedOut: false };
      this.#named.set(key, named);
      this.#send({ kind: 'subscribe', key, source: toBinary(ConfigSourceSchema, source), typeUrl, name });
    }
    const { watchers, current } = named;
    watchers.add(watcher);
    if (current !== undefined) watcher.onResource(anyOf(current), current.version);
    else if (named.timedOut) queueMicrotask(() => watcher.onTimeout?.());
    return () => {
      watchers.delete(watcher);
      queueMicrotask(() => {
        if (watchers.size > 0 || this.#named.get(key)?.watchers !== watchers) return;
        this.#named.delete(key);
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
        const named = this.#named.get(message.key);
        if (named === undefined) return [];
        named.current = message.resource;
        return [...named.watchers].flatMap((watcher) => watcher.onResource(anyOf(message.resource), message.resource.version) ?? []);
      }
      case 'resource-removed': {
        const named = this.#named.get(message.key);
        if (named === undefined) return [];
        named.current = undefined;
        for (const watcher of [...named.watchers]) watcher.onRemoved();
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
}

function anyOf({ typeUrl, value }: ResourceBytes): Any {
  return create(AnySchema, { typeUrl, value });
}
