import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Server, type ServerDuplexStream, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { seededRandom, silentLogger, systemClock } from '@xebec/core';
import {
  type Authority,
  certificateChain,
  certificatePem,
  createSelfSignedRoot,
  generateKeys,
  issueLeaf,
  loadAuthority,
  parseCsr,
  unwrap,
} from '@xebec/identity';
import {
  type IstioCertificateRequest,
  type IstioCertificateResponse,
  IstioCertificateResponseSchema,
  IstioCertificateService,
} from '@xebec/protos/istio/v1/auth/ca';
import { type TrustInstruction, TrustInstructionSchema, type TrustReport, TrustService } from '@xebec/protos/xebec/identity/v1/trust';
import { serviceDefinition } from '@xebec/rpc';
import { afterEach, expect, it, vi } from 'vitest';
import { createCertificateManager } from './certificate-manager.ts';
import { fingerprintOf } from './issuing-roots.ts';
import { createAcceptanceLedger } from './secrets/acceptance.ts';
import { trustVersion } from './secrets/secret-source.ts';
import { serverCredentials } from './server-credentials.ts';
import { startIdentity } from './workload-identity.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

const PATIENT = { timeout: 10_000 };
const ID = 'spiffe://cluster.local/ns/a/sa/b';

async function newAuthority(organization: string): Promise<Authority> {
  const keys = await generateKeys('ecdsa-p256');
  const template = { organization, ttlMs: 3_600_000, now: Date.now(), serial: randomBytes(16) };
  const privateKey = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  return unwrap(loadAuthority({ certificate: certificatePem(unwrap(createSelfSignedRoot(keys, template))), privateKey }));
}

function chainFor(authority: Authority, csr: string, dnsNames: readonly string[] = []): string[] {
  const template = { uri: ID, dnsNames, ttlMs: 600_000, now: Date.now(), serial: randomBytes(16) };
  return certificateChain(authority, unwrap(issueLeaf(authority, unwrap(parseCsr(csr)), template)));
}

type Stream = ServerDuplexStream<TrustReport, TrustInstruction>;

/** A CA whose signer can be changed, with or without the trust service. */
async function startCa(first: Authority, withTrust: boolean) {
  const directory = mkdtempSync(join(tmpdir(), 'xebec-trust-'));
  let authority = first;
  const own = createCertificateManager({
    signCsr: async (csr) => chainFor(first, csr, ['ca.test']),
    clock: systemClock,
    random: seededRandom(1),
    logger: silentLogger,
  });
  await own.ready();
  const server = new Server();
  const shown: boolean[] = [];
  const tokens: boolean[] = [];
  const streams: Stream[] = [];
  const reports: TrustReport[] = [];
  server.addService(serviceDefinition(IstioCertificateService), {
    CreateCertificate: (
      call: ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>,
      reply: sendUnaryData<IstioCertificateResponse>,
    ) => {
      shown.push(call.getAuthContext().sslPeerCertificate !== undefined);
      tokens.push(call.metadata.get('authorization').length > 0);
      reply(null, create(IstioCertificateResponseSchema, { certChain: chainFor(authority, call.request.csr) }));
    },
  });
  if (withTrust)
    server.addService(serviceDefinition(TrustService), {
      FollowTrust: (stream: Stream) => {
        streams.push(stream);
        stream.on('data', (report: TrustReport) => reports.push(report));
        stream.on('error', () => undefined);
        stream.on('end', () => stream.end());
      },
    });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', serverCredentials(own), (error, bound) => (error === null ? resolve(bound) : reject(error))),
  );
  const [rootFile, tokenFile] = [join(directory, 'root.pem'), join(directory, 'token')];
  writeFileSync(rootFile, first.rootPem);
  writeFileSync(tokenFile, 'token');
  const identity = startIdentity({
    caAddress: `127.0.0.1:${port}`,
    serverName: 'ca.test',
    rootFile,
    tokenFile,
    instance: 'pod-1',
    clock: systemClock,
    random: seededRandom(2),
    logger: silentLogger,
  });
  closers.push(
    () => rmSync(directory, { recursive: true, force: true }),
    () => own.close(),
    () => server.forceShutdown(),
    () => identity.close(),
  );
  const instruct = (
    version: bigint,
    roots: readonly Authority[],
    more: Pick<MessageInitShape<typeof TrustInstructionSchema>, 'renew' | 'clockMs'> = {},
  ) =>
    streams.at(-1)?.write(
      create(TrustInstructionSchema, {
        bundleVersion: version,
        bundles: [{ trustDomain: 'cluster.local', roots: roots.map((root) => root.certificate.der) }],
        clockMs: BigInt(Date.now()),
        ...more,
      }),
    );
  return { identity, shown, tokens, streams, reports, instruct, tokenFile, sign: (by: Authority) => (authority = by) };
}

it('reports a bundle only when the data plane has taken it, and goes over to a new root when told to', async () => {
  const [old, next] = [await newAuthority('old'), await newAuthority('next')];
  const ca = await startCa(old, true);
  const { certificates } = ca.identity;
  await certificates.ready();
  const ledger = createAcceptanceLedger(systemClock, () => certificates.trust.current(), trustVersion);
  const stream = ledger.open();
  stream.wants(['ROOTCA']);
  ca.identity.follow([ledger]);
  await vi.waitFor(() => expect(ca.reports).toHaveLength(1), PATIENT);
  expect(ca.reports[0]).toMatchObject({ instance: 'pod-1', bundleVersion: 0n, rootFingerprints: [], error: '' });
  expect(ca.reports[0]?.leafRootFingerprint).toEqual(fingerprintOf(old.certificate));

  ca.instruct(7n, [old, next]);
  await vi.waitFor(() => expect(certificates.trust.current()?.bundleVersion).toBe(7n));
  const both = certificates.trust.current();
  expect(ca.reports).toHaveLength(1);
  const secret = {
    name: 'ROOTCA',
    version: both === undefined ? '' : trustVersion(both),
    any: {},
    ...(both === undefined ? {} : { trust: both }),
  };
  stream.sent('1', [secret]);
  stream.accepted('1');
  await vi.waitFor(() => expect(ca.reports.at(-1)?.bundleVersion).toBe(7n));
  expect(ca.reports.at(-1)?.rootFingerprints).toHaveLength(2);

  ca.sign(next);
  const wantedRootFingerprint = fingerprintOf(next.certificate);
  const renew = { $typeName: 'xebec.identity.v1.RenewCertificate' as const, withinMs: 10, reason: 'test', wantedRootFingerprint };
  ca.instruct(7n, [old, next], { renew });
  await vi.waitFor(() => expect(ca.reports.at(-1)?.leafRootFingerprint).toEqual(wantedRootFingerprint), { timeout: 5000 });
  // The certificate proved who asked, and the same order once more is no reason for another.
  expect(ca.shown).toEqual([false, true]);
  ca.instruct(8n, [next], { renew });
  await vi.waitFor(() => expect(certificates.trust.current()?.domains[0]?.roots).toHaveLength(1));
  // The old bundle is what the data plane still goes by.
  expect(ca.reports.at(-1)?.bundleVersion).toBe(7n);
  expect(ca.shown).toHaveLength(2);
});

it('takes no bundle that would cut the workload off, and says so', async () => {
  const root = await newAuthority('o');
  const ca = await startCa(root, true);
  await ca.identity.certificates.ready();
  ca.identity.follow([]);
  await vi.waitFor(() => expect(ca.reports).toHaveLength(1), PATIENT);
  ca.instruct(3n, []);
  await vi.waitFor(() => expect(ca.reports.at(-1)?.error).toContain('no root of the own trust domain'));
  expect(ca.identity.certificates.trust.current()?.domains[0]?.roots).toEqual([root.rootPem]);
});

it('comes again when the stream breaks, and renews without a token while its certificate is valid', async () => {
  const root = await newAuthority('o');
  const ca = await startCa(root, true);
  const first = await ca.identity.certificates.ready();
  const trust = ca.identity.follow([]);
  await vi.waitFor(() => expect(ca.streams).toHaveLength(1), PATIENT);
  ca.instruct(1n, [root]);
  await vi.waitFor(() => expect(trust.connected()).toBe(true));
  rmSync(ca.tokenFile);
  ca.streams[0]?.emit('error', { code: 14, details: 'the CA goes away' });
  await vi.waitFor(() => expect(ca.streams).toHaveLength(2), { timeout: 5000 });
  ca.identity.certificates.renew('test', 0);
  await vi.waitFor(() => expect(ca.identity.certificates.current()?.serialNumber).not.toBe(first.serialNumber));
  expect([ca.shown.at(-1), ca.tokens]).toEqual([true, [true, false]]);
});

it('leaves a CA without the service alone: its answers say what to trust', async () => {
  const [old, next, third] = [await newAuthority('old'), await newAuthority('next'), await newAuthority('third')];
  const ca = await startCa(old, false);
  const { certificates } = ca.identity;
  await certificates.ready();
  certificates.trust.set('trust-stream', {
    bundleVersion: 5n,
    domains: [{ trustDomain: 'cluster.local', roots: [next.rootPem], jwtKeys: '' }],
    crls: [],
  });
  const trust = ca.identity.follow([]);
  ca.sign(third);
  // The stream's word goes when the CA turns out to have no stream, and the next answer takes its place.
  await vi.waitFor(() => {
    certificates.renew('test', 0);
    expect(certificates.trust.current()?.domains[0]?.roots).toEqual([third.rootPem]);
  }, PATIENT);
  expect(trust.connected()).toBe(false);
});

it("measures by the CA's clock when its own is off", async () => {
  const root = await newAuthority('o');
  const ca = await startCa(root, true);
  await ca.identity.certificates.ready();
  ca.identity.follow([]);
  await vi.waitFor(() => expect(ca.streams).toHaveLength(1), PATIENT);
  ca.instruct(1n, [root], { clockMs: BigInt(Date.now() + 90_000) });
  await vi.waitFor(() => expect(ca.identity.clockWatch.offsetMs()).toBeGreaterThan(80_000));
});
