import { create, fromBinary, fromJson, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { type handleBidiStreamingCall, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { SecretSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/secret';
import { DiscoveryRequestSchema, DiscoveryResponseSchema } from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { createProtoRegistry } from '@xebec/protos/registry';

const registry = createProtoRegistry();

const kinds = {
  cluster: { schema: ClusterSchema, typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' },
  listener: { schema: ListenerSchema, typeUrl: 'type.googleapis.com/envoy.config.listener.v3.Listener' },
  secret: { schema: SecretSchema, typeUrl: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret' },
} as const;
export type Kind = keyof typeof kinds;

/** A control plane of the old sort: state of the world over ADS, with answers that the test decides on. */
export interface AdsServer {
  readonly port: number;
  readonly nacks: { readonly kind: string; readonly detail: string }[];
  /** Sets the resources of a kind and pushes them. */
  set(kind: Kind, resources: readonly object[]): void;
  /** Pushes bytes that are no resource of the kind. */
  pushGarbage(kind: Kind, bytes: Uint8Array): void;
  /** Pushes what was last set once more. */
  pushAgain(kind: Kind): void;
  stop(): void;
}

interface Stream {
  readonly call: ServerDuplexStream<Buffer, Buffer>;
  readonly watched: Set<string>;
}

/** `port` 0 picks one. */
export async function startAdsServer(port: number, state: Map<Kind, readonly object[]>): Promise<AdsServer> {
  const streams = new Set<Stream>();
  const nacks: { kind: string; detail: string }[] = [];
  let version = Date.now();
  const respond = (stream: Stream, typeUrl: string, resources: readonly Uint8Array[]): void => {
    version++;
    const response = create(DiscoveryResponseSchema, {
      versionInfo: String(version),
      nonce: String(version),
      typeUrl,
      resources: resources.map((value) => ({ typeUrl, value })),
    });
    stream.call.write(Buffer.from(toBinary(DiscoveryResponseSchema, response)));
  };
  const encoded = (kind: Kind): Uint8Array[] =>
    (state.get(kind) ?? []).map((resource) => {
      const { schema } = kinds[kind];
      // The test's own literals in protobuf JSON.
      return toBinary(schema, fromJson(schema, resource as JsonObject, { registry }));
    });
  const push = (kind: Kind, resources: readonly Uint8Array[]): void => {
    const { typeUrl } = kinds[kind];
    for (const stream of streams) if (stream.watched.has(typeUrl)) respond(stream, typeUrl, resources);
  };
  const handle: handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    const stream: Stream = { call, watched: new Set() };
    streams.add(stream);
    call.on('data', (bytes: Buffer) => {
      const request = fromBinary(DiscoveryRequestSchema, bytes);
      const kind = Object.entries(kinds).find(([, { typeUrl }]) => typeUrl === request.typeUrl)?.[0];
      if (request.errorDetail !== undefined) nacks.push({ kind: kind ?? request.typeUrl, detail: request.errorDetail.message });
      if (stream.watched.has(request.typeUrl)) return;
      stream.watched.add(request.typeUrl);
      if (kind === 'cluster' || kind === 'listener' || kind === 'secret') respond(stream, request.typeUrl, encoded(kind));
    });
    const gone = (): void => void streams.delete(stream);
    call.on('end', () => call.end());
    call.on('error', gone);
    call.on('cancelled', gone);
    call.on('close', gone);
  };
  const server = new Server();
  const identity = (bytes: Buffer): Buffer => bytes;
  const method = {
    path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
    requestStream: true,
    responseStream: true,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  } as const;
  server.addService({ StreamAggregatedResources: method }, { StreamAggregatedResources: handle });
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, actual) =>
      error === null ? resolve(actual) : reject(error),
    ),
  );
  return {
    port: bound,
    nacks,
    set(kind, resources) {
      state.set(kind, resources);
      push(kind, encoded(kind));
    },
    pushGarbage: (kind, bytes) => push(kind, [bytes]),
    pushAgain: (kind) => push(kind, encoded(kind)),
    stop: () => server.forceShutdown(),
  };
}
