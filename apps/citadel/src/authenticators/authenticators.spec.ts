import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Metadata, status } from '@grpc/grpc-js';
import { type Logger, silentLogger, VirtualClock } from '@xebec/core';
import {
  type Authority,
  certificatePem,
  createCsr,
  createSelfSignedRoot,
  decodePem,
  generateKeys,
  issueLeaf,
  loadAuthority,
  parseCsr,
  parseTrustDomain,
  serviceAccountId,
  unwrap,
} from '@xebec/identity';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Authenticator, Caller } from '../authenticator.ts';
import { createAuthenticate, type IncomingCall } from './authenticate.ts';
import { createClientCertificateAuthenticator } from './client-certificate.ts';
import { createImpersonation, type PodDirectory, parseTrustedAccounts } from './impersonation.ts';
import { openKeySource } from './key-source.ts';
import { oidcSettings } from './oidc-settings.ts';
import { createOidcAuthenticator } from './oidc-token.ts';
import { createTrustedGatewayAuthenticator } from './trusted-gateway.ts';

const NOW = Date.UTC(2026, 10, 21);
const trustDomain = unwrap(parseTrustDomain('cluster.local'));
const ID = unwrap(serviceAccountId(trustDomain, 'default', 'reviews'));
const PEER = '10.1.2.3:40000';

function call(metadata: Readonly<Record<string, string | readonly string[]>>, certificate?: Uint8Array, peer = PEER): IncomingCall {
  const sent = new Metadata();
  for (const [key, values] of Object.entries(metadata)) for (const value of [values].flat()) sent.add(key, value);
  return {
    metadata: sent,
    getPeer: () => peer,
    getAuthContext: () => (certificate === undefined ? {} : { sslPeerCertificate: { raw: certificate } }),
  };
}

describe('the order of authenticators', () => {
  const accepts = (name: string, needs: Authenticator['needs']): Authenticator => ({
    name,
    needs,
    authenticate: () => ({ id: ID, provenBy: name }),
  });
  const refuses = (name: string, needs: Authenticator['needs']): Authenticator => ({
    name,
    needs,
    authenticate: () => Promise.reject(new Error(`${name} says no`)),
  });
  const failures = { count: 0, inc: () => void failures.count++ };
  const asked = (authenticators: readonly Authenticator[], incoming: IncomingCall, logger: Logger = silentLogger) =>
    createAuthenticate({ authenticators, failures, logger })(incoming);
  const all = [accepts('one', 'certificate'), accepts('two', 'token'), accepts('three', 'forwardedCertificates')];

  it('asks only about what a call carries, and the first that accepts decides', async () => {
    const xfcc = { 'x-forwarded-client-cert': 'URI=x' };
    expect((await asked(all, call({ authorization: 'Bearer t', ...xfcc }, Uint8Array.of(1)))).provenBy).toBe('one');
    expect((await asked(all, call({ authorization: 'Bearer t', ...xfcc }))).provenBy).toBe('two');
    expect((await asked(all, call(xfcc))).provenBy).toBe('three');
    expect((await asked([refuses('zero', 'token'), ...all], call({ authorization: 'Bearer t' }))).provenBy).toBe('two');
  });

  it.each<[string, IncomingCall]>([
    ['nothing', call({})],
    ['another scheme', call({ authorization: 'Basic dDp0' })],
    ['a token in lower case clothes', call({ authorization: 'bearer t' })],
    ['two XFCC headers', call({ 'x-forwarded-client-cert': ['URI=a', 'URI=b'] })],
    ['a token of 20 kB', call({ authorization: `Bearer ${'t'.repeat(20_000)}` })],
  ])('says of %s as little as Istio, and logs why', async (_name, incoming) => {
    const before = failures.count;
    const lines: string[] = [];
    const logger = { ...silentLogger, warn: (_fields: object, text = '') => void lines.push(text) };
    await expect(asked(all, incoming, logger)).rejects.toMatchObject({
      status: status.UNAUTHENTICATED,
      message: 'request authenticate failure',
    });
    expect(failures.count).toBe(before + 1);
    expect(lines).toEqual(['no identity: one: none; two: none; three: none']);
  });

  it('never shows a token', async () => {
    const lines: string[] = [];
    const logger = { ...silentLogger, warn: (fields: object, text = '') => void lines.push(JSON.stringify(fields) + text) };
    const { publicKey } = generateKeyPairSync('ed25519');
    const directory = mkdtempSync(join(tmpdir(), 'xebec-jwks-'));
    const file = join(directory, 'jwks.json');
    writeFileSync(file, JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] }));
    const oidc = createOidcAuthenticator({ keys: { kind: 'file', file }, audiences: ['a'], trustDomain, clock: new VirtualClock(NOW) });
    await expect(asked([oidc], call({ authorization: 'Bearer s3cr3t.s3cr3t.s3cr3t' }), logger)).rejects.toThrow(
      'request authenticate failure',
    );
    rmSync(directory, { recursive: true });
    expect(lines.join()).toContain('OIDC token: ');
    expect(lines.join()).not.toContain('s3cr3t');
  });
});

describe('client certificates', () => {
  let authority: Authority;
  let leaf: (account: string, domain?: string) => Promise<Uint8Array>;
  beforeAll(async () => {
    const keys = await generateKeys('ecdsa-p256');
    const serial = new Uint8Array(16).fill(3);
    const root = unwrap(createSelfSignedRoot(keys, { organization: 'x', ttlMs: 1e9, now: NOW, serial }));
    const privateKey = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    authority = unwrap(loadAuthority({ certificate: certificatePem(root), privateKey }));
    leaf = async (account, domain = 'cluster.local') => {
      const request = unwrap(parseCsr(createCsr(await generateKeys('ecdsa-p256'))));
      return unwrap(issueLeaf(authority, request, { uri: `spiffe://${domain}/ns/default/sa/${account}`, ttlMs: 60_000, now: NOW, serial }))
        .der;
    };
  });
  const open = (clock = new VirtualClock(NOW), revoked: () => boolean = () => false) =>
    createClientCertificateAuthenticator({ authority: () => authority, trustDomain, clock, isRevoked: revoked });

  it('prove the ID in them, as long as they live and are not revoked', async () => {
    const clock = new VirtualClock(NOW);
    let revoked = false;
    const authenticator = open(clock, () => revoked);
    const certificate = await leaf('reviews');
    const ask = async () => authenticator.authenticate({ peer: PEER, certificate });
    expect(await ask()).toEqual({ id: ID, account: { namespace: 'default', name: 'reviews' }, provenBy: 'client certificate' });
    revoked = true;
    await expect(ask()).rejects.toMatchObject({ code: 'E_CLIENT_CERTIFICATE' });
    revoked = false;
    clock.advance(60_000);
    await expect(ask()).rejects.toMatchObject({ code: 'E_SVID_EXPIRED' });
  });
  it('of other trust domains and other CAs prove nothing', async () => {
    const ask = async (certificate: Uint8Array) => open().authenticate({ peer: PEER, certificate });
    await expect(ask(await leaf('reviews', 'other'))).rejects.toMatchObject({ code: 'E_SVID_TRUST_DOMAIN' });
    const certificate = Buffer.from(await leaf('reviews'));
    certificate[certificate.length - 1] = (certificate.at(-1) ?? 0) ^ 1;
    await expect(ask(certificate)).rejects.toMatchObject({ code: 'E_SVID_CHAIN' });
    const [root = new Uint8Array()] = unwrap(decodePem(authority.rootPem, 'CERTIFICATE'));
    await expect(ask(root)).rejects.toMatchObject({ code: 'E_SVID_URI_SAN' });
  });
});

describe('a trusted gateway', () => {
  const xfcc = `By=spiffe://cluster.local/ns/istio-system/sa/gateway;Hash=ab;URI=${ID}`;
  const open = (cidrs: readonly string[]) => createTrustedGatewayAuthenticator({ cidrs, trustDomain });
  const ask = async (forwardedCertificates: string, peer = PEER, cidrs = ['10.1.0.0/16', 'fd00::/8']) =>
    open(cidrs).authenticate({ peer, forwardedCertificates });

  it('is believed for the client that it saw itself', async () => {
    const caller = { id: ID, account: { namespace: 'default', name: 'reviews' }, provenBy: 'trusted gateway' };
    expect(await ask(xfcc)).toEqual(caller);
    expect(await ask(`URI=spiffe://cluster.local/ns/kube-system/sa/admin,${xfcc}`)).toEqual(caller);
    expect(await ask(xfcc, '[fd00::1]:40000')).toEqual(caller);
    expect(await ask(xfcc, '[::ffff:10.1.2.3]:40000')).toEqual(caller);
  });
  it.each<[string, string, string, string]>([
    ['from another network', xfcc, '10.2.0.1:1', 'in no network'],
    ['from this machine, which nobody listed', xfcc, '127.0.0.1:1', 'in no network'],
    ['from nowhere', xfcc, 'unix', 'in no network'],
    ['of another trust domain', 'URI=spiffe://other/ns/a/sa/b', PEER, 'trust domain other'],
    ['with two URIs', `URI=${ID};URI=${ID}`, PEER, '2 URIs'],
    ['with a DNS name alone', 'DNS=reviews.default', PEER, '0 URIs'],
    ['with a URI that is no ID', 'URI=https://cluster.local/x', PEER, 'no SPIFFE ID'],
    ["with a trust domain's ID", 'URI=spiffe://cluster.local', PEER, "not a workload's"],
    ['that cannot be read', 'URI="', PEER, 'has no end'],
    ['whose last element is empty', `${xfcc},By=x`, PEER, '0 URIs'],
  ])('is not believed %s', async (_name, header, peer, text) => {
    await expect(ask(xfcc)).resolves.toBeDefined();
    await expect(ask(header, peer)).rejects.toThrow(text);
  });
  it.each(['10.1.0.0', '10.1.0.0/33', 'x/8', '10.1.0.0/-1', '/8', '10.1.0.0/8/8x'])('takes no %j for a network', (cidr) =>
    expect(() => open([cidr])).toThrow('must be a CIDR'),
  );
});

describe('impersonation', () => {
  const pods: PodDirectory = {
    pod: (namespace, name) =>
      namespace === 'istio-system' && name === 'ztunnel-1' ? { uid: 'u1', serviceAccount: 'ztunnel', node: 'n1' } : undefined,
    runsOn: (node, account) => node === 'n1' && account.namespace === 'default' && account.name === 'reviews',
  };
  const impersonate = createImpersonation({ trustedAccounts: parseTrustedAccounts('istio-system/ztunnel, a/b'), pods, trustDomain });
  const ztunnel: Caller = {
    id: unwrap(serviceAccountId(trustDomain, 'istio-system', 'ztunnel')),
    account: { namespace: 'istio-system', name: 'ztunnel' },
    pod: { name: 'ztunnel-1', uid: 'u1' },
    provenBy: 'Kubernetes token',
  };
  const { pod: _pod, ...withoutPod } = ztunnel;

  it('is for pods of the own node', () => {
    expect(impersonate(ztunnel, ID)).toMatchObject({ id: ID, account: { namespace: 'default', name: 'reviews' } });
  });
  it.each<[string, Caller, string, string]>([
    ['an account that is not trusted', { ...ztunnel, account: { namespace: 'default', name: 'ztunnel' } }, ID, 'no trusted node account'],
    [
      'an account that no pod of the node has',
      ztunnel,
      'spiffe://cluster.local/ns/default/sa/ratings',
      'no pod of default/ratings is on node n1',
    ],
    ['another trust domain', ztunnel, 'spiffe://other/ns/default/sa/reviews', 'no service account of'],
    ['an ID of another form', ztunnel, 'spiffe://cluster.local/reviews', 'no service account of'],
    ['no ID', ztunnel, 'reviews', 'no SPIFFE ID'],
    ['a certificate instead of a token of a pod', withoutPod, ID, 'names no pod'],
    ['a pod that has gone', { ...ztunnel, pod: { name: 'ztunnel-2', uid: 'u1' } }, ID, 'there is no pod'],
    ['an earlier pod of the same name', { ...ztunnel, pod: { name: 'ztunnel-1', uid: 'u0' } }, ID, 'another than the token was made for'],
  ])('is refused for %s', (_name, caller, requested, text) => {
    expect(() => impersonate(ztunnel, ID)).not.toThrow();
    expect(() => impersonate(caller, requested)).toThrow(text);
  });
  it('wants accounts with their namespaces', () => expect(() => parseTrustedAccounts('ztunnel')).toThrow('namespace/account'));
});

describe('keys of an issuer', () => {
  const [first, second] = [generateKeyPairSync('ec', { namedCurve: 'P-256' }), generateKeyPairSync('ec', { namedCurve: 'P-256' })];
  let server: Server;
  let issuer: string;
  let requests: string[];
  let answer: (path: string) => { status: number; body: string } | undefined;
  const jwks = (...keys: readonly (readonly [string, KeyObject])[]) =>
    JSON.stringify({ keys: keys.map(([kid, key]) => ({ ...key.export({ format: 'jwk' }), kid })) });
  const token = (kid: string, key: KeyObject, claims: object = {}) => {
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const body = { iss: issuer, sub: 'system:serviceaccount:default:reviews', aud: 'istio-ca', exp: NOW / 1000 + 9e6, ...claims };
    const input = `${encode({ alg: 'ES256', kid })}.${encode(body)}`;
    return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
  };

  beforeEach(async () => {
    requests = [];
    server = createServer((request, response) => {
      requests.push(request.url ?? '');
      const given = answer(request.url ?? '') ?? { status: 404, body: '' };
      response.writeHead(given.status).end(given.body);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    issuer = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
    answer = (path) =>
      path === '/keys'
        ? { status: 200, body: jwks(['one', first.publicKey]) }
        : { status: 200, body: JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }) };
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const open = (clock: VirtualClock) =>
    createOidcAuthenticator({ keys: { kind: 'discovery', issuer }, issuer, audiences: ['istio-ca'], trustDomain, clock });
  const ask = async (authenticator: Authenticator, bearer: string) => authenticator.authenticate({ peer: PEER, token: bearer });

  it('are discovered once, kept, and asked for again when a token names another, but not with each token', async () => {
    const clock = new VirtualClock(NOW);
    const authenticator = open(clock);
    expect((await ask(authenticator, token('one', first.privateKey))).id).toBe(ID);
    expect((await ask(authenticator, token('one', first.privateKey))).id).toBe(ID);
    expect(requests).toEqual(['/.well-known/openid-configuration', '/keys']);
    for (let i = 0; i < 5; i++)
      await expect(ask(authenticator, token('two', second.privateKey))).rejects.toMatchObject({ code: 'E_JWT_KEY' });
    expect(requests).toHaveLength(2);
    clock.advance(5_000);
    answer = (path) =>
      path === '/keys'
        ? { status: 200, body: jwks(['one', first.publicKey], ['two', second.publicKey]) }
        : { status: 200, body: JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }) };
    expect((await ask(authenticator, token('two', second.privateKey))).id).toBe(ID);
    expect(requests).toHaveLength(4);
  });
  it('stay in force while the issuer is away', async () => {
    const clock = new VirtualClock(NOW);
    const authenticator = open(clock);
    await ask(authenticator, token('one', first.privateKey));
    answer = () => ({ status: 503, body: '' });
    clock.advance(3_600_000);
    expect((await ask(authenticator, token('one', first.privateKey))).id).toBe(ID);
    expect(requests).toHaveLength(3);
  });
  it('are not taken from a document of another issuer, or of none, or without end', async () => {
    const fresh = async (body: string, text: string) => {
      answer = () => ({ status: 200, body });
      await expect(ask(open(new VirtualClock(NOW)), token('one', first.privateKey))).rejects.toThrow(text);
    };
    await fresh(JSON.stringify({ issuer: 'https://evil', jwks_uri: `${issuer}/keys` }), 'of another issuer');
    await fresh(JSON.stringify({ issuer }), 'has no jwks_uri');
    await fresh(JSON.stringify({ issuer, jwks_uri: 'http://keys.example/' }), 'must be an https:// URL');
    await fresh('x'.repeat(2_000_000), 'more than');
  });
  it('come from where the flags or JWT_RULE say', () => {
    const rule = JSON.stringify({ issuer: 'https://i', jwks_uri: 'https://i/keys', audiences: ['x'] });
    expect(oidcSettings({}, {})).toBeUndefined();
    expect(oidcSettings({}, { JWT_RULE: rule })).toEqual({
      keys: { kind: 'url', url: 'https://i/keys' },
      issuer: 'https://i',
      audiences: ['x'],
    });
    expect(oidcSettings({ jwtIssuer: 'https://j' }, { JWT_RULE: rule })).toEqual({
      keys: { kind: 'discovery', issuer: 'https://j' },
      issuer: 'https://j',
      audiences: ['istio-ca'],
    });
    expect(() => oidcSettings({ jwtJwks: 'f', jwtJwksUri: 'https://i' }, {})).toThrow('exclude each other');
    expect(() => oidcSettings({}, { JWT_RULE: '{}' })).toThrow('wants an issuer');
    expect(() => openKeySource({ kind: 'url', url: 'http://keys.example/' }, new VirtualClock(0))).toThrow('must be an https:// URL');
  });
});
