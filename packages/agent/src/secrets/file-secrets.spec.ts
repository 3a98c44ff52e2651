import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@xebec/core';
import { certificatePem, createSelfSignedRoot, generateKeys, unwrap } from '@xebec/identity';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createFileSecrets, type FileSecrets } from './file-secrets.ts';
import { parseSecretName } from './secret-name.ts';

let directory: string;
let secrets: FileSecrets;
const warnings: string[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-files-'));
  warnings.length = 0;
  const logger = { ...silentLogger, warn: (_fields: object, message = '') => void warnings.push(message) };
  secrets = createFileSecrets({ clock: systemClock, logger, debounceMs: 10 });
});
afterEach(() => {
  secrets.close();
  rmSync(directory, { recursive: true, force: true });
});

async function newPair(): Promise<{ chain: string; key: string }> {
  const keys = await generateKeys('ecdsa-p256');
  const root = unwrap(createSelfSignedRoot(keys, { organization: 'o', ttlMs: 3_600_000, now: Date.now(), serial: randomBytes(16) }));
  return { chain: certificatePem(root), key: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString() };
}

const chainOf = async (name: Parameters<FileSecrets['get']>[0]) => {
  const secret = await secrets.get(name);
  return secret?.kind === 'certificate' ? secret.chainPem : secret?.rootPem;
};

describe('secrets in files', () => {
  it('serves a pair that is replaced file by file only when both belong together', async () => {
    const [one, two] = [await newPair(), await newPair()];
    const name = { kind: 'file-certificate' as const, chainFile: join(directory, 'c'), keyFile: join(directory, 'k') };
    expect(await secrets.get(name)).toBeUndefined();
    expect(warnings[0]).toMatch(/c cannot be read: .*nothing is served/);
    let told = 0;
    secrets.subscribe(() => told++);
    writeFileSync(name.chainFile, one.chain);
    writeFileSync(name.keyFile, one.key);
    await vi.waitFor(async () => expect(await chainOf(name)).toBe(one.chain));
    const before = told;
    writeFileSync(`${name.chainFile}.new`, two.chain);
    renameSync(`${name.chainFile}.new`, name.chainFile);
    await vi.waitFor(() => expect(secrets.states()[0]?.error).toContain('does not belong'));
    expect([await chainOf(name), told]).toEqual([one.chain, before]);
    writeFileSync(`${name.keyFile}.new`, two.key);
    renameSync(`${name.keyFile}.new`, name.keyFile);
    await vi.waitFor(async () => expect(await chainOf(name)).toBe(two.chain));
    expect(secrets.states()).toEqual([{ files: [name.chainFile, name.keyFile], error: undefined, served: true }]);
  });

  it("follows kubelet's swap of ..data, again and again", async () => {
    const file = join(directory, 'ca.crt');
    const publish = (stamp: string, text: string) => {
      mkdirSync(join(directory, stamp));
      writeFileSync(join(directory, stamp, 'ca.crt'), text);
      symlinkSync(stamp, join(directory, '..data_tmp'));
      renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
    };
    const texts = [(await newPair()).chain, (await newPair()).chain, (await newPair()).chain];
    publish('..1', texts[0] ?? '');
    symlinkSync('..data/ca.crt', file);
    const name = { kind: 'file-roots' as const, file };
    expect(await chainOf(name)).toBe(texts[0]);
    for (const [index, text] of texts.slice(1).entries()) {
      publish(`..${index + 2}`, text);
      rmSync(join(directory, `..${index + 1}`), { recursive: true });
      await vi.waitFor(async () => expect(await chainOf(name)).toBe(text));
    }
  });

  it('leaves out what is no certificate among roots, and refuses a file without any', async () => {
    const root = (await newPair()).chain;
    const file = join(directory, 'roots');
    writeFileSync(file, `${root}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`);
    const name = { kind: 'file-roots' as const, file };
    expect(await chainOf(name)).toBe(root);
    writeFileSync(file, 'nothing');
    await vi.waitFor(() => expect(secrets.states()[0]?.error).toContain('holds no certificate'));
    expect(await chainOf(name)).toBe(root);
    expect(secrets.failures().secrets).toBe(1);
  });
});

it.each([
  ['default', { kind: 'identity' }],
  ['ROOTCA', { kind: 'trust' }],
  ['file-root:system', { kind: 'system-roots' }],
  ['file-root:/etc/ca.pem', { kind: 'file-roots', file: '/etc/ca.pem' }],
  ['file-cert:/a/tls.crt~/a/tls.key', { kind: 'file-certificate', chainFile: '/a/tls.crt', keyFile: '/a/tls.key' }],
  ['file-cert:/a/tls.crt', undefined],
  ['file-cert:~/a/tls.key', undefined],
  ['file-cert:a~b~c', undefined],
  ['file-root:', undefined],
  ['kubernetes://ns/name', undefined],
  ['kubernetes-gateway://ns/name', undefined],
  ['configmap://ns/name', undefined],
  ['builtin://', undefined],
  ['invalid://x', undefined],
  ['', undefined],
  [`file-root:${'a'.repeat(9000)}`, undefined],
])('reads the SDS name %.40s', (name, expected) => {
  expect(parseSecretName(name)).toEqual(expected);
});
