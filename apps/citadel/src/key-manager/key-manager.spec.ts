import { verify } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, systemClock, VirtualClock } from '@xebec/core';
import {
  authorityOf,
  certificateChain,
  certificatePem,
  createCsr,
  createRootBy,
  createSelfSignedRoot,
  generateKeys,
  issueLeaf,
  KEY_TYPES,
  loadAuthority,
  parseCertificate,
  parseCsr,
  parseSpiffeId,
  parseTrustDomain,
  unwrap,
} from '@xebec/identity';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDirectoryStore, makeSelfSigned } from '../authority-store.ts';
import { createExternalIssuer } from '../external-signer/external-issuer.ts';
import { createVaultSigner, vaultFromEnvironment } from '../external-signer/vault-signer.ts';
import { type FakeVault, startFakeVault } from './fake-vault.ts';
import { createFileKeyManager } from './file-key-manager.ts';
import type { KeyManager } from './key-manager.ts';
import { createMemoryKeyManager } from './memory-key-manager.ts';
import { createSeal } from './seal.ts';
import { createSealedStore } from './sealed-store.ts';
import { createVaultClient, type VaultAuth } from './vault-client.ts';
import { createVaultKeyManager } from './vault-key-manager.ts';

const NOW = Date.UTC(2026, 10, 21);
const PASSPHRASE = 'correct horse battery';
const seal = createSeal(PASSPHRASE);
const serial = new Uint8Array(16).fill(7);
const ID = unwrap(parseSpiffeId('spiffe://cluster.local/ns/default/sa/reviews')).id;

let directory: string;
let vault: FakeVault;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-keys-'));
  vault = await startFakeVault();
});
afterEach(async () => {
  rmSync(directory, { recursive: true, force: true });
  await vault.close();
});

const vaultClient = (auth: VaultAuth = { kind: 'token', token: 'root' }, clock = systemClock) =>
  createVaultClient({ address: vault.address, namespace: 'team', auth, clock, random: seededRandom(1) });

describe.each<[string, () => KeyManager]>([
  ['memory', createMemoryKeyManager],
  ['files', () => createFileKeyManager(directory, seal)],
  ['Vault', () => createVaultKeyManager(vaultClient(), 'transit')],
])('the contract of key managers: %s', (_name, open) => {
  it.each(KEY_TYPES.filter((type) => type !== 'rsa-4096'))('makes a key of type %s whose CA signs what verifies', async (type) => {
    const manager = open();
    const signer = await manager.generate('root', type);
    const bytes = Buffer.from('to be signed');
    const hash = signer.publicKey.asymmetricKeyType === 'ed25519' ? null : type === 'ecdsa-p384' ? 'sha384' : 'sha256';
    expect(verify(hash, bytes, signer.publicKey, await signer.sign(bytes))).toBe(true);
    const root = unwrap(await createRootBy(signer, { organization: 'cluster.local', ttlMs: 1e9, now: NOW, serial }));
    const authority = unwrap(authorityOf({ certificate: certificatePem(root) }, signer));
    const request = unwrap(parseCsr(createCsr(await generateKeys('ecdsa-p256'))));
    const leaf = unwrap(await issueLeaf(authority, request, { uri: ID, ttlMs: 1e6, now: NOW, serial }));
    expect(unwrap(parseCertificate(leaf.der)).signedBy(root.publicKey)).toBe(true);
    expect(certificateChain(authority, leaf)).toHaveLength(2);
    await manager.close();
  });

  it('finds keys again under their names, and only there', async () => {
    const manager = open();
    expect(await manager.list()).toEqual([]);
    const [one, two] = [await manager.generate('one', 'ecdsa-p256'), await manager.generate('two', 'ecdsa-p256')];
    expect(await manager.list()).toEqual(['one', 'two']);
    expect((await manager.load('one'))?.publicKey.equals(one.publicKey)).toBe(true);
    expect((await manager.load('two'))?.publicKey.equals(two.publicKey)).toBe(true);
    expect(await manager.load('three')).toBeUndefined();
  });

  it('never makes a second key under a name', async () => {
    const manager = open();
    const first = await manager.generate('root', 'ecdsa-p256');
    await expect(manager.generate('root', 'ecdsa-p256')).rejects.toMatchObject({ code: 'E_KEY_EXISTS' });
    expect((await manager.load('root'))?.publicKey.equals(first.publicKey)).toBe(true);
  });

  it('forgets a key for good, and does nothing where there is none', async () => {
    const manager = open();
    const first = await manager.generate('root', 'ecdsa-p256');
    await manager.remove('root');
    await manager.remove('root');
    expect([await manager.load('root'), await manager.list()]).toEqual([undefined, []]);
    expect((await manager.generate('root', 'ecdsa-p256')).publicKey.equals(first.publicKey)).toBe(false);
  });

  it.each(['', '../root', 'a/b', 'Root', 'a.b', '-a', 'a'.repeat(64)])('takes no %j for a name', async (name) => {
    await expect(open().generate(name, 'ecdsa-p256')).rejects.toMatchObject({ code: 'E_KEY_NAME' });
  });
});

describe('keys in files', () => {
  it('outlive the process, readable with the passphrase alone', async () => {
    const made = await createFileKeyManager(directory, seal).generate('root', 'ecdsa-p256');
    const again = await createFileKeyManager(directory, createSeal(PASSPHRASE)).load('root');
    expect(again?.publicKey.equals(made.publicKey)).toBe(true);
    await expect(createFileKeyManager(directory, createSeal('another passphrase')).load('root')).rejects.toMatchObject({ code: 'E_SEAL' });
    expect(statSync(join(directory, 'root.key')).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(directory, 'root.key')).includes(made.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))).toBe(
      false,
    );
  });
  it('are refused when changed, cut or renamed', async () => {
    const manager = createFileKeyManager(directory, seal);
    await manager.generate('root', 'ecdsa-p256');
    const file = join(directory, 'root.key');
    const good = readFileSync(file);
    for (const at of [0, 20, 40, 60, good.length - 1]) {
      const changed = Buffer.from(good);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(file, changed);
      await expect(manager.load('root'), `byte ${at}`).rejects.toMatchObject({ code: 'E_SEAL' });
    }
    writeFileSync(file, good.subarray(0, 30));
    await expect(manager.load('root')).rejects.toMatchObject({ code: 'E_SEAL' });
    writeFileSync(file, good);
    renameSync(file, join(directory, 'other.key'));
    await expect(manager.load('other')).rejects.toMatchObject({ code: 'E_SEAL' });
  });
  it('are made once by racing processes, with nothing left behind', async () => {
    const attempts = await Promise.allSettled(
      Array.from({ length: 6 }, () => createFileKeyManager(directory, seal).generate('root', 'ecdsa-p256')),
    );
    expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(readdirSync(directory)).toEqual(['root.key']);
  });
  it('want a passphrase worth the name', () => expect(() => createSeal('short')).toThrow('at least 12'));
});

describe('a sealed store', () => {
  it('keeps key and state unreadable, reads clear ones, and gives back what was put in', async () => {
    const store = createSealedStore(createDirectoryStore(directory), seal);
    const pem = await store.createIfAbsent(() => makeSelfSigned('cluster.local', 1e9, 'ecdsa-p256', NOW));
    expect(unwrap(loadAuthority(pem)).certificate.notAfter).toBe(NOW + 1e9);
    const stored = readFileSync(join(directory, 'self-signed/ca-key.pem'), 'utf8');
    expect(stored).toContain('BEGIN XEBEC SEALED PRIVATE KEY');
    expect(stored).not.toContain('BEGIN PRIVATE KEY');
    expect((await store.load())?.privateKey).toBe(pem.privateKey);
    const other = createSealedStore(createDirectoryStore(directory), createSeal('another passphrase'));
    await expect(other.load()).rejects.toMatchObject({ code: 'E_SEAL' });

    const secret = Buffer.from('the state');
    const revision = await store.saveState(secret, undefined);
    expect(revision).toBeDefined();
    expect(Buffer.from((await store.loadState())?.bytes ?? []).toString()).toBe('the state');
    expect(Buffer.from((await createDirectoryStore(directory).loadState())?.bytes ?? []).includes(secret)).toBe(false);
  });
  it('seals a CA that was clear when it is written next', async () => {
    const clear = createDirectoryStore(directory);
    const pem = await clear.createIfAbsent(() => makeSelfSigned('cluster.local', 1e9, 'ecdsa-p256', NOW));
    const store = createSealedStore(clear, seal);
    expect((await store.load())?.privateKey).toBe(pem.privateKey);
    await store.publish(pem);
    expect(readFileSync(join(directory, 'self-signed/ca-key.pem'), 'utf8')).not.toContain('BEGIN PRIVATE KEY');
    expect((await store.load())?.privateKey).toBe(pem.privateKey);
  });
});

describe('Vault', () => {
  const kubernetes: VaultAuth = { kind: 'kubernetes', mount: 'kubernetes', role: 'citadel', readToken: async () => 'pod-token' };

  it('is asked in the namespace, after a login with the token of the pod', async () => {
    await createVaultKeyManager(vaultClient(kubernetes), 'transit').load('root');
    expect(vault.calls).toEqual(['POST auth/kubernetes/login team', 'GET transit/keys/root team']);
  });
  it('renews its lease from half of its life on, and logs in anew when it is over or was revoked', async () => {
    const clock = new VirtualClock(0);
    vault.leaseSeconds = 100;
    const client = vaultClient(kubernetes, clock);
    const callsAt = async (ms: number) => {
      clock.advance(ms);
      vault.calls.length = 0;
      await client.call('GET', 'transit/keys/root');
      return vault.calls.map((call) => call.split(' ')[1]);
    };
    const path = 'transit/keys/root';
    expect(await callsAt(0)).toEqual(['auth/kubernetes/login', path]);
    expect(await callsAt(49_000)).toEqual([path]);
    expect(await callsAt(2_000)).toEqual(['auth/token/renew-self', path]);
    expect(await callsAt(200_000)).toEqual(['auth/kubernetes/login', path]);
  });
  it('is asked again while it is sealed, but not for what it refuses', async () => {
    vault.failures.push(503, 429);
    expect(await vaultClient().call('GET', 'transit/keys/root')).toBeUndefined();
    expect(vault.calls).toHaveLength(3);
    vault.failures.push(400);
    await expect(vaultClient().call('GET', 'transit/keys/root')).rejects.toMatchObject({
      code: 'E_KEY_STORE',
      message: expect.stringContaining('status 400'),
    });
    expect(vault.calls).toHaveLength(4);
    await expect(vaultClient({ kind: 'token', token: 'wrong' }).call('GET', 'x')).rejects.toThrow('permission denied');
  });
  it('is talked to over TLS only, but on this machine', () => {
    const options = { auth: { kind: 'token', token: 't' } as const, clock: systemClock, random: seededRandom(1) };
    expect(() => createVaultClient({ ...options, address: 'http://vault.example:8200' })).toThrow('https://');
  });
  it('signs leaves as a CA, and what it signs wrongly goes no further', async () => {
    const keys = await generateKeys('ecdsa-p256');
    const root = unwrap(createSelfSignedRoot(keys, { organization: 'vault', ttlMs: 1e9, now: NOW, serial }));
    const privateKey = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const authority = unwrap(loadAuthority({ certificate: certificatePem(root), privateKey }));
    let uri: string = ID;
    vault.more.set('pki/sign/mesh', (body) => {
      const leaf = issueLeaf(authority, unwrap(parseCsr(String(body['csr']))), { uri, ttlMs: 1e6, now: NOW, serial });
      return { data: { certificate: certificatePem(unwrap(leaf)), issuing_ca: certificatePem(root), ca_chain: [certificatePem(root)] } };
    });
    const issuer = createExternalIssuer({
      sign: createVaultSigner(vaultClient()),
      signerName: 'pki/sign/mesh',
      trustDomain: unwrap(parseTrustDomain('cluster.local')),
      rootPem: () => '',
      bundlePem: () => '',
      clock: new VirtualClock(NOW),
    });
    const csrPem = createCsr(await generateKeys('ecdsa-p256'), [ID]);
    const order = { id: ID, dnsNames: [], ttlMs: 1e6, request: unwrap(parseCsr(csrPem)), csrPem };
    expect((await issuer.issue(order)).chain).toEqual([expect.stringContaining('BEGIN CERTIFICATE'), certificatePem(root)]);
    uri = 'spiffe://cluster.local/ns/kube-system/sa/admin';
    await expect(issuer.issue(order)).rejects.toMatchObject({
      code: 'E_EXTERNAL_SIGNER',
      message: expect.stringContaining('another name'),
    });
  });
  it('is found by the variables of its own tools', async () => {
    const env = { VAULT_ADDR: vault.address, VAULT_SIGN_PATH: 'pki/sign/mesh', VAULT_TOKEN: 'root', VAULT_NAMESPACE: 'team' };
    const { client, path } = await vaultFromEnvironment(env);
    expect([await client.call('GET', 'transit/keys/root'), path]).toEqual([undefined, 'pki/sign/mesh']);
    expect(vault.calls).toEqual(['GET transit/keys/root team']);
    await expect(vaultFromEnvironment({ ...env, VAULT_SIGN_PATH: '../sys/sign/x' })).rejects.toThrow('VAULT_SIGN_PATH');
    await expect(vaultFromEnvironment({ ...env, VAULT_TOKEN: '' })).rejects.toThrow('VAULT_KUBERNETES_ROLE');
  });
});
