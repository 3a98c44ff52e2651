import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCsr, generateKeys } from '@xebec/identity';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Citadel, makeIssuer, run, startCitadel } from './rig.ts';

const ACCOUNT = 'system:serviceaccount:default:reviews';
const ID = 'spiffe://cluster.local/ns/default/sa/reviews';
const PASSPHRASE = 'a passphrase of the test';
const REQUEST_KEYS: readonly (readonly [string, readonly string[]])[] = [
  ['RSA 2048', ['-newkey', 'rsa:2048']],
  ['RSA 4096', ['-newkey', 'rsa:4096']],
  ['P-256', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']],
  ['P-384', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384']],
  ['Ed25519', ['-newkey', 'ed25519']],
];

let directory: string;
let token: string;
const running: Citadel[] = [];

async function open(name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Citadel> {
  const own = join(directory, name);
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, 'jwks.json'), readFileSync(join(directory, 'jwks.json')));
  const citadel = await startCitadel(own, args, env);
  running.push(citadel);
  return citadel;
}
const bearer = () => ({ authorization: `Bearer ${token}` });

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-signers-'));
  token = await (await makeIssuer(join(directory, 'jwks.json')))(ACCOUNT);
  writeFileSync(join(directory, 'passphrase'), `${PASSPHRASE}\n`);
});
afterAll(async () => {
  await Promise.all(running.map((citadel) => citadel.stop('SIGKILL')));
  rmSync(directory, { recursive: true, force: true });
});

describe.each(['rsa-2048', 'ecdsa-p256', 'ecdsa-p384', 'ed25519'])('a CA with a key of type %s', (rootType) => {
  let citadel: Citadel;
  beforeAll(async () => {
    citadel = await open(rootType, ['--root-key-type', rootType, '--ca-key-passphrase-file', join(directory, 'passphrase')]);
  });
  afterAll(() => citadel?.stop('SIGKILL'));

  it.each(REQUEST_KEYS)("signs openssl's request with a key of %s, and openssl verifies it", async (_name, key) => {
    const [keyFile, csrFile, leafFile] = ['k', 'csr', 'leaf'].map((file) => join(citadel.directory, file));
    if (keyFile === undefined || csrFile === undefined || leafFile === undefined) throw new Error('three files');
    const made = await run('openssl', ['req', '-new', '-nodes', ...key, '-keyout', keyFile, '-out', csrFile, '-subj', '/']);
    expect(made.code, made.text).toBe(0);
    const { certChain } = await citadel.ask(readFileSync(csrFile, 'utf8'), bearer());
    expect(certChain[1]).toBe(readFileSync(citadel.rootFile, 'utf8'));
    writeFileSync(leafFile, certChain[0] ?? '');
    for (const purpose of ['sslserver', 'sslclient']) {
      const verified = await run('openssl', ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', citadel.rootFile, leafFile]);
      expect(verified.code, verified.text).toBe(0);
    }
    const { text } = await run('openssl', ['x509', '-in', leafFile, '-noout', '-text']);
    expect(text).toMatch(/Version: 3 \(0x2\)/);
    expect(text).toMatch(/Subject: *\n/);
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature, Key Encipherment\n/);
    expect(text).toMatch(/Extended Key Usage: *\s+TLS Web Server Authentication, TLS Web Client Authentication\n/);
    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE\n/);
    expect(text).toMatch(new RegExp(`Subject Alternative Name: critical\\s+URI:${ID}\\n`));
    expect(text.match(/X509v3 [A-Za-z ]+:/g)).toHaveLength(6);
    // The same key on both sides: the certificate is for who asked.
    const shown = await Promise.all([
      run('openssl', ['x509', '-in', leafFile, '-noout', '-pubkey']),
      run('openssl', ['pkey', '-in', keyFile, '-pubout']),
    ]);
    expect(shown[0]?.text).toBe(shown[1]?.text);
    const dates = await run('openssl', ['x509', '-in', leafFile, '-noout', '-dates']);
    const [from = 0, until = 0] = [...dates.text.matchAll(/=(.*)/g)].map((match) => Date.parse(match[1] ?? ''));
    // Ten minutes that were asked for and the two that clocks may differ.
    expect(until - from).toBe(12 * 60_000);
  });

  it('keeps nothing readable of its key, and comes back with it after a kill', async () => {
    const files = readdirSync(join(citadel.directory, 'ca'), { recursive: true, encoding: 'utf8' })
      .map((file) => join(citadel.directory, 'ca', file))
      .filter((file) => statSync(file).isFile());
    const texts = files.map((file) => readFileSync(file, 'latin1'));
    expect(texts.some((text) => text.includes('XEBEC SEALED PRIVATE KEY'))).toBe(true);
    expect(texts.filter((text) => /BEGIN (EC |RSA )?PRIVATE KEY/.test(text))).toEqual([]);
    const root = readFileSync(citadel.rootFile, 'utf8');
    await citadel.stop('SIGKILL');
    citadel = await open(rootType, ['--ca-key-passphrase-file', join(directory, 'passphrase')]);
    const { certChain } = await citadel.ask(createCsr(await generateKeys('ecdsa-p256')), bearer());
    expect(certChain[1]).toBe(root);
  });
});

describe('who may ask', () => {
  let citadel: Citadel;
  let csr: string;
  beforeAll(async () => {
    csr = createCsr(await generateKeys('ecdsa-p256'));
    const settings = ['--root-key-type', 'ecdsa-p256', '--max-requests-per-second', '6'];
    citadel = await open('callers', settings, { TRUSTED_GATEWAY_CIDR: '127.0.0.1/32' });
  });
  const gateway = (xfcc: string) => citadel.ask(csr, { 'x-forwarded-client-cert': xfcc });

  it('takes the word of a gateway in a listed network, for the last client alone', async () => {
    const { certChain } = await gateway(`By=x;URI=spiffe://cluster.local/ns/a/sa/forged,Hash=1;URI=${ID}`);
    const { text } = await run('openssl', ['x509', '-noout', '-ext', 'subjectAltName'], certChain[0]);
    expect(text).toContain(`URI:${ID}\n`);
    await expect(gateway('Hash=1;URI=spiffe://other/ns/a/sa/b')).rejects.toMatchObject({
      code: 16,
      details: 'request authenticate failure',
    });
    await expect(gateway('Hash=1;URI="')).rejects.toMatchObject({ code: 16 });
  });

  it('gives a common name to who asks for one: its own identity', async () => {
    const made = await run('openssl', [
      'req',
      '-new',
      '-nodes',
      '-newkey',
      'ed25519',
      '-keyout',
      join(directory, 'cn.key'),
      '-subj',
      '/CN=admin',
    ]);
    const request = /-----BEGIN CERTIFICATE REQUEST-----[^-]+-----END CERTIFICATE REQUEST-----/.exec(made.text)?.[0] ?? '';
    const { certChain } = await citadel.ask(request, bearer());
    expect((await run('openssl', ['x509', '-noout', '-subject'], certChain[0])).text).toContain(`CN = ${ID}`);
  });

  it('refuses a token that one byte was changed of, and says when to come again when too many come', async () => {
    const forged = { authorization: `Bearer ${token.slice(0, -6)}AAAAAA` };
    await expect(citadel.ask(csr, forged)).rejects.toMatchObject({ code: 16, details: 'request authenticate failure' });
    const answers = await Promise.allSettled(Array.from({ length: 30 }, () => citadel.ask(csr, bearer())));
    const late = answers.find((answer) => answer.status === 'rejected');
    expect(late).toMatchObject({ reason: { code: 8, details: expect.stringMatching(/try again in \d+ ms/) } });
    expect(late?.status === 'rejected' && late.reason.metadata.get('grpc-retry-pushback-ms')).toEqual([expect.stringMatching(/^\d+$/)]);
  });
});

describe('a gateway that nobody listed', () => {
  it('is not believed', async () => {
    const citadel = await open('unlisted', ['--root-key-type', 'ecdsa-p256'], { TRUSTED_GATEWAY_CIDR: '10.0.0.0/8' });
    const csr = createCsr(await generateKeys('ecdsa-p256'));
    await expect(citadel.ask(csr, { 'x-forwarded-client-cert': `URI=${ID}` })).rejects.toMatchObject({
      code: 16,
      details: 'request authenticate failure',
    });
    expect((await citadel.ask(csr, bearer())).certChain).toHaveLength(2);
  });
});
