import { expect, test } from 'vitest';
import { fieldCaseOf } from './field-cases.ts';
import { FieldLines } from './http1/field-lines.ts';
import { properCaseWords } from './http1/options.ts';

test('names are written as they came, the first spelling of each', () => {
  const fieldCase = fieldCaseOf('X-MiXeD: 1\r\nx-MIXED: 2\r\nHOST: a', undefined);
  expect(['x-mixed', 'host', 'x-envoy-a'].map(fieldCase)).toEqual(['X-MiXeD', 'HOST', 'x-envoy-a']);
  expect(fieldCaseOf('a: b', properCaseWords)('x-envoy-a')).toBe('X-Envoy-A');
});

test('lines of one connection change with each message', () => {
  const lines = new FieldLines(undefined);
  const section = ['x-a', '1', 'x-a', '1'];
  lines.begin(fieldCaseOf('X-a: 1', undefined));
  expect(lines.of(section)).toBe('X-a: 1\r\nX-a: 1\r\n');
  lines.begin(undefined);
  expect([lines.of(section), lines.lengthName]).toEqual(['x-a: 1\r\nx-a: 1\r\n', 'content-length: ']);
});
