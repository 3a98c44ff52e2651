import { seededRandom, silentLogger, VirtualClock } from '@xebec/core';
import type { ConfigVersion, ContentChange } from '@xebec/history';
import type { ConfigObject } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import { Authors } from './authors.ts';
import { version } from './history-store.contract.ts';
import type { HistoryStore } from './history-store.ts';
import { createRecorder } from './recorder.ts';

function memoryStore(versions: ConfigVersion[] = []) {
  const state = { failing: false };
  const store: HistoryStore = {
    list: async () => {
      if (state.failing) throw new Error('away');
      return [...versions];
    },
    add: async (added) => {
      if (state.failing) throw new Error('away');
      if (versions.some(({ number }) => number === added.number)) return false;
      versions.push(added);
      return true;
    },
    remove: async (number) => {
      versions.splice(
        versions.findIndex((one) => one.number === number),
        1,
      );
    },
  };
  return { store, versions, state };
}

function start(memory: ReturnType<typeof memoryStore>, limit = 100) {
  const clock = new VirtualClock();
  const lost: number[] = [];
  const authors = new Authors();
  const recorder = createRecorder({
    store: memory.store,
    authors,
    limit,
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    onRecorded: () => undefined,
    onLost: (count) => lost.push(count),
  });
  return { recorder, clock, lost, authors };
}

const sidecar = (name: string, created = '2026-11-21T03:00:00Z'): ConfigObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'Sidecar',
  metadata: {
    name,
    namespace: 'shop',
    labels: {},
    annotations: {},
    creationTimestamp: created,
    resourceVersion: '1',
    uid: '',
    generation: 1,
  },
  spec: { egress: [{ hosts: ['*/*'] }] },
});
const change = (name: string): ContentChange => version(1, name).changes[0] ?? { before: undefined, after: undefined };
const names = (versions: readonly ConfigVersion[]) =>
  versions.map(({ changes }) => changes.map(({ before, after }) => (after ?? before)?.metadata.name).join('+'));

describe('the recorder', () => {
  it('numbers versions, and keeps as many as it may', async () => {
    const memory = memoryStore([version(7)]);
    const { recorder } = start(memory, 2);
    for (const name of ['b', 'c', 'd']) await recorder.record({ changes: [change(name)], bundle: undefined });
    await recorder.close();
    expect(memory.versions.map(({ number }) => number)).toEqual([9, 10]);
  });
  it('gives way to another galley that took the number', async () => {
    const memory = memoryStore([version(1)]);
    const { recorder } = start(memory);
    await recorder.record({ changes: [change('b')], bundle: undefined });
    memory.versions.push(version(3, 'theirs'));
    expect(await recorder.record({ changes: [change('c')], bundle: undefined })).toBe(4);
  });
  it('puts a flood of single changes together', async () => {
    const memory = memoryStore();
    const { recorder } = start(memory);
    await Promise.all(Array.from({ length: 300 }, (_, index) => recorder.record({ changes: [change(`n${index}`)], bundle: undefined })));
    expect(memory.versions.length).toBeLessThan(25);
    expect(memory.versions.flatMap(({ changes }) => changes)).toHaveLength(300);
  });
  it('names who was admitted with the same content', async () => {
    const memory = memoryStore();
    const { recorder, authors } = start(memory);
    authors.note('anna', { ...sidecar('a'), metadata: { name: 'a', namespace: 'shop' } });
    authors.noteDeletion('bert', { ...sidecar('b'), metadata: { name: 'b', namespace: 'shop' } });
    await recorder.record({ changes: [change('a')], bundle: undefined });
    await recorder.record({ changes: [{ before: change('b').after, after: undefined }], bundle: undefined });
    await recorder.record({ changes: [change('c')], bundle: undefined });
    expect(memory.versions.map(({ author }) => author)).toEqual(['anna', 'bert', '']);
  });
  it('writes later what cannot be written now', async () => {
    const memory = memoryStore();
    memory.state.failing = true;
    const { recorder, clock } = start(memory);
    expect(await recorder.record({ changes: [change('a')], bundle: undefined })).toBeUndefined();
    memory.state.failing = false;
    for (let turn = 0; turn < 20 && memory.versions.length === 0; turn++) {
      await Promise.resolve();
      clock.advance(1000);
    }
    expect(names(memory.versions)).toEqual(['a']);
    await recorder.close();
  });
  it('finds at its start what was changed while it was away', async () => {
    const memory = memoryStore([{ ...version(1, 'gone'), changes: [change('gone'), change('kept'), change('held')] }]);
    const { recorder } = start(memory);
    const held = new Set(['networking.istio.io/Sidecar/shop/held']);
    await recorder.catchUp([sidecar('kept'), sidecar('old', '2026-01-01T00:00:00Z'), sidecar('new')], held);
    await recorder.close();
    expect(names(memory.versions.slice(1))).toEqual(['gone+new']);
    expect(memory.versions[1]).toMatchObject({ cause: 'found', changes: [{ after: undefined }, { before: undefined }] });
  });
  it('does not record a bundle twice', async () => {
    const memory = memoryStore([{ ...version(1), cause: 'bundle', bundle: 'b1' }]);
    const { recorder } = start(memory);
    const bundle = {
      id: 'b1',
      client: '',
      message: '',
      timeoutSeconds: 1,
      createdAt: 0,
      changes: [],
      phase: '' as const,
      statusMessage: '',
      version: undefined,
    };
    expect(await recorder.record({ changes: [change('a')], bundle })).toBe(1);
    expect(memory.versions).toHaveLength(1);
  });
  it('begins an empty history with nothing', async () => {
    const memory = memoryStore();
    const { recorder } = start(memory);
    await recorder.catchUp([sidecar('a')], new Set());
    await recorder.close();
    expect(memory.versions).toEqual([]);
  });
});
