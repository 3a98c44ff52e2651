import { create, fromBinary, type JsonObject, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials, Server, ServerCredentials, type ServiceError } from '@grpc/grpc-js';
import { createMemorySource, decodeAny, type KubernetesApi, type MemorySource, readYamlObjects } from '@xebec/config';
import { seededRandom, silentLogger, systemClock } from '@xebec/core';
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from '@xebec/protos/envoy/service/discovery/v3/discovery';
import type { ConfigObject } from '@xebec/schemas';
import { generateExtensionConfigs } from '@xebec/translate';
import { Registry } from 'prom-client';
import { adsService } from '../ads-server.ts';
import { type Assembly, assemble } from '../assembly.ts';
import type { Caller } from '../authenticate.ts';
import { createPilotMetrics } from '../metrics.ts';
import { type PilotSettings, readSettings } from '../settings.ts';

export interface Fixture extends Assembly {
  readonly port: number;
  readonly source: MemorySource;
  readonly registry: Registry;
}

export interface FixtureOptions {
  /** Whom every stream's credentials prove. */
  readonly caller?: Caller;
  readonly kubernetes?: KubernetesApi;
  readonly settings?: Partial<PilotSettings>;
}

/** A pilot in this process, on a port of its own, with configuration put in by hand. */
export async function startPilot(objects: Iterable<ConfigObject>, options: FixtureOptions = {}): Promise<Fixture> {
  const registry = new Registry();
  const source = createMemorySource(objects);
  const assembly = assemble({
    sources: [source],
    domain: 'cluster.local',
    mesh: undefined,
    kubernetes: options.kubernetes,
    settings: { ...readSettings({}, 1), ...options.settings },
    metrics: createPilotMetrics(registry),
    registry,
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
    ownRoots: () => [],
    extensions: generateExtensionConfigs,
  });
  await assembly.start();
  const server = new Server();
  server.addService(
    adsService,
    assembly.ads.implementation(async () => options.caller),
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const close = async () => {
    await assembly.close();
    server.forceShutdown();
  };
  return { ...assembly, port, source, registry, close };
}

/** A node as a sidecar of namespace `default` has it. */
export function sidecarNode(name: string, metadata: JsonObject = {}) {
  return { id: `sidecar~10.0.0.1~${name}.default~default.svc.cluster.local`, metadata: { NAMESPACE: 'default', ...metadata } };
}

const identity = (bytes: Buffer): Buffer => bytes;
const METHODS = { sotw: 'StreamAggregatedResources', delta: 'DeltaAggregatedResources' };
const WAIT_MS = 5_000;

/** One ADS stream, written and read by hand. */
export class AdsClient<V extends 'sotw' | 'delta' = 'sotw'> {
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  readonly #variant: V;
  readonly #node: { readonly id: string; readonly metadata: JsonObject };
  readonly #received: Buffer[] = [];
  #first = true;
  #wake: (() => void) | undefined;
  error: ServiceError | undefined;

  constructor(port: number, node: { readonly id: string; readonly metadata: JsonObject }, variant: V) {
    this.#variant = variant;
    this.#node = node;
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    this.#stream = this.#client.makeBidiStreamRequest(
      `/envoy.service.discovery.v3.AggregatedDiscoveryService/${METHODS[variant]}`,
      identity,
      identity,
    );
    this.#stream.on('data', (bytes: Buffer) => {
      this.#received.push(bytes);
      this.#wake?.();
    });
    this.#stream.on('error', (error: ServiceError) => {
      this.error = error;
      this.#wake?.();
    });
  }
  send(typeUrl: string, fields: { names?: string[]; nonce?: string; error?: string } = {}): void {
    const { names = [], nonce = '', error } = fields;
    const first = this.#first ? { node: this.#node } : {};
    this.#first = false;
    const shared = {
      ...first,
      typeUrl,
      responseNonce: nonce,
      ...(error === undefined ? {} : { errorDetail: { code: 3, message: error } }),
    };
    const bytes =
      this.#variant === 'sotw'
        ? toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, { ...shared, resourceNames: names }))
        : toBinary(DeltaDiscoveryRequestSchema, create(DeltaDiscoveryRequestSchema, { ...shared, resourceNamesSubscribe: names }));
    this.#stream.write(Buffer.from(bytes));
  }
  /** The next response; rejects when the stream ends or nothing comes. */
  async next(): Promise<V extends 'sotw' ? DiscoveryResponse : DeltaDiscoveryResponse> {
    const deadline = setTimeout(() => this.#wake?.(), WAIT_MS);
    const end = Date.now() + WAIT_MS;
    while (this.#received.length === 0 && this.error === undefined && Date.now() < end)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    clearTimeout(deadline);
    const bytes = this.#received.shift();
    if (bytes === undefined) throw this.error ?? new Error(`no response within ${WAIT_MS} ms`);
    const message = this.#variant === 'sotw' ? fromBinary(DiscoveryResponseSchema, bytes) : fromBinary(DeltaDiscoveryResponseSchema, bytes);
    // The variant decides the message, which the compiler cannot follow through a type parameter.
    return message as V extends 'sotw' ? DiscoveryResponse : DeltaDiscoveryResponse;
  }
  /** Asks for a type and accepts the answer. */
  async fetch(typeUrl: string, names: string[] = []): Promise<V extends 'sotw' ? DiscoveryResponse : DeltaDiscoveryResponse> {
    this.send(typeUrl, { names });
    const response = await this.next();
    this.send(typeUrl, { names: this.#variant === 'sotw' ? names : [], nonce: response.nonce });
    return response;
  }
  close(): void {
    this.#stream.on('error', () => undefined);
    this.#stream.cancel();
    this.#client.close();
  }
}

/** Objects from YAML text; wrong ones fail the test. */
export function objectsOf(yaml: string): ConfigObject[] {
  return readYamlObjects(yaml).objects.flatMap(({ value, line, fieldLines }) => {
    const decoded = decodeAny(value, { defaultNamespace: 'default', source: { file: 'test.yaml', line, fieldLines } });
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
    return decoded.value ?? [];
  });
}

/** A service of the mesh with one endpoint, and a VirtualService for it. */
export const REVIEWS = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews, namespace: default, generation: 1}
spec:
  hosts: [reviews.default.svc.cluster.local]
  addresses: [10.1.0.1]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 9080, name: http, protocol: HTTP}]
  endpoints: [{address: 10.2.0.1}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default, generation: 1}
spec:
  hosts: [reviews.default.svc.cluster.local]
  http: [{route: [{destination: {host: reviews.default.svc.cluster.local}}]}]
`;
