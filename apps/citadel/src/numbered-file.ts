import { link, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A content with the number under which it was written. */
export interface Numbered {
  readonly bytes: Uint8Array;
  readonly revision: string;
}

/** So many numbers stay taken, with nothing in them, for a writer that is late by less to find that it is late. */
const TAKEN = 16;
const MAX_READS = 50;
let staged = 0;

/**
 * A file that several processes write by turns: each writing has the next number (`state.7`), which by the file system one of them alone
 * can take. Whoever comes second is told, and has to read again. Contents of before are emptied at once.
 */
export function numberedFile(directory: string, name: string) {
  const fileOf = (number: number) => join(directory, `${name}.${number}`);
  const numbers = async (): Promise<number[]> => {
    const names = await readdir(directory).catch((error: unknown) => {
      if (isCode(error, 'ENOENT')) return [];
      throw error;
    });
    return names
      .filter((file) => file.startsWith(`${name}.`) && /^[1-9]\d{0,14}$/.test(file.slice(name.length + 1)))
      .map((file) => Number(file.slice(name.length + 1)));
  };
  const highest = async () => Math.max(0, ...(await numbers()));
  return {
    /** The last writing; undefined where there is none. */
    async load(): Promise<Numbered | undefined> {
      for (let read = 0; read < MAX_READS; read++) {
        const number = await highest();
        if (number === 0) return undefined;
        const bytes = await readFile(fileOf(number)).catch((error: unknown) => {
          if (isCode(error, 'ENOENT')) return undefined;
          throw error;
        });
        // What was followed by another meanwhile may be read in part.
        if (bytes !== undefined && (await highest()) === number) return { bytes, revision: String(number) };
      }
      throw new Error(`${fileOf(0)} and what follows it are written all the time`);
    },
    /** Writes after `revision` (undefined: after nothing) and returns the new one; undefined where another has written since. */
    async save(bytes: Uint8Array, revision: string | undefined): Promise<string | undefined> {
      const number = Number(revision ?? 0) + 1;
      const staging = join(directory, `.${name}.${process.pid}.${staged++}.new`);
      await writeFile(staging, bytes, { mode: 0o600, flush: true });
      try {
        await link(staging, fileOf(number));
      } catch (error) {
        if (isCode(error, 'EEXIST')) return undefined;
        throw error;
      } finally {
        await rm(staging, { force: true });
      }
      const all = await numbers();
      if (Math.max(...all) - number >= TAKEN) {
        // The number was taken once and is long free again.
        await rm(fileOf(number), { force: true });
        return undefined;
      }
      for (const old of all.filter((each) => each < number)) {
        if (number - old > TAKEN) await rm(fileOf(old), { force: true });
        else await truncate(fileOf(old)).catch(() => undefined);
      }
      await syncDirectory(directory);
      return String(number);
    },
  };
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory);
  await handle.sync().finally(() => handle.close());
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
