import { describe, expect, it } from 'vitest';
import { decodeObject, durationMs, kinds } from './index.ts';

const virtualService = (spec: unknown, apiVersion = 'networking.istio.io/v1') => ({
  apiVersion,
  kind: 'VirtualService',
  metadata: { name: 'reviews' },
  spec,
});

describe('decodeObject', () => {
  it('gives a typed object with metadata defaults', () => {
    const result = decodeObject(
      virtualService({ hosts: ['reviews'], http: [{ route: [{ destination: { host: 'reviews', subset: 'v1' } }] }] }),
      {
        defaultNamespace: 'default',
      },
    );
    expect(result).toMatchObject({
      ok: true,
      value: { kind: 'VirtualService', metadata: { name: 'reviews', namespace: 'default', labels: {} } },
    });
  });

  it('names every unknown field with its path and the nearest right spelling', () => {
    const result = decodeObject(virtualService({ hosst: ['reviews'], http: [{ ruote: [], match: [{ headers: { a: { exakt: 'x' } } }] }] }));
    expect(result.ok ? [] : result.error.map((violation) => [violation.path, violation.suggestion])).toEqual([
      ['spec.http[0].match[0].headers.a.exakt', 'exact'],
      ['spec.http[0].ruote', 'route'],
      ['spec.hosst', 'hosts'],
    ]);
  });

  it('says what a missing or mistyped field wants', () => {
    const result = decodeObject(virtualService({ http: [{ route: [{ destination: {} }], timeout: '7 seconds' }], gateways: 'mesh' }));
    expect(result.ok ? [] : result.error.map((violation) => `${violation.path}: ${violation.message}`)).toEqual([
      'spec.gateways: "mesh" is text; expected a list: begin each item with "- "',
      'spec.http[0].route[0].destination.host: required field is missing',
      'spec.http[0].timeout: "7 seconds" is not a duration: write a number and a unit, such as 500ms, 7s or 1h30m',
    ]);
  });

  it('says where a field belongs that wrong indentation has brought elsewhere', () => {
    const result = decodeObject({
      ...virtualService({ http: [{ match: [{ prefix: '/a', timeout: '1s' }], '-route': [], timeout: 5 }], match: [] }),
      gateways: ['a'],
    });
    expect(result.ok ? [] : result.error.map((violation) => `${violation.path}: ${violation.message}`)).toEqual([
      'gateways: unknown field "gateways"; it belongs below "spec": indent it further',
      'spec.http[0].match[0].prefix: unknown field "prefix"; it belongs below "uri" or "scheme" or "method" or "authority": indent it further',
      'spec.http[0].match[0].timeout: unknown field "timeout"; it belongs to spec.http[0]: indent it less',
      'spec.http[0].timeout: 5 has no unit: write 5s, or another unit such as ms or m',
      'spec.http[0].-route: unknown field "-route"; a space is missing after "-"',
      'spec.match: unknown field "match"; it belongs below "http" or "tls" or "tcp": indent it further',
    ]);
  });

  it('suggests the kind or the version that exists', () => {
    expect(decodeObject({ apiVersion: 'networking.istio.io/v1', kind: 'VirtualServise', metadata: { name: 'x' } })).toMatchObject({
      error: [{ path: 'kind', suggestion: 'VirtualService' }],
    });
    expect(decodeObject(virtualService({}, 'networking.istio.io/v2'))).toMatchObject({ error: [{ path: 'apiVersion' }] });
  });
});

it('reads durations as Go and protobuf JSON write them', () => {
  expect(['7s', '100ms', '1h30m', '0.5s', '0s', '0'].map(durationMs)).toEqual([7000, 100, 5_400_000, 500, 0, 0]);
  expect(['7', 's', '7 s', ''].map(durationMs)).toEqual([undefined, undefined, undefined, undefined]);
});

it('names every kind and collection once', () => {
  expect(new Set(kinds.map((kind) => kind.kind)).size).toBe(kinds.length);
  expect(new Set(kinds.map((kind) => kind.collection)).size).toBe(kinds.length);
});

it('takes an object that the API server is still to name', () => {
  const object = { apiVersion: 'networking.istio.io/v1', kind: 'Sidecar', metadata: { generateName: 'a-' }, spec: {} };
  expect(decodeObject(object).ok).toBe(true);
  expect(decodeObject({ ...object, metadata: {} })).toMatchObject({ ok: false, error: [{ path: 'metadata.name' }] });
});
