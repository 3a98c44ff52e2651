import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApiError, isRecord } from '@xebec/config';
import { errorText } from '@xebec/core';
import { type ConfigVersion, readVersion, VERSION_PATH } from '@xebec/history';
import type { KubeObjects } from '../apply/kube-objects.ts';
import { CommandFailure, EXIT } from '../exit.ts';
import { type KubeOptions, loadKubeConfig } from '../kube/connection.ts';

export interface HistoryOptions extends KubeOptions {
  /** Folder of a Galley that runs with --history-dir. */
  readonly dir?: string;
}

/** All versions that are kept, oldest first. */
export async function readHistory(options: HistoryOptions): Promise<readonly ConfigVersion[]> {
  if (options.dir !== undefined) return readFolder(options.dir);
  const { KubeObjects } = await import('../apply/kube-objects.ts');
  return readFromServer(new KubeObjects(loadKubeConfig(options)));
}

export async function readFromServer(objects: KubeObjects): Promise<readonly ConfigVersion[]> {
  try {
    const body = await objects.api.get(VERSION_PATH, objects.signal());
    return sorted(isRecord(body) && Array.isArray(body['items']) ? body['items'] : []);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404)
      throw new CommandFailure('no history is kept here: the API server does not know ConfigVersion (deploy/crds/config.xebec.dev.yaml)');
    throw new CommandFailure(`the history cannot be read: ${errorText(error)}`);
  }
}

function readFolder(folder: string): readonly ConfigVersion[] {
  try {
    const names = readdirSync(folder).filter((name) => /^v\d+\.json$/.test(name));
    return sorted(names.map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))));
  } catch (error) {
    throw new CommandFailure(`--dir ${folder}: the history cannot be read: ${errorText(error)}`);
  }
}

function sorted(items: readonly unknown[]): readonly ConfigVersion[] {
  return items
    .flatMap((item) => {
      const version = readVersion(item);
      if (!version.ok) console.error(`Warning: a version is left out: ${version.error}`);
      return version.ok ? version.value : [];
    })
    .sort((a, b) => a.number - b.number);
}

/** `v42` or `42`. */
export function parseVersion(text: string, history: readonly ConfigVersion[]): number {
  const number = Number(text.replace(/^v/, ''));
  // An empty text, as of a variable that is not set, must never be v0: that is everything undone.
  if (!/^v?\d{1,9}$/.test(text)) throw new CommandFailure(`"${text}" is no version; write v42 or 42`, EXIT.usage);
  const [oldest] = history;
  const newest = history.at(-1);
  if (oldest === undefined || newest === undefined)
    throw new CommandFailure('the history is empty: nothing was changed since it is kept', EXIT.data);
  // What was before the first version that is kept is known too.
  if (number < oldest.number - 1 || number > newest.number)
    throw new CommandFailure(`v${number} is not kept: the history goes from v${oldest.number} to v${newest.number}`, EXIT.data);
  return number;
}
