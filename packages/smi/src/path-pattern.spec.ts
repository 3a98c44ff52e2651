import { expect, it } from 'vitest';
import { patternsOf } from './path-pattern.ts';

it.each([
  ['/metrics', ['/metrics']],
  ['^/metrics$', ['/metrics']],
  ['.*', ['*']],
  ['/api/.*', ['/api/*']],
  ['.*\\.png', ['*.png']],
  ['/a|/b', ['/a', '/b']],
  ['/(a|b)/c', ['/a/c', '/b/c']],
  ['/(?:a|b(c|d))/.*', ['/a/*', '/bc/*', '/bd/*']],
  ['/x\\.y\\-z', ['/x.y-z']],
])('%s is said by patterns', (regex, patterns) => expect(patternsOf(regex)).toEqual(patterns));

it.each(['', '/a.b', '/a+', '/v[12]', '.*a.*', '/a?', '/\\d', '/(a|b)*', '/(a', '/a)', '/{x}', '\\*', '/a\\*', '.+', '/[a|b]'])(
  '%s is not',
  (regex) => expect(patternsOf(regex)).toBeUndefined(),
);

it('gives up on expressions with too many alternatives', () => {
  expect(patternsOf('(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)')).toBeUndefined();
});
