import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readManifests } from './files.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'xebec-manifests-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function written(name: string, content: string): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

it('reads all files of a folder, and names each that cannot be read', () => {
  written('good.yaml', 'apiVersion: v1\nkind: Service\nmetadata: { name: a }\n');
  const bad = written('bad.json', '{\n"apiVersion": "v1",\n"kind" "Service"\n');
  const link = join(folder, 'link.yaml');
  symlinkSync(join(folder, 'nowhere'), link);
  mkdirSync(join(folder, 'empty'));
  const { objects, problems } = readManifests([folder], { namespace: 'shop' });
  expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`)).toEqual(['Service shop/a']);
  expect(problems).toEqual([
    { file: bad, line: 3, message: expect.stringMatching(/^malformed JSON: Expected ':' after property name/) },
    { file: link, line: 1, message: expect.stringMatching(/^cannot be read: ENOENT/) },
  ]);
});

it('ends with what is not there at all', () => {
  expect(() => readManifests([join(folder, 'nowhere.yaml')], { namespace: 'shop' })).toThrow(/cannot read .*nowhere\.yaml/);
});
