import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText, XebecError } from '@xebec/core';

/** The keys that sign tokens, as one text, and by what a change since then is noticed. */
export interface StoredKeys {
  readonly text: string;
  readonly version: string;
}

/** Where the keys for JWT-SVIDs are kept, so that tokens outlive Citadel and replicas sign with the same. */
export interface JwtKeyStore {
  /** Shown in messages. */
  readonly description: string;
  load(): Promise<StoredKeys | undefined>;
  /** False when somebody else has written since `previous` was read: load again. */
  save(text: string, previous: StoredKeys | undefined): Promise<boolean>;
}

/** One process is the only writer of a directory. */
export function directoryKeyStore(directory: string): JwtKeyStore {
  const file = join(directory, 'jwt-svid-keys.json');
  return {
    description: `file ${file}`,
    async load() {
      try {
        return { text: await readFile(file, 'utf8'), version: '' };
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
        throw new XebecError('E_CA_STORE', `the keys for JWT-SVIDs cannot be read from ${file}: ${errorText(error)}`);
      }
    },
    async save(text) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const staged = `${file}.new`;
      await rm(staged, { force: true });
      await writeFile(staged, text, { mode: 0o600, flush: true });
      await rename(staged, file);
      return true;
    },
  };
}
