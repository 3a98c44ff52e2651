import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { type Clock, errorText, type Logger, XebecError } from '@xebec/core';
import { watchFiles } from './file-watch.ts';
import { type SecretName, SYSTEM_ROOT_FILES } from './secret-name.ts';

export type FileSecret =
  | {
      readonly kind: 'certificate';
      readonly chainPem: string;
      readonly keyPem: string;
      readonly notBefore: number;
      readonly notAfter: number;
    }
  | { readonly kind: 'roots'; readonly rootPem: string };

export type FileSecretName = Extract<SecretName, { kind: 'file-certificate' | 'file-roots' | 'system-roots' }>;

export interface FileSecretsState {
  readonly files: readonly string[];
  /** Why the files as they are now cannot be served. */
  readonly error: string | undefined;
  /** Whether something is served, perhaps of before the error. */
  readonly served: boolean;
}

/** Certificates, keys and roots in files, followed as they change. */
export interface FileSecrets {
  /** What the files hold, or held last when they are not whole now; undefined before they were whole once. Watches them from now on. */
  get(name: FileSecretName): Promise<FileSecret | undefined>;
  /** Nobody asks for these files any more. */
  forget(name: FileSecretName): void;
  /** Calls back when what is served for a name has changed; returns the unsubscriber. */
  subscribe(listener: () => void): () => void;
  states(): readonly FileSecretsState[];
  failures(): { readonly secrets: number; readonly watcher: number };
  close(): void;
}

const MAX_FILE_BYTES = 1 << 20;
const MAX_WATCHED = 512;

interface Entry {
  readonly name: FileSecretName;
  readonly files: readonly string[];
  secret: FileSecret | undefined;
  error: string | undefined;
  loading: Promise<void>;
}

export function createFileSecrets(options: { readonly clock: Clock; readonly logger: Logger; readonly debounceMs?: number }): FileSecrets {
  const { logger } = options;
  const entries = new Map<string, Entry>();
  const listeners = new Set<() => void>();
  const failures = { secrets: 0, watcher: 0 };
  const load = async (entry: Entry): Promise<boolean> => {
    try {
      const fresh = await read(entry.name);
      if (entry.error !== undefined) logger.info({ files: entry.files }, 'the files can be served again');
      entry.error = undefined;
      const changed = JSON.stringify(fresh) !== JSON.stringify(entry.secret);
      entry.secret = fresh;
      return changed;
    } catch (error) {
      const text = errorText(error);
      if (entry.error !== text) {
        failures.secrets++;
        const what = entry.secret === undefined ? 'nothing is served until they are whole' : 'what they held before is served on';
        logger.warn({ code: 'E_SECRET_FILE', files: entry.files }, `${text}; ${what}`);
      }
      entry.error = text;
      return false;
    }
  };
  const files = watchFiles({
    clock: options.clock,
    ...(options.debounceMs === undefined ? {} : { debounceMs: options.debounceMs }),
    onEvent: () => {
      for (const entry of entries.values())
        entry.loading = entry.loading.then(async () => {
          if ((await load(entry)) && entries.get(keyOf(entry.name)) === entry) for (const listener of [...listeners]) listener();
        });
    },
    onFailure: (error) => {
      failures.watcher++;
      logger.warn({}, `changes of files are found by looking every few seconds, because they cannot be watched: ${errorText(error)}`);
    },
  });
  const watched = () => files.follow([...new Set([...entries.values()].flatMap((entry) => entry.files))]);
  return {
    async get(name) {
      const key = keyOf(name);
      let entry = entries.get(key);
      if (entry === undefined) {
        if (entries.size >= MAX_WATCHED) throw new XebecError('E_SECRET_FILE', `more than ${MAX_WATCHED} secrets in files are asked for`);
        const made: Entry = { name, files: filesOf(name), secret: undefined, error: undefined, loading: Promise.resolve() };
        entries.set(key, made);
        watched();
        made.loading = load(made).then(() => undefined);
        entry = made;
      }
      await entry.loading;
      return entry.secret;
    },
    forget(name) {
      if (entries.delete(keyOf(name))) watched();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    states: () => [...entries.values()].map(({ files: paths, error, secret }) => ({ files: paths, error, served: secret !== undefined })),
    failures: () => ({ ...failures }),
    close() {
      files.close();
      listeners.clear();
      entries.clear();
    },
  };
}

function keyOf(name: FileSecretName): string {
  return JSON.stringify(name);
}

function filesOf(name: FileSecretName): readonly string[] {
  switch (name.kind) {
    case 'file-certificate':
      return [name.chainFile, name.keyFile];
    case 'file-roots':
      return [name.file];
    case 'system-roots': {
      const file = SYSTEM_ROOT_FILES.find((each) => existsSync(each));
      return file === undefined ? [] : [file];
    }
  }
}

async function read(name: FileSecretName): Promise<FileSecret> {
  if (name.kind === 'file-certificate') return readPair(name.chainFile, name.keyFile);
  const [file] = filesOf(name);
  if (file === undefined)
    throw new XebecError('E_SECRET_FILE', 'this system keeps its trusted roots in none of the usual files; install ca-certificates');
  return { kind: 'roots', rootPem: validRoots(await readText(file), file) };
}

/** Both files, once they belong together: writers replace one after the other. */
async function readPair(chainFile: string, keyFile: string): Promise<FileSecret> {
  const [chainPem, keyPem] = await Promise.all([readText(chainFile), readText(keyFile)]);
  const leaf = certificateOf(chainPem);
  if (leaf === undefined) throw new XebecError('E_SECRET_FILE', `${chainFile} holds no certificate in PEM`);
  let matches: boolean;
  try {
    matches = leaf.checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    // The cause could quote key material.
    throw new XebecError('E_SECRET_FILE', `${keyFile} holds no private key in PEM without a passphrase`);
  }
  if (!matches) throw new XebecError('E_SECRET_FILE', `the key in ${keyFile} does not belong to the certificate in ${chainFile}`);
  return { kind: 'certificate', chainPem, keyPem, notBefore: leaf.validFromDate.getTime(), notAfter: leaf.validToDate.getTime() };
}

/** The certificates of a file that can be read: one that is odd (a negative serial number, say) does not take the others with it. */
function validRoots(text: string, file: string): string {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  const valid = blocks.filter((block) => certificateOf(block) !== undefined);
  if (valid.length === 0) throw new XebecError('E_SECRET_FILE', `${file} holds no certificate in PEM`);
  return valid.map((block) => `${block}\n`).join('');
}

function certificateOf(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

async function readText(file: string): Promise<string> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(file);
  } catch (error) {
    throw new XebecError('E_SECRET_FILE', `${file} cannot be read: ${errorText(error)}`);
  }
  try {
    const { size } = await handle.stat();
    if (size > MAX_FILE_BYTES) throw new XebecError('E_SECRET_FILE', `${file} has ${size} bytes, at most ${MAX_FILE_BYTES} are read`);
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}
