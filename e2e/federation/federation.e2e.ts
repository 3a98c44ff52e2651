import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { certificatePem, createCsr, generateKeys, issueLeaf, loadAuthority, parseCsr, unwrap } from '@xebec/identity';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, freePort } from '../src/daemon-process.ts';
import { type Pod, startPod, startTrustDomain, type TrustDomainSite } from '../src/trust-domain.ts';

const run = promisify(execFile);
const XEBEC = join(import.meta.dirname, '../../apps/cli/bin/xebec.ts');

let directory: string;
let a: TrustDomainSite;
let b: TrustDomainSite;
let podA: Pod;
let podB: Pod;
const meshFile = (name: string) => join(directory, `${name}.mesh.yaml`);
const bundleUrl = (site: TrustDomainSite) => `https://localhost:${site.bundlePort}/`;

/** MeshConfig is replaced in one step, as editors and mounted ConfigMaps do it. */
function writeMesh(name: string, text: string): void {
  writeFileSync(`${meshFile(name)}.new`, text);
  renameSync(`${meshFile(name)}.new`, meshFile(name));
}

function federateWith(other: TrustDomainSite, domain: string): string {
  return `caCertificates:\n- spiffeBundleUrl: ${bundleUrl(other)}\n  trustDomains: [${domain}]\n`;
}

async function makeWebCertificate(): Promise<void> {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const out = ['-keyout', join(directory, 'web.key'), '-out', join(directory, 'web.pem'), '-days', '2'];
  await run('openssl', ['req', '-x509', ...key, ...names, ...out]);
}

const start = (name: string, ...flags: string[]) => startTrustDomain(`${name}.example`, join(directory, name), flags);
const trustOf = (pod: Pod) =>
  Object.fromEntries((pod.agent.certificates.trust.current()?.domains ?? []).map((each) => [each.trustDomain, each.roots.length]));

/** Status and what the application saw, of a request that leaves a pod for a peer. */
async function call(from: Pod, peer: string): Promise<{ status: number; caller: string }> {
  const response = await fetch(`http://127.0.0.1:${from.outboundPort}/${peer}`);
  const text = await response.text();
  if (response.status !== 200) return { status: response.status, caller: '' };
  return { status: 200, caller: String(JSON.parse(text)['x-forwarded-client-cert']) };
}

/** A request with a certificate for any ID, by the CA key that lies in a Citadel's directory. */
async function callWith(site: TrustDomainSite, id: string, port: number): Promise<number | string> {
  const pem = (file: string) => readFileSync(join(site.directory, 'ca/self-signed', file), 'utf8');
  const authority = unwrap(loadAuthority({ certificate: pem('ca-cert.pem'), privateKey: pem('ca-key.pem') }));
  const keys = await generateKeys('ecdsa-p256');
  const template = { uri: id, ttlMs: 60_000, now: Date.now(), serial: randomBytes(16) };
  const cert = certificatePem(unwrap(issueLeaf(authority, unwrap(parseCsr(createCsr(keys))), template)));
  const key = keys.privateKey.export({ format: 'pem', type: 'pkcs8' });
  return await new Promise((resolve) => {
    // Whether the server is who it says is another question.
    const sent = request({ host: '127.0.0.1', port, path: '/', cert, key, rejectUnauthorized: false, agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    sent.on('error', () => resolve('refused'));
    sent.end();
  });
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xf-'));
  await makeWebCertificate();
  for (const name of ['a', 'b']) writeMesh(name, '');
  const web = [
    '--bundle-cert',
    join(directory, 'web.pem'),
    '--bundle-key',
    join(directory, 'web.key'),
    '--federation-ca',
    join(directory, 'web.pem'),
  ];
  const common = (name: string) => [
    '--bundle-addr',
    'localhost:0',
    '--mesh-config',
    meshFile(name),
    '--bundle-refresh-hint-s',
    '1',
    ...web,
  ];
  [a, b] = await Promise.all([start('a', ...common('a')), start('b', ...common('b'))]);
  const ids = { a: 'spiffe://a.example/ns/shop/sa/cart', b: 'spiffe://b.example/ns/bank/sa/ledger' };
  // Each must know where the other will be: B's pod first, whose peer is found by a port that is free until then.
  const inboundA = await freePort();
  podB = await startPod({ site: b, account: 'bank/ledger', peers: { a: { port: inboundA, id: ids.a } } });
  podA = await startPod({ site: a, account: 'shop/cart', peers: { b: { port: podB.inboundPort, id: ids.b } }, inboundPort: inboundA });
}, 120_000);
afterAll(async () => {
  await podA?.stop();
  await podB?.stop();
  await a?.stop();
  await b?.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('two trust domains', () => {
  it('do not reach each other before they are federated', async () => {
    expect((await call(podA, 'b')).status).toBe(503);
    expect((await call(podB, 'a')).status).toBe(503);
  });

  it('serve their bundle documents to whoever asks', async () => {
    const { stdout } = await run('curl', ['-sS', '--cacert', join(directory, 'web.pem'), bundleUrl(a)]);
    const bundle = JSON.parse(stdout);
    expect(bundle).toMatchObject({ spiffe_refresh_hint: 1, keys: [{ use: 'x509-svid' }, { use: 'jwt-svid' }] });
    expect(`-----BEGIN CERTIFICATE-----\n${bundle.keys[0].x5c[0]}`.replaceAll('\n', '')).toBe(
      readFileSync(a.rootFile, 'utf8')
        .replace(/-----END[\s\S]*$/, '')
        .replaceAll('\n', ''),
    );
  });

  it('need both sides: one that trusts the other is not enough', async () => {
    writeMesh('a', federateWith(b, 'b.example'));
    await eventually("B's bundle in A's pod", () => (trustOf(podA)['b.example'] === 1 ? true : undefined));
    expect((await call(podA, 'b')).status).toBe(503);
  });

  it('reach each other by mutual TLS once both have the bundle of the other', async () => {
    writeMesh('b', federateWith(a, 'a.example'));
    await eventually("A's bundle in B's pod", () => (trustOf(podB)['a.example'] === 1 ? true : undefined));
    await eventually('200 from A to B', async () => ((await call(podA, 'b')).status === 200 ? true : undefined));
    expect((await call(podA, 'b')).caller).toContain('URI=spiffe://a.example/ns/shop/sa/cart');
    const back = await eventually('200 from B to A', async () => {
      const answer = await call(podB, 'a');
      return answer.status === 200 ? answer : undefined;
    });
    expect(back.caller).toContain('URI=spiffe://b.example/ns/bank/sa/ledger');
  });

  it.each([
    ["an identity of A by A's root", () => a, 'spiffe://a.example/ns/shop/sa/other', 200],
    ["an identity of B by B's root", () => b, 'spiffe://b.example/ns/bank/sa/other', 200],
    ["an identity of A by B's root", () => b, 'spiffe://a.example/ns/shop/sa/cart', 'refused'],
    ["an identity of B by A's root", () => a, 'spiffe://b.example/ns/bank/sa/ledger', 'refused'],
    ['an identity of a domain that nobody knows', () => a, 'spiffe://c.example/ns/x/sa/y', 'refused'],
  ])('%s', async (_name, signer, id, expected) => {
    expect(await callWith(signer(), id, podA.inboundPort)).toBe(expected);
    expect(await callWith(signer(), id, podB.inboundPort)).toBe(expected);
  });

  it('are told apart by a stock Envoy too', async () => {
    const pod = await startPod({ site: a, account: 'shop/envoy', envoy: process.env['ENVOY'] ?? 'envoy' });
    try {
      await eventually('both bundles', () => (trustOf(pod)['b.example'] === 1 ? true : undefined));
      const ledger = 'spiffe://b.example/ns/bank/sa/ledger';
      await eventually('200 for B', async () => ((await callWith(b, ledger, pod.inboundPort)) === 200 ? true : undefined));
      expect(await callWith(a, 'spiffe://a.example/ns/shop/sa/cart', pod.inboundPort)).toBe(200);
      expect(await callWith(b, 'spiffe://a.example/ns/shop/sa/cart', pod.inboundPort)).toBe('refused');
      expect(await callWith(a, ledger, pod.inboundPort)).toBe('refused');
    } finally {
      await pod.stop();
    }
  });

  it('go on while B changes its root from end to end', async () => {
    const old = readFileSync(b.rootFile, 'utf8');
    const failed: number[] = [];
    let sent = 0;
    let going = true;
    const load = (async () => {
      while (going) {
        for (const answer of [await call(podA, 'b'), await call(podB, 'a')]) {
          sent++;
          if (answer.status !== 200) failed.push(answer.status);
        }
      }
    })();
    const rotated = await run(process.execPath, [XEBEC, 'ca', 'rotate', '--ca-dir', join(b.directory, 'ca'), '--wait', '--timeout', '60']);
    const roots = () => podA.agent.certificates.trust.current()?.domains.find((each) => each.trustDomain === 'b.example')?.roots ?? [];
    await eventually("B's new root alone in A's pod", () => (roots().length === 1 && roots()[0]?.trim() !== old.trim() ? true : undefined));
    going = false;
    await load;
    expect(failed.length, rotated.stdout).toBe(0);
    expect(sent).toBeGreaterThan(10);
    expect((await call(podA, 'b')).status).toBe(200);
  }, 120_000);

  it('keep what they know while the other CA is away, also over a restart of their own', async () => {
    await b.stop();
    await a.stop();
    await a.restart();
    await eventually("the agent's stream", () => (trustOf(podA)['b.example'] === 1 ? true : undefined));
    expect((await call(podA, 'b')).status).toBe(200);
    expect(a.citadel.output()).toContain('E_BUNDLE_ENDPOINT');
    await b.restart();
  }, 60_000);

  it('end when the federation does', async () => {
    writeMesh('a', '');
    await eventually("B's bundle gone from A's pod", () => (trustOf(podA)['b.example'] === undefined ? true : undefined));
    // Connections that are open stay, as in Envoy; new ones are judged by what is trusted now.
    const id = 'spiffe://b.example/ns/bank/sa/ledger';
    await eventually('a refusal', async () => ((await callWith(b, id, podA.inboundPort)) === 'refused' ? true : undefined));
  });
});

describe('the profile https_spiffe', () => {
  it("judges the endpoint by its SVID and the bundle that was known before, and not by the web's authorities", async () => {
    const publisher = await start('p', '--bundle-addr', '127.0.0.1:0');
    const entry = (endpointSpiffeId: string) => ({
      trustDomain: 'p.example',
      url: `https://127.0.0.1:${publisher.bundlePort}/`,
      profile: 'https_spiffe',
      endpointSpiffeId,
      bundleFile: 'p.bundle.json',
    });
    const { stdout } = await run('curl', ['-sSk', `https://127.0.0.1:${publisher.bundlePort}/`]);
    writeFileSync(join(directory, 'p.bundle.json'), stdout);
    const id = 'spiffe://p.example/ns/istio-system/sa/istio-citadel-service-account';
    for (const [name, endpointId] of [
      ['good', id],
      ['bad', 'spiffe://p.example/ns/istio-system/sa/somebody'],
    ] as const) {
      const file = join(directory, `${name}.json`);
      writeFileSync(file, JSON.stringify([entry(endpointId)]));
      const follower = await start(name, '--federation', file);
      try {
        const expected = name === 'good' ? '"msg":"new trust bundle"' : `not ${endpointId}`;
        await eventually(expected, () => (follower.citadel.output().includes(expected) ? true : undefined));
        expect(follower.citadel.output().includes('"msg":"new trust bundle"')).toBe(name === 'good');
      } finally {
        await follower.stop();
      }
    }
    await publisher.stop();
  }, 90_000);
});
