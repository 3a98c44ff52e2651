import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { analysisPage } from './analysis.ts';
import { extensionsInCode } from './extension-code.ts';
import { filtersPage } from './filters.ts';
import { flagsPage } from './flags.ts';
import { fieldRows, kindsPage } from './kinds.ts';

const root = join(import.meta.dirname, '../../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** When one of these fails: `npm run gen`, and commit the page with the change that made it differ. */
describe('generated reference pages are up to date', () => {
  it('analysis.md', () => expect(read('docs/reference/analysis.md')).toBe(analysisPage()));
  it('kinds.md', () => expect(read('docs/reference/kinds.md')).toBe(kindsPage()));
  it('filters.md', () =>
    expect(read('docs/reference/filters.md')).toBe(filtersPage(read('packages/filters/README.md'), extensionsInCode(root))));
  it('flags.md', async () => expect(read('docs/reference/flags.md')).toBe(await flagsPage(root)), 90_000);
});

it('lists fields with their parents first and marks required ones', () => {
  const schema = {
    type: 'object',
    required: ['hosts'],
    properties: {
      hosts: { type: 'array', items: { type: 'string' }, description: 'a | b' },
      http: { type: 'array', items: { type: 'object', properties: { port: { type: 'integer', minimum: 1, maximum: 9 } } } },
      labels: { type: 'object', additionalProperties: { type: 'string' } },
    },
  };
  expect(fieldRows(schema, 'spec')).toEqual([
    '| `spec.hosts` * | list of string | a \\| b |',
    '| `spec.http` | list of object |  |',
    '| `spec.http[].port` | integer, 1 to 9 |  |',
    '| `spec.labels` | map to string |  |',
  ]);
});
