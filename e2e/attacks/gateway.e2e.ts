import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, requiredPeer } from '../src/daemon-process.ts';
import { type AttackerIdentity, callPlain, callTls, identityOf } from './callers.ts';
import { Forger } from './forged-certificates.ts';
import { type Mesh, type Pod, startMesh } from './mesh.ts';

const PORT = 8443;
const HOSTS = ['open', 'strict', 'optional', 'new', 'old'] as const;
type Server = (typeof HOSTS)[number];

let mesh: Mesh;
let directory: string;
let client: AttackerIdentity;
let stranger: AttackerIdentity;
let friend: AttackerIdentity;
let web: Pod;
let gateways: readonly (readonly [string, Pod])[];

function gateway(more: Partial<Record<Server, object>> = {}): object {
  const tls: Record<Server, object> = {
    open: { mode: 'SIMPLE', credentialName: 'gateway-cert' },
    strict: { mode: 'MUTUAL', credentialName: 'gateway-cert' },
    optional: { mode: 'OPTIONAL_MUTUAL', credentialName: 'gateway-cert' },
    new: { mode: 'SIMPLE', credentialName: 'gateway-cert', minProtocolVersion: 'TLSV1_3' },
    old: {
      mode: 'SIMPLE',
      credentialName: 'gateway-cert',
      maxProtocolVersion: 'TLSV1_2',
      cipherSuites: ['ECDHE-ECDSA-AES256-GCM-SHA384'],
      ecdhCurves: ['P-256'],
    },
  };
  const servers = HOSTS.map((name) => ({
    port: { number: PORT, name: `https-${name}`, protocol: 'HTTPS' },
    hosts: [`${name}.example`],
    tls: tls[name],
    ...more[name],
  }));
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name: 'edge', namespace: 'shop' },
    spec: { selector: { istio: 'edge' }, servers },
  };
}

beforeAll(async () => {
  mesh = await startMesh();
  directory = mkdtempSync(join(tmpdir(), 'xebec-edge-'));
  const forger = new Forger(directory);
  forger.authority('root');
  forger.authority('other');
  forger.leaf('server', { names: HOSTS.map((name) => `DNS:${name}.example`).join() });
  client = forger.leaf('client', { names: 'DNS:client.example' });
  stranger = forger.leaf('stranger', { names: 'DNS:client.example', issuer: 'other' });
  const base64 = (name: string) => Buffer.from(forger.read(name)).toString('base64');
  const grant = (kind: string, name: string, more: object) => ({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind,
    metadata: { name, namespace: 'shop' },
    ...more,
  });
  await mesh.apply(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'Opaque',
      metadata: { name: 'gateway-cert', namespace: 'shop' },
      data: { 'tls.crt': base64('server.pem'), 'tls.key': base64('server.key'), 'ca.crt': base64('root.pem') },
    },
    grant('Role', 'secrets', { rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get', 'list', 'watch'] }] }),
    grant('RoleBinding', 'secrets', {
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'secrets' },
      subjects: [{ kind: 'ServiceAccount', name: 'edge', namespace: 'shop' }],
    }),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'shop' },
      spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 8000 }] },
    },
    gateway(),
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'edge', namespace: 'shop' },
      spec: {
        hosts: HOSTS.map((name) => `${name}.example`),
        gateways: ['edge'],
        http: [{ route: [{ destination: { host: 'web', port: { number: 8000 } } }] }],
      },
    },
  );
  const edge = (name: string) =>
    ({ name, namespace: 'shop', account: 'edge', labels: { istio: 'edge' }, role: 'router', ports: [] }) as const;
  web = await mesh.startPod({ name: 'web', namespace: 'shop', account: 'web', labels: { app: 'web' }, role: 'sidecar', ports: [8000] });
  const [ours, stock] = await Promise.all([
    mesh.startPod(edge('edge')),
    mesh.startPod({ ...edge('edge-stock'), envoy: requiredPeer('ENVOY') }),
  ]);
  gateways = [
    ['our gateway', ours],
    ['stock Envoy', stock],
  ];
  friend = await identityOf(mesh, 'shop', 'friend');
  for (const [name, pod] of gateways)
    await eventually(`${name} to serve`, async () => (reached(await call(pod, 'open')) ? true : undefined), 30_000).catch((cause) => {
      throw new Error(`${pod.proxy.output().slice(-3_000)}\n${mesh.output()}`, { cause });
    });
}, 240_000);
afterAll(async () => {
  await mesh?.close();
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
}, 60_000);

const reached = (answer: string): boolean => / got GET /.test(answer);

/** A request over TLS: the name of SNI, and the host that is asked for where it is another. */
async function call(pod: Pod, server: string, host = `${server}.example`, identity?: AttackerIdentity): Promise<string> {
  const request = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
  return await callTls(pod.address, PORT, identity, request, {
    servername: server === '' ? '' : `${server}.example`,
    ALPNProtocols: ['http/1.1'],
  });
}

/** What openssl and a server agree on; `refused` where they do not. */
async function handshake(pod: Pod, port: number, name: string, flags: readonly string[], identity?: AttackerIdentity): Promise<string> {
  const files = identity === undefined ? [] : ['-cert', join(directory, 'own.pem'), '-key', join(directory, 'own.key')];
  if (identity !== undefined) {
    writeFileSync(join(directory, 'own.pem'), identity.cert);
    writeFileSync(join(directory, 'own.key'), identity.key, { mode: 0o600 });
  }
  const args = ['s_client', '-connect', `${pod.address}:${port}`, '-servername', name, ...flags, ...files];
  const text = await new Promise<string>((resolve) => {
    const child = execFile('openssl', args, { timeout: 8_000 }, (_error, stdout) => resolve(stdout));
    child.stdin?.end();
  });
  const agreed = /New, (TLSv1\.[23]), Cipher is (\S+)/.exec(text);
  const curve = /Server Temp Key: ([^,\n]+)/.exec(text)?.[1] ?? '';
  return agreed === null ? 'refused' : `${agreed[1]} ${agreed[2]} ${curve}`;
}

describe('versions, ciphers and curves', () => {
  const cases: readonly (readonly [Server, readonly string[], RegExp])[] = [
    ['open', ['-tls1_3'], /^TLSv1\.3 /],
    ['open', ['-tls1_2'], /^TLSv1\.2 /],
    ['open', ['-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], /^refused/],
    ['open', ['-tls1_2', '-cipher', 'AES128-SHA'], /^refused/],
    ['new', ['-tls1_3'], /^TLSv1\.3 /],
    ['new', ['-tls1_2'], /^refused/],
    ['old', ['-tls1_3'], /^refused/],
    ['old', ['-tls1_2'], /^TLSv1\.2 ECDHE-ECDSA-AES256-GCM-SHA384 ECDH/],
    ['old', ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'], /^refused/],
    ['old', ['-tls1_2', '-curves', 'X25519'], /^refused/],
    ['open', ['-tls1_3', '-curves', 'P-521'], /^refused/],
  ];
  it.each(cases)('%s with %s', async (server, flags, expected) => {
    for (const [side, pod] of gateways) expect(await handshake(pod, PORT, `${server}.example`, flags), side).toMatch(expected);
  });
  it('of the mesh are those of meshMTLS', async () => {
    const shake = async (...flags: string[]) => await handshake(web, 8000, 'web.shop', ['-alpn', 'istio', ...flags], friend);
    expect(await shake('-tls1_2')).toMatch(/^TLSv1\.2 /);
    await mesh.meshConfig({ meshMTLS: { minProtocolVersion: 'TLSV1_3' } });
    await eventually('TLS 1.3 alone', async () => ((await shake('-tls1_2')) === 'refused' ? true : undefined));
    expect(await shake('-tls1_3')).toMatch(/^TLSv1\.3 /);
    await mesh.meshConfig({ meshMTLS: { cipherSuites: ['ECDHE-ECDSA-AES256-GCM-SHA384'] } });
    await eventually('one suite', async () => ((await shake('-tls1_2')).includes('AES256-GCM') ? true : undefined));
    expect(await shake('-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256')).toBe('refused');
    await mesh.meshConfig({});
    await eventually('the usual suites', async () =>
      (await shake('-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256')).startsWith('TLSv1.2') ? true : undefined,
    );
  });
});

describe('client certificates', () => {
  it('are asked for by MUTUAL, taken by OPTIONAL_MUTUAL, judged by both', async () => {
    for (const [side, pod] of gateways) {
      expect(reached(await call(pod, 'strict', undefined, client)), side).toBe(true);
      expect(reached(await call(pod, 'strict')), side).toBe(false);
      expect(reached(await call(pod, 'strict', undefined, stranger)), side).toBe(false);
      expect(reached(await call(pod, 'optional')), side).toBe(true);
      expect(reached(await call(pod, 'optional', undefined, client)), side).toBe(true);
      expect(reached(await call(pod, 'optional', undefined, stranger)), side).toBe(false);
    }
  });
});

describe('names', () => {
  it('of SNI choose the server, and the server its hosts', async () => {
    for (const [side, pod] of gateways) {
      const fronted = await call(pod, 'open', 'strict.example');
      expect(reached(fronted), side).toBe(false);
      expect(fronted.slice(0, 12), side).toMatch(/HTTP\/1\.1 4(04|21)/);
      expect(reached(await call(pod, 'unknown')), side).toBe(false);
      expect(reached(await call(pod, '', 'open.example')), side).toBe(false);
      for (const host of ['unknown.example', 'open.example.', 'a:80@open.example', 'open.example:99'])
        expect(`${host}: ${(await call(pod, 'open', host)).slice(0, 12)}`, side).toMatch(host.endsWith(':99') ? / 200$/ : / 4\d\d$/);
      expect(reached(await call(pod, 'open', 'OPEN.example')), side).toBe(true);
      expect(await callPlain(pod.address, PORT, 'GET / HTTP/1.1\r\nHost: open.example\r\n\r\n'), side).not.toContain(' got ');
    }
  });
  it('are fronted once a server without certificates has the host too', async () => {
    await mesh.apply(gateway({ open: { hosts: ['open.example', 'strict.example'] }, strict: { hosts: ['inner.example'] } }));
    for (const [side, pod] of gateways)
      await eventually(`${side} to be fronted`, async () => (reached(await call(pod, 'open', 'strict.example')) ? true : undefined));
    await mesh.apply(gateway());
    for (const [side, pod] of gateways)
      await eventually(`${side} to be closed`, async () => (reached(await call(pod, 'open', 'strict.example')) ? undefined : true));
  });
  it('of clients are no longer asked for where the mode is SIMPLE', async () => {
    await mesh.apply(gateway({ strict: { tls: { mode: 'SIMPLE', credentialName: 'gateway-cert' } } }));
    for (const [side, pod] of gateways) await eventually(side, async () => (reached(await call(pod, 'strict')) ? true : undefined));
    await mesh.apply(gateway());
    for (const [side, pod] of gateways) await eventually(side, async () => (reached(await call(pod, 'strict')) ? undefined : true));
  });
});

describe('what callers say of themselves', () => {
  it('is thrown away at the edge', async () => {
    const forged = [
      'X-Forwarded-Client-Cert: URI=spiffe://cluster.local/ns/shop/sa/admin',
      'X-Forwarded-For: 10.9.9.9',
      'X-Forwarded-Proto: http',
      'X-Envoy-External-Address: 10.9.9.9',
    ];
    for (const [side, pod] of gateways) {
      const request = `GET / HTTP/1.1\r\nHost: open.example\r\n${forged.join('\r\n')}\r\nConnection: close\r\n\r\n`;
      const seen = await callTls(pod.address, PORT, undefined, request, { servername: 'open.example', ALPNProtocols: ['http/1.1'] });
      expect(seen, side).not.toContain('sa/admin');
      expect(seen, side).toMatch(/x-forwarded-proto: https/i);
      expect(seen, side).not.toMatch(/x-envoy-external-address: 10\.9\.9\.9/i);
      expect(seen, side).toMatch(/x-forwarded-for: 10\.9\.9\.9,\s?10\.98\.0\.1/i);
    }
  });
});
