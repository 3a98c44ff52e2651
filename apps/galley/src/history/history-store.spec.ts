import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiError, type KubernetesApi } from '@xebec/config';
import { silentLogger } from '@xebec/core';
import { versionName } from '@xebec/history';
import { expect, it } from 'vitest';
import { createFolderHistory } from './folder-history.ts';
import { describeHistoryStore, version } from './history-store.contract.ts';
import { createKubernetesHistory } from './kubernetes-history.ts';

const folder = () => mkdtempSync(join(tmpdir(), 'xebec-history-'));

/** An API server that knows one kind. */
function fakeApi(): KubernetesApi {
  const objects = new Map<string, unknown>();
  return {
    get: async () => ({ items: [...objects.values()] }),
    send: async (method, path, body) => {
      const name = path.split('/').pop() ?? '';
      if (method === 'DELETE') {
        if (!objects.delete(name)) throw new ApiError(404, 'not found');
        return undefined;
      }
      const stored: { metadata: { name: string } } = JSON.parse(JSON.stringify(body));
      if (objects.has(stored.metadata.name)) throw new ApiError(409, 'already exists');
      objects.set(stored.metadata.name, stored);
      return stored;
    },
    watch: async function* () {},
  };
}

describeHistoryStore('a folder', async () => createFolderHistory(folder(), silentLogger));
describeHistoryStore('an API server', async () => createKubernetesHistory(fakeApi(), new AbortController().signal, silentLogger));

it('files that are no versions are left out', async () => {
  const directory = folder();
  const store = createFolderHistory(directory, silentLogger);
  await store.add(version(2));
  writeFileSync(join(directory, `${versionName(1)}.json`), '{"spec"');
  writeFileSync(join(directory, `${versionName(3)}.json`), '{}');
  writeFileSync(join(directory, 'notes.txt'), 'x');
  expect((await store.list()).map(({ number }) => number)).toEqual([2]);
});
