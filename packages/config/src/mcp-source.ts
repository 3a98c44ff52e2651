import type { ChannelCredentials } from '@grpc/grpc-js';
import type { Clock, Logger, Random } from '@xebec/core';
import { collections as allCollections, connectMcpSink, fromResource, McpSink, resourceName, type SinkChange } from '@xebec/mcp';
import { ObjectStore } from './object-store.ts';
import { type ConfigSource, objectKey } from './source.ts';

export interface McpSourceOptions {
  /** `host:port` of the MCP server. */
  readonly address: string;
  /** Shown at the server. */
  readonly id: string;
  readonly collections: readonly string[];
  readonly credentials?: ChannelCredentials;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Configuration that an MCP source distributes. While the peer is away, what it sent last stays in force. */
export function createMcpSource(options: McpSourceOptions): ConfigSource {
  const store = new ObjectStore();
  let client: { close(): void } | undefined;
  /** A response with one wrong object is refused in whole: the source must not think it is in force. */
  const apply = ({ collection, incremental, resources, removed }: SinkChange): string | undefined => {
    const decoded = resources.map((resource) => fromResource(collection, resource));
    const wrong = decoded.flatMap((result) => (result.ok ? [] : [result.error]));
    if (wrong.length > 0) return wrong.join('; ');
    const objects = decoded.flatMap((result) => (result.ok ? [result.value] : []));
    const held = store.list().filter((object) => kindOf(collection) === object.kind);
    const keep = new Set(objects.map(objectKey));
    const leaving = new Set(removed);
    const gone = held.filter((object) => (incremental ? leaving.has(resourceName(object.metadata)) : !keep.has(objectKey(object))));
    store.apply(objects, gone.map(objectKey));
    return undefined;
  };
  const sink = new McpSink({
    id: options.id,
    collections: options.collections,
    apply: (change) => {
      const error = apply(change);
      if (error === undefined) queueMicrotask(() => sink.synced && store.markSynced());
      return error;
    },
  });
  return {
    name: `MCP ${options.address}`,
    get synced() {
      return store.synced;
    },
    list: () => store.list(),
    subscribe: (listener) => store.subscribe(listener),
    onSynced: (listener) => store.onSynced(listener),
    problems: () => [],
    start: async () => {
      client = connectMcpSink({ ...options, sink });
    },
    close: async () => client?.close(),
  };
}

function kindOf(collection: string): string | undefined {
  return allCollections.find(({ name }) => name === collection)?.kind;
}
