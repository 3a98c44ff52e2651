/**
 * ADS clients in a process of their own, which decode no more than they must: `clients.ts PORT COUNT sotw|delta SERVICES`.
 * `mark` on stdin starts a new count, `stats` asks for it: one line of JSON.
 */
import { once } from 'node:events';
import { type ClientHttp2Stream, connect } from 'node:http2';
import { createInterface } from 'node:readline';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Cluster_DiscoveryType, ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { type Node, NodeSchema } from '@xebec/protos/envoy/config/core/v3/base';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { HttpConnectionManagerSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { endpointAddress, serviceName } from './mesh-files.ts';
import { MessageSkimmer, type Skimmed } from './message-skimmer.ts';

const TYPE = 'type.googleapis.com/envoy.config.';
const CDS = `${TYPE}cluster.v3.Cluster`;
const EDS = `${TYPE}endpoint.v3.ClusterLoadAssignment`;
const LDS = `${TYPE}listener.v3.Listener`;
const RDS = `${TYPE}route.v3.RouteConfiguration`;
/** Envoy's windows: 16 MiB a stream, 24 MiB a connection. */
const STREAM_WINDOW = 16 * 1024 * 1024;
const CONNECTION_WINDOW = 24 * 1024 * 1024;
/** Connections that are being opened at a time. */
const OPENING = 50;

type Variant = 'sotw' | 'delta';

const [portText, countText, variantText, servicesText] = process.argv.slice(2);
const port = Number(portText);
const variant: Variant = variantText === 'delta' ? 'delta' : 'sotw';
const services = Number(servicesText);

/** What happened since the last mark. */
const counted = { bytes: 0, responses: 0, clients: new Map<string, Set<number>>(), lastMs: 0 };
/** Names of EDS and RDS resources: found once, since all clients have the same. */
const names = new Map<string, readonly string[]>();
/** Requests by type, without nonce. */
const templates = new Map<string, Buffer>();

function nodeOf(index: number): Node {
  const own = index % services;
  const address = endpointAddress(own, Math.floor(index / services) % 2);
  const name = `${serviceName(own)}-pod-${index}`;
  return create(NodeSchema, {
    id: `sidecar~${address}~${name}.default~default.svc.cluster.local`,
    cluster: `${serviceName(own)}.default`,
    metadata: {
      NAMESPACE: 'default',
      NAME: name,
      INSTANCE_IPS: address,
      LABELS: { app: serviceName(own), version: 'v1' },
      SERVICE_ACCOUNT: 'default',
      CLUSTER_ID: 'Kubernetes',
      ISTIO_VERSION: '1.32.0',
      INTERCEPTION_MODE: 'REDIRECT',
    },
    userAgentName: 'envoy',
  });
}

function encodeRequest(typeUrl: string, wanted: readonly string[], node: Node | undefined): Buffer {
  const bytes =
    variant === 'sotw'
      ? toBinary(DiscoveryRequestSchema, create(DiscoveryRequestSchema, { typeUrl, resourceNames: [...wanted], ...(node && { node }) }))
      : toBinary(
          DeltaDiscoveryRequestSchema,
          create(DeltaDiscoveryRequestSchema, { typeUrl, resourceNamesSubscribe: [...wanted], ...(node && { node }) }),
        );
  return Buffer.from(bytes);
}

function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** An ACK: the same names again in SotW, nothing in Delta. */
function acknowledgement({ typeUrl, nonce }: Skimmed): Buffer {
  const wanted = variant === 'sotw' ? (names.get(typeUrl) ?? []) : [];
  let template = templates.get(typeUrl);
  if (template === undefined) {
    template = encodeRequest(typeUrl, wanted, undefined);
    // Names that are not known yet would stay unknown in the template.
    if (variant === 'delta' || typeUrl === CDS || typeUrl === LDS || wanted.length > 0) templates.set(typeUrl, template);
  }
  const field = variant === 'sotw' ? 5 : 6;
  const text = Buffer.from(nonce);
  return framed(Buffer.concat([template, Buffer.from([(field << 3) | 2, text.length]), text]));
}

function learnNames(message: Skimmed): void {
  if (message.whole === undefined) return;
  const resources =
    variant === 'sotw'
      ? fromBinary(DiscoveryResponseSchema, message.whole).resources
      : fromBinary(DeltaDiscoveryResponseSchema, message.whole).resources.flatMap(({ resource }) => resource ?? []);
  if (message.typeUrl === CDS && !names.has(EDS)) {
    const clusters = resources.flatMap((any) => anyUnpack(any, ClusterSchema) ?? []);
    const eds = clusters.filter(({ clusterDiscoveryType: type }) => type.case === 'type' && type.value === Cluster_DiscoveryType.EDS);
    names.set(
      EDS,
      eds.map(({ name }) => name),
    );
  }
  if (message.typeUrl === LDS && !names.has(RDS)) {
    const filters = resources.flatMap((any) => (anyUnpack(any, ListenerSchema)?.filterChains ?? []).flatMap((chain) => chain.filters));
    const managers = filters.flatMap(({ configType }) =>
      configType.case === 'typedConfig' ? (anyUnpack(configType.value, HttpConnectionManagerSchema) ?? []) : [],
    );
    const routes = managers.flatMap(({ routeSpecifier }) => (routeSpecifier.case === 'rds' ? [routeSpecifier.value.routeConfigName] : []));
    names.set(RDS, [...new Set(routes)]);
  }
}

class Client {
  readonly #index: number;
  readonly #seen = new Set<string>();
  #stream: ClientHttp2Stream | undefined;

  constructor(index: number) {
    this.#index = index;
  }
  async open(): Promise<void> {
    const session = connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: STREAM_WINDOW, enablePush: false } });
    session.on('error', fail);
    await once(session, 'connect');
    session.setLocalWindowSize(CONNECTION_WINDOW);
    const stream = session.request({
      ':method': 'POST',
      ':path': `/envoy.service.discovery.v3.AggregatedDiscoveryService/${variant === 'sotw' ? 'Stream' : 'Delta'}AggregatedResources`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    this.#stream = stream;
    stream.on('error', fail);
    stream.on('close', () => fail(new Error(`stream ${this.#index} was closed`)));
    const skimmer = new MessageSkimmer(this.#index === 0, (message) => this.#onMessage(message));
    stream.on('data', (chunk: Buffer) => {
      counted.bytes += chunk.length;
      skimmer.push(chunk);
    });
    stream.write(framed(encodeRequest(CDS, [], nodeOf(this.#index))));
  }
  get done(): boolean {
    return this.#seen.size === 4;
  }
  #onMessage(message: Skimmed): void {
    const { typeUrl } = message;
    counted.responses++;
    counted.lastMs = performance.now();
    const clients = counted.clients.get(typeUrl) ?? new Set();
    counted.clients.set(typeUrl, clients.add(this.#index));
    learnNames(message);
    this.#stream?.write(acknowledgement(message));
    if (this.#seen.has(typeUrl)) return;
    this.#seen.add(typeUrl);
    if (typeUrl === CDS) {
      this.#ask(EDS);
      this.#ask(LDS);
    }
    if (typeUrl === LDS) this.#ask(RDS);
  }
  #ask(typeUrl: string): void {
    const wanted = names.get(typeUrl) ?? [];
    if (typeUrl !== LDS && wanted.length === 0) throw new Error(`no names of ${typeUrl}`);
    this.#stream?.write(framed(encodeRequest(typeUrl, wanted, undefined)));
  }
}

function fail(error: Error): void {
  console.error(`client: ${error.message}`);
  process.exit(1);
}

const lines = createInterface({ input: process.stdin });
lines.on('close', () => process.exit(0));
lines.on('line', (line) => {
  if (line === 'mark') {
    Object.assign(counted, { bytes: 0, responses: 0, lastMs: 0 });
    counted.clients.clear();
  }
  const reached = Object.fromEntries(
    [...counted.clients].map(([typeUrl, clients]) => [typeUrl.slice(typeUrl.lastIndexOf('.') + 1), clients.size]),
  );
  console.log(JSON.stringify({ bytes: counted.bytes, responses: counted.responses, lastMs: counted.lastMs, reached }));
});

// The first one alone: it finds the names that all others ask for.
const first = new Client(0);
await first.open();
while (!first.done) await new Promise((done) => setTimeout(done, 5));
for (let start = 1; start < Number(countText); start += OPENING) {
  const some = Array.from({ length: Math.min(OPENING, Number(countText) - start) }, (_, offset) => new Client(start + offset));
  await Promise.all(some.map((client) => client.open()));
}
