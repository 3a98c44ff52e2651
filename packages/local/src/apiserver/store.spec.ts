import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { KubeObject } from './object.ts';
import { ObjectStore } from './store.ts';

const directory = mkdtempSync(join(tmpdir(), 'xebec-store-'));
const object = (name: string, value = 0): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'n' },
  value,
});
afterEach(() => rmSync(join(directory, 'x.db'), { force: true }));

describe('ObjectStore', () => {
  it('keeps objects, the counter and the history over a reopening', () => {
    const file = join(directory, 'a.db');
    const store = new ObjectStore({ file });
    store.put('configmaps', object('a'));
    const b = store.put('configmaps', object('b'));
    store.delete('configmaps', b);
    const again = new ObjectStore({ file });
    expect(again.revision).toBe(3);
    expect(again.list('configmaps', 'n').map(({ metadata }) => metadata.name)).toEqual(['a']);
    expect(again.since(1)?.map(({ type }) => type)).toEqual(['ADDED', 'DELETED']);
    again.close();
    store.close();
  });

  it('forgets old events and says so', () => {
    const store = new ObjectStore({ file: ':memory:', historyLimit: 4 });
    for (let index = 0; index < 10; index++) store.put('configmaps', object('a', index));
    expect(store.since(1)).toBeUndefined();
    expect(store.since(store.revision)).toEqual([]);
    expect(store.since(store.revision - 2)?.length).toBe(2);
    store.close();
  });

  it('freezes what it stores', () => {
    const store = new ObjectStore({ file: ':memory:' });
    expect(Object.isFrozen(store.put('configmaps', object('a')).metadata)).toBe(true);
    store.close();
  });
});
