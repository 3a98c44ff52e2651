import { execFile, execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { status } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { startUp, type UpProcess } from '../src/up-process.ts';
import { type PageLoad, startPageLoad } from './page-load.ts';

const root = resolve(import.meta.dirname, '../..');
const node = join(root, 'node_modules/.bin/node');
const run = promisify(execFile);
const SOCKET = 'var/run/secrets/workload-spiffe-uds/workload-api.sock';

let folder: string;
let up: UpProcess | undefined;
let load: PageLoad | undefined;

const environment = () => ({ ...process.env, KUBECONFIG: join(folder, '.xebec/kubeconfig') });
async function kubectl(...args: string[]): Promise<string> {
  return (await run('kubectl', args, { env: environment(), timeout: 60_000 })).stdout;
}
async function xebec(...args: string[]): Promise<string> {
  const command = [join(root, 'apps/cli/bin/xebec.ts'), ...args];
  return (await run(node, command, { cwd: folder, env: environment(), timeout: 90_000 })).stdout;
}

interface Status {
  readonly phase: string;
  readonly paused: boolean;
  readonly signer: { readonly kind: string; readonly root: string };
  readonly instances: { readonly connected: number; readonly known: number };
}
/** `xebec ca …`: the roots as they are after it. */
async function ca(...args: string[]): Promise<Status> {
  // What the command prints is what CI would read.
  return JSON.parse(await xebec('ca', ...args, '-o', 'json')) as Status;
}
async function eventually<T>(what: string, look: () => Promise<T | undefined>, withinMs = 20_000): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await sleep(300);
  }
}
async function rootInConfigMap(): Promise<string> {
  const pem = await kubectl('get', 'configmap', 'istio-ca-root-cert', '-o', 'jsonpath={.data.root-cert\\.pem}');
  return new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase();
}
async function serialOf(workload: string): Promise<string> {
  const row = (await xebec('proxy-config', 'secret', workload)).split('\n').find((line) => line.startsWith('default '));
  return row?.split(/ {2,}/)[4] ?? '';
}
async function workload(pod: string, container: string, socket: string): Promise<unknown> {
  const program = join(import.meta.dirname, 'workload.ts');
  return JSON.parse(await kubectl('exec', pod, '-c', container, '--', node, program, socket, 'db'));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'xi-'));
  symlinkSync(join(root, 'samples'), join(folder, 'samples'));
  up = await startUp(folder, ['--demo']);
  const strict = join(folder, 'strict.yaml');
  writeFileSync(
    strict,
    `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers}
spec:
  selector: {matchLabels: {app: reviews}}
  rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/bookinfo-productpage]}}]}]
`,
  );
  await kubectl('apply', '-f', strict, '-f', join(import.meta.dirname, 'ledger.yaml'));
  load = startPageLoad('http://127.0.0.1:8080/api/v1/products/0/reviews', 25);
}, 150_000);
afterEach(() => {
  expect(load?.failures()).toEqual([]);
});
afterAll(async () => {
  load?.stop();
  await up?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

it('rotates its root while pages are read and objects are admitted', async () => {
  const before = await ca('status');
  const requests = load?.requests() ?? 0;
  const [after] = await Promise.all([
    ca('rotate', '--wait'),
    (async () => {
      for (let i = 0; i < 10; i++)
        await kubectl('annotate', '--overwrite', 'peerauthentication', '-n', 'istio-system', 'default', `n=${i}`);
    })(),
  ]);
  expect(after).toMatchObject({ phase: 'steady', signer: { kind: 'self-signed' } });
  expect(after.signer.root).not.toBe(before.signer.root);
  expect(await eventually('the ConfigMap', async () => ((await rootInConfigMap()) === after.signer.root ? true : undefined))).toBe(true);
  expect((load?.requests() ?? 0) - requests).toBeGreaterThan(10);
});

it('goes step by step, and back', async () => {
  const before = await ca('status');
  expect(await ca('rotate', '--step')).toMatchObject({ phase: 'distributing', paused: true, signer: before.signer });
  const switched = await ca('rotate', '--step', '--wait');
  expect(switched).toMatchObject({ phase: 'switching', paused: true });
  expect(switched.signer.root).not.toBe(before.signer.root);
  expect(await ca('rotate', '--rollback', '--wait')).toMatchObject({ phase: 'steady', signer: before.signer });
});

it('revokes what an identity holds, and who holds it renews', async () => {
  const before = await serialOf('deploy/ratings-v1');
  expect(await xebec('ca', 'revoke', 'spiffe://cluster.local/ns/default/sa/bookinfo-ratings')).toMatch(
    /^\d+ certificates? (is|are) revoked$/m,
  );
  const list = await eventually('the revocation list', async () => {
    const pem = await kubectl('get', 'configmap', 'istio-ca-crl', '--ignore-not-found', '-o', 'jsonpath={.data.ca-crl\\.pem}');
    return pem === '' ? undefined : execFileSync('openssl', ['crl', '-noout', '-text'], { input: pem, encoding: 'utf8' });
  });
  expect(list.toLowerCase()).toContain(before);
  await eventually('another certificate', async () => ((await serialOf('deploy/ratings-v1')) === before ? undefined : true));
});

it('gives a pod its identity and tokens by the Workload API, and another pod nothing', async () => {
  await kubectl('wait', '--for=condition=Available', 'deployment/ledger', '--timeout=60s');
  const answer = await workload('deploy/ledger', 'ledger', SOCKET);
  const id = 'spiffe://cluster.local/ns/default/sa/ledger';
  expect(answer).toMatchObject({ id, claims: { sub: id, aud: ['db'] } });
  const uid = await kubectl('get', 'pod', '-l', 'app=ledger', '-o', 'jsonpath={.items[0].metadata.uid}');
  const socket = join(folder, '.xebec/node/pods', uid, 'volumes/workload-socket/workload-api.sock');
  expect(await workload('deploy/details-v1', 'details', socket)).toEqual({ code: status.PERMISSION_DENIED });
});

it('takes up a CA of the user by itself', async () => {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  const extensions = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '9',
    '-subj',
    '/O=Acme',
    '-keyout',
    'ca-key.pem',
    '-out',
    'ca-cert.pem',
    ...extensions,
  );
  const files = ['ca-cert.pem=ca-cert.pem', 'ca-key.pem=ca-key.pem', 'root-cert.pem=ca-cert.pem', 'cert-chain.pem=ca-cert.pem'];
  const flags = files.map((file) => `--from-file=${file.replace('=', `=${folder}/`)}`);
  await kubectl('create', 'secret', 'generic', 'cacerts', '-n', 'istio-system', ...flags);
  const after = await eventually('the rotation to it', async () => {
    const now = await ca('status');
    return now.phase === 'steady' && now.signer.kind === 'plugged-in' ? now : undefined;
  });
  const fingerprint = new X509Certificate(readFileSync(join(folder, 'ca-cert.pem'))).fingerprint256;
  expect(after.signer.root).toBe(fingerprint.replaceAll(':', '').toLowerCase());
  await kubectl('delete', 'secret', 'cacerts', '-n', 'istio-system');
});

it('moves to another trust domain with another Citadel, and rotates there at once', async () => {
  const mesh = await kubectl('get', 'configmap', 'istio', '-n', 'istio-system', '-o', 'jsonpath={.data.mesh}');
  const moved = mesh.replace('trustDomain: cluster.local', 'trustDomain: new.example\ntrustDomainAliases: [cluster.local]');
  expect(moved).not.toBe(mesh);
  await kubectl('patch', 'configmap', 'istio', '-n', 'istio-system', '-p', JSON.stringify({ data: { mesh: moved } }));
  const args = [{ op: 'add', path: '/spec/template/spec/containers/0/args', value: ['--trust-domain=new.example'] }];
  await kubectl('patch', 'deployment', 'istio-citadel', '-n', 'istio-system', '--type=json', '-p', JSON.stringify(args));
  await kubectl('rollout', 'status', '-n', 'istio-system', 'deployment/istio-citadel', '--timeout=60s');
  await kubectl('rollout', 'restart', 'deployment/reviews-v1');
  await kubectl('rollout', 'status', 'deployment/reviews-v1', '--timeout=60s');
  expect(await xebec('certificates', '-n', 'default')).toContain('spiffe://new.example/ns/default/sa/bookinfo-reviews');
  expect(await ca('rotate', '--wait', '--timeout', '60')).toMatchObject({ phase: 'steady', signer: { kind: 'self-signed' } });
}, 120_000);
