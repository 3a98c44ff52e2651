import { seededRandom, silentLogger, VirtualClock } from '@xebec/core';
import { type ConfigVersion, type ContentChange, changeKey } from '@xebec/history';
import type { ConfigObject } from '@xebec/schemas';
import { describe, expect, it, vi } from 'vitest';
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

function start(memory: ReturnType<typeof memoryStore>, limit = 100, leads = true) {
  const clock = new VirtualClock();
  const lost: number[] = [];
  const authors = new Authors(clock);
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
  if (leads) recorder.lead([], new Set(memory.versions.flatMap(({ changes }) => changes.map(changeKey))));
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
    const { recorder } = start(memory, 100, false);
    const held = new Set(['networking.istio.io/Sidecar/shop/held']);
    recorder.lead([sidecar('kept'), sidecar('old', '2026-01-01T00:00:00Z'), sidecar('new')], held);
    await vi.waitFor(() => expect(memory.versions).toHaveLength(2));
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
      holders: new Set<string>(),
    };
    expect(await recorder.record({ changes: [change('a')], bundle })).toBe(1);
    expect(memory.versions).toHaveLength(1);
  });
  it('begins an empty history with nothing', async () => {
    const memory = memoryStore();
    const { recorder } = start(memory, 100, false);
    recorder.lead([sidecar('a')], new Set());
    await recorder.close();
    expect(memory.versions).toEqual([]);
  });
});

describe('two recorders before one history', () => {
  /** Both see each change; `pass` is what the watch tells the one that follows. */
  function pair() {
    const memory = memoryStore();
    const first = start(memory).recorder;
    const second = start(memory, 100, false).recorder;
    second.known([]);
    const both = (one: ContentChange) =>
      Promise.all([first, second].map((recorder) => recorder.record({ changes: [one], bundle: undefined })));
    let passed = 0;
    const pass = () => {
      for (; passed < memory.versions.length; passed++) second.seen(memory.versions[passed] ?? version(0));
    };
    return { memory, first, second, both, pass };
  }
  const update = (from: string, to: string): ContentChange => ({ before: named(from), after: named(to) });
  const named = (annotation: string) => {
    const { after } = change('a');
    return after && { ...after, metadata: { ...after.metadata, annotations: { annotation } } };
  };
  const notes = (versions: readonly ConfigVersion[]) =>
    versions.map(({ changes }) =>
      changes.map(({ before, after }) => [before, after].map((one) => one?.metadata.annotations['annotation'] ?? '').join('>')).join(),
    );

  it('one writes; the other goes on with what was not written, and writes nothing twice', async () => {
    const { memory, first, second, both, pass } = pair();
    await both(update('0', '1'));
    pass();
    await both(update('1', '2'));
    await first.close();
    // The first dies before it writes this, and before the second has heard of its last version.
    await both(update('2', '1'));
    await both(update('1', '2'));
    second.lead([], new Set());
    await vi.waitFor(() => expect(notes(memory.versions)).toEqual(['0>1', '1>2', '2>1', '1>2']));
    await second.close();
    expect(memory.versions.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
  });

  it('knows a change that the other had written before it was in force here', async () => {
    const { memory, first, second, pass } = pair();
    await first.record({ changes: [update('0', '1')], bundle: undefined });
    pass();
    await second.record({ changes: [update('0', '1')], bundle: undefined });
    await first.close();
    await second.record({ changes: [update('1', '2')], bundle: undefined });
    second.lead([], new Set(memory.versions.flatMap(({ changes }) => changes.map(changeKey))));
    await vi.waitFor(() => expect(notes(memory.versions)).toEqual(['0>1', '1>2']));
    await second.close();
  });

  it('writes nothing twice when both believe to lead', async () => {
    const { memory, first, second, both } = pair();
    second.lead([], new Set());
    for (const [from, to] of [
      ['0', '1'],
      ['1', '2'],
      ['2', '3'],
    ] as const)
      await both(update(from, to));
    await first.close();
    await second.close();
    expect(notes(memory.versions)).toEqual(['0>1', '1>2', '2>3']);
  });

  it('does not write again what was written though the answer was lost', async () => {
    const memory = memoryStore();
    const { recorder, clock } = start({ ...memory, store: { ...memory.store, add: losingFirstAnswer(memory.store.add) } });
    expect(await recorder.record({ changes: [change('a')], bundle: undefined })).toBeUndefined();
    const next = recorder.record({ changes: [change('b')], bundle: undefined });
    for (let turn = 0; turn < 20; turn++) {
      await Promise.resolve();
      clock.advance(1000);
    }
    await next;
    await recorder.close();
    expect(names(memory.versions)).toEqual(['a', 'b']);
  });
});

function losingFirstAnswer(add: HistoryStore['add']): HistoryStore['add'] {
  let lost = false;
  return async (added) => {
    const result = await add(added);
    if (lost) return result;
    lost = true;
    throw new Error('no answer');
  };
}
