import { describe, expect, it } from 'vitest';
import { serverSideApply } from './apply-merge.ts';
import { BUILTIN_RESOURCES } from './builtin-resources.ts';
import { applyJsonPatch, applyMergePatch } from './json-patch.ts';
import type { KubeObject } from './object.ts';
import { applyStrategicMerge } from './strategic-merge.ts';

describe('strategic merge', () => {
  const pod = {
    spec: {
      containers: [
        { name: 'a', image: '1', env: [{ name: 'X', value: '1' }] },
        { name: 'b', image: '1' },
      ],
    },
  };
  it('merges lists by key and leaves others alone', () => {
    const patched = applyStrategicMerge(pod, { spec: { containers: [{ name: 'a', image: '2' }] } });
    expect(patched).toEqual({
      spec: {
        containers: [
          { name: 'a', image: '2', env: [{ name: 'X', value: '1' }] },
          { name: 'b', image: '1' },
        ],
      },
    });
  });
  it('deletes items and orders them', () => {
    const patch = {
      spec: {
        '$setElementOrder/containers': [{ name: 'c' }, { name: 'b' }],
        containers: [
          { name: 'a', $patch: 'delete' },
          { name: 'c', image: '3' },
        ],
      },
    };
    expect(applyStrategicMerge(pod, patch)).toEqual({
      spec: {
        containers: [
          { name: 'c', image: '3' },
          { name: 'b', image: '1' },
        ],
      },
    });
  });
  it('replaces and retains on demand', () => {
    expect(applyStrategicMerge({ a: { x: 1, y: 2 } }, { a: { $patch: 'replace', z: 3 } })).toEqual({ a: { z: 3 } });
    expect(applyStrategicMerge({ a: { x: 1, y: 2 } }, { a: { $retainKeys: ['x'], x: 5 } })).toEqual({ a: { x: 5 } });
  });
});

describe('merge and JSON patch', () => {
  it('null takes away', () => expect(applyMergePatch({ a: 1, b: { c: 1 } }, { a: null, b: { d: 2 } })).toEqual({ b: { c: 1, d: 2 } }));
  it('a failed test is a 422', () =>
    expect(() => applyJsonPatch({ a: 1 }, [{ op: 'test', path: '/a', value: 2 }])).toThrow(/rejected our request/));
  it('takes no prototype keys', () =>
    expect(applyMergePatch({}, JSON.parse('{"__proto__":{"polluted":1}}'))).not.toHaveProperty('polluted'));
});

describe('server-side apply', () => {
  const resource = BUILTIN_RESOURCES.find(({ id }) => id === 'configmaps');
  const config = (data: Record<string, string>): KubeObject => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data });
  const by = (manager: string) => ({ manager, time: '2026-01-01T00:00:00Z' });
  it('takes away what its manager no longer applies, refuses what others own', () => {
    if (resource === undefined) throw new Error('no configmaps');
    const first = serverSideApply(undefined, config({ a: '1', b: '1' }), resource, by('x'), false);
    const second = serverSideApply(first, config({ a: '2' }), resource, by('x'), false);
    expect(second['data']).toEqual({ a: '2' });
    expect(() => serverSideApply(second, config({ a: '3' }), resource, by('y'), false)).toThrow(
      'Apply failed with 1 conflict: conflict with "x": .data.a',
    );
    expect(serverSideApply(second, config({ a: '3' }), resource, by('y'), true)['data']).toEqual({ a: '3' });
  });
});
