import type { ConfigObject } from '@xebec/schemas';
import { expect, it, onTestFinished } from 'vitest';
import type { ConfigChange, ConfigSource } from './source.ts';

/** What a test can do to the origin behind a source. */
export interface SourceOrigin {
  readonly source: ConfigSource;
  /** Writes a VirtualService `name` in namespace `default` for one host. */
  write(name: string, host: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** Puts in an object with a field that does not exist, where the origin allows it. */
  writeWrong?(name: string): Promise<void>;
  close(): Promise<void>;
}

const DEADLINE_MS = 5_000;

/** Polls until `condition` holds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + DEADLINE_MS;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited ${DEADLINE_MS} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function hosts(objects: readonly ConfigObject[]): Record<string, unknown> {
  return Object.fromEntries(
    objects.map(({ metadata, spec }) => [`${metadata.namespace}/${metadata.name}`, (spec as { hosts?: unknown }).hosts]),
  );
}

/** What every ConfigSource promises; each implementation's spec runs it on its own origin. */
export function describeConfigSource(createOrigin: () => Promise<SourceOrigin>): void {
  const open = async () => {
    const origin = await createOrigin();
    onTestFinished(() => origin.close());
    return origin;
  };

  it('lists what was there at the start, and is synced once it has', async () => {
    const origin = await open();
    await origin.write('a', 'a.example');
    expect(origin.source.synced).toBe(false);
    let synced = 0;
    origin.source.onSynced(() => synced++);
    await origin.source.start();
    await until(() => synced === 1, 'synced');
    expect(origin.source.synced).toBe(true);
    expect(hosts(origin.source.list())).toEqual({ 'default/a': ['a.example'] });
    origin.source.onSynced(() => synced++);
    expect(synced).toBe(2);
  });

  it('is synced on an empty origin', async () => {
    const origin = await open();
    await origin.source.start();
    await until(() => origin.source.synced, 'synced');
    expect(origin.source.list()).toEqual([]);
  });

  it('tells of additions, changes and removals, with what was before', async () => {
    const origin = await open();
    await origin.source.start();
    await until(() => origin.source.synced, 'synced');
    const seen: ConfigChange[] = [];
    const stop = origin.source.subscribe((changes) => seen.push(...changes));
    const key = 'networking.istio.io/VirtualService/default/a';
    await origin.write('a', 'one.example');
    await until(() => seen.length === 1, 'an addition');
    expect(seen[0]).toMatchObject({ type: 'upsert', key, previous: undefined, object: { spec: { hosts: ['one.example'] } } });
    await origin.write('a', 'two.example');
    await until(() => seen.length === 2, 'a change');
    expect(seen[1]).toMatchObject({ type: 'upsert', key, previous: { spec: { hosts: ['one.example'] } } });
    await origin.remove('a');
    await until(() => seen.length === 3, 'a removal');
    expect(seen[2]).toMatchObject({ type: 'delete', key, previous: { spec: { hosts: ['two.example'] } } });
    stop();
    await origin.write('b', 'b.example');
    await until(() => origin.source.list().length === 1, 'b');
    expect(seen).toHaveLength(3);
  });

  it('leaves out what is wrong, reports it, and keeps the last good state of it', async () => {
    const origin = await open();
    if (origin.writeWrong === undefined) return void expect(origin.source.problems()).toEqual([]);
    await origin.write('a', 'a.example');
    await origin.write('b', 'b.example');
    await origin.source.start();
    await until(() => origin.source.list().length === 2, 'both');
    await origin.writeWrong('a');
    await origin.writeWrong('c');
    await until(() => origin.source.problems().length === 2, 'two problems');
    expect(origin.source.problems().map(({ message }) => message)).toEqual([
      expect.stringContaining('unknown field "hots"'),
      expect.stringContaining('unknown field "hots"'),
    ]);
    expect(hosts(origin.source.list())).toEqual({ 'default/a': ['a.example'], 'default/b': ['b.example'] });
    await origin.write('a', 'again.example');
    await until(() => origin.source.problems().length === 1, 'one problem left');
    expect(hosts(origin.source.list())).toMatchObject({ 'default/a': ['again.example'] });
  });
}
