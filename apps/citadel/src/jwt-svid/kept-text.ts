import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText, XebecError } from '@xebec/core';

/** A text as it was read, and by what a change since then is noticed. */
export interface ReadText {
  readonly text: string;
  readonly version: string;
}

/** Where a text of Citadel's is kept over restarts, for all replicas. */
export interface KeptText {
  /** Shown in messages. */
  readonly description: string;
  load(): Promise<ReadText | undefined>;
  /** False when somebody else has written since `previous` was read: load again. */
  save(text: string, previous: ReadText | undefined): Promise<boolean>;
}

/** A private file. One process is the only writer of a directory. */
export function keptInDirectory(directory: string, name: string): KeptText {
  const file = join(directory, name);
  return {
    description: `file ${file}`,
    async load() {
      try {
        return { text: await readFile(file, 'utf8'), version: '' };
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
        throw new XebecError('E_CA_STORE', `${file} cannot be read: ${errorText(error)}`);
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
