import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import { seededRandom, silentLogger, systemClock } from '@xebec/core';
import {
  certificateChain,
  certificatePem,
  createCsr,
  createSelfSignedRoot,
  generateKeys,
  issueLeaf,
  loadAuthority,
  MAX_BUNDLE_BYTES,
  parseCsr,
  unwrap,
} from '@xebec/identity';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { authoritiesOfMesh, createFederation } from './federation.ts';
import { checkBundleUrl, fetchBundle } from './fetch-bundle.ts';

async function makeAuthority(organization: string) {
  const keys = await generateKeys('ecdsa-p256');
  const root = unwrap(createSelfSignedRoot(keys, { organization, ttlMs: 1e9, now: Date.now(), serial: randomBytes(16) }));
  const privateKey = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  return unwrap(loadAuthority({ certificate: certificatePem(root), privateKey }));
}

const authority = await makeAuthority('web');
const caPem = authority.rootPem;
let server: Server;
let base: string;
beforeAll(async () => {
  const keys = await generateKeys('ecdsa-p256');
  const template = { uri: 'spiffe://b.test/endpoint', dnsNames: ['localhost'], ttlMs: 1e8, now: Date.now(), serial: randomBytes(16) };
  const leaf = unwrap(issueLeaf(authority, unwrap(parseCsr(createCsr(keys))), template));
  const [cert = ''] = certificateChain(authority, leaf);
  server = createServer({ cert, key: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }) }, (request, response) => {
    if (request.url === '/elsewhere') response.writeHead(302, { location: '/' }).end();
    else if (request.url === '/large') response.end('x'.repeat(MAX_BUNDLE_BYTES + 1));
    else if (request.url === '/gone') response.writeHead(404).end();
    else response.end('{"keys":[]}');
  });
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const address = server.address();
  base = `https://localhost:${typeof address === 'object' && address !== null ? address.port : 0}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const never = new AbortController().signal;
const fetchAt = (path: string, ca: string | undefined = caPem) =>
  fetchBundle(new URL(`${base}${path}`), { kind: 'https_web', ...(ca === '' ? {} : { caPem: ca }) }, undefined, never);

describe('one question to a bundle endpoint', () => {
  it('brings the document', async () => {
    await expect(fetchAt('/')).resolves.toBe('{"keys":[]}');
  });
  it.each([
    ['redirects', '/elsewhere', /redirects are not followed/],
    ['documents without end', '/large', /more than/],
    ['other answers', '/gone', /404/],
  ])('refuses %s', async (_name, path, text) => {
    await expect(fetchAt(path)).rejects.toMatchObject({ code: 'E_BUNDLE_ENDPOINT', message: expect.stringMatching(text) });
  });
  it('refuses a server of an unknown authority', async () => {
    await expect(fetchAt('/', '')).rejects.toMatchObject({ code: 'E_BUNDLE_ENDPOINT' });
  });
  it('judges by the SVID where the profile is https_spiffe', async () => {
    const initial = { roots: [authority.certificate], jwtKeys: [] };
    const ask = (spiffeId: string) => fetchBundle(new URL(base), { kind: 'https_spiffe', spiffeId, initial }, undefined, never);
    await expect(ask('spiffe://b.test/endpoint')).resolves.toBe('{"keys":[]}');
    await expect(ask('spiffe://b.test/other')).rejects.toThrow(/not spiffe:\/\/b.test\/other/);
    const stranger = await makeAuthority('stranger');
    const strange = {
      kind: 'https_spiffe' as const,
      spiffeId: 'spiffe://b.test/endpoint',
      initial: { roots: [stranger.certificate], jwtKeys: [] },
    };
    await expect(fetchBundle(new URL(base), strange, undefined, never)).rejects.toThrow();
  });
});

describe('a bundle URL', () => {
  it('is HTTPS, also without a scheme', () => {
    expect(checkBundleUrl('b.test/bundle').href).toBe('https://b.test/bundle');
  });
  it.each(['http://b.test/', 'file:///etc/passwd', 'https://user:secret@b.test/', 'https://b.test/#x', 'https://'])('is not %s', (text) => {
    expect(() => checkBundleUrl(text)).toThrow(expect.objectContaining({ code: 'E_BUNDLE_ENDPOINT' }));
  });
});

describe('federation', () => {
  it('joins what authorities say of each domain; without domains it is the own', async () => {
    const [first, second] = [await makeAuthority('1'), await makeAuthority('2')];
    const warnings: string[] = [];
    const federation = createFederation({
      trustDomain: 'a.test',
      clock: systemClock,
      random: seededRandom(1),
      logger: { ...silentLogger, warn: (_fields, message) => void warnings.push(message ?? '') },
    });
    federation.set(
      authoritiesOfMesh([
        { pem: first.rootPem, trustDomains: ['b.test', 'c.test'] },
        { pem: second.rootPem, trustDomains: ['b.test'] },
        { pem: second.rootPem },
        { pem: 'nonsense', trustDomains: ['d.test'] },
        { spiffeBundleUrl: 'http://b.test/', trustDomains: ['e.test'] },
        { pem: first.rootPem, trustDomains: ['F.test'] },
        {},
      ]),
    );
    expect(federation.bundles().map(({ trustDomain, roots }) => [trustDomain, roots.length])).toEqual([
      ['a.test', 1],
      ['b.test', 2],
      ['c.test', 1],
    ]);
    expect(warnings).toHaveLength(3);
    federation.close();
  });
});
