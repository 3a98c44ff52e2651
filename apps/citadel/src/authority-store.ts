import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText, XebecError } from '@xebec/core';
import { certificatePem, createSelfSignedRoot, generateKeys, type KeyType, unwrap } from '@xebec/identity';

/** A CA as PEM texts, under the names that Istio gives the files. */
export interface AuthorityPem {
  readonly certificate: string;
  readonly privateKey: string;
  readonly chain?: string;
  readonly root?: string;
}

/** Where the CA's key is kept. `createIfAbsent` is atomic among replicas: whoever comes second gets what the first wrote. */
export interface AuthorityStore {
  /** Shown in messages: `Secret istio-system/istio-ca-secret`. */
  readonly description: string;
  load(): Promise<AuthorityPem | undefined>;
  createIfAbsent(make: () => Promise<AuthorityPem>): Promise<AuthorityPem>;
}

export async function makeSelfSigned(organization: string, ttlMs: number, keyType: KeyType, now: number): Promise<AuthorityPem> {
  const keys = await generateKeys(keyType);
  const root = certificatePem(unwrap(createSelfSignedRoot(keys, { organization, ttlMs, now, serial: randomBytes(16) })));
  return { certificate: root, privateKey: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), root };
}

/**
 * Keeps the CA in a directory. `ca-cert.pem` and `ca-key.pem` (with `cert-chain.pem`, `root-cert.pem`) that the user put there win;
 * else the self-signed root lies in `self-signed/`, which appears by one rename.
 */
export function createDirectoryStore(directory: string): AuthorityStore {
  const own = join(directory, 'self-signed');
  const load = async () => (await readAuthority(directory)) ?? (await readAuthority(own));
  return {
    description: `directory ${directory}`,
    load,
    async createIfAbsent(make) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const existing = await load();
      if (existing !== undefined) return existing;
      const fresh = await make();
      const staging = await mkdtemp(join(directory, '.new-'));
      await chmod(staging, 0o700);
      await writeFile(join(staging, 'ca-key.pem'), fresh.privateKey, { mode: 0o600, flush: true });
      await writeFile(join(staging, 'ca-cert.pem'), fresh.certificate, { mode: 0o644, flush: true });
      await writeFile(join(staging, 'root-cert.pem'), fresh.root ?? fresh.certificate, { mode: 0o644, flush: true });
      try {
        await rename(staging, own);
        return fresh;
      } catch (error) {
        await rm(staging, { recursive: true, force: true });
        const others = await load();
        if (others !== undefined) return others;
        throw error;
      }
    },
  };
}

async function readAuthority(directory: string): Promise<AuthorityPem | undefined> {
  const [certificate, privateKey, chain, root] = await Promise.all(
    ['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'root-cert.pem'].map((name) => readIfThere(join(directory, name))),
  );
  if (certificate === undefined && privateKey === undefined) return undefined;
  if (certificate === undefined || privateKey === undefined) {
    throw new XebecError('E_CA_STORE', `${directory} must hold both ca-cert.pem and ca-key.pem, or neither`);
  }
  return { certificate, privateKey, ...(chain === undefined ? {} : { chain }), ...(root === undefined ? {} : { root }) };
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new XebecError('E_CA_STORE', `the CA file ${file} cannot be read: ${errorText(error)}`);
  }
}
