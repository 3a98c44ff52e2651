import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { ServerCredentials, status } from '@grpc/grpc-js';
import { errorText } from '@xebec/core';
import type { CheckResult } from '@xebec/policy';
import type { ConnectionSpec } from '@xebec/schemas';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, entry, eventually, passes, remoteHandler, SecretFolder, startAdapterPeer } from './adapter-peer.ts';

type Authentication = NonNullable<ConnectionSpec['authentication']>;
type Tls = NonNullable<Authentication['tls']>;

const files = new SecretFolder();
const cleanups: (() => unknown)[] = [];
beforeAll(() => {
  for (const name of ['root', 'other']) files.authority(name);
  files.leaf('server', 'DNS:localhost,DNS:adapter.example', 'root');
  files.leaf('address', 'IP:127.0.0.1', 'root');
  files.leaf('ended', 'DNS:localhost', 'root', -1);
  files.leaf('mixer', 'URI:spiffe://mesh/ns/istio-system/sa/mixer', 'root');
  files.leaf('nameless', 'DNS:mixer', 'root');
  files.leaf('stranger', 'URI:spiffe://mesh/ns/istio-system/sa/mixer', 'other');
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
afterAll(() => files.close());

async function serve(leaf: string, clientRoot?: string, port = 0) {
  const pair = { private_key: files.read(`${leaf}.key`), cert_chain: files.read(`${leaf}.pem`) };
  const roots = clientRoot === undefined ? null : files.read(`${clientRoot}.pem`);
  const peer = await startAdapterPeer(ServerCredentials.createSsl(roots, [pair], clientRoot !== undefined), port);
  cleanups.push(peer.close);
  return peer;
}

/** `host`: the name by which the adapter is reached. */
function connect(port: number, authentication: Authentication, host = 'localhost', timeout = '2s') {
  const { handler, skip } = remoteHandler({ address: `${host}:${port}`, authentication, timeout });
  cleanups.push(() => handler.close());
  const check = async (): Promise<CheckResult | string> => {
    try {
      return await handler.check(entry);
    } catch (error) {
      return errorText(error);
    }
  };
  const later = (): Promise<CheckResult | string> => {
    skip(1_000);
    return check();
  };
  return Object.assign(check, { later });
}
const PASSED = { code: 0, validUseCount: 9 };
const passed = (result: CheckResult | string): boolean => typeof result !== 'string' && result.code === 0;

describe('TLS towards an adapter', () => {
  it('trusts the given roots', async () => {
    const { port } = await serve('server');
    expect(await connect(port, { tls: { caCertificates: files.path('root.pem') } })()).toMatchObject(PASSED);
  });
  it('asks for and verifies the name that is given', async () => {
    const { port } = await serve('server');
    const tls = { caCertificates: files.path('root.pem') };
    expect(await connect(port, { tls: { ...tls, serverName: 'adapter.example' } }, '127.0.0.1')()).toMatchObject(PASSED);
    expect(await connect(port, { tls: { ...tls, serverName: 'other.example' } })()).toMatch(
      /UNAVAILABLE.*Host: other\.example\. is not in the cert's altnames/,
    );
    expect(await connect(port, { tls }, '127.0.0.1')()).toMatch(/UNAVAILABLE.*IP: 127\.0\.0\.1 is not in the cert's list/);
  });
  it('verifies the address of an adapter that is reached by it', async () => {
    const { port } = await serve('address');
    expect(await connect(port, { tls: { caCertificates: files.path('root.pem') } }, '127.0.0.1')()).toMatchObject(PASSED);
  });
  it.each([
    ['of an unknown authority', 'server', 'other.pem', /UNAVAILABLE.*unable to (?:verify|get)/],
    ['that have ended', 'ended', 'root.pem', /^localhost:\d+: UNAVAILABLE: Error: certificate has expired$/],
  ])('refuses certificates %s', async (_, leaf, root, message) => {
    const peer = await serve(leaf);
    expect(await connect(peer.port, { tls: { caCertificates: files.path(root) } })()).toMatch(message);
    expect(peer.calls).toBe(0);
  });
  it('says which file is of no use, and goes on when it is mended', async () => {
    const { port } = await serve('server');
    const check = connect(port, { tls: { caCertificates: files.path('late.pem') } });
    expect(await check()).toMatch(/spec\.connection\.authentication\.tls\.caCertificates: cannot read .*late\.pem/);
    files.write('late.pem', 'nothing');
    await eventually('another failure', async () => String(await check.later()).includes('holds no certificate in PEM'));
    files.write('late.pem', files.read('other.pem'));
    await eventually('a refusal', async () => /unable to (?:verify|get)/.test(String(await check.later())));
    files.write('late.pem', files.read('root.pem'));
    await eventually('an answer', async () => passed(await check.later()));
  });
  it('connects anew when the adapter gets a good certificate', async () => {
    const first = await serve('ended');
    const check = connect(first.port, { tls: { caCertificates: files.path('root.pem') } });
    expect(await check()).toMatch(/certificate has expired/);
    first.close();
    await serve('server', undefined, first.port);
    await eventually('an answer', async () => passed(await check.later()));
  });
});

describe('mutual TLS towards an adapter', () => {
  const mutual = (leaf: string, more: object = {}) => ({
    mutual: {
      privateKey: files.path(`${leaf}.key`),
      clientCertificate: files.path(`${leaf}.pem`),
      caCertificates: files.path('root.pem'),
      ...more,
    },
  });
  it('wants the SPIFFE id of Mixer from the adapter, whatever the handshake asks for', async () => {
    const { port } = await serve('mixer', 'root');
    expect(await connect(port, mutual('mixer'))()).toMatchObject(PASSED);
    expect(await connect(port, mutual('mixer', { serverName: 'anything.example' }))()).toMatchObject(PASSED);
    expect(await connect(port, mutual('mixer', { serverName: 'spiffe://mesh/ns/istio-system/sa/mixer' }))()).toMatchObject(PASSED);
    expect(await connect(port, mutual('mixer', { serverName: 'spiffe://mesh/ns/a/sa/adapter' }))()).toMatch(
      /UNAVAILABLE.*is for spiffe:\/\/mesh\/ns\/istio-system\/sa\/mixer, not spiffe:\/\/mesh\/ns\/a\/sa\/adapter/,
    );
  });
  it('takes an adapter of the name that is given', async () => {
    const { port } = await serve('server', 'root');
    expect(await connect(port, mutual('mixer', { serverName: 'adapter.example' }))()).toMatchObject(PASSED);
    expect(await connect(port, mutual('mixer', { serverName: 'other.example' }))()).toMatch(/UNAVAILABLE.*Host: other\.example/);
    expect(await connect(port, mutual('mixer'))()).toMatch(/UNAVAILABLE.*is for no SPIFFE id, not spiffe:\/\/mesh/);
    expect(await connect(port, mutual('nameless'))()).toMatchObject(PASSED);
    expect(await connect(port, mutual('nameless'), '127.0.0.1')()).toMatch(/IP: 127\.0\.0\.1 is not in the cert's list/);
  });
  it('is refused without a certificate that the adapter trusts', async () => {
    const peer = await serve('mixer', 'root');
    expect(await connect(peer.port, mutual('stranger'))()).toMatch(/UNAVAILABLE/);
    expect(peer.calls).toBe(0);
  });
  it('says that a key is not that of the certificate, and takes the pair when it is there', async () => {
    const { port } = await serve('mixer', 'root');
    files.write('turned.key', files.read('server.key'));
    files.write('turned.pem', files.read('mixer.pem'));
    const check = connect(port, mutual('turned'));
    const failure = String(await check());
    expect(failure).toMatch(/authentication\.mutual: \S+turned\.key and \S+turned\.pem are no key and its certificate: .*mismatch/);
    expect(failure).not.toContain('PRIVATE');
    files.write('turned.key', files.read('mixer.key'));
    await eventually('an answer', async () => passed(await check.later()));
  });
});

/** Passes calls that carry this header, as the adapter reads it. */
const wants =
  (header: string, ...values: string[]): Answer =>
  (request, metadata) =>
    values.includes(String(metadata.get(header)[0]))
      ? passes(request, metadata)
      : { code: status.UNAUTHENTICATED, details: 'who are you?' };

describe('tokens of calls', () => {
  it.each<[string, Partial<Tls>, string, string]>([
    ['plain in authorization', {}, 'authorization', 'key-1'],
    ['as a bearer', { authHeader: 'BEARER' }, 'authorization', 'Bearer key-1'],
    ['in a header of its own', { customHeader: 'x-api-key' }, 'x-api-key', 'key-1'],
  ])('stand %s', async (_, more, header, value) => {
    const peer = await serve('server');
    peer.answer = wants(header, value);
    const tokenPath = files.write('token', 'key-1\n');
    expect(await connect(peer.port, { tls: { caCertificates: files.path('root.pem'), tokenPath, ...more } })()).toMatchObject(PASSED);
  });
  it('are read again when the adapter refuses them', async () => {
    const peer = await serve('server');
    peer.answer = wants('authorization', 'first');
    const tokenPath = files.write('token', 'first');
    const check = connect(peer.port, { tls: { caCertificates: files.path('root.pem'), tokenPath } });
    expect(await check()).toMatchObject(PASSED);
    peer.answer = wants('authorization', 'second');
    files.write('token', 'second');
    expect(await check()).toMatch(/UNAUTHENTICATED: who are you\?/);
    expect(await check()).toMatchObject(PASSED);
  });
  it('that cannot be read or sent are named by their file, never by their text', async () => {
    const { port } = await serve('server');
    const check = connect(port, { tls: { caCertificates: files.path('root.pem'), tokenPath: files.path('missing') } });
    expect(await check()).toMatch(/tls\.tokenPath: cannot read \S+missing/);
    files.write('missing', 'hidden\r\nx: y');
    await eventually('another failure', async () => String(await check.later()).includes('holds no token of one line'));
    expect(await check()).not.toContain('hidden');
    files.write('missing', 'good');
    await eventually('an answer', async () => passed(await check.later()));
  });
});

interface TokenRequest {
  readonly authorization: string | undefined;
  readonly form: URLSearchParams;
}

/** A token endpoint that answers as told. */
async function tokenServer(leaf = 'server', port = 0) {
  const requests: TokenRequest[] = [];
  const state = {
    requests,
    wait: Promise.resolve(),
    answer: (_: TokenRequest): [status: number, body: unknown, type?: string] => [
      200,
      { access_token: 'tok-1', token_type: 'bearer', expires_in: 3600 },
    ],
  };
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', async () => {
      await state.wait;
      const seen = { authorization: request.headers.authorization, form: new URLSearchParams(Buffer.concat(chunks).toString()) };
      requests.push(seen);
      const [code, body, type = 'application/json'] = state.answer(seen);
      response.writeHead(code, { 'content-type': type }).end(typeof body === 'string' ? body : JSON.stringify(body));
    });
  };
  const pair = { key: files.read(`${leaf}.key`), cert: files.read(`${leaf}.pem`) };
  const server = leaf === 'none' ? createServer(handle) : createSecureServer(pair, handle);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  cleanups.push(close);
  const bound = (server.address() as AddressInfo).port;
  return Object.assign(state, { url: `https://localhost:${bound}/token`, port: bound, close });
}

describe('tokens by OAuth client credentials', () => {
  const SECRET = 's3cr:t/+';
  const oauth = (tokenUrl: string, more: object = {}): Authentication => ({
    tls: {
      caCertificates: files.path('root.pem'),
      oauth: {
        clientId: 'mixer',
        clientSecret: files.write('secret', `${SECRET}\n`),
        tokenUrl,
        scopes: ['read', 'write'],
        endpointParams: { audience: 'adapter' },
      },
      ...more,
    },
  });
  it('are fetched once for many calls, over verified TLS', async () => {
    const [peer, tokens] = [await serve('server'), await tokenServer()];
    peer.answer = wants('authorization', 'Bearer tok-1');
    const check = connect(peer.port, oauth(tokens.url));
    const results = await Promise.all(Array.from({ length: 20 }, check));
    expect(results.every(passed)).toBe(true);
    expect(tokens.requests).toHaveLength(1);
    const [request] = tokens.requests;
    expect(request?.authorization).toBe(`Basic ${Buffer.from(`mixer:${encodeURIComponent(SECRET)}`).toString('base64')}`);
    expect(Object.fromEntries(request?.form ?? [])).toEqual({ grant_type: 'client_credentials', audience: 'adapter', scope: 'read write' });
  });
  it.each<[string, unknown, object, string, string, string?]>([
    ['a type of its own', { access_token: 'tok', token_type: 'MAC' }, {}, 'authorization', 'MAC tok'],
    ['a header of its own', { access_token: 'tok', token_type: 'bearer' }, { customHeader: 'x-token' }, 'x-token', 'tok'],
    [
      'an answer as a form',
      'access_token=tok&token_type=bearer&expires_in=60',
      {},
      'authorization',
      'Bearer tok',
      'application/x-www-form-urlencoded',
    ],
  ])('may have %s', async (_, body, more, header, value, type) => {
    const [peer, tokens] = [await serve('server'), await tokenServer()];
    tokens.answer = () => [200, body, ...(type === undefined ? [] : [type])] as [number, unknown, string?];
    peer.answer = wants(header, value);
    expect(await connect(peer.port, oauth(tokens.url, more))()).toMatchObject(PASSED);
  });
  it('are asked for with the secret in the body where the server wants it there', async () => {
    const [peer, tokens] = [await serve('server'), await tokenServer()];
    tokens.answer = ({ form }) =>
      form.get('client_secret') === SECRET && form.get('client_id') === 'mixer'
        ? [200, { access_token: 'tok' }]
        : [401, { error: 'invalid_client' }];
    peer.answer = wants('authorization', 'Bearer tok');
    expect(await connect(peer.port, oauth(tokens.url))()).toMatchObject(PASSED);
    expect(tokens.requests).toHaveLength(2);
  });
  it('are fetched anew when they end, and when the adapter refuses them', async () => {
    const [peer, tokens] = [await serve('server'), await tokenServer()];
    tokens.answer = () => [200, { access_token: `tok-${tokens.requests.length}`, expires_in: 10 }];
    peer.answer = wants('authorization', 'Bearer tok-1', 'Bearer tok-2');
    const check = connect(peer.port, oauth(tokens.url));
    expect(await check()).toMatchObject(PASSED);
    await eventually('a second token', async () => passed(await check.later()) && tokens.requests.length === 2);
    tokens.answer = () => [200, { access_token: 'tok-3', expires_in: 3600 }];
    peer.answer = wants('authorization', 'Bearer tok-3');
    await eventually('a third token', async () => passed(await check.later()));
  });
  it('serve until they end while the token server is down', async () => {
    const [peer, tokens] = [await serve('server'), await tokenServer()];
    tokens.answer = () => [200, { access_token: 'tok', expires_in: 20 }];
    const check = connect(peer.port, oauth(tokens.url));
    expect(await check()).toMatchObject(PASSED);
    tokens.close();
    expect(await check.later()).toMatchObject(PASSED);
    await eventually('an end of the token', async () => !passed(await check.later()));
    const failure = String(await check());
    expect(failure).toMatch(/no token from https:\/\/localhost:\d+\/token: .*ECONNREFUSED/);
    await tokenServer('server', tokens.port);
    await eventually('an answer', async () => passed(await check.later()));
  });
  it.each<[string, [number, unknown], RegExp]>([
    ['refuses', [400, { error: 'invalid_scope', error_description: 'tok-secret' }], /it answered with status 400 invalid_scope/],
    ['breaks', [500, 'tok-secret'], /it answered with status 500/],
    ['redirects', [302, ''], /it answered with status 302/],
    ['answers garbage', [200, '{"access_token":'], /its answer holds no access_token/],
    ['answers without a token', [200, { token: 'tok-secret' }], /its answer holds no access_token/],
    ['answers a token that no header can hold', [200, { access_token: 'tok-secret\r\nx: y' }], /its answer holds no access_token/],
    ['answers too much', [200, 'x'.repeat(100_000)], /more than 65536 bytes/],
  ])('fail with a reason and without a secret when the token server %s', async (_, answer, message) => {
    const [peer, tokens] = [await serve('server'), await tokenServer()];
    tokens.answer = () => answer;
    const failure = String(await connect(peer.port, oauth(tokens.url))());
    expect(failure).toMatch(message);
    expect(failure).not.toMatch(/tok-secret|s3cr/);
    expect(peer.calls).toBe(0);
  });
  it('are awaited no longer than the call may last, and serve later calls', async () => {
    const [peer, tokens] = [await serve('server'), await tokenServer()];
    const { promise, resolve } = Promise.withResolvers<void>();
    tokens.wait = promise;
    peer.answer = wants('authorization', 'Bearer tok-1');
    const check = connect(peer.port, oauth(tokens.url), 'localhost', '500ms');
    expect(await check()).toMatch(/DEADLINE_EXCEEDED.*; its token is still awaited$/);
    resolve();
    await eventually('an answer', async () => passed(await check()));
    expect(tokens.requests).toHaveLength(1);
  });
  it('are not asked for at a server whose certificate is not good', async () => {
    const [peer, tokens] = [await serve('server'), await tokenServer('ended')];
    expect(await connect(peer.port, oauth(tokens.url))()).toMatch(/no token from \S+: certificate has expired/);
    expect(tokens.requests).toHaveLength(0);
  });
  it('never come from a URL whose password is told', async () => {
    const { port } = await serve('server');
    const failure = String(await connect(port, oauth('https://me:hidden@localhost:1/token?key=hidden'))());
    expect(failure).toMatch(/no token from https:\/\/localhost:1\/token: /);
    expect(failure).not.toContain('hidden');
  });
});
