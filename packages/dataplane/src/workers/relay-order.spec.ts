import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack, StringValueSchema } from '@bufbuild/protobuf/wkt';
import { ConfigSourceSchema } from '@xebec/protos/envoy/config/core/v3/config_source';
import { expect, it } from 'vitest';
import type { CollectionWatcher, ResourceWatcher } from '../xds-client/subscribe.ts';
import type { FromWorker, ToWorker } from './protocol.ts';
import { RelayedSources } from './relayed-sources.ts';
import { ResourceRelay } from './resource-relay.ts';
import type { ConfigSources } from './thread.ts';

const source = create(ConfigSourceSchema, {});
const ENDPOINTS = 'endpoints';

function any(text: string) {
  return anyPack(StringValueSchema, create(StringValueSchema, { value: text }));
}

/** A server whose resources come when the test says so. */
class Server implements ConfigSources {
  readonly watchers = new Map<string, ResourceWatcher>();
  collection: CollectionWatcher | undefined;
  readonly subscribe: ConfigSources['subscribe'] = (_source, _typeUrl, name, watcher) => {
    this.watchers.set(name, watcher);
    return () => this.watchers.delete(name);
  };
  collect(_source: unknown, _typeUrl: string, watcher: CollectionWatcher): void {
    this.collection = watcher;
  }
  close(): void {}
  send(name: string, text: string): void {
    this.watchers.get(name)?.onResource(any(text), text);
  }
}

/** Clusters as a thread has them: by name, with the endpoints that it has got. */
class Thread {
  readonly clusters = new Map<string, string | undefined>();
  routes: string | undefined;
  readonly #sources: ConfigSources;
  readonly #stops = new Map<string, () => void>();
  /** What requests met: a route to a cluster whose endpoints had not come. */
  readonly lost: string[] = [];
  constructor(sources: ConfigSources) {
    this.#sources = sources;
  }
  start(): void {
    const onChange: CollectionWatcher['onChange'] = ({ changed, removed }) => {
      for (const { name } of changed) this.#add(name);
      for (const name of removed) {
        this.#stops.get(name)?.();
        this.clusters.delete(name);
      }
      return [];
    };
    this.#sources.collect(source, 'clusters', { onChange }, 'cds');
    this.#sources.subscribe(source, 'routes', 'routes', {
      onResource: (_, version) => {
        this.routes = version;
        if (this.clusters.get(version) === undefined) this.lost.push(version);
        return undefined;
      },
      onRemoved: () => undefined,
    });
  }
  get inForce() {
    return [...this.clusters.keys()].map((name) => ({ name, bytes: bytesOf(name), version: '1' }));
  }
  #add(name: string): void {
    this.clusters.set(name, undefined);
    const stop = this.#sources.subscribe(source, ENDPOINTS, name, {
      onResource: (_, version) => {
        this.clusters.set(name, version);
        return undefined;
      },
      onRemoved: () => undefined,
    });
    this.#stops.set(name, stop);
  }
}

const known = new Map<string, Uint8Array>();
function bytesOf(name: string): Uint8Array {
  let bytes = known.get(name);
  if (bytes === undefined) {
    bytes = toBinary(StringValueSchema, create(StringValueSchema, { value: name }));
    known.set(name, bytes);
  }
  return bytes;
}

/** A main thread and one worker whose messages lie in queues until the test moves them. */
function threads() {
  const server = new Server();
  const relay = new ResourceRelay(server);
  const toWorker: ToWorker[] = [];
  const toMain: FromWorker[] = [];
  const target = { send: (message: ToWorker) => void toWorker.push(message) };
  relay.join(target);
  const main = new Thread(relay);
  relay.follow(() => main.inForce);
  const sources = new RelayedSources((message) => void toMain.push(message));
  const worker = new Thread(sources);
  const kinds: string[] = [];
  const deliverToWorker = (): void => {
    for (const message of toWorker.splice(0)) {
      kinds.push(message.kind);
      sources.receive(message);
    }
  };
  const deliverToMain = (): void => {
    for (const message of toMain.splice(0)) {
      if (message.kind === 'collect') relay.followCollection(message.statPrefix, target);
      if (message.kind === 'subscribe') relay.followResource(message.key, source, message.typeUrl, message.name, target);
      if (message.kind === 'unsubscribe') relay.unfollowResource(message.key, target);
    }
  };
  main.start();
  worker.start();
  deliverToMain();
  const addCluster = (name: string): void => {
    server.collection?.onChange({ changed: [{ name, resource: any(name), version: '1' }], removed: [], complete: false });
  };
  const removeCluster = (name: string): void => {
    server.collection?.onChange({ changed: [], removed: [name], complete: false });
  };
  return { server, main, worker, kinds, addCluster, removeCluster, deliverToWorker, deliverToMain };
}

const microtasks = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('a worker that is late has a cluster and its endpoints before the route to it', () => {
  const { server, main, worker, addCluster, deliverToWorker } = threads();
  addCluster('a');
  server.send('a', 'endpoints');
  // The main thread is done and has said so; the server goes on.
  server.send('routes', 'a');
  expect(main.lost).toEqual([]);
  expect(worker.clusters.size).toBe(0);
  deliverToWorker();
  expect(worker.routes).toBe('a');
  expect(worker.lost).toEqual([]);
});

it('a cluster that goes and comes again before a worker has let go of it has its endpoints at once', async () => {
  const { server, main, worker, addCluster, removeCluster, deliverToWorker, deliverToMain } = threads();
  addCluster('a');
  server.send('a', 'endpoints');
  deliverToWorker();
  deliverToMain();
  removeCluster('a');
  await microtasks();
  deliverToWorker();
  await microtasks();
  // What the worker says of it is still on its way.
  addCluster('a');
  server.send('routes', 'a');
  deliverToWorker();
  expect([main.lost, worker.lost]).toEqual([[], []]);
  deliverToMain();
  server.send('a', 'others');
  deliverToWorker();
  expect(worker.clusters.get('a')).toBe('others');
});

it('each version goes to a worker once, and what nobody follows is let go of everywhere', async () => {
  const { server, worker, kinds, addCluster, removeCluster, deliverToWorker, deliverToMain } = threads();
  addCluster('a');
  server.send('a', 'endpoints');
  deliverToWorker();
  deliverToMain();
  deliverToWorker();
  expect(kinds).toEqual(['collection', 'resource']);
  removeCluster('a');
  deliverToWorker();
  await microtasks();
  deliverToMain();
  await microtasks();
  deliverToWorker();
  expect(server.watchers.has('a')).toBe(false);
  expect(kinds.slice(2)).toEqual(['collection', 'resource-released']);
  // Nothing of before is left: endpoints are asked for anew.
  addCluster('a');
  deliverToWorker();
  expect(worker.clusters.get('a')).toBeUndefined();
  deliverToMain();
  server.send('a', 'new');
  deliverToWorker();
  expect(worker.clusters.get('a')).toBe('new');
});
