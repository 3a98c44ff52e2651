import { describe, expect, it } from 'vitest';
import { discovers } from './discovery-selectors.ts';

const namespaces = new Map([
  ['on', { mesh: 'on' }],
  ['team', { team: 'a' }],
  ['plain', {}],
]);
const chosen = (discoverySelectors: Parameters<typeof discovers>[0]['discoverySelectors']) => {
  const sees = discovers({ discoverySelectors }, namespaces);
  return [...namespaces.keys(), 'unknown', ''].filter(sees);
};

describe('discovers', () => {
  it('chooses every namespace without selectors', () => {
    expect(chosen(undefined)).toEqual(['on', 'team', 'plain', 'unknown', '']);
    expect(chosen([])).toEqual(['on', 'team', 'plain', 'unknown', '']);
  });
  it('chooses what any selector matches, and always what has no namespace', () => {
    expect(chosen([{ matchLabels: { mesh: 'on' } }, { matchLabels: { team: 'a' } }])).toEqual(['on', 'team', '']);
  });
  it.each([
    ['In', ['a', 'b'], ['team', '']],
    ['NotIn', ['a'], ['on', 'plain', '']],
    ['Exists', undefined, ['team', '']],
    ['DoesNotExist', undefined, ['on', 'plain', '']],
    ['Near', ['a'], ['']],
  ])('reads the operator %s', (operator, values, expected) => {
    expect(chosen([{ matchExpressions: [{ key: 'team', operator, values }] }])).toEqual(expected);
  });
});
