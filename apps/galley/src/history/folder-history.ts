import { link, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText, type Logger, XebecError } from '@xebec/core';
import { type ConfigVersion, readVersion, renderVersion, versionName } from '@xebec/history';
import type { HistoryStore } from './history-store.ts';

/** Versions as JSON files of a folder, `v000001.json` and on: for meshes whose configuration comes from a directory. */
export function createFolderHistory(folder: string, logger: Logger): HistoryStore {
  const unwritable = (cause: unknown): never => {
    throw new XebecError('E_HISTORY_DIR', `--history-dir ${folder}: ${errorText(cause)}; make room or give the right to write there`, {
      cause,
    });
  };
  return {
    list: async () => {
      await mkdir(folder, { recursive: true }).catch(unwritable);
      const names = (await readdir(folder)).filter((name) => /^v\d+\.json$/.test(name)).sort();
      const versions: ConfigVersion[] = [];
      for (const name of names) {
        try {
          const version = readVersion(JSON.parse(await readFile(join(folder, name), 'utf8')));
          if (version.ok) versions.push(version.value);
          else logger.warn({ file: name }, `${join(folder, name)} is ignored: ${version.error}`);
        } catch (error) {
          logger.warn({ file: name }, `${join(folder, name)} is ignored: ${errorText(error)}`);
        }
      }
      return versions.sort((a, b) => a.number - b.number);
    },
    add: async (version) => {
      const file = join(folder, `${versionName(version.number)}.json`);
      const unfinished = join(folder, `.${versionName(version.number)}.${process.pid}`);
      try {
        await writeFile(unfinished, `${JSON.stringify(renderVersion(version), null, 2)}\n`).catch(unwritable);
        // A link, unlike a rename, fails when the file is there.
        await link(unfinished, file);
        return true;
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
        if (error instanceof XebecError) throw error;
        // File systems without hard links: last writer wins.
        await rename(unfinished, file).catch(unwritable);
        return true;
      } finally {
        await rm(unfinished, { force: true }).catch(() => undefined);
      }
    },
    remove: async (number) => rm(join(folder, `${versionName(number)}.json`), { force: true }),
  };
}
