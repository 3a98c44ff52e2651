import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock, systemRandom } from '@xebec/core';
import { certificatePem, createSelfSignedRoot, generateKeys, unwrap } from '@xebec/identity';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openIdentity } from './identity-source.ts';
import { outputCertificates } from './output-certificates.ts';
import { createFileSecrets } from './secrets/file-secrets.ts';

let cwd: string;
const closers: (() => void)[] = [];
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'xebec-id-'));
});
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
  rmSync(cwd, { recursive: true, force: true });
});

async function open(env: NodeJS.ProcessEnv = {}) {
  const files = createFileSecrets({ clock: systemClock, logger: silentLogger, debounceMs: 10 });
  closers.push(() => files.close());
  const inCwd = (path: string) => join(cwd, path);
  const source = await openIdentity({
    env: { CA_ADDR: '127.0.0.1:1', ...env },
    inCwd,
    files,
    rootFile: inCwd('root.pem'),
    tokenFile: inCwd('token'),
    instance: 'pod',
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  closers.push(() => source.close());
  return source;
}

async function listen(path: string): Promise<Server> {
  mkdirSync(join(path, '..'), { recursive: true });
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(path, resolve));
  closers.push(() => server.close());
  return server;
}

const SOCKETS = 'var/run/secrets/workload-spiffe-uds';

async function mount(directory: string, [chain, key, root]: readonly [string, string, string]): Promise<string> {
  const keys = await generateKeys('ecdsa-p256');
  const made = unwrap(createSelfSignedRoot(keys, { organization: 'o', ttlMs: 3_600_000, now: Date.now(), serial: randomBytes(16) }));
  mkdirSync(join(cwd, directory), { recursive: true });
  writeFileSync(join(cwd, directory, root), certificatePem(made));
  writeFileSync(join(cwd, directory, key), keys.privateKey.export({ format: 'pem', type: 'pkcs8' }));
  writeFileSync(join(cwd, directory, chain), certificatePem(made));
  return made.serialNumber;
}

describe('where the identity comes from', () => {
  it("leaves another server's socket alone and serves files on one of its own", async () => {
    const socket = join(cwd, SOCKETS, 'socket');
    await listen(socket);
    const before = statSync(socket).ino;
    const source = await open();
    expect(source).toMatchObject({
      foreign: true,
      socketOfIdentity: `./${SOCKETS}/socket`,
      socketToServe: expect.stringContaining('files-socket'),
    });
    expect([statSync(socket).ino, source.certificates.current()]).toEqual([before, undefined]);
  });

  it('takes a socket that nobody serves for one that is left over', async () => {
    mkdirSync(join(cwd, SOCKETS), { recursive: true });
    writeFileSync(join(cwd, SOCKETS, 'socket'), '');
    expect(await open()).toMatchObject({ foreign: false, socketToServe: `./${SOCKETS}/socket` });
  });

  it('wants the server of a socket with another name to be there, and no path', async () => {
    await expect(open({ WORKLOAD_IDENTITY_SOCKET_FILE: 'spire.sock' })).rejects.toThrow('nobody listens there');
    await expect(open({ WORKLOAD_IDENTITY_SOCKET_FILE: '../x' })).rejects.toThrow('wants the name of a file');
    await listen(join(cwd, SOCKETS, 'spire.sock'));
    expect(await open({ WORKLOAD_IDENTITY_SOCKET_FILE: 'spire.sock' })).toMatchObject({ foreign: true });
  });

  it.each([
    ['etc/certs', ['cert-chain.pem', 'key.pem', 'root-cert.pem']],
    ['var/run/secrets/workload-spiffe-credentials', ['cert-chain.pem', 'key.pem', 'root-cert.pem']],
    ['var/run/secrets/workload-spiffe-credentials', ['certificates.pem', 'private_key.pem', 'ca_certificates.pem']],
  ] as const)('takes files in %s instead of asking a CA, and follows them', async (directory, names) => {
    const first = await mount(directory, names);
    const { certificates } = await open({ TRUST_DOMAIN: 'td.example' });
    expect((await certificates.ready()).serialNumber).toBe(first);
    expect(certificates.trust.current()?.domains).toMatchObject([{ trustDomain: 'td.example', roots: [expect.stringContaining('BEGIN')] }]);
    const second = await mount(directory, names);
    await vi.waitFor(() => expect(certificates.current()?.serialNumber).toBe(second), { timeout: 10_000 });
  });

  it('does not take for mounted what OUTPUT_CERTS writes, and writes the key for its owner alone', async () => {
    const serial = await mount('etc/certs', ['cert-chain.pem', 'key.pem', 'root-cert.pem']);
    const { certificates } = await open();
    await certificates.ready();
    const directory = join(cwd, 'out');
    closers.push(outputCertificates(directory, certificates, silentLogger));
    await vi.waitFor(() => expect(existsSync(join(directory, 'cert-chain.pem'))).toBe(true), { timeout: 10_000 });
    expect(statSync(join(directory, 'key.pem')).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(directory, 'root-cert.pem'), 'utf8')).toContain('BEGIN CERTIFICATE');
    const own = await open({ OUTPUT_CERTS: './etc/certs' });
    expect([serial !== '', own.certificates.current(), own.clockWatch === undefined]).toEqual([true, undefined, false]);
  });

  it.each([
    [{ SECRET_GRACE_PERIOD_RATIO: '2' }, 'SECRET_GRACE_PERIOD_RATIO'],
    [{ SECRET_TTL: 'soon' }, 'SECRET_TTL'],
    [{ XEBEC_KEY_TYPE: 'dsa' }, 'XEBEC_KEY_TYPE'],
  ])('refuses %j', async (env, name) => {
    await expect(open(env)).rejects.toMatchObject({ code: 'E_ENV', message: expect.stringContaining(name) });
  });
});
