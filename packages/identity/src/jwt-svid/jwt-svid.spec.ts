import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { unwrap } from '../refusal.ts';
import { parseSpiffeId } from '../spiffe-id.ts';
import { issueJwtSvid, jwtTtlMs } from './issue.ts';
import { signingKey, stepKeyRing } from './key-ring.ts';
import { jwtKeySet, parseJwtKeySet } from './key-set.ts';
import { validateJwtSvid } from './validate.ts';

const NOW = Date.UTC(2030, 0, 1);
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const subject = unwrap(parseSpiffeId('spiffe://a.test/ns/shop/sa/cart')).id;
const set = jwtKeySet([
  { kid: 'ec', publicKey: ec.publicKey },
  { kid: 'rsa', publicKey: rsa.publicKey },
]);
const rules = { keys: new Map([['a.test', unwrap(parseJwtKeySet(set))]]), audience: 'db', now: NOW };
const CLAIMS = { sub: subject, aud: ['db'], exp: NOW / 1000 + 60, iat: NOW / 1000 };
const HEADER = { alg: 'ES256', kid: 'ec', typ: 'JWT' };
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

function token(header: object, claims: object, key: KeyObject = ec.privateKey): string {
  const input = `${encode(header)}.${encode(claims)}`;
  const options = key.asymmetricKeyType === 'ec' ? { key, dsaEncoding: 'ieee-p1363' as const } : { key };
  return `${input}.${sign('sha256', Buffer.from(input), options).toString('base64url')}`;
}
const hmac = (secret: string | Buffer) => {
  const input = `${encode({ ...HEADER, alg: 'HS256' })}.${encode(CLAIMS)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
};
const good = token(HEADER, CLAIMS);
const [head = '', body = '', signature = ''] = good.split('.');

describe('JWT-SVID', () => {
  it.each([
    ['ec', ec.privateKey, 'ES256'],
    ['rsa', rsa.privateKey, 'RS256'],
  ])('of a key %s is valid for its audience and says no more than the standard asks', (kid, privateKey, algorithm) => {
    const svid = unwrap(issueJwtSvid({ kid, privateKey }, { subject, audience: ['db', 'cache'], ttlMs: 60_000, now: NOW }));
    const valid = unwrap(validateJwtSvid(svid.token, rules));
    expect(valid.id.id).toBe(subject);
    expect(valid.claims).toEqual({ sub: subject, aud: ['db', 'cache'], exp: NOW / 1000 + 60, iat: NOW / 1000 });
    expect(JSON.parse(Buffer.from(svid.token.split('.')[0] ?? '', 'base64url').toString())).toEqual({ alg: algorithm, kid, typ: 'JWT' });
  });

  it.each([
    ['one audience as a text', token(HEADER, { ...CLAIMS, aud: 'db' })],
    ['no type', token({ alg: 'ES256', kid: 'ec' }, CLAIMS)],
    ['no key ID', token({ alg: 'ES256' }, CLAIMS)],
    ['claims of its own', token(HEADER, { ...CLAIMS, more: { a: 1 } })],
  ])('with %s is accepted', (_name, text) => {
    expect(validateJwtSvid(text, rules).ok).toBe(true);
  });

  it.each([
    ['E_JWT_FORMAT', 'two parts', `${head}.${body}`],
    ['E_JWT_FORMAT', 'JSON serialisation', JSON.stringify({ payload: body, signature, protected: head })],
    ['E_JWT_FORMAT', 'a header that is a list', `${encode([])}.${body}.${signature}`],
    ['E_JWT_FORMAT', 'padding', `${head}=.${body}.${signature}`],
    ['E_JWT_FORMAT', 'claims that are no JSON', `${head}.AAAA.${signature}`],
    ['E_JWT_FORMAT', 'more than 16 kB', token(HEADER, { ...CLAIMS, pad: 'x'.repeat(20_000) })],
    ['E_JWT_FORMAT', 'another type', token({ ...HEADER, typ: 'at+jwt' }, CLAIMS)],
    ['E_JWT_FORMAT', 'critical parameters', token({ ...HEADER, crit: ['b64'], b64: false }, CLAIMS)],
    ['E_JWT_ALGORITHM', 'alg none', `${encode({ ...HEADER, alg: 'none' })}.${body}.`],
    ['E_JWT_ALGORITHM', 'no alg', token({ kid: 'ec' }, CLAIMS)],
    ['E_JWT_ALGORITHM', 'an HMAC with the public key', hmac(rsa.publicKey.export({ format: 'pem', type: 'spki' }))],
    ['E_JWT_ALGORITHM', 'alg in another case', token({ ...HEADER, alg: 'es256' }, CLAIMS)],
    ['E_JWT_SIGNATURE', "another domain's key", token(HEADER, CLAIMS, other.privateKey)],
    ['E_JWT_SIGNATURE', 'an algorithm that does not go with the key', token({ ...HEADER, alg: 'RS256' }, CLAIMS, rsa.privateKey)],
    ['E_JWT_SIGNATURE', 'no signature', `${head}.${body}.`],
    ['E_JWT_SIGNATURE', 'other claims', `${head}.${encode({ ...CLAIMS, aud: ['admin', 'db'] })}.${signature}`],
    ['E_JWT_SIGNATURE', 'a signature cut off', `${head}.${body}.${signature.slice(0, 40)}`],
    ['E_JWT_KEY', 'an unknown key ID', token({ ...HEADER, kid: 'x' }, CLAIMS)],
    ['E_JWT_SUBJECT', 'no subject', token(HEADER, { ...CLAIMS, sub: undefined })],
    ['E_JWT_SUBJECT', 'a subject that is no SPIFFE ID', token(HEADER, { ...CLAIMS, sub: 'cart' })],
    ['E_JWT_SUBJECT', 'a trust domain as subject', token(HEADER, { ...CLAIMS, sub: 'spiffe://a.test' })],
    ['E_SVID_TRUST_DOMAIN', 'another trust domain', token(HEADER, { ...CLAIMS, sub: 'spiffe://b.test/x' })],
    ['E_JWT_AUDIENCE', 'another audience', token(HEADER, { ...CLAIMS, aud: ['cache'] })],
    ['E_JWT_AUDIENCE', 'an audience that only starts so', token(HEADER, { ...CLAIMS, aud: ['db2'] })],
    ['E_JWT_AUDIENCE', 'no audience', token(HEADER, { ...CLAIMS, aud: undefined })],
    ['E_JWT_AUDIENCE', 'an empty list of audiences', token(HEADER, { ...CLAIMS, aud: [] })],
    ['E_JWT_AUDIENCE', 'numbers as audience', token(HEADER, { ...CLAIMS, aud: [1, 'db'] })],
    ['E_JWT_EXPIRED', 'its time over', token(HEADER, { ...CLAIMS, exp: NOW / 1000 })],
    ['E_JWT_EXPIRED', 'no expiry', token(HEADER, { ...CLAIMS, exp: undefined })],
    ['E_JWT_EXPIRED', 'an expiry in words', token(HEADER, { ...CLAIMS, exp: '2099' })],
    ['E_JWT_NOT_YET_VALID', 'nbf to come', token(HEADER, { ...CLAIMS, nbf: NOW / 1000 + 3600 })],
    ['E_JWT_NOT_YET_VALID', 'iat to come', token(HEADER, { ...CLAIMS, iat: NOW / 1000 + 3600 })],
  ])('is refused with %s: %s', (code, _name, text) => {
    expect(validateJwtSvid(text, rules)).toMatchObject({ ok: false, error: { code } });
  });

  it('is issued for at least one audience, with a life up to the maximum', () => {
    const key = { kid: 'ec', privateKey: ec.privateKey };
    for (const audience of [[], [''], Array.from({ length: 33 }, (_, i) => `a${i}`)])
      expect(issueJwtSvid(key, { subject, audience, ttlMs: 1, now: NOW })).toMatchObject({ error: { code: 'E_JWT_AUDIENCE' } });
    const policy = { defaultTtlMs: 300_000, maxTtlMs: 3_600_000 };
    expect(jwtTtlMs(0n, policy)).toEqual({ ok: true, value: 300_000 });
    expect(jwtTtlMs(3600n, policy)).toEqual({ ok: true, value: 3_600_000 });
    for (const seconds of [-1n, 3601n]) expect(jwtTtlMs(seconds, policy)).toMatchObject({ error: { code: 'E_JWT_TTL' } });
  });
});

describe('key set', () => {
  it('never shows a private part', () => {
    expect(jwtKeySet([{ kid: 'x', publicKey: ec.privateKey }])).not.toContain('"d"');
  });
  it('passes over keys of other uses and kinds, and refuses what is no key', () => {
    const keys = [
      { kty: 'oct', k: 'AAAA', kid: 'o' },
      { ...ec.publicKey.export({ format: 'jwk' }), kid: 'x', use: 'x509-svid' },
    ];
    expect(unwrap(parseJwtKeySet(JSON.stringify({ keys })))).toEqual([]);
    for (const text of ['{', '[]', '{}', '{"keys":[1]}', '{"keys":[{"kty":"EC","kid":"a","crv":"P-256","x":"AA","y":"AA"}]}'])
      expect(parseJwtKeySet(text)).toMatchObject({ error: { code: 'E_BUNDLE' } });
    expect(parseJwtKeySet(JSON.stringify({ keys: [ec.publicKey.export({ format: 'jwk' })] }))).toMatchObject({
      error: { code: 'E_BUNDLE' },
    });
  });
});

describe('key ring', () => {
  const policy = { keyLifeMs: 1000, publishAheadMs: 300, maxTokenTtlMs: 200 };
  it('publishes the next key before it signs, and the last one until its tokens have expired', () => {
    let keys: { kid: string; publishedAt: number; signsFrom: number; signsUntil: number }[] = [];
    const seen: string[] = [];
    for (let now = 0; now < 3500; ) {
      const { keep, add, nextAt } = stepKeyRing(keys, now, policy);
      keys = add === undefined ? [...keep] : [...keep, { kid: `${add.signsFrom}`, ...add }];
      seen.push(`${now}: ${keys.map(({ kid }) => kid).join(' ')} → ${signingKey(keys, now)?.kid}`);
      now = nextAt;
    }
    expect(seen).toEqual([
      '0: 0 → 0',
      '700: 0 1000 → 0',
      '1000: 0 1000 → 1000',
      '1200: 1000 → 1000',
      '1700: 1000 2000 → 1000',
      '2000: 1000 2000 → 2000',
      '2200: 2000 → 2000',
      '2700: 2000 3000 → 2000',
      '3000: 2000 3000 → 3000',
      '3200: 3000 → 3000',
    ]);
  });
  it('makes a key at once after a long time away', () => {
    const { keep, add } = stepKeyRing([{ kid: 'a', publishedAt: 0, signsFrom: 0, signsUntil: 1000 }], 9000, policy);
    expect(keep).toEqual([]);
    expect(add).toEqual({ publishedAt: 9000, signsFrom: 9000, signsUntil: 10_000 });
  });
});
