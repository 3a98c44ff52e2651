import { readdirSync, readFileSync } from 'node:fs';
import { checkObject, decodeObject } from '@xebec/schemas';
import { expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { adapters } from '../adapters.ts';

const root = new URL('../../../../', import.meta.url);
const pages = ['docs/guides/rate-limits.md', 'docs/reference/mixer-adapters.md'].map((page) => readFileSync(new URL(page, root), 'utf8'));
const samples = new URL('samples/rate-limits/policy/', root);
const texts = [
  // In blocks of their own, and in what a command is given.
  ...pages.flatMap((page) => [...page.matchAll(/```yaml\n(.*?)```|<<'EOF'\n(.*?)\nEOF/gs)].map(([, block, given = '']) => block ?? given)),
  ...readdirSync(samples).map((name) => readFileSync(new URL(name, samples), 'utf8')),
];
const documents = texts
  .flatMap((text) => parseAllDocuments(text).map((document): unknown => document.toJS()))
  .filter((document) => typeof document === 'object' && document !== null && 'apiVersion' in document);

it('has what it promises', () => expect(documents.length).toBeGreaterThanOrEqual(8));
it.each(documents)('%j is valid', (document) => {
  const decoded = decodeObject(document);
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
  expect(checkObject(decoded.value).errors).toEqual([]);
  if (decoded.value.kind !== 'handler') return;
  const { compiledAdapter, params } = decoded.value.spec as { readonly compiledAdapter: string; readonly params: unknown }; // decoded by its kind
  expect(adapters.get(compiledAdapter)?.check(params)).toEqual([]);
});
