import { describe, expect, it } from 'vitest';
import { readBundle, renderBundle } from './bundle.ts';
import { type ContentChange, canonical, contentOf, contentOfRaw, manifestOf } from './content.ts';
import { diffChanges, unifiedDiff } from './diff.ts';
import { destinationRule, stored, virtualService } from './test-objects.ts';
import { latestContents, planRollback, summarize, versionsBetween } from './timeline.ts';
import { type ConfigVersion, readVersion, renderVersion } from './version.ts';

const v1 = stored(virtualService('v1'));
const v2 = stored(virtualService('v2'));
const v3 = stored(virtualService('v3'));
const rule = stored(destinationRule('v1'));

const version = (number: number, ...changes: readonly ContentChange[]): ConfigVersion => ({
  number,
  time: '2026-11-21T03:00:00Z',
  author: 'anna',
  cause: 'change',
  bundle: '',
  message: '',
  changes,
});
const history = [
  version(1, { before: undefined, after: v1 }),
  version(2, { before: v1, after: v2 }, { before: undefined, after: rule }),
  version(3, { before: v2, after: v3 }),
];

describe('history', () => {
  it('sums versions up', () => {
    expect(summarize(history.slice(1))).toEqual([
      { before: v1, after: v3 },
      { before: undefined, after: rule },
    ]);
    expect(summarize([history[1] ?? version(0), version(3, { before: v2, after: v1 })])).toEqual([{ before: undefined, after: rule }]);
    expect([...latestContents(history).values()]).toEqual([v3, rule]);
  });
  it('knows when a version is no longer kept', () => {
    expect(versionsBetween(history, 1, 3)?.map(({ number }) => number)).toEqual([2, 3]);
    expect(versionsBetween(history.slice(1), 0, 3)).toBeUndefined();
    expect(versionsBetween(history, 3, 3)).toEqual([]);
  });
  it('plans the way back from what is there now', () => {
    const live = (key: string) => (key.includes('VirtualService') ? v3 : undefined);
    expect(planRollback(history.slice(1), live)).toEqual([{ before: v3, after: v1 }]);
    expect(planRollback(history.slice(1), live, ({ kind }) => kind === 'DestinationRule')).toEqual([]);
  });
});

describe('records', () => {
  it('round-trip through the objects they are stored as', () => {
    const [, second = version(0)] = history;
    expect(readVersion(JSON.parse(JSON.stringify(renderVersion(second))))).toEqual({ ok: true, value: second });
    const bundle = { id: 'b1', client: 'anna@build7', message: 'why', timeoutSeconds: 30, changes: second.changes };
    expect(readBundle(JSON.parse(JSON.stringify(renderBundle(bundle))))).toMatchObject({ ok: true, value: { ...bundle, phase: '' } });
  });
  it('refuse what is no record', () => {
    const [first = version(0)] = history;
    const rendered = renderVersion(first);
    for (const content of ['', 'AAAA', Buffer.from('{}').toString('base64')])
      expect(readVersion({ ...rendered, spec: { ...rendered.spec, content } })).toMatchObject({ ok: false });
    expect(readBundle({})).toMatchObject({ ok: false });
  });
  it('hold an object as it was decoded, whatever version it was written in', () => {
    const raw = { ...manifestOf(v1), status: { x: 1 }, apiVersion: 'networking.istio.io/v1alpha3' };
    expect(canonical(contentOfRaw(raw))).toBe(canonical(v1));
    expect(contentOfRaw({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a' }, data: { a: 'eA==' } })).toBeUndefined();
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'istio', namespace: 'istio-system' }, data: { mesh: 'a: 1' } };
    expect(contentOfRaw(map)?.body).toEqual({ data: { mesh: 'a: 1' } });
    expect(contentOfRaw({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'istio' }, spec: {} })).toBeUndefined();
  });
  it('leave out what kubectl keeps for itself', () => {
    const object = virtualService('v1');
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': '{}', mine: 'x' };
    expect(contentOf({ ...object, metadata: { ...object.metadata, annotations } }).metadata.annotations).toEqual({ mine: 'x' });
  });
});

describe('diff', () => {
  it('is unified, with three lines around', () => {
    const before = 'a\nb\nc\nd\ne\nf\ng\n';
    expect(unifiedDiff(before, 'a\nb\nc\nd\nE\nf\ng\n')).toBe('@@ -2,6 +2,6 @@\n b\n c\n d\n-e\n+E\n f\n g\n');
    expect(unifiedDiff(before, before)).toBe('');
    expect(unifiedDiff('', 'a\n')).toBe('@@ -0,0 +1 @@\n+a\n');
    expect(unifiedDiff('a\n', '')).toBe('@@ -1 +0,0 @@\n-a\n');
  });
  it('names created and deleted objects', () => {
    const text = diffChanges([
      { before: v1, after: v2 },
      { before: rule, after: undefined },
    ]);
    expect(text).toContain('--- a/shop/DestinationRule/reviews\n+++ /dev/null\n');
    expect(text).toContain('-            subset: v1\n+            subset: v2\n');
  });
});
