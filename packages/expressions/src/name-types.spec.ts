import { expect, it } from 'vitest';
import { normalDnsName, normalEmail, normalUri, parseDnsName, parseEmail, parseUri } from './name-types.ts';

const accepted = (parse: (text: string) => string | undefined, texts: readonly string[]) =>
  texts.filter((text) => parse(text) !== undefined);

it('takes for DNS names what has labels', () => {
  const names = ['Example.COM', 'example.com.', 'bücher.example', 'a_b.example', '1.2.3.4'];
  expect(accepted(parseDnsName, [...names, '', '.', '.a', 'a..b', '-a.b', 'a-.b', 'ab--c.d'])).toEqual(names);
  expect(parseDnsName('xn--bcher-kva.example')).toBe('bücher.example');
});

it('takes for addresses what has a mailbox and no display name', () => {
  const addresses = ['a@B.example', '<a@b.example>', '"q r"@b.example', 'a+b@localhost', 'a@[1.2.3.4]', 'ä@b.example'];
  const others = ['', 'a', '@b', 'a@', 'a@b.', 'a@b..c', 'a b@c', 'X <a@b.example>', '<a@b.example', 'a@b (c)', 'a@-b.c', '.a@b'];
  expect(accepted(parseEmail, [...addresses, ...others])).toEqual(addresses);
});

it('takes for URIs all references but broken ones', () => {
  const references = [
    'http://a.b',
    '/rel',
    'a b',
    'mailto:x@y',
    'a:b:c',
    '#f',
    '?q',
    'http://[::1]/',
    '//h/x',
    '/a?b%zz',
    'http://u:p@h:80/',
  ];
  const others = ['', '://x', '%zz', '/%zz', '1a:b', 'http://a b/', 'http://a.b:x/', 'http://[::1', 'http://a%20b/', 'a\tb'];
  expect(accepted(parseUri, [...references, ...others])).toEqual(references);
});

it.each<[(text: string) => string | undefined, string, string, boolean]>([
  [normalDnsName, 'Example.com', 'EXAMPLE.com.', true],
  [normalDnsName, 'Bücher.example', 'xn--bcher-kva.example', true],
  [normalDnsName, 'a.example', 'b.example', false],
  [normalEmail, 'a@B.example', 'X <a@b.EXAMPLE>', true],
  [normalEmail, 'A@b.example', 'a@b.example', false],
  [normalUri, 'HTTP://A.b/x', 'http://a.B/x', true],
  [normalUri, 'http://a.b/ x#', 'http://a.b./%20x', true],
  [normalUri, 'http://a.b', 'http://a.b/', false],
  [normalUri, 'http://a.b/%7E', 'http://a.b/~', false],
  [normalUri, 'ftp://A.b/', 'ftp://a.b/', false],
])('%s: %s and %s', (normal, a, b, equal) => {
  expect(normal(a) === normal(b)).toBe(equal);
});

it('cannot compare what no host is named', () => {
  expect([normalDnsName('a_b'), normalEmail('a@b_c'), normalUri('http://a_b/')]).toEqual([undefined, undefined, undefined]);
});
