import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { KubeConfig } from '@kubernetes/client-node';
import { seededRandom, silentLogger, systemClock } from '@xebec/core';
import { parseTrustDomain, unwrap } from '@xebec/identity';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createTokenReviewAuthenticator } from './authenticators/token-review.ts';
import { makeSelfSigned } from './authority-store.ts';
import { distributeTrust } from './distribution/config-maps.ts';
import { createSecretStore } from './kubernetes.ts';

interface StoredObject {
  kind: string;
  metadata: { name: string; namespace?: string; resourceVersion: string };
  data?: Record<string, string>;
}

/** As much of an API server as citadel uses: secrets and config maps by name, lists, watches, TokenReview. */
class FakeApiServer {
  readonly objects = new Map<string, StoredObject>();
  readonly #watches: { prefix: string; response: ServerResponse }[] = [];
  readonly #server: Server;
  #version = 1;
  reviews: unknown[] = [];
  reviewStatus: object = {};

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => this.#answer(request, response, Buffer.concat(chunks).toString('utf8')));
    });
  }
  async listen(): Promise<KubeConfig> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const config = new KubeConfig();
    config.loadFromClusterAndUser({ name: 'fake', server: `http://127.0.0.1:${port}`, skipTLSVerify: true }, { name: 'me' });
    return config;
  }
  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
  put(path: string, object: { kind: string; name: string; namespace?: string; data?: Record<string, string> }): void {
    const { name, namespace, kind, data } = object;
    const existed = this.objects.has(path);
    const metadata = { name, ...(namespace === undefined ? {} : { namespace }), resourceVersion: `${++this.#version}` };
    const stored: StoredObject = { kind, metadata, ...(data === undefined ? {} : { data }) };
    this.objects.set(path, stored);
    this.#notify(path, existed ? 'MODIFIED' : 'ADDED', stored);
  }
  remove(path: string): void {
    const stored = this.objects.get(path);
    this.objects.delete(path);
    if (stored !== undefined) this.#notify(path, 'DELETED', stored);
  }
  #notify(path: string, type: string, object: StoredObject): void {
    for (const { prefix, response } of this.#watches) {
      const kind = prefix.split('/').at(-1) ?? '';
      if (path.split('/').at(-2) === kind) response.write(`${JSON.stringify({ type, object: { apiVersion: 'v1', ...object } })}\n`);
    }
  }
  #answer(request: IncomingMessage, response: ServerResponse, body: string): void {
    const url = new URL(request.url ?? '/', 'http://x');
    const send = (status: number, value: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    const missing = (code: number) => send(code, { kind: 'Status', status: 'Failure', code });
    if (url.pathname.endsWith('/tokenreviews')) {
      const review: unknown = JSON.parse(body);
      this.reviews.push(review);
      return void send(201, { kind: 'TokenReview', apiVersion: 'authentication.k8s.io/v1', spec: {}, status: this.reviewStatus });
    }
    if (url.searchParams.get('watch') === 'true') {
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
      this.#watches.push({ prefix: url.pathname, response });
      return;
    }
    if (request.method === 'POST' || request.method === 'PUT') {
      const sent = JSON.parse(body) as { metadata: { name: string; namespace?: string }; data?: Record<string, string> };
      const path = request.method === 'POST' ? `${url.pathname}/${sent.metadata.name}` : url.pathname;
      if (request.method === 'POST' && this.objects.has(path)) return void missing(409);
      this.put(path, { kind: 'Any', ...sent.metadata, ...(sent.data === undefined ? {} : { data: sent.data }) });
      return void send(201, this.objects.get(path) ?? {});
    }
    const found = this.objects.get(url.pathname);
    if (found !== undefined) return void send(200, found);
    if (url.pathname === '/api/v1/namespaces' || url.pathname === '/api/v1/configmaps') {
      const kind = url.pathname.split('/').at(-1);
      const items = [...this.objects].filter(([path]) => path.split('/').at(-2) === kind).map(([, object]) => object);
      return void send(200, { kind: 'List', apiVersion: 'v1', metadata: { resourceVersion: `${this.#version}` }, items });
    }
    missing(404);
  }
}

let api: FakeApiServer;
let config: KubeConfig;
beforeEach(async () => {
  api = new FakeApiServer();
  config = await api.listen();
});
afterEach(() => api.close());

it('keeps one root in the Secret, whoever comes first', async () => {
  const make = () => makeSelfSigned('cluster.local', 1e9, 'ecdsa-p256', 0);
  const [first, second] = await Promise.all([1, 2].map(() => createSecretStore(config, 'istio-system').createIfAbsent(make)));
  expect(second?.privateKey).toBe(first?.privateKey);
  const stored = api.objects.get('/api/v1/namespaces/istio-system/secrets/istio-ca-secret');
  expect(Buffer.from(stored?.data?.['ca-cert.pem'] ?? '', 'base64').toString()).toBe(first?.certificate);
  expect((await createSecretStore(config, 'istio-system').load())?.certificate).toBe(first?.certificate);
});

it('takes the identity and the pod from the review, and only for its audience', async () => {
  const trustDomain = unwrap(parseTrustDomain('cluster.local'));
  const { authenticate } = createTokenReviewAuthenticator({ config, audience: 'istio-ca', trustDomain, clusterIds: ['Kubernetes'] });
  const ask = async (token?: string, clusterId?: string) =>
    authenticate({ peer: '127.0.0.1:1', ...(token === undefined ? {} : { token }), ...(clusterId === undefined ? {} : { clusterId }) });
  const extra = (key: string) => `authentication.kubernetes.io/${key}`;
  const groups = ['system:serviceaccounts', 'system:authenticated'];
  const user = { username: 'system:serviceaccount:default:reviews', groups };
  api.reviewStatus = { authenticated: true, user, audiences: ['istio-ca'] };
  const account = { namespace: 'default', name: 'reviews' };
  const caller = { id: 'spiffe://cluster.local/ns/default/sa/reviews', account, provenBy: 'Kubernetes token' };
  expect(await ask('secret-token')).toEqual(caller);
  expect(api.reviews[0]).toMatchObject({ spec: { token: 'secret-token', audiences: ['istio-ca'] } });
  const pod = { [extra('pod-name')]: ['reviews-1'], [extra('pod-uid')]: ['u1'], [extra('node-name')]: ['n1'] };
  api.reviewStatus = { authenticated: true, user: { ...user, extra: pod }, audiences: ['istio-ca'] };
  expect(await ask('t', 'Kubernetes')).toEqual({ ...caller, pod: { name: 'reviews-1', uid: 'u1', node: 'n1' } });
  await expect(ask('t', 'elsewhere')).rejects.toThrow('another cluster');
  await expect(ask()).rejects.toThrow('no bearer token');
  api.reviewStatus = { authenticated: true, user, audiences: ['other'] };
  await expect(ask('t')).rejects.toThrow('audience');
  api.reviewStatus = { authenticated: true, user };
  await expect(ask('t')).rejects.toThrow('audience');
  api.reviewStatus = { authenticated: false };
  await expect(ask('t')).rejects.toThrow('does not accept');
  api.reviewStatus = { authenticated: true, user: { username: 'alice' }, audiences: ['istio-ca'] };
  await expect(ask('t')).rejects.toThrow('no service account');
  api.reviewStatus = { authenticated: true, user: { ...user, groups: ['people'] }, audiences: ['istio-ca'] };
  await expect(ask('t')).rejects.toThrow('no service account');
});

it('writes the root to every namespace and repairs what is changed or deleted', async () => {
  const map = (namespace: string) => `/api/v1/namespaces/${namespace}/configmaps/istio-ca-root-cert`;
  api.put('/api/v1/namespaces/default', { kind: 'Namespace', name: 'default' });
  const parts = { config, clock: systemClock, random: seededRandom(1), logger: silentLogger };
  const distribution = distributeTrust(parts, { rootPem: 'ROOT', crlPem: '' });
  const root = (namespace: string) => api.objects.get(map(namespace))?.data?.['root-cert.pem'];
  await vi.waitFor(() => expect(root('default')).toBe('ROOT'), { timeout: 5000 });
  await vi.waitFor(
    () => {
      api.put('/api/v1/namespaces/later', { kind: 'Namespace', name: 'later' });
      expect(root('later')).toBe('ROOT');
    },
    { timeout: 5000 },
  );
  await vi.waitFor(
    async () => {
      api.put(map('default'), { kind: 'ConfigMap', name: 'istio-ca-root-cert', namespace: 'default', data: { 'root-cert.pem': 'FORGED' } });
      await vi.waitFor(() => expect(root('default')).toBe('ROOT'), { timeout: 500 });
    },
    { timeout: 5000 },
  );
  api.remove(map('later'));
  await vi.waitFor(() => expect(root('later')).toBe('ROOT'), { timeout: 5000 });
  expect(api.objects.has('/api/v1/namespaces/default/configmaps/istio-ca-crl')).toBe(false);
  distribution.update({ rootPem: 'BOTH', crlPem: 'LIST' });
  const list = () => api.objects.get('/api/v1/namespaces/default/configmaps/istio-ca-crl')?.data?.['ca-crl.pem'];
  await vi.waitFor(() => expect([root('default'), root('later'), list()]).toEqual(['BOTH', 'BOTH', 'LIST']), { timeout: 5000 });
  distribution.update({ rootPem: 'BOTH', crlPem: '' });
  await vi.waitFor(() => expect(list()).toBe(''), { timeout: 5000 });
  await distribution.close();
});
