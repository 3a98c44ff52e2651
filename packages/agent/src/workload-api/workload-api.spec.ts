import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, Server, status } from '@grpc/grpc-js';
import { silentLogger, systemClock } from '@xebec/core';
import { createSelfSignedRoot, encodePem, generateKeys, issueJwtSvid, jwtKeySet, parseSpiffeId, unwrap } from '@xebec/identity';
import {
  JWTSVIDRequestSchema,
  SpiffeWorkloadAPI,
  ValidateJWTSVIDRequestSchema,
  X509SVIDRequestSchema,
  type X509SVIDResponse,
} from '@xebec/protos/spiffe/workload/workload';
import { methodDefinition } from '@xebec/rpc';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WorkloadCertificate } from '../certificate-manager.ts';
import { createTrustStore, type DomainTrust } from '../trust-store.ts';
import { listenGuarded } from './guarded-socket.ts';
import { cachedJwtSvids } from './jwt-svid-client.ts';
import { openPeerCredentials } from './peer-credentials.ts';
import { networkMark, podOfCgroup, podPeers } from './peer-policy.ts';
import { startWorkloadApi, workloadApiSettings } from './start-workload-api.ts';

const subject = unwrap(parseSpiffeId('spiffe://a.test/ns/shop/sa/cart')).id;
const tokenKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' });

async function rootPem(): Promise<string> {
  const root = createSelfSignedRoot(await generateKeys('ecdsa-p256'), {
    organization: 'a.test',
    ttlMs: 1e9,
    now: Date.now(),
    serial: randomBytes(16),
  });
  return encodePem('CERTIFICATE', unwrap(root).der);
}

const withSecurityHeader = new Metadata();
withSecurityHeader.set('workload.spiffe.io', 'true');
let directory: string;
let close: () => void = () => undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-workload-'));
});
afterEach(() => {
  close();
  rmSync(directory, { recursive: true, force: true });
});

/** A workload whose certificate and trust the test changes. */
async function served() {
  const certificateListeners = new Set<() => void>();
  let certificate: WorkloadCertificate | undefined;
  const trust = createTrustStore();
  const set = (serial: string, pem: string) => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    certificate = {
      privateKeyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
      certificateChainPem: pem,
      rootPem: pem,
      serialNumber: serial,
      notBefore: 0,
      notAfter: 1,
    };
    for (const listener of certificateListeners) listener();
  };
  const socketPath = join(directory, 'api.sock');
  const api = await startWorkloadApi({
    socketPath,
    podNetworks: true,
    certificates: {
      current: () => certificate,
      subscribe: (listener) => {
        const call = () => void (certificate === undefined ? undefined : listener(certificate));
        certificateListeners.add(call);
        return () => void certificateListeners.delete(call);
      },
    },
    trust,
    signJwtSvid: async (audience) => {
      const svid = unwrap(
        issueJwtSvid({ kid: 'k', privateKey: tokenKeys.privateKey }, { subject, audience, ttlMs: 60_000, now: Date.now() }),
      );
      return { spiffeId: svid.subject, token: svid.token, expiresAt: svid.expiresAt };
    },
    clock: systemClock,
    logger: silentLogger,
  });
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure());
  close = () => {
    client.close();
    api.close();
  };
  return { client, trust, set, socketPath };
}

const X509 = methodDefinition(SpiffeWorkloadAPI.method.fetchX509SVID);
const JWT = methodDefinition(SpiffeWorkloadAPI.method.fetchJWTSVID);
const VALIDATE = methodDefinition(SpiffeWorkloadAPI.method.validateJWTSVID);

function fetchJwt(client: Client, init: { audience: string[]; spiffeId?: string }, metadata = withSecurityHeader): Promise<unknown> {
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(
      JWT.path,
      JWT.requestSerialize,
      JWT.responseDeserialize,
      create(JWTSVIDRequestSchema, init),
      metadata,
      (error, value) => (error === null ? resolve(value) : reject(error)),
    ),
  );
}

function validate(client: Client, svid: string, audience: string): Promise<unknown> {
  const request = create(ValidateJWTSVIDRequestSchema, { svid, audience });
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(
      VALIDATE.path,
      VALIDATE.requestSerialize,
      VALIDATE.responseDeserialize,
      request,
      withSecurityHeader,
      (error, value) => (error === null ? resolve(value) : reject(error)),
    ),
  );
}

function follow(client: Client, metadata = withSecurityHeader) {
  const call = client.makeServerStreamRequest(
    X509.path,
    X509.requestSerialize,
    X509.responseDeserialize,
    create(X509SVIDRequestSchema),
    metadata,
  );
  const answers: X509SVIDResponse[] = [];
  const waiting: ((answer: X509SVIDResponse) => void)[] = [];
  call.on('data', (answer: X509SVIDResponse) => {
    const waiter = waiting.shift();
    if (waiter === undefined) answers.push(answer);
    else waiter(answer);
  });
  const failed = new Promise<{ code: status }>((resolve) => call.on('error', (error: Error & { code: status }) => resolve(error)));
  return {
    failed,
    cancel: () => call.cancel(),
    next: () => {
      const answer = answers.shift();
      return answer === undefined ? new Promise<X509SVIDResponse>((resolve) => void waiting.push(resolve)) : Promise.resolve(answer);
    },
  };
}

const leafOf = async (): Promise<string> => {
  const { issueLeaf, parseCsr, createCsr, loadAuthority } = await import('@xebec/identity');
  const keys = await generateKeys('ecdsa-p256');
  const root = unwrap(createSelfSignedRoot(keys, { organization: 'a.test', ttlMs: 1e9, now: Date.now(), serial: randomBytes(16) }));
  const authority = unwrap(
    loadAuthority({
      certificate: encodePem('CERTIFICATE', root.der),
      privateKey: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    }),
  );
  const csr = unwrap(parseCsr(createCsr(await generateKeys('ecdsa-p256'))));
  const leaf = await issueLeaf(authority, csr, { uri: subject, ttlMs: 60_000, now: Date.now(), serial: randomBytes(16) });
  return encodePem('CERTIFICATE', unwrap(leaf).der);
};

describe('the Workload API', () => {
  const domain = (trustDomain: string, ...roots: string[]): DomainTrust => ({
    trustDomain,
    roots,
    jwtKeys: jwtKeySet([{ kid: 'k', publicKey: tokenKeys.publicKey }]),
  });

  it('streams the SVID when there is one, and again at each rotation and change of trust', async () => {
    const { client, trust, set } = await served();
    const stream = follow(client);
    const [leaf, first, second, foreign] = await Promise.all([leafOf(), rootPem(), rootPem(), rootPem()]);
    trust.set('trust-stream', { bundleVersion: 1n, domains: [domain('a.test', first)], crls: [] });
    set('1', leaf);
    const answer = await stream.next();
    const [svid] = answer.svids;
    expect(svid?.spiffeId).toBe(subject);
    expect(new X509Certificate(Buffer.from(svid?.x509Svid ?? [])).subjectAltName).toContain(subject);
    expect(Buffer.from(svid?.bundle ?? [])).toEqual(new X509Certificate(first).raw);
    expect(answer.federatedBundles).toEqual({});
    trust.set('trust-stream', { bundleVersion: 2n, domains: [domain('a.test', first, second), domain('b.test', foreign)], crls: [] });
    const wider = await stream.next();
    expect(Buffer.from(wider.svids[0]?.bundle ?? [])).toEqual(
      Buffer.concat([new X509Certificate(first).raw, new X509Certificate(second).raw]),
    );
    expect(Object.keys(wider.federatedBundles)).toEqual(['spiffe://b.test']);
    set('2', leaf);
    expect((await stream.next()).svids[0]?.x509SvidKey).not.toEqual(svid?.x509SvidKey);
    stream.cancel();
    await stream.failed;
  });

  it('wants the security header on each method', async () => {
    const { client } = await served();
    for (const metadata of [new Metadata(), Metadata.fromHttp2Headers({ 'workload.spiffe.io': 'false' })]) {
      await expect(fetchJwt(client, { audience: ['db'] }, metadata)).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
      await expect(follow(client, metadata).failed).resolves.toMatchObject({ code: status.INVALID_ARGUMENT });
    }
  });

  it('fetches and judges tokens', async () => {
    const { client, trust, set } = await served();
    await expect(fetchJwt(client, { audience: ['db'] })).rejects.toMatchObject({ code: status.UNAVAILABLE });
    set('1', await leafOf());
    trust.set('trust-stream', { bundleVersion: 1n, domains: [domain('a.test', await rootPem())], crls: [] });
    await expect(fetchJwt(client, { audience: [] })).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    await expect(fetchJwt(client, { audience: ['db'], spiffeId: 'spiffe://a.test/ns/shop/sa/admin' })).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
    });
    const answer = await fetchJwt(client, { audience: ['db'], spiffeId: subject });
    expect(answer).toMatchObject({ svids: [{ spiffeId: subject }] });
    const svids: unknown = Reflect.get(Object(answer), 'svids');
    const token = String(Reflect.get(Object(Array.isArray(svids) ? svids[0] : {}), 'svid'));
    await expect(validate(client, token, 'db')).resolves.toMatchObject({ spiffeId: subject, claims: { sub: subject, aud: ['db'] } });
    await expect(validate(client, token, 'other')).rejects.toMatchObject({ code: status.INVALID_ARGUMENT, details: /E_JWT_AUDIENCE/ });
    await expect(validate(client, '', 'db')).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
  });

  it('may be opened by every user, because the kernel says who they are', async () => {
    const { socketPath } = await served();
    expect(statSync(socketPath).mode & 0o777).toBe(0o666);
  });
});

describe('peers', () => {
  it('are named by the kernel and refused with PERMISSION_DENIED before anything is read', async () => {
    const readCredentials = openPeerCredentials();
    if (typeof readCredentials === 'string') throw new Error(readCredentials);
    const seen: unknown[] = [];
    const socketPath = join(directory, 'refused.sock');
    const guarded = await listenGuarded({
      socketPath,
      server: new Server(),
      service: SpiffeWorkloadAPI,
      credentials: readCredentials,
      policy: (peer) => {
        seen.push(peer);
        return 'a test';
      },
      logger: silentLogger,
    });
    const client = new Client(`unix:${socketPath}`, credentials.createInsecure());
    close = () => {
      client.close();
      guarded.close();
    };
    await expect(fetchJwt(client, { audience: ['db'] })).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
    await expect(follow(client).failed).resolves.toMatchObject({ code: status.PERMISSION_DENIED });
    expect(seen).toEqual([{ pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() }]);
    // Refused peers that say nothing do not pile up.
    const idle = Array.from({ length: 40 }, () => createConnection(socketPath));
    await Promise.all(idle.slice(20).map((socket) => new Promise((resolve) => socket.on('error', resolve).once('close', resolve))));
    for (const socket of idle) socket.destroy();
  });

  it.each([
    ['the agent itself', {}, { pid: 7, uid: 1000 }, undefined],
    ["a process of the pod, another user's", { net: 'own' }, { pid: 7, uid: 0 }, undefined],
    ["a process of another pod, the agent's user", { net: 'other' }, { pid: 7, uid: 1000 }, /another pod/],
    ['a process of another pod, a named user', { net: 'other', uids: [5] }, { pid: 7, uid: 5 }, /another pod/],
    ['a process that nothing can be read of', {}, { pid: 7, uid: 5 }, /XEBEC_WORKLOAD_API_UIDS/],
    ['a process of another process namespace, which the kernel shows no number of', { net: 'other' }, { pid: 0, uid: 5 }, undefined],
    ['the same with another user than those named', { uids: [6] }, { pid: 0, uid: 5 }, /not among/],
    ['a named user of another process namespace', { uids: [5] }, { pid: 0, uid: 5 }, undefined],
    ['a user that is not named', { net: 'own', uids: [5] }, { pid: 7, uid: 6 }, /not among/],
  ])('%s', (_name, setting: { net?: string; uids?: number[] }, peer, refusal) => {
    const policy = podPeers({
      ownUid: 1000,
      marks: [(pid) => (pid === 'self' ? 'own' : setting.net)],
      ...(setting.uids === undefined ? {} : { allowedUids: new Set(setting.uids) }),
    });
    const verdict = policy({ gid: 0, ...peer });
    if (refusal === undefined) expect(verdict).toBeUndefined();
    else expect(verdict).toMatch(refusal);
  });

  it.runIf(process.platform === 'linux')('are told apart by their network also where they are other users', () => {
    expect(networkMark('self')).toMatch(/^\d+$/);
    expect(networkMark(process.pid)).toBe(networkMark('self'));
    expect(networkMark(process.ppid)).toBe(networkMark('self'));
    expect(networkMark(0)).toBeUndefined();
  });

  it('are found in control groups of systemd and cgroupfs', () => {
    const pod = '0f3a5b6c-1111-2222-3333-444455556666';
    const systemd = `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${pod.replaceAll('-', '_')}.slice/cri-containerd-ab.scope`;
    expect(podOfCgroup(systemd)).toBe(pod);
    expect(podOfCgroup(`12:memory:/kubepods/besteffort/pod${pod}/abc\n0::/`)).toBe(pod);
    expect(podOfCgroup('0::/user.slice/session-1.scope')).toBeUndefined();
    expect(podOfCgroup('0::/system.slice/podman.service')).toBeUndefined();
  });
});

describe('tokens kept by the agent', () => {
  it('are used for half of their life, one request at a time for one set of audiences', async () => {
    let now = 0;
    let asked = 0;
    const sign = cachedJwtSvids(
      async () => ({ spiffeId: subject, token: `${++asked}`, expiresAt: now + 100 }),
      () => now,
    );
    const both = await Promise.all([sign(['a', 'b']), sign(['b', 'a', 'a'])]);
    expect(both.map(({ token }) => token)).toEqual(['1', '1']);
    now = 49;
    expect((await sign(['a', 'b'])).token).toBe('1');
    expect((await sign(['a'])).token).toBe('2');
    now = 50;
    expect((await sign(['a', 'b'])).token).toBe('3');
  });
  it('are asked for again after a failure', async () => {
    let asked = 0;
    const sign = cachedJwtSvids(
      async () => {
        if (++asked === 1) throw new Error('away');
        return { spiffeId: subject, token: 't', expiresAt: 10 };
      },
      () => 0,
    );
    await expect(sign(['a'])).rejects.toThrow('away');
    await expect(sign(['a'])).resolves.toMatchObject({ token: 't' });
  });
});

describe('settings', () => {
  it('are on unless said otherwise', () => {
    expect(workloadApiSettings({})).toEqual({});
    expect(workloadApiSettings({ XEBEC_WORKLOAD_API: 'false' })).toBeUndefined();
    expect(workloadApiSettings({ XEBEC_WORKLOAD_API_UIDS: '1,2' })).toEqual({ allowedUids: new Set([1, 2]) });
    for (const env of [{ XEBEC_WORKLOAD_API: 'on' }, { XEBEC_WORKLOAD_API_UIDS: 'root' }])
      expect(() => workloadApiSettings(env)).toThrow(/wants/);
  });
});
