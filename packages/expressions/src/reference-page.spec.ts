import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { FUNCTIONS } from './functions.ts';
import { VALUE_TYPES } from './value.ts';

it('names every function and type in the reference', () => {
  const page = readFileSync(new URL('../../../docs/reference/mixer-expressions.md', import.meta.url), 'utf8');
  expect([...FUNCTIONS.keys(), 'conditional'].filter((name) => !page.includes(`${name}(`))).toEqual([]);
  expect(VALUE_TYPES.filter((type) => !page.includes(type))).toEqual([]);
});
