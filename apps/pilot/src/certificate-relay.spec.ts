import { randomBytes } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { type CertificateManager, createCertificateManager, serverCredentials } from '@xebec/agent';
import { silentLogger, systemClock, systemRandom } from '@xebec/core';
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
import {
  type IstioCertificateRequest,
  IstioCertificateRequestSchema,
  type IstioCertificateResponse,
  IstioCertificateResponseSchema,
  IstioCertificateService,
} from '@xebec/protos/istio/v1/auth/ca';
import { methodDefinition, serviceDefinition } from '@xebec/rpc';
import { afterEach, expect, it } from 'vitest';
import { certificateRelayService, createCertificateRelay } from './certificate-relay.ts';

const CA_NAME = 'istio-citadel.istio-system.svc';
const METHOD = methodDefinition(IstioCertificateService.method.createCertificate);
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

/** The certificate of a CA's server, and the root that it leads to. */
async function makeServerCertificate(): Promise<{ readonly root: string; readonly certificates: CertificateManager }> {
  const keys = await generateKeys('ecdsa-p256');
  const now = Date.now();
  const root = certificatePem(unwrap(createSelfSignedRoot(keys, { organization: 'a', ttlMs: 3_600_000, now, serial: randomBytes(16) })));
  const privateKey = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const authority = unwrap(loadAuthority({ certificate: root, privateKey }));
  const template = { uri: 'spiffe://cluster.local/ns/a/sa/ca', dnsNames: [CA_NAME], ttlMs: 600_000, now };
  const certificates = createCertificateManager({
    signCsr: async (csr) =>
      certificateChain(authority, unwrap(issueLeaf(authority, unwrap(parseCsr(csr)), { ...template, serial: randomBytes(16) }))),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  closers.push(() => certificates.close());
  await certificates.ready();
  return { root, certificates };
}

type Call = ServerUnaryCall<IstioCertificateRequest, IstioCertificateResponse>;

interface Seen {
  readonly csr: string;
  readonly metadata: Record<string, unknown>;
  readonly certificate: boolean;
}

/** A CA that answers what it is told to, and a relay before it; `ask` calls the relay as an agent does. */
async function setUp(answer: { readonly certChain: string[] } | Partial<ServiceError>) {
  const { root, certificates } = await makeServerCertificate();
  const seen: Seen[] = [];
  const ca = new Server();
  ca.addService(serviceDefinition(IstioCertificateService), {
    CreateCertificate: (call: Call, reply: sendUnaryData<IstioCertificateResponse>) => {
      const certificate = call.getAuthContext().sslPeerCertificate?.raw !== undefined;
      seen.push({ csr: call.request.csr, metadata: call.metadata.getMap(), certificate });
      if ('certChain' in answer) reply(null, create(IstioCertificateResponseSchema, answer));
      else reply(answer);
    },
  });
  // It asks clients for a certificate, as Citadel does: one would be seen.
  const caPort = await bind(ca, serverCredentials(certificates));
  const relay = createCertificateRelay({
    caAddress: `127.0.0.1:${caPort}`,
    serverName: CA_NAME,
    roots: async () => Buffer.from(root),
    logger: silentLogger,
  });
  closers.push(() => relay.close());
  const server = new Server();
  server.addService(certificateRelayService, relay.implementation);
  const client = new Client(`127.0.0.1:${await bind(server, ServerCredentials.createInsecure())}`, credentials.createInsecure());
  closers.push(() => client.close());
  const ask = (csr: string, metadata: Readonly<Record<string, string>>) =>
    new Promise<unknown>((resolve, reject) => {
      const sent = new Metadata();
      for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
      const request = create(IstioCertificateRequestSchema, { csr });
      client.makeUnaryRequest(METHOD.path, METHOD.requestSerialize, METHOD.responseDeserialize, request, sent, (error, value) =>
        error === null ? resolve(value) : reject(error),
      );
    });
  return { ask, seen };
}

function bind(server: Server, secrets: ServerCredentials): Promise<number> {
  closers.push(() => server.forceShutdown());
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', secrets, (error, port) => (error === null ? resolve(port) : reject(error))),
  );
}

it("passes a request on with the caller's token, and nothing else that could name somebody", async () => {
  const { ask, seen } = await setUp({ certChain: ['leaf', 'root'] });
  const metadata = { authorization: 'Bearer abc', clusterid: 'west', 'x-forwarded-client-cert': 'URI=spiffe://cluster.local/ns/a/sa/b' };
  expect(await ask('a request', metadata)).toMatchObject({ certChain: ['leaf', 'root'] });
  expect(seen).toMatchObject([{ csr: 'a request', certificate: false, metadata: { authorization: 'Bearer abc', clusterid: 'west' } }]);
  expect(seen[0]?.metadata).not.toHaveProperty('x-forwarded-client-cert');
});

it('asks nobody without a token, nor with a request that no CSR needs', async () => {
  const { ask, seen } = await setUp({ certChain: ['leaf', 'root'] });
  await expect(ask('a request', {})).rejects.toMatchObject({ code: status.UNAUTHENTICATED, details: 'request authenticate failure' });
  await expect(ask('x'.repeat(70_000), { authorization: 'Bearer abc' })).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  expect(seen).toEqual([]);
});

it("hands back the CA's own refusal", async () => {
  const { ask } = await setUp({ code: status.RESOURCE_EXHAUSTED, details: 'too many certificate requests' });
  const refused = { code: status.RESOURCE_EXHAUSTED, details: 'too many certificate requests' };
  await expect(ask('a request', { authorization: 'Bearer abc' })).rejects.toMatchObject(refused);
});
