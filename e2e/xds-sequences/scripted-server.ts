import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
  ResourceSchema,
} from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { encodeResource, type Resource, shortType, type Type, typeUrl } from './resources.ts';

/** One request as it is compared: nonces by which response they answer. */
export interface SeenRequest {
  readonly type: string;
  readonly version?: string;
  readonly names?: readonly string[];
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  /** Names that the client says it has. */
  readonly initial?: readonly string[];
  readonly nonce: string;
  readonly error?: string;
  readonly hasNode: boolean;
}

export interface TypeState {
  readonly version: string;
  readonly resources: readonly Resource[];
}

const services: Readonly<Record<Type, readonly [string, string]>> = {
  cds: ['envoy.service.cluster.v3.ClusterDiscoveryService', 'Clusters'],
  eds: ['envoy.service.endpoint.v3.EndpointDiscoveryService', 'Endpoints'],
  lds: ['envoy.service.listener.v3.ListenerDiscoveryService', 'Listeners'],
  rds: ['envoy.service.route.v3.RouteDiscoveryService', 'Routes'],
  sds: ['envoy.service.secret.v3.SecretDiscoveryService', 'Secrets'],
  rtds: ['envoy.service.runtime.v3.RuntimeDiscoveryService', 'Runtime'],
  ecds: ['envoy.service.extension.v3.ExtensionConfigDiscoveryService', 'ExtensionConfigs'],
};

interface Subscription {
  readonly type: Type;
  names: Set<string>;
  wildcard: boolean;
  /** What the client has, by name, with the version. */
  readonly sent: Map<string, string>;
  nonce: number;
}

interface Stream {
  readonly call: ServerDuplexStream<Buffer, Buffer>;
  readonly delta: boolean;
  readonly subscriptions: Map<Type, Subscription>;
}

/** Answers discovery requests from a state that a script sets step by step, and writes down what it was asked. */
export class ScriptedServer {
  readonly #server = new Server();
  readonly #streams = new Set<Stream>();
  readonly #state = new Map<Type, TypeState>();
  #seen: SeenRequest[] = [];
  #lastAtMs = 0;
  #nonces = 0;
  /** Nonces of responses that nobody has acknowledged or refused. */
  readonly #unanswered = new Set<string>();
  /** Resources that nobody asked for are sent too. */
  unfiltered = false;
  #port = 0;

  async start(): Promise<number> {
    const paths = Object.values(services).flatMap(([service, what]) => [`/${service}/Stream${what}`, `/${service}/Delta${what}`]);
    const aggregated = '/envoy.service.discovery.v3.AggregatedDiscoveryService';
    const identity = (bytes: Buffer): Buffer => bytes;
    for (const path of [...paths, `${aggregated}/StreamAggregatedResources`, `${aggregated}/DeltaAggregatedResources`]) {
      const method = path.slice(path.lastIndexOf('/') + 1);
      const definition = {
        path,
        requestStream: true,
        responseStream: true,
        requestSerialize: identity,
        requestDeserialize: identity,
        responseSerialize: identity,
        responseDeserialize: identity,
      } as const;
      this.#server.addService(
        { [method]: definition },
        { [method]: (call: ServerDuplexStream<Buffer, Buffer>) => this.#serve(call, method.startsWith('Delta')) },
      );
    }
    this.#port = await new Promise<number>((resolve, reject) =>
      this.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      ),
    );
    return this.#port;
  }

  /** Sets what there is of some types and sends it to whoever has asked for them. */
  set(state: Partial<Readonly<Record<Type, readonly Resource[]>>>, version: string): void {
    // Clusters and endpoints first, as control planes do.
    for (const type of ['rtds', 'sds', 'cds', 'eds', 'ecds', 'lds', 'rds'] as const) {
      const resources = state[type];
      if (resources === undefined) continue;
      this.#state.set(type, { version, resources });
      for (const stream of this.#streams) {
        const subscription = stream.subscriptions.get(type);
        if (subscription !== undefined) this.#respond(stream, subscription, true);
      }
    }
  }

  /** Ends all streams; clients come back. */
  cut(): void {
    for (const { call } of this.#streams) call.end();
    this.#streams.clear();
    this.#unanswered.clear();
  }

  /** Requests since the last call, once all responses are answered and none has come for a while. */
  async takeRequests(quietMs: number): Promise<SeenRequest[]> {
    const done = (): boolean => this.#unanswered.size === 0 && Date.now() - this.#lastAtMs >= quietMs;
    for (const end = Date.now() + 4000; Date.now() < end && !done(); ) await new Promise((resolve) => setTimeout(resolve, 10));
    const taken = this.#seen;
    this.#seen = [];
    return taken;
  }

  /** Waits until these types have been asked for and their answers acknowledged; a slow start is no difference. */
  async settled(types: readonly string[], deadlineMs: number): Promise<void> {
    const done = (): boolean => types.every((type) => this.#seen.filter((one) => one.type === type).length > 1);
    for (const end = Date.now() + deadlineMs; Date.now() < end && !done(); ) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  touch(): void {
    this.#lastAtMs = Date.now();
  }

  close(): void {
    this.#server.forceShutdown();
  }

  #serve(call: ServerDuplexStream<Buffer, Buffer>, delta: boolean): void {
    const stream: Stream = { call, delta, subscriptions: new Map() };
    this.#streams.add(stream);
    call.on('data', (bytes: Buffer) => {
      this.touch();
      if (delta) this.#onDelta(stream, bytes);
      else this.#onSotw(stream, bytes);
    });
    const gone = (): void => void this.#streams.delete(stream);
    call.on('end', () => call.end());
    for (const event of ['error', 'cancelled', 'close']) call.on(event, gone);
  }

  #subscription(stream: Stream, url: string): { readonly subscription: Subscription | undefined; readonly first: boolean } {
    const type = shortType(url);
    if (!(type in services)) return { subscription: undefined, first: false };
    const known = stream.subscriptions.get(type as Type);
    if (known !== undefined) return { subscription: known, first: false };
    const subscription: Subscription = { type: type as Type, names: new Set(), wildcard: false, sent: new Map(), nonce: 0 };
    stream.subscriptions.set(subscription.type, subscription);
    return { subscription, first: true };
  }

  #onSotw(stream: Stream, bytes: Buffer): void {
    const request = fromBinary(DiscoveryRequestSchema, bytes);
    this.#unanswered.delete(request.responseNonce);
    const { subscription, first } = this.#subscription(stream, request.typeUrl);
    this.#seen.push({
      type: shortType(request.typeUrl),
      version: request.versionInfo,
      names: [...request.resourceNames].sort(),
      nonce: request.responseNonce,
      hasNode: request.node !== undefined,
      ...(request.errorDetail === undefined ? {} : { error: request.errorDetail.message }),
    });
    if (subscription === undefined) return;
    const names = new Set(request.resourceNames);
    const changed = names.size !== subscription.names.size || [...names].some((name) => !subscription.names.has(name));
    subscription.names = names;
    subscription.wildcard = names.size === 0 || names.has('*');
    if (first || changed) this.#respond(stream, subscription, false);
  }

  #onDelta(stream: Stream, bytes: Buffer): void {
    const request = fromBinary(DeltaDiscoveryRequestSchema, bytes);
    this.#unanswered.delete(request.responseNonce);
    const { subscription, first } = this.#subscription(stream, request.typeUrl);
    this.#seen.push({
      type: shortType(request.typeUrl),
      subscribe: [...request.resourceNamesSubscribe].sort(),
      unsubscribe: [...request.resourceNamesUnsubscribe].sort(),
      initial: Object.keys(request.initialResourceVersions).sort(),
      nonce: request.responseNonce,
      hasNode: request.node !== undefined,
      ...(request.errorDetail === undefined ? {} : { error: request.errorDetail.message }),
    });
    if (subscription === undefined) return;
    if (first && request.resourceNamesSubscribe.length === 0) subscription.wildcard = true;
    for (const name of request.resourceNamesSubscribe) {
      if (name === '*') subscription.wildcard = true;
      else subscription.names.add(name);
      // Asked for again, it is sent again.
      subscription.sent.delete(name);
    }
    for (const name of request.resourceNamesUnsubscribe) {
      subscription.names.delete(name);
      subscription.sent.delete(name);
    }
    for (const [name, version] of Object.entries(request.initialResourceVersions)) subscription.sent.set(name, version);
    if (first || request.resourceNamesSubscribe.length > 0) this.#respond(stream, subscription, false);
  }

  #respond(stream: Stream, subscription: Subscription, pushed: boolean): void {
    const { type } = subscription;
    const state = this.#state.get(type);
    if (state === undefined) return;
    this.touch();
    const wanted = state.resources.filter(({ name }) => this.unfiltered || subscription.wildcard || subscription.names.has(name));
    subscription.nonce++;
    const nonce = `${type}-${++this.#nonces}`;
    const sent = (): void => void this.#unanswered.add(nonce);
    if (!stream.delta) {
      if (wanted.length === 0 && !subscription.wildcard && !pushed) return;
      const resources = wanted.map((resource) => {
        const any = encodeResource(type, resource);
        if (resource.ttlMs === undefined) return any;
        return anyPack(ResourceSchema, create(ResourceSchema, { name: resource.name, resource: any, ttl: duration(resource.ttlMs) }));
      });
      const response = create(DiscoveryResponseSchema, { versionInfo: state.version, typeUrl: typeUrl(type), nonce, resources });
      sent();
      stream.call.write(Buffer.from(toBinary(DiscoveryResponseSchema, response)));
      return;
    }
    const text = (resource: Resource): string => versionOf(resource);
    const changed = wanted.filter((resource) => subscription.sent.get(resource.name) !== text(resource));
    const present = new Set(state.resources.map(({ name }) => name));
    const removed = [...subscription.sent.keys()].filter((name) => !present.has(name));
    if (changed.length === 0 && removed.length === 0 && !subscription.wildcard) return;
    for (const resource of changed) subscription.sent.set(resource.name, text(resource));
    for (const name of removed) subscription.sent.delete(name);
    const resources = changed.map((resource) => ({
      name: resource.name,
      version: text(resource),
      resource: encodeResource(type, resource),
      ...(resource.ttlMs === undefined ? {} : { ttl: duration(resource.ttlMs) }),
    }));
    const message: MessageInitShape<typeof DeltaDiscoveryResponseSchema> = {
      systemVersionInfo: state.version,
      typeUrl: typeUrl(type),
      nonce,
      resources,
      removedResources: removed,
    };
    sent();
    stream.call.write(Buffer.from(toBinary(DeltaDiscoveryResponseSchema, create(DeltaDiscoveryResponseSchema, message))));
  }
}

/** A version that changes with the content, so that only what changed is sent. */
function versionOf(resource: Resource): string {
  let hash = 7;
  for (const character of JSON.stringify([resource.json, resource.typeUrl, resource.bytes?.length]))
    hash = (Math.imul(hash, 31) + character.charCodeAt(0)) | 0;
  return `v${(hash >>> 0) % 100_000}`;
}

function duration(ms: number): { readonly seconds: bigint; readonly nanos: number } {
  return { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
}
