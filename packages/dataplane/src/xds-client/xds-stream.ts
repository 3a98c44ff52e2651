import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Client, ClientDuplexStream } from '@grpc/grpc-js';
import { Backoff, type Clock, errorText, type Logger, type Random } from '@xebec/core';
import { optionalDurationMs } from '@xebec/matching';
import type { Node } from '@xebec/protos/envoy/config/core/v3/base';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
  ResourceSchema,
} from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { StatusSchema } from '@xebec/protos/google/rpc/status';
import type { StatsScope } from '@xebec/telemetry';
import { acceptResource, type ResourceChecks } from './accept-resource.ts';
import { grpc } from './grpc.ts';
import { resourceName } from './resource-name.ts';
import type { CollectionWatcher, ResourceWatcher } from './subscribe.ts';
import { SubscriptionStats } from './subscription-stats.ts';

export interface XdsStreamOptions {
  readonly client: Client;
  readonly delta: boolean;
  /** Full gRPC method, such as `/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources`. */
  readonly method: string;
  readonly node: Node;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly stats: StatsScope;
  /** Tells of each accepted or refused response, and of first connection. */
  readonly onState: (connected: boolean) => void;
  readonly checks: ResourceChecks;
  /** `set_node_on_first_message_only`: later requests of a stream leave the node out. */
  readonly nodeOnFirstMessageOnly: boolean;
  /** Requests that wait for the stream: `control_plane.pending_requests`. */
  readonly onPending: (requests: number) => void;
}

interface Known {
  readonly version: string;
  readonly resource: Any;
}

/** What is subscribed of one type. */
interface TypeState {
  readonly typeUrl: string;
  collection: CollectionWatcher | undefined;
  readonly watchers: Map<string, Set<ResourceWatcher>>;
  readonly known: Map<string, Known>;
  version: string;
  nonce: string;
  /** Names the server has been told on this stream. */
  asked: Set<string>;
  requested: boolean;
  dirty: boolean;
  /** Of a collection; named resources are counted where their watchers say. */
  stats: SubscriptionStats | undefined;
  readonly named: Map<string, SubscriptionStats>;
  /** Ends the wait for the end of a resource's life, by name. */
  readonly ttls: Map<string, () => void>;
}

type Call = ClientDuplexStream<DiscoveryRequest | DeltaDiscoveryRequest, DiscoveryResponse | DeltaDiscoveryResponse>;

const serializeSotw = (message: DiscoveryRequest | DeltaDiscoveryRequest): Buffer =>
  Buffer.from(
    message.$typeName === DiscoveryRequestSchema.typeName
      ? toBinary(DiscoveryRequestSchema, message as DiscoveryRequest)
      : toBinary(DeltaDiscoveryRequestSchema, message as DeltaDiscoveryRequest),
  );

/** The client's side of one xDS stream, SotW or Delta: subscribes, ACKs and NACKs, and comes back after a break with what it has. */
export class XdsStream {
  readonly #options: XdsStreamOptions;
  readonly #types = new Map<string, TypeState>();
  readonly #backoff: Backoff;
  #call: Call | undefined;
  #nodeSent = false;
  #flushing = false;
  #closed = false;
  #cancelReconnect: (() => void) | undefined;

  constructor(options: XdsStreamOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ baseMs: 500, maxMs: 5_000 }, options.random);
  }
  watchCollection(typeUrl: string, watcher: CollectionWatcher, statPrefix: string): void {
    const type = this.#type(typeUrl);
    type.collection = watcher;
    type.stats = new SubscriptionStats(this.#options.stats, statPrefix, this.#options.clock);
    type.stats.attempted();
    this.#changed(type);
  }
  watch(typeUrl: string, name: string, watcher: ResourceWatcher): () => void {
    const type = this.#type(typeUrl);
    const watchers = type.watchers.get(name) ?? new Set();
    const isNew = watchers.size === 0;
    type.watchers.set(name, watchers);
    watchers.add(watcher);
    if (watcher.statPrefix !== undefined && !type.named.has(watcher.statPrefix)) {
      const stats = new SubscriptionStats(this.#options.stats, watcher.statPrefix, this.#options.clock);
      type.named.set(watcher.statPrefix, stats);
      stats.attempted();
    }
    if (isNew) this.#changed(type);
    else {
      // The server has nothing new to say to a second subscriber: it gets what the first one got.
      const known = type.known.get(name);
      if (known !== undefined) watcher.onResource(known.resource, known.version);
    }
    return () => {
      watchers.delete(watcher);
      if (watchers.size > 0) return;
      // Left for a moment: a cluster that is replaced subscribes to the same name again at once.
      queueMicrotask(() => {
        if (watchers.size > 0 || type.watchers.get(name) !== watchers) return;
        type.watchers.delete(name);
        type.known.delete(name);
        this.#changed(type);
      });
    };
  }
  close(): void {
    this.#closed = true;
    this.#cancelReconnect?.();
    for (const type of this.#types.values()) for (const cancel of type.ttls.values()) cancel();
    this.#call?.cancel();
    this.#options.client.close();
  }
  #type(typeUrl: string): TypeState {
    let type = this.#types.get(typeUrl);
    if (type === undefined) {
      type = {
        typeUrl,
        collection: undefined,
        watchers: new Map(),
        known: new Map(),
        version: '',
        nonce: '',
        asked: new Set(),
        requested: false,
        dirty: false,
        stats: undefined,
        named: new Map(),
        ttls: new Map(),
      };
      this.#types.set(typeUrl, type);
    }
    return type;
  }
  #changed(type: TypeState): void {
    type.dirty = true;
    if (this.#closed) return;
    if (this.#call === undefined && this.#cancelReconnect === undefined) this.#connect();
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }
  /** Sends one request for each type whose subscription changed. */
  #flush(): void {
    if (this.#call === undefined) return;
    for (const type of this.#types.values()) {
      if (!type.dirty) continue;
      type.dirty = false;
      if (this.#options.delta) this.#subscribeDelta(type);
      else this.#requestSotw(type, undefined);
    }
  }
  #connect(): void {
    const { client, method, delta, logger } = this.#options;
    const deserialize = (bytes: Buffer) =>
      delta ? fromBinary(DeltaDiscoveryResponseSchema, bytes) : fromBinary(DiscoveryResponseSchema, bytes);
    const call: Call = client.makeBidiStreamRequest(method, serializeSotw, deserialize, new (grpc().Metadata)({ waitForReady: true }));
    this.#call = call;
    this.#nodeSent = false;
    for (const type of this.#types.values()) {
      type.nonce = '';
      type.asked = new Set();
      type.requested = false;
      type.dirty = true;
    }
    call.on('metadata', () => this.#options.onState(true));
    call.on('data', (message: DiscoveryResponse | DeltaDiscoveryResponse) => {
      if (this.#call !== call) return;
      this.#backoff.reset();
      this.#options.onState(true);
      if (message.$typeName === DiscoveryResponseSchema.typeName) this.#onSotw(message as DiscoveryResponse);
      else this.#onDelta(message as DeltaDiscoveryResponse);
    });
    const ended = (reason: string): void => {
      if (this.#call !== call) return;
      this.#call = undefined;
      this.#options.onState(false);
      if (this.#closed) return;
      for (const type of this.#types.values()) {
        type.stats?.failed();
        for (const stats of type.named.values()) stats.failed();
      }
      logger.debug({ method, reason }, 'xDS stream ended');
      this.#cancelReconnect = this.#options.clock.setTimeout(() => {
        this.#cancelReconnect = undefined;
        this.#connect();
        this.#flush();
      }, this.#backoff.nextMs());
    };
    call.on('error', (error) => ended(errorText(error)));
    call.on('end', () => ended('closed by the server'));
  }
  #requestSotw(type: TypeState, error: string | undefined): void {
    const names = [...type.watchers.keys()];
    // No names left would mean all of them: an unsubscription is said only where a collection was never asked for.
    if (type.collection === undefined && names.length === 0 && !type.requested) return;
    type.requested = true;
    this.#send(
      create(DiscoveryRequestSchema, {
        typeUrl: type.typeUrl,
        versionInfo: type.version,
        responseNonce: type.nonce,
        resourceNames: names,
        ...this.#nodeOnce(),
        ...(error === undefined ? {} : { errorDetail: create(StatusSchema, { code: 13, message: error }) }),
      }),
    );
  }
  #subscribeDelta(type: TypeState): void {
    const wanted = new Set(type.collection === undefined ? [] : ['*']);
    for (const name of type.watchers.keys()) wanted.add(name);
    const added = [...wanted].filter((name) => !type.asked.has(name));
    const gone = [...type.asked].filter((name) => !wanted.has(name));
    const first = !type.requested;
    if (added.length === 0 && gone.length === 0) return;
    type.asked = wanted;
    type.requested = true;
    this.#send(
      create(DeltaDiscoveryRequestSchema, {
        typeUrl: type.typeUrl,
        // A first request without names is the wildcard of old; servers know it better than `*`.
        resourceNamesSubscribe: first && type.collection !== undefined && added.length === 1 ? [] : added,
        resourceNamesUnsubscribe: gone,
        initialResourceVersions: first ? Object.fromEntries([...type.known].map(([name, { version }]) => [name, version])) : {},
        ...this.#nodeOnce(),
      }),
    );
  }
  #ackDelta(type: TypeState, nonce: string, error: string | undefined): void {
    this.#send(
      create(DeltaDiscoveryRequestSchema, {
        typeUrl: type.typeUrl,
        responseNonce: nonce,
        ...this.#nodeOnce(),
        ...(error === undefined ? {} : { errorDetail: create(StatusSchema, { code: 13, message: error }) }),
      }),
    );
  }
  #nodeOnce(): { node?: Node } {
    if (this.#nodeSent && this.#options.nodeOnFirstMessageOnly) return {};
    this.#nodeSent = true;
    return { node: this.#options.node };
  }
  #send(message: DiscoveryRequest | DeltaDiscoveryRequest): void {
    this.#call?.write(message);
    this.#options.onPending(0);
  }
  #onSotw(response: DiscoveryResponse): void {
    const type = this.#types.get(response.typeUrl);
    if (type === undefined) return;
    type.nonce = response.nonce;
    const resources: Received[] = [];
    try {
      for (const any of response.resources) {
        const { name, resource, ttlMs } = unwrapResource(any);
        this.#limitLife(type, name, ttlMs);
        if (resource !== undefined) resources.push({ name, resource, version: response.versionInfo });
      }
    } catch (error) {
      type.stats?.rejected();
      this.#requestSotw(type, errorText(error));
      return;
    }
    // A response of nothing but signs of life changes nothing.
    if (resources.length === 0 && response.resources.length > 0) {
      type.version = response.versionInfo;
      this.#requestSotw(type, undefined);
      return;
    }
    const error = this.#apply(type, resources, [], true, response.versionInfo);
    if (error === undefined) type.version = response.versionInfo;
    // What the response made necessary (endpoints of new clusters, routes of new listeners) is asked for before it is acknowledged.
    type.dirty = false;
    this.#flush();
    this.#requestSotw(type, error);
  }
  #onDelta(response: DeltaDiscoveryResponse): void {
    const type = this.#types.get(response.typeUrl);
    if (type === undefined) return;
    const resources = response.resources.flatMap(({ name, resource, version, ttl }) => {
      this.#limitLife(type, name, optionalDurationMs(ttl));
      return resource === undefined ? [] : [{ name, resource, version }];
    });
    const error = this.#apply(type, resources, response.removedResources, false, response.systemVersionInfo);
    this.#flush();
    this.#ackDelta(type, response.nonce, error);
  }
  /** A resource with a time to live goes when it is over, unless it has come again. */
  #limitLife(type: TypeState, name: string, ttlMs: number | undefined): void {
    type.ttls.get(name)?.();
    type.ttls.delete(name);
    if (ttlMs === undefined) return;
    const expire = (): void => {
      type.ttls.delete(name);
      if (!type.known.has(name) && type.collection === undefined) return;
      const startedAtMs = this.#options.clock.monotonic();
      this.#deliver(type, [], [name], [], false, [], startedAtMs);
      type.stats?.succeeded('', startedAtMs);
    };
    type.ttls.set(name, this.#options.clock.setTimeout(expire, ttlMs));
  }
  /** Applies what can be applied of a response; the text says what could not. */
  #apply(
    type: TypeState,
    received: readonly Received[],
    removed: readonly string[],
    complete: boolean,
    version: string,
  ): string | undefined {
    const startedAtMs = this.#options.clock.monotonic();
    const fine: Received[] = [];
    const refused: string[] = [];
    const errors: string[] = [];
    const seen = new Set<string>();
    let fatal: string | undefined;
    for (const entry of received) {
      if (seen.has(entry.name) && !complete) fatal ??= `duplicate name ${entry.name} found among added/updated resources`;
      const collected = /\.(Cluster|Listener)$/.exec(type.typeUrl)?.[1]?.toLowerCase();
      if (seen.has(entry.name) && collected !== undefined) {
        // The first of them is applied.
        errors.push(refusal(type.typeUrl, entry.name, `duplicate ${collected} ${entry.name} found`));
        continue;
      }
      seen.add(entry.name);
      const accepted = acceptResource(type.typeUrl, entry.resource, this.#options.checks);
      if (accepted.kind === 'fatal') fatal ??= accepted.reason;
      else if (accepted.kind === 'fine') fine.push({ ...entry, resource: accepted.resource });
      else {
        refused.push(entry.name);
        errors.push(refusal(type.typeUrl, entry.name, accepted.reason));
      }
    }
    if (fatal === undefined) this.#deliver(type, fine, removed, refused, complete, errors, startedAtMs);
    else {
      errors.length = 0;
      errors.push(fatal);
      for (const stats of type.named.values()) stats.rejected();
    }
    if (errors.length === 0) type.stats?.succeeded(version, startedAtMs);
    else {
      type.stats?.rejected();
      this.#options.logger.warn({ typeUrl: type.typeUrl, errors }, 'xDS update rejected');
    }
    return errors.length === 0 ? undefined : errors.join('\n');
  }
  #deliver(
    type: TypeState,
    resources: readonly Received[],
    removed: readonly string[],
    refused: readonly string[],
    complete: boolean,
    errors: string[],
    startedAtMs: number,
  ): void {
    const { collection } = type;
    if (collection !== undefined) {
      // On a fresh Delta stream the server names everything removed meanwhile; initial_resource_versions told it what we have.
      for (const { name, resource, version } of resources) type.known.set(name, { resource, version });
      for (const name of removed) type.known.delete(name);
      errors.push(...collection.onChange({ changed: resources, removed, complete, refused }));
    }
    for (const name of refused) for (const watcher of type.watchers.get(name) ?? []) statsOf(type, watcher)?.rejected();
    for (const { name, resource, version } of resources) {
      const watchers = type.watchers.get(name);
      if (watchers === undefined) continue;
      let fine = true;
      for (const watcher of [...watchers]) {
        const error = watcher.onResource(resource, version);
        if (error === undefined) statsOf(type, watcher)?.succeeded(version, startedAtMs);
        else {
          statsOf(type, watcher)?.rejected();
          errors.push(error);
          fine = false;
        }
      }
      if (fine) type.known.set(name, { resource, version });
    }
    for (const name of removed) {
      const version = type.known.get(name)?.version ?? '';
      type.known.delete(name);
      for (const watcher of type.watchers.get(name) ?? []) {
        watcher.onRemoved();
        statsOf(type, watcher)?.succeeded(version, startedAtMs);
      }
    }
  }
}

interface Received {
  readonly name: string;
  readonly resource: Any;
  readonly version: string;
}

function statsOf(type: TypeState, watcher: ResourceWatcher): SubscriptionStats | undefined {
  return watcher.statPrefix === undefined ? undefined : type.named.get(watcher.statPrefix);
}

/** Envoy's words for a resource of a collection that cannot be used; others stand for themselves. */
function refusal(typeUrl: string, name: string, reason: string): string {
  if (typeUrl.endsWith('.Cluster')) return `Error adding/updating cluster(s) ${name}: ${reason}`;
  return typeUrl.endsWith('.Listener') ? `Error adding/updating listener(s) ${name}: ${reason}` : `${name}: ${reason}`;
}

/** Resources of SotW come as they are, or in an envelope with a time to live; one without content says that it still lives. */
function unwrapResource(any: Any): { name: string; resource: Any | undefined; ttlMs?: number | undefined } {
  if (!any.typeUrl.endsWith(`/${ResourceSchema.typeName}`)) return { name: resourceName(any), resource: any };
  const { name, resource, ttl } = fromBinary(ResourceSchema, any.value);
  return { name: name === '' && resource !== undefined ? resourceName(resource) : name, resource, ttlMs: optionalDurationMs(ttl) };
}
