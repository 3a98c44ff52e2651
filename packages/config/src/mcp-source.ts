import type { ChannelCredentials } from '@grpc/grpc-js';
import type { Clock, Logger, Random } from '@xebec/core';
import { CONFIG_MAPS, collections, connectMcpSink, fromResource, McpSink, McpSinkServer, type Refusal, type SinkChange } from '@xebec/mcp';
import type { Resource } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import type { ConfigObject } from '@xebec/schemas';
import { ObjectStore } from './object-store.ts';
import { type ConfigSource, type ObjectKey, objectKey } from './source.ts';

export interface McpSourceOptions {
  /** `host:port` of the MCP server. */
  readonly address: string;
  /** Shown at the source. */
  readonly id: string;
  readonly collections: readonly string[];
  readonly credentials?: ChannelCredentials;
  /** Name that the server's certificate is checked for where the address does not say it. */
  readonly serverName?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Configuration that an MCP source distributes. While the peer is away, what it sent last stays in force. What the peer published as
 * one change, over however many collections, is told with one callback; so is everything that is different after a reconnect.
 */
export function createMcpSource(options: McpSourceOptions): ConfigSource {
  const { source, sink } = createSinkSource(`MCP ${options.address}`, options);
  let client: { close(): void } | undefined;
  return {
    ...source,
    get synced() {
      return source.synced;
    },
    start: async () => {
      client = connectMcpSink({ ...options, sink });
    },
    close: async () => client?.close(),
  };
}

/** The same where the source calls us: `server` is to be given to a gRPC server. */
export function createMcpListeningSource(options: Pick<McpSourceOptions, 'id' | 'collections' | 'logger'> & { readonly name: string }): {
  readonly source: ConfigSource;
  readonly server: McpSinkServer;
} {
  const { source, sink } = createSinkSource(options.name, options);
  const server = new McpSinkServer(sink, options.logger);
  return { source, server };
}

/** A sink and what it has taken, without a connection. */
function createSinkSource(
  name: string,
  options: Pick<McpSourceOptions, 'id' | 'collections' | 'logger'>,
): { readonly source: ConfigSource; readonly sink: McpSink } {
  const store = new ObjectStore();
  /** What is wrong with objects of sources that are not ours, by key. */
  const leftOut = new Map<ObjectKey, { readonly collection: string; readonly message: string }>();
  /**
   * A change with one wrong object is refused in whole: the source must not think it is in force. Not so where the body is a message of
   * release 1.4: its sources do nothing about a refusal, and its sinks leave out what is wrong. What was right before stays.
   */
  const apply = (changes: readonly SinkChange[]): readonly Refusal[] => {
    const refusals: Refusal[] = [];
    const objects: ConfigObject[] = [];
    const gone: ObjectKey[] = [];
    const touched: ObjectKey[] = [];
    const left = new Map<ObjectKey, { readonly collection: string; readonly message: string }>();
    for (const { collection, incremental, resources, removed } of changes) {
      const keyOf = keysIn(collection);
      const wrong: string[] = [];
      const named = new Set<ObjectKey>();
      for (const resource of resources) {
        const decoded = fromResource(collection, resource);
        const key = keyOf(resource.metadata?.name ?? '');
        named.add(key);
        if (decoded.ok) objects.push(decoded.value);
        else if (isOurs(resource)) wrong.push(decoded.error);
        else left.set(key, { collection, message: decoded.error });
      }
      if (wrong.length > 0) refusals.push({ collection, message: shortened(wrong) });
      for (const key of named) touched.push(key);
      if (incremental) gone.push(...removed.map(keyOf));
      else gone.push(...keysBelow(keyOf(''), [...store.list().map(objectKey), ...leftOut.keys()]).filter((key) => !named.has(key)));
    }
    if (refusals.length > 0) return refusals;
    for (const [key, { collection, message }] of left)
      if (leftOut.get(key)?.message !== message) options.logger.warn({ collection }, `${name}: left out ${message}`);
    for (const key of [...touched, ...gone]) leftOut.delete(key);
    for (const [key, problem] of left) leftOut.set(key, problem);
    store.apply(objects, gone);
    return refusals;
  };
  const sink = new McpSink({
    id: options.id,
    collections: options.collections,
    optional: [CONFIG_MAPS],
    apply: (changes) => {
      const refusals = apply(changes);
      if (refusals.length === 0) queueMicrotask(() => sink.synced && store.markSynced());
      return refusals;
    },
  });
  const source: ConfigSource = {
    name,
    get synced() {
      return store.synced;
    },
    list: () => store.list(),
    subscribe: (listener) => store.subscribe(listener),
    onSynced: (listener) => store.onSynced(listener),
    problems: () =>
      [
        ...sink.status().flatMap(({ collection, lastError }) => (lastError === undefined ? [] : [{ collection, message: lastError }])),
        ...leftOut.values(),
      ].map(({ collection, message }) => ({ origin: `${name}, ${collection}`, line: 0, message })),
    start: async () => undefined,
    close: async () => undefined,
  };
  return { source, sink };
}

/** How names in a collection become keys of objects; the empty name gives what they all begin with. */
function keysIn(collection: string): (name: string) => ObjectKey {
  const found = collections.find(({ name }) => name === collection);
  const [group, kind] = [found?.apiVersion.includes('/') ? found.apiVersion.split('/')[0] : '', found?.kind ?? ''];
  const prefix = `${group}/${kind}/`;
  return (name) => (name === '' ? prefix : `${prefix}${name.includes('/') ? name : `/${name}`}`);
}

/** Whether the source writes bodies as only ours does. */
function isOurs({ body }: Resource): boolean {
  return body === undefined || body.typeUrl.endsWith('/google.protobuf.Struct');
}

function keysBelow(prefix: string, keys: readonly ObjectKey[]): readonly ObjectKey[] {
  return keys.filter((key) => key.startsWith(prefix));
}

const MAX_MISTAKES = 20;

function shortened(mistakes: readonly string[]): string {
  const more = mistakes.length - MAX_MISTAKES;
  return mistakes.slice(0, MAX_MISTAKES).join('; ') + (more > 0 ? `; and ${more} more` : '');
}
