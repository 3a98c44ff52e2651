import { describe, expect, it } from 'vitest';
import type { Refusal } from '../refusal.ts';
import { parseXfcc } from '../xfcc.ts';

const GOOD = 'By=spiffe://a/ns/x/sa/y;Hash=ab12;Subject="CN=\\"q\\",O=x";URI=spiffe://a/ns/x/sa/z;DNS=one;DNS=two';

const judge = (header: string): Refusal | 'accepted' => {
  const result = parseXfcc(header);
  return result.ok ? 'accepted' : result.error;
};

describe('x-forwarded-client-cert', () => {
  it('is read as Envoy writes it', () => {
    expect(parseXfcc(`${GOOD},By=b;URI=spiffe://a/ns/x/sa/w`)).toEqual({
      ok: true,
      value: [
        { by: ['spiffe://a/ns/x/sa/y'], hash: 'ab12', subject: 'CN="q",O=x', uris: ['spiffe://a/ns/x/sa/z'], dnsNames: ['one', 'two'] },
        { by: ['b'], uris: ['spiffe://a/ns/x/sa/w'], dnsNames: [] },
      ],
    });
    expect(parseXfcc('Hash=1, Hash=2')).toMatchObject({ ok: true, value: [{ hash: '1' }, { hash: '2' }] });
    expect(parseXfcc('By=;URI=')).toEqual({ ok: true, value: [{ by: [''], uris: [], dnsNames: [] }] });
  });

  it.each<[string, string, RegExp]>([
    ['nothing', '', /no key with a value/],
    ['no value', 'Hash', /"Hash" at byte 0/],
    ['an empty element', `${GOOD},`, /"" at byte/],
    ['an empty pair', 'Hash=1;;URI=x', /"" at byte|;URI/],
    ['a quote without end', 'Subject="CN=x', /has no end/],
    ['a quote that ends in an escape', 'Subject="CN=x\\"', /has no end/],
    ['something behind a quote', 'Subject="a"b', /follows the quoted value/],
    ['an equals sign without quotes', 'URI=spiffe://a/b=c', /wants quotes/],
    ['a quote in the middle', 'URI=a"b', /wants quotes/],
    ['a key that is none', 'Evil=1', /"Evil" is no key/],
    ['a key with other characters', 'U RI=1', /"U RI" at byte/],
    ['a hash twice', 'Hash=1;Hash=2', /hash twice/],
    ['a subject twice, in another case', 'Subject=1;SUBJECT=2', /subject twice/],
    ['too many elements', Array.from({ length: 65 }, () => 'Hash=1').join(','), /more than 64 elements/],
    ['too many pairs', Array.from({ length: 65 }, () => 'URI=1').join(';'), /more than 64 pairs/],
    ['more than 64 kB', `URI=${'a'.repeat(70_000)}`, /at most 65536/],
  ])('is refused with %s', (_name, header, message) => {
    expect(judge(GOOD)).toBe('accepted');
    expect(judge(header)).toMatchObject({ code: 'E_XFCC', message: expect.stringMatching(message) });
  });
});
