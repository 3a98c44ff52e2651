import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials, Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import { silentLogger, systemClock } from '@xebec/core';
import { parseSpiffeId, unwrap } from '@xebec/identity';
import { type TrustInstruction, type TrustReport, TrustReportSchema, TrustService } from '@xebec/protos/xebec/identity/v1/trust';
import { methodDefinition, serviceDefinition } from '@xebec/rpc';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CallRefused } from '../authenticators/call-refused.ts';
import { type AuthorityPem, type AuthorityStore, makeSelfSigned } from '../authority-store.ts';
import { RootKeeper } from '../roots/root-keeper.ts';
import { createTrustService } from './trust-service.ts';

type Stream = ClientDuplexStream<TrustReport, TrustInstruction>;

let keeper: RootKeeper;
let server: Server;
let client: Client;
let service: ReturnType<typeof createTrustService>;

function memoryStore(): AuthorityStore {
  let own: AuthorityPem | undefined;
  let state: { bytes: Uint8Array; revision: string } | undefined;
  return {
    description: 'memory',
    load: async () => own,
    pluggedIn: async () => undefined,
    createIfAbsent: async (make) => (own ??= await make()),
    publish: async () => undefined,
    loadState: async () => state,
    async saveState(bytes, revision) {
      if (state?.revision !== revision) return undefined;
      state = { bytes, revision: `${Number(revision ?? 0) + 1}` };
      return state.revision;
    },
  };
}

beforeEach(async () => {
  const makeRoot = () => makeSelfSigned('cluster.local', 3_600_000, 'ecdsa-p256', Date.now());
  keeper = new RootKeeper({ store: memoryStore(), makeRoot, clock: systemClock, logger: silentLogger });
  await keeper.open();
  service = createTrustService({
    keeper,
    trustDomain: 'cluster.local',
    // The account stands for its proof.
    authenticate: async (call) => {
      const [account] = call.metadata.get('authorization');
      if (account === undefined) throw new CallRefused(status.UNAUTHENTICATED, 'request authenticate failure');
      return { id: unwrap(parseSpiffeId(`spiffe://cluster.local/ns/default/sa/${String(account)}`)).id };
    },
    clock: systemClock,
    logger: silentLogger,
  });
  server = new Server();
  server.addService(serviceDefinition(TrustService), service.implementation);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))),
  );
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
});
afterEach(async () => {
  service.close();
  client.close();
  server.forceShutdown();
  await keeper.close();
});

function follow(account: string | undefined): {
  stream: Stream;
  heard: TrustInstruction[];
  ended: Promise<{ code: number; details: string }>;
} {
  const metadata = new Metadata();
  if (account !== undefined) metadata.set('authorization', account);
  const { path, requestSerialize, responseDeserialize } = methodDefinition(TrustService.method.followTrust);
  // methodDefinition decodes every message; bytes are what servers may send.
  const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata) as Stream;
  const heard: TrustInstruction[] = [];
  stream.on('data', (instruction: TrustInstruction) => heard.push(instruction));
  stream.on('error', () => undefined);
  const ended = new Promise<{ code: number; details: string }>((resolve) => void stream.on('status', resolve));
  return { stream, heard, ended };
}

const say = (stream: Stream, report: MessageInitShape<typeof TrustReportSchema>) => stream.write(create(TrustReportSchema, report));

describe('the trust service', () => {
  it('sends the bundle at the start and at each change, and knows who is connected', async () => {
    const { stream, heard } = follow('reviews');
    await vi.waitFor(() => expect(heard).toHaveLength(1));
    expect(heard[0]).toMatchObject({ bundleVersion: 1n, bundles: [{ trustDomain: 'cluster.local', jwtKeys: '' }], crls: [] });
    expect(Buffer.from(heard[0]?.bundles[0]?.roots[0] ?? []).equals(keeper.view()?.authority.certificate.der ?? Buffer.alloc(0))).toBe(
      true,
    );
    expect(Math.abs(Number(heard[0]?.clockMs) - Date.now())).toBeLessThan(60_000);
    say(stream, { instance: 'reviews-1', bundleVersion: 1n });
    await vi.waitFor(() => expect(keeper.ledger.connections).toBe(1));
    await keeper.rotate();
    await vi.waitFor(() => expect(heard.at(-1)).toMatchObject({ bundleVersion: 2n, bundles: [{ roots: [{}, {}] }] }));
    expect(keeper.waitingFor()).toMatchObject([{ id: 'spiffe://cluster.local/ns/default/sa/reviews reviews-1' }]);
    stream.cancel();
    await vi.waitFor(() => expect(keeper.ledger.connections).toBe(0));
  });

  it('orders who holds a certificate of the root to go, or a revoked one, to renew', async () => {
    const { stream, heard } = follow('reviews');
    await vi.waitFor(() => expect(heard).toHaveLength(1));
    const root = Buffer.from([...(keeper.view()?.bundle.fingerprints ?? [])][0] ?? '', 'hex');
    const leafNotAfter = BigInt(Math.floor(Date.now() / 1000) + 600);
    const leaf = { leafRootFingerprint: root, leafSerialNumber: 'ab12', leafNotAfter };
    say(stream, { instance: 'one', bundleVersion: 1n, rootFingerprints: [root], ...leaf });
    await keeper.revoke('AB:12');
    await vi.waitFor(() => expect(heard.at(-1)?.renew).toMatchObject({ withinMs: 0, reason: 'the certificate is revoked' }));
    expect(heard.at(-1)?.crls).toHaveLength(1);
    say(stream, { instance: 'one', bundleVersion: 2n, rootFingerprints: [root], ...leaf, leafSerialNumber: 'ab13' });
    await keeper.rotate();
    await vi.waitFor(() => expect(heard.at(-1)?.bundles[0]?.roots).toHaveLength(2));
    const both = (heard.at(-1)?.bundles[0]?.roots ?? []).length;
    expect(both).toBe(2);
    const rootFingerprints = [...(keeper.view()?.bundle.fingerprints ?? [])].map((hex) => Buffer.from(hex, 'hex'));
    const { bundleVersion = 0n } = heard.at(-1) ?? {};
    say(stream, { instance: 'one', bundleVersion, rootFingerprints, ...leaf, leafSerialNumber: 'ab13' });
    await vi.waitFor(() => expect(heard.at(-1)?.renew?.wantedRootFingerprint).toHaveLength(32), { timeout: 10_000 });
    const active = keeper.view()?.rotation.active ?? '';
    expect(Buffer.from(heard.at(-1)?.renew?.wantedRootFingerprint ?? []).toString('hex')).toBe(keeper.anchorsOf(active)[0]);
    // A moment later its certificate is revoked: that is another order, and is not kept back.
    await keeper.revoke('ab13');
    await vi.waitFor(() => expect(heard.at(-1)?.renew).toMatchObject({ withinMs: 0, reason: 'the certificate is revoked' }));
  });

  it.each<[string, MessageInitShape<typeof TrustReportSchema>]>([
    ['no instance', {}],
    ['line ends in the instance', { instance: 'a\nb' }],
    ['a long instance', { instance: 'a'.repeat(254) }],
    ['a short fingerprint', { instance: 'a', rootFingerprints: [Buffer.alloc(31)] }],
    ['too many roots', { instance: 'a', rootFingerprints: Array.from({ length: 65 }, () => Buffer.alloc(32)) }],
    ['a serial number that is none', { instance: 'a', leafSerialNumber: 'xyz' }],
    ['a time before the epoch', { instance: 'a', leafNotAfter: -1n }],
    ['a version beyond all', { instance: 'a', bundleVersion: 1n << 60n }],
  ])('ends the stream of a report with %s', async (_, report) => {
    const { stream, ended, heard } = follow('reviews');
    await vi.waitFor(() => expect(heard).toHaveLength(1));
    say(stream, report);
    expect(await ended).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(keeper.ledger.connections).toBe(0);
  });

  it('ends streams that prove nothing, speak for two instances, or talk all the time', async () => {
    expect(await follow(undefined).ended).toMatchObject({ code: status.UNAUTHENTICATED, details: 'request authenticate failure' });
    const two = follow('reviews');
    say(two.stream, { instance: 'one' });
    say(two.stream, { instance: 'two' });
    expect(await two.ended).toMatchObject({ code: status.INVALID_ARGUMENT, details: expect.stringContaining('one stream') });
    const loud = follow('reviews');
    for (let i = 0; i < 150; i++) say(loud.stream, { instance: 'one', bundleVersion: BigInt(i) });
    expect(await loud.ended).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  });
});
