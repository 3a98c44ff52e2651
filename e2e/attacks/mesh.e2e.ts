import { X509Certificate } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { certificateClient } from '@xebec/agent';
import { createCsr, generateKeys } from '@xebec/identity';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { application } from '../iptables/namespaces.ts';
import { eventually, requiredPeer } from '../src/daemon-process.ts';
import { type AttackerIdentity, callPlain, callTls, identityOf } from './callers.ts';
import { askForCertificate } from './certificate-question.ts';
import type { CodeGuard } from './guards.ts';
import { AUDIENCE, createForgery, ISSUER } from './jwt-attacks.ts';
import { type Mesh, type Pod, startMesh } from './mesh.ts';
import { LEVELS, PATH_ATTACKS } from './path-attacks.ts';
import { askXds } from './xds-question.ts';

// Each test makes a dozen changes of the mesh and waits for two proxies to have them.
vi.setConfig({ testTimeout: 180_000 });

let mesh: Mesh;
let ours: Pod;
let stock: Pod;
/** A third sidecar, some of whose guards are out. */
let open: Pod;
let friend: AttackerIdentity;
let stranger: AttackerIdentity;

const service = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop', labels: { app: name } },
  spec: {
    selector: { app: name },
    ports: [
      { name: 'http', port: 8000 },
      { name: 'tcp-raw', port: 9000 },
    ],
  },
});
const security = (kind: string, name: string, spec: object) => ({
  apiVersion: 'security.istio.io/v1',
  kind,
  metadata: { name, namespace: 'shop' },
  spec,
});
const peerAuthentication = (mode: string) => security('PeerAuthentication', 'default', { mtls: { mode } });

const AGENT = 'packages/agent/src';
const openGuards: readonly CodeGuard[] = [
  {
    file: `${AGENT}/start-agent.ts`,
    find: '...(podAddress === undefined ? {} : {',
    replace: "adminAddress: '0.0.0.0', ...(podAddress === undefined ? {} : {",
  },
  { file: `${AGENT}/status-server.ts`, find: 'if (!isLoopback(request.socket.remoteAddress))', replace: 'if (false)' },
  { file: `${AGENT}/sds-server.ts`, find: 'chmodSync(staged, 0o600);', replace: 'chmodSync(staged, 0o777);' },
];

beforeAll(async () => {
  mesh = await startMesh();
  await mesh.apply(service('web'), service('stock'));
  const pod = (name: string) =>
    ({ name, namespace: 'shop', account: name, labels: { app: name }, role: 'sidecar', ports: [8000, 9000] }) as const;
  [ours, stock, open] = await Promise.all([
    mesh.startPod(pod('web')),
    mesh.startPod({ ...pod('stock'), envoy: requiredPeer('ENVOY') }),
    mesh.startPod({ ...pod('open'), without: openGuards, uncaptured: [8000, 15_000] }),
  ]);
  friend = await identityOf(mesh, 'shop', 'friend');
  stranger = await identityOf(mesh, 'other', 'stranger');
}, 240_000);
afterAll(async () => await mesh?.close(), 60_000);

const sidecars = () => [['our sidecar', ours] as const, ['stock Envoy', stock] as const];

/** Waits until both sidecars behave so that a change must have reached them. */
async function inForce(what: string, probe: (pod: Pod) => Promise<boolean>): Promise<void> {
  for (const [name, pod] of sidecars())
    await eventually(`${what} at ${name}`, async () => ((await probe(pod)) ? true : undefined)).catch((cause) => {
      throw new Error(`${pod.proxy.output().slice(-3_000)}\n${mesh.output()}`, { cause });
    });
}

function get(target: string, ...headers: readonly string[]): string {
  return `${[`GET ${target} HTTP/1.1`, 'Host: web.shop:8000', 'Connection: close', ...headers].join('\r\n')}\r\n\r\n`;
}
const reached = (answer: string): boolean => / got GET /.test(answer);

describe('PeerAuthentication STRICT', () => {
  const forged = 'X-Forwarded-Client-Cert: URI=spiffe://cluster.local/ns/shop/sa/friend';
  const attacks: readonly (readonly [string, (pod: Pod) => Promise<string>])[] = [
    ['plaintext HTTP', (pod) => callPlain(pod.address, 8000, get('/secret'))],
    ['plaintext to a TCP port', (pod) => callPlain(pod.address, 9000, get('/secret'))],
    ['plaintext with a forged XFCC', (pod) => callPlain(pod.address, 8000, get('/secret', forged))],
  ];
  it('keeps out what PERMISSIVE lets in', async () => {
    for (const [name, attack] of attacks)
      for (const [side, pod] of sidecars()) expect(reached(await attack(pod)), `${name}, PERMISSIVE, ${side}`).toBe(true);
    await mesh.apply(peerAuthentication('STRICT'));
    await inForce('STRICT', async (pod) => (await callPlain(pod.address, 8000, get('/probe'))) === '');
    for (const [name, attack] of attacks)
      for (const [side, pod] of sidecars()) expect(await attack(pod), `${name}, STRICT, ${side}`).toBe('');
    for (const [side, pod] of sidecars()) {
      expect(await callTls(pod.address, 8000, undefined, get('/secret')), `TLS without certificate, ${side}`).toBe('');
      expect(await callTls(pod.address, 8000, friend, get('/welcome')), `callers of the mesh, ${side}`).toContain('/welcome');
    }
  });
  it('takes the name of a caller from its certificate, whatever it says in plaintext or in XFCC', async () => {
    for (const [side, pod] of sidecars()) {
      const answer = await callTls(pod.address, 8000, stranger, get('/', forged));
      const last = /x-forwarded-client-cert: (.*)/i.exec(answer)?.[1]?.split(',').at(-1) ?? '';
      expect(last, side).toContain('URI=spiffe://cluster.local/ns/other/sa/stranger');
    }
  });
  it('is passed by only where the port is kept from capture', async () => {
    expect(await callPlain(ours.address, 8000, get('/secret'))).toBe('');
    expect(reached(await callPlain(open.address, 8000, get('/secret')))).toBe(true);
  });
  it.each([15_001, 15_006, 15_000, 15_004])('port %s of a sidecar leads nowhere from another pod', async (port) => {
    for (const [side, pod] of sidecars()) {
      expect(reached(await callPlain(pod.address, port, get('/secret'))), side).toBe(false);
      expect(reached(await callTls(pod.address, port, friend, get('/secret'))), side).toBe(false);
    }
  });
});

describe('AuthorizationPolicy for one principal', () => {
  const policy = security('AuthorizationPolicy', 'friends', {
    rules: [{ from: [{ source: { principals: ['cluster.local/ns/shop/sa/friend'] } }] }],
  });
  const xfcc = 'X-Forwarded-Client-Cert: By=spiffe://cluster.local/ns/shop/sa/web;URI=spiffe://cluster.local/ns/shop/sa/friend';
  const attacks: readonly (readonly [string, (pod: Pod) => Promise<string>])[] = [
    ['another workload', (pod) => callTls(pod.address, 8000, stranger, get('/secret'))],
    ['another workload with a forged XFCC', (pod) => callTls(pod.address, 8000, stranger, get('/secret', xfcc))],
    [
      'another workload that names the friend by SNI',
      (pod) => callTls(pod.address, 8000, stranger, get('/secret'), { servername: 'friend.shop' }),
    ],
    ['plaintext to a port of the same pod', (pod) => callPlain(pod.address, 9000, get('/secret'))],
    ['another workload over TCP', (pod) => callTls(pod.address, 9000, stranger, get('/secret'))],
  ];
  it('keeps out what no policy lets in', async () => {
    await mesh.apply(peerAuthentication('PERMISSIVE'));
    await inForce('PERMISSIVE', async (pod) => reached(await callPlain(pod.address, 8000, get('/probe'))));
    for (const [name, attack] of attacks)
      for (const [side, pod] of sidecars()) expect(reached(await attack(pod)), `${name}, no policy, ${side}`).toBe(true);
    await mesh.apply(policy);
    await inForce('the policy', async (pod) => !reached(await callPlain(pod.address, 8000, get('/probe'))));
    for (const [name, attack] of attacks)
      for (const [side, pod] of sidecars()) expect(reached(await attack(pod)), `${name}, policy, ${side}`).toBe(false);
    for (const [side, pod] of sidecars()) expect(reached(await callTls(pod.address, 8000, friend, get('/welcome'))), side).toBe(true);
    await mesh.remove('authorizationpolicies.security.istio.io', 'shop', 'friends');
    await inForce('no policy', async (pod) => reached(await callPlain(pod.address, 8000, get('/probe'))));
  });
});

describe('paths', () => {
  const deny = security('AuthorizationPolicy', 'paths', {
    action: 'DENY',
    rules: [{ to: [{ operation: { paths: ['/admin', '/admin/*'], ports: ['8000'] } }] }],
  });
  const allow = security('AuthorizationPolicy', 'paths', {
    rules: [{ to: [{ operation: { paths: ['/public', '/public/page'], ports: ['8000'] } }] }],
  });
  const signs: Readonly<Record<string, readonly [passes: string | undefined, refused: string]>> = {
    NONE: ['/public/../admin', '/admin'],
    BASE: ['//admin', '/public/../admin'],
    MERGE_SLASHES: ['/admin%2fx', '//admin'],
    DECODE_AND_MERGE_SLASHES: [undefined, '/admin%2fx'],
  };
  const send = async (pod: Pod, target: string) => reached(await callPlain(pod.address, 8000, get(target)));
  it.each(LEVELS)('DENY at pathNormalization %s', async (level) => {
    await mesh.meshConfig({ pathNormalization: { normalization: level } });
    await mesh.apply(deny);
    const [passes, refused] = signs[level] ?? [undefined, ''];
    await inForce(level, async (pod) => !(await send(pod, refused)) && (passes === undefined || (await send(pod, passes))));
    for (const [side, pod] of sidecars())
      for (const [target, from] of PATH_ATTACKS) {
        const expected = from === 'none' || (from !== 'every' && LEVELS.indexOf(level) < LEVELS.indexOf(from));
        expect(await send(pod, target), `${target} at ${side}`).toBe(expected);
      }
  });
  it('an ALLOW list keeps out every one of them', async () => {
    await mesh.apply(allow);
    await inForce('the list', async (pod) => !(await send(pod, '/probe')) && (await send(pod, '/public')));
    for (const [side, pod] of sidecars())
      for (const [target] of PATH_ATTACKS) expect(await send(pod, target), `${target} at ${side}`).toBe(false);
    await mesh.remove('authorizationpolicies.security.istio.io', 'shop', 'paths');
    await mesh.meshConfig({});
    await inForce('no policy', async (pod) => await send(pod, '/admin'));
  });
});

describe('tokens of end users', () => {
  it('are believed only when the issuer signed them for this audience, now', async () => {
    const { jwks, genuine, attacks } = createForgery();
    const call = async (pod: Pod, headers: readonly string[], path = '/secret') =>
      reached(await callPlain(pod.address, 8000, get(path, ...headers)));
    for (const [name, headers, path] of attacks)
      for (const [side, pod] of sidecars()) expect(await call(pod, headers, path), `${name}, no policy, ${side}`).toBe(true);
    await mesh.apply(
      security('RequestAuthentication', 'users', { jwtRules: [{ issuer: ISSUER, audiences: [AUDIENCE], jwks }] }),
      security('AuthorizationPolicy', 'users', {
        rules: [{ from: [{ source: { requestPrincipals: [`${ISSUER}/alice`] } }] }],
      }),
    );
    await inForce('the policy', async (pod) => !(await call(pod, [])) && (await call(pod, [`Authorization: Bearer ${genuine}`])));
    for (const [name, headers, path] of attacks)
      for (const [side, pod] of sidecars()) expect(await call(pod, headers, path), `${name}, ${side}`).toBe(false);
    await mesh.remove('authorizationpolicies.security.istio.io', 'shop', 'users');
    await mesh.remove('requestauthentications.security.istio.io', 'shop', 'users');
    await inForce('no policy', async (pod) => await call(pod, []));
  });
});

describe('what belongs to the pod alone', () => {
  const httpGet = (path: string, method = 'GET') =>
    `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
  it('the admin interface is not reached from another pod', async () => {
    expect(await callPlain(ours.address, 15_000, httpGet('/server_info'))).not.toContain('"version"');
    expect(await callPlain(open.address, 15_000, httpGet('/server_info'))).toContain('"version"');
  });
  it.each(['/quitquitquit', '/drain'])('%s of the status port is not taken from another pod', async (path) => {
    expect(await callPlain(ours.address, 15_020, httpGet(path, 'GET'))).toContain(' 403 ');
    // The open pod would obey a POST: that it minds the method shows that it listens.
    expect(await callPlain(open.address, 15_020, httpGet(path, 'GET'))).toContain(' 405 ');
  });
  it('the socket of its secrets opens to its own user alone', async () => {
    const question = (pod: Pod) => [
      'curl',
      '-s',
      '-o',
      '/dev/null',
      '-w',
      '%{exitcode}',
      '--max-time',
      '2',
      '--http2-prior-knowledge',
      '--unix-socket',
      join(pod.directory, 'var/run/secrets/workload-spiffe-uds/socket'),
      'http://x/',
    ];
    expect((await ours.run(question(ours), application)).stdout).toBe('7');
    expect((await open.run(question(open), application)).stdout).not.toBe('7');
  });
});

describe('the control plane', () => {
  const node = (namespace: string, account: string) => ({
    id: `sidecar~10.98.0.99~thief.${namespace}~${namespace}.svc.cluster.local`,
    metadata: { NAMESPACE: namespace, SERVICE_ACCOUNT: account },
  });
  const CLUSTERS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
  const SECRETS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
  const ask = async (port: number, token: string | undefined, of: ReturnType<typeof node>, typeUrl: string, names: string[] = []) =>
    await askXds({
      address: `${mesh.host}:${port}`,
      rootFile: mesh.rootFile,
      ...(token === undefined ? {} : { token }),
      node: of,
      typeUrl,
      names,
    });

  it('gives a proxy nothing of another namespace or account', async () => {
    const unguarded = await mesh.startBeside('pilot', { PILOT_ENABLE_XDS_IDENTITY_CHECK: 'false' });
    const thief = await mesh.token('other', 'thief');
    for (const [what, of] of [
      ['namespace', node('shop', 'web')],
      ['service account', node('other', 'victim')],
    ] as const) {
      expect(await ask(mesh.ports.xds, thief, of, CLUSTERS), what).toMatch(/^refused: 7 /);
      expect(await ask(unguarded.grpc, thief, of, CLUSTERS), what).toContain('outbound|8000||web.shop');
    }
    expect(await ask(mesh.ports.xds, thief, node('other', 'thief'), CLUSTERS)).toContain('outbound|8000||web.shop');
  });
  it('refuses who shows no token, one for another audience, or nonsense', async () => {
    const stolen = await mesh.token('shop', 'web', 'vault');
    for (const token of [undefined, stolen, 'nonsense', `${stolen}x`])
      expect(await ask(mesh.ports.xds, token, node('shop', 'web'), CLUSTERS), token?.slice(0, 8) ?? 'none').toMatch(/^refused: 16 /);
    expect(await ask(mesh.ports.xds, await mesh.token('shop', 'web'), node('shop', 'web'), CLUSTERS)).toContain('outbound|');
  });
  it('keeps the Secrets of a namespace from gateways of others', async () => {
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'web-cert', namespace: 'shop' }, type: 'kubernetes.io/tls' };
    const keys = createForgery();
    await mesh.apply(
      {
        ...secret,
        data: {
          'tls.crt': Buffer.from('certificate').toString('base64'),
          'tls.key': Buffer.from('the-key-of-the-shop').toString('base64'),
        },
      },
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRole',
        metadata: { name: 'reads-secrets' },
        rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list', 'watch'] }],
      },
      ...['shop', 'other'].map((namespace) => ({
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        metadata: { name: 'gateway', namespace },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reads-secrets' },
        subjects: [{ kind: 'ServiceAccount', name: 'gateway', namespace }],
      })),
    );
    expect(keys.jwks).not.toBe('');
    const gateway = (namespace: string, account = 'gateway') => ({
      id: `router~10.98.0.98~gateway.${namespace}~${namespace}.svc.cluster.local`,
      metadata: { NAMESPACE: namespace, SERVICE_ACCOUNT: account },
    });
    const name = 'kubernetes://shop/web-cert';
    const own = async (account: string) =>
      await ask(mesh.ports.xds, await mesh.token('shop', account), gateway('shop', account), SECRETS, [name]);
    await eventually('the gateway of the shop to get its Secret', async () => {
      const answer = await own('gateway');
      if (!answer.includes('the-key-of-the-shop')) throw new Error(`${answer}\n${mesh.output()}`);
      return true;
    });
    const foreign = await ask(mesh.ports.xds, await mesh.token('other', 'gateway'), gateway('other'), SECRETS, [name]);
    expect(foreign).not.toContain('the-key-of-the-shop');
    // Of the same namespace, but without the right to list Secrets there.
    expect(await own('web')).not.toContain('the-key-of-the-shop');
  });
  it('shows its debug pages to nobody without proof, and to others only what is theirs', async () => {
    const page = async (name: string, token?: string) =>
      await fetch(
        `http://${mesh.host}:${mesh.ports.pilotHttp}/debug/${name}`,
        token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } },
      );
    for (const name of ['configz', 'config_dump?proxyID=web.shop', 'syncz', 'registryz', 'mesh'])
      expect((await page(name)).status, name).toBe(401);
    const other = await mesh.token('other', 'thief');
    for (const name of ['configz', 'registryz', 'mesh']) expect((await page(name, other)).status, name).toBe(403);
    expect((await page('config_dump?proxyID=web.shop', other)).status).toBe(404);
    expect((await page('config_dump?proxyID=web.shop', await mesh.token('shop', 'friend'))).status).toBe(200);
    expect((await page('configz', await mesh.token('istio-system', 'operator'))).status).toBe(200);
  });
  it('signs for nobody but the owner of the token', async () => {
    const sign = async (port: number, token: string) => {
      const directory = mkdtempSync(join(mesh.directory, 'attack-'));
      writeFileSync(join(directory, 'token'), token, { mode: 0o600 });
      const client = certificateClient({
        caAddress: `${mesh.host}:${port}`,
        tokenFile: join(directory, 'token'),
        rootFile: mesh.rootFile,
        serverName: 'istio-citadel.istio-system.svc',
      });
      return await client(createCsr(await generateKeys('ecdsa-p256')), 600).then(
        (chain) => chain[0] ?? '',
        () => 'refused',
      );
    };
    const stolen = await mesh.token('shop', 'web', 'vault');
    const unguarded = await mesh.startBeside('citadel', {}, ['--token-audience', 'vault']);
    expect(await sign(mesh.ports.citadel, stolen)).toBe('refused');
    expect(await sign(unguarded.grpc, stolen)).toContain('BEGIN CERTIFICATE');
    for (const token of ['nonsense', '', await mesh.token('shop', 'web', 'https://kubernetes.default.svc.cluster.local')])
      expect(await sign(mesh.ports.citadel, token)).toBe('refused');
    expect(await sign(mesh.ports.citadel, await mesh.token('shop', 'web'))).toContain('BEGIN CERTIFICATE');
  });
});

describe('x-forwarded-client-cert at citadel', () => {
  it('makes nobody a gateway that is not listed as one', async () => {
    const victim = 'spiffe://cluster.local/ns/shop/sa/web';
    const ask = async (port: number) =>
      await askForCertificate({
        address: `${mesh.host}:${port}`,
        rootFile: mesh.rootFile,
        csr: createCsr(await generateKeys('ecdsa-p256')),
        headers: { 'x-forwarded-client-cert': `By=spiffe://cluster.local/ns/istio-system/sa/gateway;Hash=${'0'.repeat(64)};URI=${victim}` },
      });
    expect(await ask(mesh.ports.citadel)).toMatch(/^refused: 16 /);
    const unguarded = await mesh.startBeside('citadel', { TRUSTED_GATEWAY_CIDR: '10.98.0.0/16' });
    const leaf = await ask(unguarded.grpc);
    expect(new X509Certificate(leaf).subjectAltName).toBe(`URI:${victim}`);
  });
});

describe('certificate requests at the port of xDS', () => {
  it('are signed for the owner of the token, never for pilot, nor for a name in a header', async () => {
    const ask = async (headers: Readonly<Record<string, string>>) =>
      await askForCertificate({
        address: `${mesh.host}:${mesh.ports.xds}`,
        serverName: 'istio-pilot.istio-system.svc',
        rootFile: mesh.rootFile,
        csr: createCsr(await generateKeys('ecdsa-p256')),
        headers,
      });
    const forged = { 'x-forwarded-client-cert': 'URI=spiffe://cluster.local/ns/istio-system/sa/istio-pilot-service-account' };
    expect(await ask(forged)).toMatch(/^refused: 16 /);
    expect(await ask({ ...forged, authorization: 'Bearer nonsense' })).toMatch(/^refused: 16 /);
    const leaf = await ask({ ...forged, authorization: `Bearer ${await mesh.token('shop', 'web')}` });
    expect(new X509Certificate(leaf).subjectAltName).toBe('URI:spiffe://cluster.local/ns/shop/sa/web');
  });
});

describe('REGISTRY_ONLY', () => {
  it('lets a workload call only hosts that the mesh knows', async () => {
    const call = async (pod: Pod, ...more: string[]) =>
      (
        await pod.run([
          'curl',
          '-s',
          '--max-time',
          '3',
          '-H',
          'Host: unknown.example',
          ...more,
          `http://${mesh.host}:${mesh.ports.pilotHttp}/healthz`,
        ])
      ).code === 0 &&
      (
        await pod.run([
          'curl',
          '-s',
          '-o',
          '/dev/null',
          '-w',
          '%{http_code}',
          '--max-time',
          '3',
          ...more,
          `http://${mesh.host}:${mesh.ports.pilotHttp}/healthz`,
        ])
      ).stdout === '200';
    for (const [side, pod] of sidecars()) expect(await call(pod), `ALLOW_ANY, ${side}`).toBe(true);
    await mesh.meshConfig({ outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } });
    await inForce('REGISTRY_ONLY', async (pod) => !(await call(pod)));
    for (const [side, pod] of sidecars()) expect(await call(pod, '-H', 'X-Envoy-Original-Dst-Host: 10.98.0.1:80'), side).toBe(false);
    await mesh.meshConfig({});
    await inForce('ALLOW_ANY', async (pod) => await call(pod));
  });
});
