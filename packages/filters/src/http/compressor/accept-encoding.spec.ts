import { expect, it } from 'vitest';
import { chooseEncoding } from './accept-encoding.ts';

const all = ['gzip', 'br', 'zstd'].map((encoding) => ({ encoding, chooseFirst: false }));

it.each([
  ['gzip, br', { kind: 'compressor', encoding: 'gzip' }],
  ['gzip;q=0.5, br;q=0.9', { kind: 'compressor', encoding: 'br' }],
  ['gzip;q=0', { kind: 'not-valid' }],
  ['*', { kind: 'wildcard', encoding: 'gzip' }],
  ['identity, gzip', { kind: 'identity' }],
  ['deflate', { kind: 'not-valid' }],
  ['gzip;q=x', { kind: 'not-valid' }],
  ['', { kind: 'not-valid' }],
])('of "%s" chooses %o', (accepts, expected) => expect(chooseEncoding(accepts, all)).toEqual(expected));

it('takes the compressor that is to be chosen first where the client likes it as well', () => {
  const candidates = [
    { encoding: 'gzip', chooseFirst: false },
    { encoding: 'br', chooseFirst: true },
  ];
  expect(chooseEncoding('gzip, br', candidates)).toEqual({ kind: 'compressor', encoding: 'br' });
  expect(chooseEncoding('gzip, br;q=0.5', candidates)).toEqual({ kind: 'compressor', encoding: 'gzip' });
});
