import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeObject, kinds } from '@xebec/schemas';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { type ApiServer, createApiServer } from '../kubernetes-platform/api-server.ts';
import { eventually } from '../src/daemon-process.ts';

/** The embedded API server; the real one where KUBE_APISERVER and ETCD name binaries. */
let server: ApiServer;

const ROOT = join(import.meta.dirname, '../..');
const CASES = join(ROOT, 'packages/schemas/cases');
const object = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({}),
});
const samples = readdirSync(CASES)
  .filter((name) => name.endsWith('.yaml'))
  .map((file) => {
    const { base } = z.looseObject({ base: object }).parse(parse(readFileSync(join(CASES, file), 'utf8')));
    const name = file.replace(/\.yaml$/, '');
    // kubectl leaves out fields that are null.
    const spec = object.shape.spec.parse(withoutNulls(base.spec));
    return { file, manifest: { ...base, spec, metadata: { ...base.metadata, name, namespace: 'shop' } } };
  });
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, entry]) => entry !== null)
      .map(([key, entry]) => [key, withoutNulls(entry)]),
  );
}

const definition = z.looseObject({
  status: z.looseObject({ conditions: z.array(z.looseObject({ type: z.string(), status: z.string(), message: z.string().optional() })) }),
});

const json = async (...args: string[]): Promise<unknown> => JSON.parse(await server.kubectl(...args, '-o', 'json'));

beforeAll(async () => {
  server = createApiServer();
  await server.start();
  await server.kubectl('create', 'namespace', 'shop');
  await server.kubectl('apply', '--server-side', '-f', join(ROOT, 'deploy/crds'));
}, 120_000);
afterAll(() => server.close());

describe.each(kinds.map(({ kind, group, plural, shortNames }) => ({ kind, group, plural, shortNames })))(
  'the CRD of $kind',
  ({ group, plural, shortNames }) => {
    it('is accepted and structural', async () => {
      const conditions = await eventually(`${plural} to be established`, async () => {
        const parsed = definition.safeParse(await json('get', 'crd', `${plural}.${group}`));
        const found = parsed.success ? parsed.data.status.conditions : [];
        return found.some(({ type, status }) => type === 'Established' && status === 'True') ? found : undefined;
      });
      expect(conditions.filter(({ type, status }) => type === 'NonStructuralSchema' && status === 'True')).toEqual([]);
      expect(conditions).toContainEqual(expect.objectContaining({ type: 'NamesAccepted', status: 'True' }));
    });
    it.each(shortNames)('has the short name %s', async (name) => {
      expect(await json('get', name, '-n', 'shop')).toMatchObject({ kind: 'List' });
    });
  },
);

describe.each(samples)('$file', ({ manifest }) => {
  const group = manifest.apiVersion.replace(/\/.*/, '');
  const kind = kinds.find((known) => known.kind === manifest.kind && known.group === group);
  const resource = `${kind?.plural}.${group}`;

  it('comes back from the API server as it went in, and decodes to the same in every version', async () => {
    await server.apply([manifest]);
    const sent = decodeObject(manifest);
    expect(sent.ok).toBe(true);
    for (const version of kind?.versions ?? []) {
      const stored = object.parse(await json('get', `${kind?.plural}.${version}.${group}`, manifest.metadata.name, '-n', 'shop'));
      expect(stored.spec).toEqual(manifest.spec);
      const decoded = decodeObject(stored);
      expect(decoded.ok && sent.ok ? decoded.value.spec : decoded).toEqual(sent.ok ? sent.value.spec : undefined);
    }
  });
  it('has a status of its own, which a change of the spec does not touch', async () => {
    const { name } = manifest.metadata;
    const patch = (value: object) => ['--type=merge', '-p', JSON.stringify(value)];
    await server.kubectl('patch', resource, name, '-n', 'shop', '--subresource=status', ...patch({ status: { observedGeneration: 3 } }));
    await server.kubectl('annotate', resource, name, '-n', 'shop', 'touched=yes');
    expect(await json('get', resource, name, '-n', 'shop')).toMatchObject({ status: { observedGeneration: 3 }, spec: manifest.spec });
  });
  it('is listed in the columns of its kind', async () => {
    const listed = await server.kubectl('get', resource, '-n', 'shop');
    const columns = (kind?.printerColumns ?? []).map((column) => column.name.toUpperCase());
    expect(listed.split('\n')[0]?.split(/\s{2,}/)).toEqual(['NAME', ...columns]);
  });
});
