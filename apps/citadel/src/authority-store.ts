import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText, XebecError } from '@xebec/core';
import { certificatePem, createSelfSignedRoot, generateKeys, type KeyType, unwrap } from '@xebec/identity';
import { numberedFile } from './numbered-file.ts';

/** A CA as PEM texts, under the names that Istio gives the files. */
export interface AuthorityPem {
  readonly certificate: string;
  readonly privateKey: string;
  readonly chain?: string;
  readonly root?: string;
  /** Certificate revocation lists that came with it. */
  readonly crl?: string;
}

/** Bytes with the revision under which they were read. */
export interface StoredState {
  readonly bytes: Uint8Array;
  readonly revision: string;
}

/** Where the CA's key is kept. `createIfAbsent` is atomic among replicas: whoever comes second gets what the first wrote. */
export interface AuthorityStore {
  /** Shown in messages: `Secret istio-system/istio-ca-secret`. */
  readonly description: string;
  load(): Promise<AuthorityPem | undefined>;
  createIfAbsent(make: () => Promise<AuthorityPem>): Promise<AuthorityPem>;
  /** The CA that the user plugged in, undefined for none. */
  pluggedIn(): Promise<AuthorityPem | undefined>;
  /** Shows the self-signed CA where Istio's users look for it. */
  publish(pem: AuthorityPem): Promise<void>;
  /** Shows what is to be trusted, PEM, where nobody else does. */
  publishBundle?(rootPem: string): Promise<void>;
  loadState(): Promise<StoredState | undefined>;
  /** Writes the whole state at once and returns its new revision; undefined when it is no longer at `revision` (undefined: absent). */
  saveState(bytes: Uint8Array, revision: string | undefined): Promise<string | undefined>;
}

export async function makeSelfSigned(organization: string, ttlMs: number, keyType: KeyType, now: number): Promise<AuthorityPem> {
  const keys = await generateKeys(keyType);
  const root = certificatePem(unwrap(createSelfSignedRoot(keys, { organization, ttlMs, now, serial: randomBytes(16) })));
  return { certificate: root, privateKey: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), root };
}

/**
 * Keeps the CA in a directory. `ca-cert.pem` and `ca-key.pem` (with `cert-chain.pem`, `root-cert.pem`, `ca-crl.pem`; or `tls.crt`,
 * `tls.key`, `ca.crt`) that the user put there win; else the self-signed root lies in `self-signed/`, which appears by one rename.
 * The state lies in `state.N`, N growing, so that several processes may share the directory; `bundle.pem` holds every root that is to be trusted.
 */
export function createDirectoryStore(directory: string): AuthorityStore {
  const own = join(directory, 'self-signed');
  const state = numberedFile(directory, 'state');
  /** Where versions of before numbers kept it. */
  const oldState = join(directory, 'state');
  const load = async () => (await readAuthority(directory)) ?? (await readAuthority(own));
  return {
    description: `directory ${directory}`,
    load,
    pluggedIn: () => readAuthority(directory),
    async createIfAbsent(make) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const existing = await load();
      if (existing !== undefined) return existing;
      const fresh = await make();
      const staging = await mkdtemp(join(directory, '.new-'));
      await chmod(staging, 0o700);
      await writeAuthority(staging, fresh);
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
    async publish(pem) {
      await mkdir(own, { recursive: true, mode: 0o700 });
      await writeAuthority(own, pem);
    },
    async publishBundle(rootPem) {
      const staging = join(directory, '.bundle.new');
      await writeFile(staging, rootPem, { mode: 0o644 });
      await rename(staging, join(directory, 'bundle.pem'));
    },
    async loadState() {
      const written = await state.load();
      const old = written === undefined ? await readIfThere(oldState) : undefined;
      return old === undefined ? written : { bytes: old, revision: '0' };
    },
    async saveState(bytes, revision) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const saved = await state.save(bytes, revision);
      if (revision === '0' && saved !== undefined) await rm(oldState, { force: true });
      return saved;
    },
  };
}

/** Each file by a rename of its own, the key before the certificate that it belongs to. */
async function writeAuthority(directory: string, pem: AuthorityPem): Promise<void> {
  const files: readonly (readonly [string, string, number])[] = [
    ['ca-key.pem', pem.privateKey, 0o600],
    ['ca-cert.pem', pem.certificate, 0o644],
    ['root-cert.pem', pem.root ?? pem.certificate, 0o644],
  ];
  for (const [name, text, mode] of files) {
    const staging = join(directory, `.${name}.new`);
    await writeFile(staging, text, { mode, flush: true });
    await rename(staging, join(directory, name));
  }
}

async function readAuthority(directory: string): Promise<AuthorityPem | undefined> {
  return authorityFromFiles(
    async (name) => (await readIfThere(join(directory, name)))?.toString('utf8'),
    `${directory} must hold both ca-cert.pem and ca-key.pem (or tls.crt and tls.key), or neither`,
  );
}

/** Reads a CA by the names that Istio gives its files, or those of cert-manager; undefined when there is none at all. */
export async function authorityFromFiles(
  read: (name: string) => string | undefined | Promise<string | undefined>,
  incomplete: string,
): Promise<AuthorityPem | undefined> {
  let [certificate, privateKey, chain, root] = await Promise.all(
    ['ca-cert.pem', 'ca-key.pem', 'cert-chain.pem', 'root-cert.pem'].map(read),
  );
  const crl = await read('ca-crl.pem');
  if (certificate === undefined && privateKey === undefined) {
    // In a TLS secret the certificate and its chain are one text.
    [certificate, privateKey, root] = await Promise.all(['tls.crt', 'tls.key', 'ca.crt'].map(read));
    chain = certificate;
  }
  if (certificate === undefined && privateKey === undefined) return undefined;
  if (certificate === undefined || privateKey === undefined) throw new XebecError('E_CA_STORE', incomplete);
  return {
    certificate,
    privateKey,
    ...(chain === undefined ? {} : { chain }),
    ...(root === undefined ? {} : { root }),
    ...(crl === undefined ? {} : { crl }),
  };
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new XebecError('E_CA_STORE', `the CA file ${file} cannot be read: ${errorText(error)}`);
  }
}
