import type { ServerResponse } from 'node:http';
import type { Clock } from '@xebec/core';
import type { JsonObject, KubeObject } from './object.ts';
import { atVersion } from './registry.ts';
import { apiVersionOf, type Resource } from './resource.ts';
import { gone } from './status.ts';
import type { ObjectStore, StoreEvent } from './store.ts';

/** A client that reads slower than this many bytes behind is cut off; it will watch again from where it was. */
const MAX_BACKLOG_BYTES = 32 * 1024 * 1024;
const BOOKMARK_MS = 60_000;
const DEFAULT_TIMEOUT_MS = 45 * 60_000;

export interface WatchRequest {
  readonly resource: Resource;
  readonly version: string;
  /** undefined: all namespaces. */
  readonly namespace: string | undefined;
  readonly matches: (object: KubeObject) => boolean;
  /** The revision to go on from; undefined: start with all that exists. */
  readonly since: number | undefined;
  readonly bookmarks: boolean;
  /** Ends the initial objects with a bookmark that says so. */
  readonly markInitialEnd: boolean;
  readonly timeoutSeconds: number | undefined;
  /** How an object is written inside an event; undefined: as JSON. */
  readonly encode: ((object: KubeObject, first: boolean) => JsonObject) | undefined;
}

type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** Streams a watch as lines of JSON until the client leaves or its time is over. Returns the way to end it. */
export function streamWatch(store: ObjectStore, clock: Clock, request: WatchRequest, response: ServerResponse): () => void {
  const { resource, version, namespace, matches, encode } = request;
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
  response.flushHeaders();
  let first = true;
  const write = (line: string) => {
    response.write(line);
    if (response.writableLength > MAX_BACKLOG_BYTES) response.destroy();
  };
  const send = (type: EventType, object: KubeObject) => {
    const versioned = atVersion(object, resource, version);
    const body = encode === undefined ? store.text(versioned) : JSON.stringify(encode(versioned, first));
    first = false;
    write(`{"type":"${type}","object":${body}}\n`);
  };
  const bookmark = (annotations?: Record<string, string>) => {
    const object = {
      kind: resource.kind,
      apiVersion: apiVersionOf(resource.group, version),
      metadata: { resourceVersion: String(store.revision), creationTimestamp: null, ...(annotations === undefined ? {} : { annotations }) },
    };
    write(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
  };
  const deliver = (event: StoreEvent) => {
    if (event.resource !== resource.id) return;
    if (namespace !== undefined && event.object.metadata.namespace !== namespace) return;
    const now = event.type !== 'DELETED' && matches(event.object);
    // Of an earlier run the previous state is unknown: a DELETED for an object the client never saw does no harm.
    const before = event.type !== 'ADDED' && (event.previous === undefined || matches(event.previous));
    if (now) send(before ? 'MODIFIED' : 'ADDED', event.object);
    else if (before) send('DELETED', event.object);
  };
  let close = () => undefined;
  const { since } = request;
  if (since === undefined) {
    for (const object of store.list(resource.id, namespace)) if (matches(object)) send('ADDED', object);
    if (request.markInitialEnd) bookmark({ 'k8s.io/initial-events-end': 'true' });
  } else {
    const missed = since > store.revision ? undefined : store.since(since);
    if (missed === undefined) {
      const status = gone(`too old resource version: ${since} (${store.compactedRevision + 1})`).toStatus();
      response.end(`${JSON.stringify({ type: 'ERROR', object: status })}\n`);
      return close;
    }
    missed.forEach(deliver);
  }
  const unsubscribe = store.subscribe(deliver);
  let cancelBookmark = () => {};
  const scheduleBookmark = () => {
    cancelBookmark = clock.setTimeout(() => {
      bookmark();
      scheduleBookmark();
    }, BOOKMARK_MS);
  };
  if (request.bookmarks) scheduleBookmark();
  const timeoutMs = request.timeoutSeconds === undefined ? DEFAULT_TIMEOUT_MS : request.timeoutSeconds * 1000;
  const cancelTimeout = clock.setTimeout(() => {
    if (request.bookmarks) bookmark();
    close();
  }, timeoutMs);
  close = () => {
    unsubscribe();
    cancelBookmark();
    cancelTimeout();
    if (!response.writableEnded) response.end();
    return undefined;
  };
  response.on('close', close);
  response.on('error', close);
  return close;
}
