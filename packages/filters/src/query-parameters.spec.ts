import { expect, it } from 'vitest';
import { QueryParameters } from './query-parameters.ts';

it('keeps what it is not asked to change, in the order of the names', () => {
  const query = new QueryParameters('/p?b=%20x&a&b=2&c=3');
  query.set('a', 'new');
  query.add('d', 'x y#z');
  query.delete('c');
  expect(query.toPath()).toBe('/p?a=new&b=%20x&b=2&d=x%20y%23z');
  expect([query.has('a'), query.has('c')]).toEqual([true, false]);
});
it('leaves a path without a query alone', () => {
  const query = new QueryParameters('/p');
  query.delete('a');
  expect(query.toPath()).toBe('/p');
});
