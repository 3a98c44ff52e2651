import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { allJsonSchema, findKind, kinds, settingsJsonSchemas, toJsonSchema } from './index.ts';
import { NO_EFFECT } from './mesh-config/proxy-http.ts';

const folder = join(import.meta.dirname, '../cases');
const document = z.looseObject({ apiVersion: z.string(), kind: z.string(), spec: z.record(z.string(), z.unknown()) });
const bases = readdirSync(folder).map((name) => {
  const { base } = z.looseObject({ base: document }).parse(parse(readFileSync(join(folder, name), 'utf8')));
  return { name, base };
});
// Strict mode would want types repeated beside enums and in each branch.
const ajv = new Ajv({ strict: false, allErrors: true });
const all = ajv.compile(allJsonSchema());

describe.each(bases)('$name', ({ base }) => {
  const kind = findKind(base.apiVersion, base.kind);
  const own = ajv.compile(kind === undefined ? false : toJsonSchema(kind));

  it('is valid by the schema of its kind and by that of all', () => {
    expect({ valid: own(base), errors: own.errors }).toEqual({ valid: true, errors: null });
    expect({ valid: all(base), errors: all.errors }).toEqual({ valid: true, errors: null });
  });
  it.each([
    { change: 'an unknown field of its spec', changed: { ...base, spec: { ...base.spec, hostss: ['a'] } } },
    { change: 'an unknown field of its own', changed: { ...base, specs: {} } },
    { change: 'a spec of another type', changed: { ...base, spec: ['a'] } },
    { change: 'a version that it does not have', changed: { ...base, apiVersion: base.apiVersion.replace(/\/.*/, '/v9') } },
    { change: 'no metadata', changed: { ...base, metadata: undefined } },
  ])('is not with $change', ({ changed }) => {
    expect(own(JSON.parse(JSON.stringify(changed)))).toBe(false);
    expect(all(JSON.parse(JSON.stringify(changed)))).toBe(false);
  });
});

it('has an example of every kind with a schema of its own', () => {
  const own = kinds.filter(({ readAs }) => readAs === undefined);
  expect(new Set(bases.map(({ base }) => base.kind))).toEqual(new Set(own.map(({ kind }) => kind)));
});

it('lets objects of other APIs through, and no unknown kind of the mesh', () => {
  expect(all({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' }, spec: { replicas: 1 } })).toBe(true);
  expect(all({ apiVersion: 'networking.istio.io/v1', kind: 'VirtualServise', metadata: { name: 'a' } })).toBe(false);
  expect(all({ kind: 'VirtualService' })).toBe(false);
});

it('says what a duration is', () => {
  const mesh = ajv.compile(settingsJsonSchemas()['MeshConfig'] ?? false);
  expect(['7s', '100ms', '1h30m', '0.5s', '0', '-1s'].filter((connectTimeout) => !mesh({ connectTimeout }))).toEqual([]);
  expect(['7', 's', '5 s', '1d', ''].filter((connectTimeout) => mesh({ connectTimeout }))).toEqual([]);
});

it('lets the names of the .proto files through, as admission does, and no others with underscores', () => {
  const rule = (retries: object) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'a' },
    spec: { http: [{ retries }] },
  });
  expect(all(rule({ retry_on: '5xx', perTryTimeout: '2s' }))).toBe(true);
  expect(all(rule({ retry_in: '5xx' }))).toBe(false);
});

it('describes every field, in the reference of editors and of kubectl', () => {
  const schemas = [...kinds.map((kind) => [kind.kind, toJsonSchema(kind)] as const), ...Object.entries(settingsJsonSchemas())];
  const without = schemas.flatMap(([name, schema]) =>
    undescribed(name === 'MeshConfig' || name === 'MeshNetworks' ? schema : specOf(schema), name),
  );
  expect(without).toEqual([]);
});

const fields = z.looseObject({
  description: z.string().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  items: z.unknown().optional(),
  additionalProperties: z.unknown().optional(),
});

function specOf(schema: unknown): unknown {
  return fields.parse(schema).properties?.['spec'];
}

function undescribed(schema: unknown, path: string): string[] {
  const parsed = fields.safeParse(schema);
  if (!parsed.success) return [];
  const { additionalProperties, items, properties = {} } = parsed.data;
  return [
    ...Object.entries(properties).flatMap(([name, value]) => [
      ...(fields.parse(value).description === undefined ? [`${path}.${name}`] : []),
      ...(fields.parse(value).description === NO_EFFECT ? [] : undescribed(value, `${path}.${name}`)),
    ]),
    ...undescribed(items, `${path}[]`),
    ...undescribed(additionalProperties, `${path}{}`),
  ];
}
