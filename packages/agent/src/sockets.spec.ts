import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary } from '@bufbuild/protobuf';
import {
  Client,
  type ClientDuplexStream,
  credentials,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { seededRandom, silentLogger, VirtualClock } from '@xebec/core';
import {
  certificateChain,
  certificatePem,
  createSelfSignedRoot,
  generateKeys,
  issueLeaf,
  loadAuthority,
  parseCsr,
  unwrap,
} from '@xebec/identity';
import { SecretSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/secret';
import { DiscoveryRequestSchema, type DiscoveryResponse } from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { SecretDiscoveryService } from '@xebec/protos/envoy/service/secret/v3/sds';
import { methodDefinition } from '@xebec/rpc';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createAdsRelay } from './ads-relay.ts';
import { createCertificateManager } from './certificate-manager.ts';
import { createSdsServer } from './sds-server.ts';

let directory: string;
const closers: (() => void)[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-agent-'));
});
afterEach(() => {
  for (const close of closers.splice(0)) close();
  rmSync(directory, { recursive: true, force: true });
});

it('serves the certificate and root by SDS and pushes a renewed one', async () => {
  const clock = new VirtualClock(Date.UTC(2026, 10, 21));
  const keys = await generateKeys('ecdsa-p256');
  const root = unwrap(createSelfSignedRoot(keys, { organization: 'o', ttlMs: 1e12, now: clock.now(), serial: randomBytes(16) }));
  const privateKey = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const authority = unwrap(loadAuthority({ certificate: certificatePem(root), privateKey }));
  const manager = createCertificateManager({
    signCsr: async (csr) => {
      const template = { uri: 'spiffe://cluster.local/x', ttlMs: 3_600_000, now: clock.now(), serial: randomBytes(16) };
      return certificateChain(authority, unwrap(issueLeaf(authority, unwrap(parseCsr(csr)), template)));
    },
    clock,
    random: seededRandom(1),
    logger: silentLogger,
  });
  const socketPath = join(directory, 'sds/socket');
  const server = await createSdsServer({ socketPath, manager, logger: silentLogger });
  expect(statSync(socketPath).mode & 0o777).toBe(0o600);
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure());
  closers.push(
    () => client.close(),
    () => server.close(),
    () => manager.close(),
  );
  const method = methodDefinition(SecretDiscoveryService.method.streamSecrets);
  const stream = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize);
  stream.on('error', () => undefined);
  const responses: DiscoveryResponse[] = [];
  stream.on('data', (response: DiscoveryResponse) => responses.push(response));
  stream.write(create(DiscoveryRequestSchema, { resourceNames: ['default', 'ROOTCA'] }));
  await vi.waitFor(() => expect(responses).toHaveLength(1));
  const secrets = responses[0]?.resources.map((any) => fromBinary(SecretSchema, any.value)) ?? [];
  expect(secrets.map((secret) => [secret.name, secret.type.case])).toEqual([
    ['default', 'tlsCertificate'],
    ['ROOTCA', 'validationContext'],
  ]);
  clock.advance(3_600_000 * 0.52);
  await vi.waitFor(() => expect(responses).toHaveLength(2));
  expect(responses[1]?.versionInfo).not.toBe(responses[0]?.versionInfo);
});

interface Relayed {
  readonly pilot: Server;
  readonly streams: ServerDuplexStream<Buffer, Buffer>[];
  readonly down: ClientDuplexStream<Buffer, Buffer>;
}

const identity = (bytes: Buffer) => bytes;
const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';

async function relayed(onStream: (stream: ServerDuplexStream<Buffer, Buffer>) => void): Promise<Relayed> {
  const pilot = new Server();
  const streams: ServerDuplexStream<Buffer, Buffer>[] = [];
  const definition = {
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  };
  pilot.addService(
    { DeltaAggregatedResources: definition },
    {
      DeltaAggregatedResources: (stream: ServerDuplexStream<Buffer, Buffer>) => {
        streams.push(stream);
        onStream(stream);
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    pilot.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error))),
  );
  const socketPath = join(directory, 'XDS');
  const relay = await createAdsRelay({ socketPath, pilotAddress: `127.0.0.1:${port}`, logger: silentLogger });
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure());
  closers.push(
    () => client.close(),
    () => relay.close(),
    () => pilot.forceShutdown(),
  );
  return { pilot, streams, down: client.makeBidiStreamRequest(path, identity, identity) };
}

it('relays bytes both ways, unchanged and in order, also more than the buffers hold', async () => {
  const { down } = await relayed((stream) => {
    stream.on('data', (bytes: Buffer) => stream.write(bytes));
    stream.on('end', () => stream.end());
  });
  const received: Buffer[] = [];
  down.on('data', (bytes: Buffer) => received.push(bytes));
  down.on('error', () => undefined);
  const sent = Array.from({ length: 100 }, (_, i) => Buffer.alloc(50_000, i));
  for (const bytes of sent) down.write(bytes);
  await vi.waitFor(() => expect(received).toHaveLength(100), { timeout: 10_000 });
  expect(Buffer.concat(received).equals(Buffer.concat(sent))).toBe(true);
});

it('ends the stream with UNAVAILABLE when the pilot dies', async () => {
  const { pilot, down, streams } = await relayed((stream) => stream.on('data', () => stream.write(Buffer.from('hello'))));
  const failure = new Promise<ServiceError>((resolve) => down.once('error', resolve));
  const first = new Promise((resolve) => down.once('data', resolve));
  down.write(Buffer.from('x'));
  await first;
  expect(streams).toHaveLength(1);
  pilot.forceShutdown();
  expect((await failure).code).toBe(14);
});
