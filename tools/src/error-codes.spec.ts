import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { codesInPage, codesInSource } from './error-codes.ts';

const root = join(import.meta.dirname, '../..');
const sources = globSync(['packages/*/src/**/*.ts', 'apps/**/src/**/*.ts', 'apps/**/bin/*.ts'], {
  cwd: root,
  exclude: (name) => name.endsWith('.spec.ts') || name.includes('node_modules'),
});

/** Folder of the package or app → codes that it raises. */
const raised = new Map<string, Set<string>>();
for (const file of sources) {
  const folder = file.split('/').slice(0, 2).join('/');
  const codes = raised.get(folder) ?? new Set();
  for (const code of codesInSource(readFileSync(join(root, file), 'utf8'))) codes.add(code);
  raised.set(folder, codes);
}
const documented = codesInPage(readFileSync(join(root, 'docs/reference/errors.md'), 'utf8'));

describe('docs/reference/errors.md', () => {
  it('has every code of the sources once, and no other', () => {
    const all = [...new Set([...raised.values()].flatMap((codes) => [...codes]))].sort();
    expect(documented.map((row) => row.code).sort()).toEqual(all);
  });
  it('names only folders that raise a code', () => {
    const stale = documented.flatMap(({ code, folders }) =>
      folders.filter((folder) => raised.get(folder)?.has(code) !== true).map((folder) => `${code}: ${folder}`),
    );
    expect(stale).toEqual([]);
  });
});

it('reads whole literals only', () => {
  expect(codesInSource(`new XebecError('E_A1', x); error.code === 'E_A1'; env['SERVICE_NAME']; 'WE_B'`)).toEqual(['E_A1']);
});
it('reads the rows of a page', () => {
  expect(codesInPage('| code | in |\n|---|---|\n| `E_A` | daemon, apps/pilot | x |\n')).toEqual([
    { code: 'E_A', folders: ['packages/daemon', 'apps/pilot'] },
  ]);
});
