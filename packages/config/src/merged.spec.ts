import { silentLogger } from '@xebec/core';
import { type ConfigObject, decodeObject } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import { describeConfigSource } from './config-source.contract.ts';
import { createMemorySource } from './memory.ts';
import { mergeSources } from './merged.ts';

const KEY = 'networking.istio.io/VirtualService/default/a';

function virtualService(name: string, host: string): ConfigObject {
  const decoded = decodeObject({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name, namespace: 'default' },
    spec: { hosts: [host], http: [{ route: [{ destination: { host } }] }] },
  });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
  return decoded.value;
}

function hostOf(objects: readonly ConfigObject[]): unknown {
  return objects.flatMap(({ spec }) => (spec as { hosts?: unknown }).hosts);
}

describe('several sources as one', () => {
  describeConfigSource(async () => {
    const initial: ConfigObject[] = [];
    const second = createMemorySource(initial);
    const source = mergeSources([createMemorySource(), second], silentLogger);
    return {
      source,
      write: async (name, host) => {
        if (second.synced) second.apply([virtualService(name, host)]);
        else initial.push(virtualService(name, host));
      },
      remove: async (name) => second.apply([], [`networking.istio.io/VirtualService/default/${name}`]),
      close: () => source.close(),
    };
  });

  it('lets the first win, says so, and the next take over', async () => {
    const sources = ['files', 'server', 'git'].map((name) => createMemorySource([], name));
    const [files, server, git] = sources;
    if (files === undefined || server === undefined || git === undefined) throw new Error('no sources');
    const merged = mergeSources(sources, silentLogger);
    await merged.start();
    expect(merged.synced).toBe(true);
    git.apply([virtualService('a', 'git')]);
    files.apply([virtualService('a', 'files')]);
    server.apply([virtualService('a', 'server')]);
    expect(hostOf(merged.list())).toEqual(['files']);
    expect(merged.conflicts()).toEqual([{ key: KEY, inForce: 'files', notInForce: ['server', 'git'] }]);
    expect(merged.problems()).toMatchObject([
      { origin: 'server', message: `${KEY} is not in force: files, listed before, has it too` },
      { origin: 'git' },
    ]);
    const heard: number[] = [];
    merged.subscribe((changes) => heard.push(changes.length));
    server.apply([virtualService('a', 'server again')]);
    expect(heard).toEqual([]);
    files.apply([], [KEY]);
    expect(hostOf(merged.list())).toEqual(['server again']);
    server.apply([virtualService('b', 'b')], [KEY]);
    expect(heard).toEqual([1, 2]);
    expect(hostOf(merged.list())).toEqual(['git', 'b']);
    expect(merged.problems()).toEqual([]);
  });

  it('is synced only when all are', async () => {
    const slow = createMemorySource([], 'slow');
    const merged = mergeSources(
      [
        createMemorySource(),
        {
          ...slow,
          start: async () => undefined,
          get synced() {
            return slow.synced;
          },
        },
      ],
      silentLogger,
    );
    await merged.start();
    expect(merged.synced).toBe(false);
    await slow.start();
    expect(merged.synced).toBe(true);
  });
});
