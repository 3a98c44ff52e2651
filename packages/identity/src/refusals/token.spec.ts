import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Refusal, unwrap } from '../refusal.ts';
import { parseVerificationKeys } from '../token/verification-keys.ts';
import { verifyToken } from '../token/verify-token.ts';
import { NOW } from './build.ts';

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed = generateKeyPairSync('ed25519');
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = (key: KeyObject, more: object) => ({ ...key.export({ format: 'jwk' }), ...more });
const keys = unwrap(
  parseVerificationKeys(
    JSON.stringify({
      keys: [
        jwk(ec.publicKey, { kid: 'ec', alg: 'ES256' }),
        jwk(rsa.publicKey, { kid: 'rsa', use: 'sig' }),
        jwk(ed.publicKey, { kid: 'ed' }),
        jwk(rsa.publicKey, { kid: 'for-encryption', use: 'enc' }),
        { kty: 'oct', kid: 'hmac', k: Buffer.from('secret').toString('base64url') },
      ],
    }),
  ),
);
const SUBJECT = 'system:serviceaccount:default:reviews';
const CLAIMS = { iss: 'https://issuer', sub: SUBJECT, aud: ['istio-ca'], exp: NOW / 1000 + 600, nbf: NOW / 1000 };
const HEADER: Readonly<Record<string, unknown>> = { alg: 'ES256', kid: 'ec' };
const encode = (text: string | Buffer) => Buffer.from(text).toString('base64url');

function signed(header: string, claims: string, key: KeyObject = ec.privateKey): string {
  const input = `${encode(header)}.${encode(claims)}`;
  const hash = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  return `${input}.${encode(sign(hash, Buffer.from(input), key.asymmetricKeyType === 'ec' ? { key, dsaEncoding: 'ieee-p1363' } : key))}`;
}
const token = (header: object = HEADER, claims: object = CLAIMS, key?: KeyObject) =>
  signed(JSON.stringify(header), JSON.stringify(claims), key);
const without = (claim: keyof typeof CLAIMS) => Object.fromEntries(Object.entries(CLAIMS).filter(([key]) => key !== claim));

function judge(text: string): Refusal | 'accepted' {
  const rules = { keys, issuer: 'https://issuer', audiences: ['istio-ca'], now: NOW, clockSkewMs: 0 };
  const result = verifyToken(text, rules);
  return result.ok ? 'accepted' : result.error;
}
const claims = (change: object) => judge(token(HEADER, { ...CLAIMS, ...change }));
const header = (change: object, key?: KeyObject) => judge(token({ ...HEADER, ...change }, CLAIMS, key));
const parts = () => token().split('.');

/** HMAC whose secret is the issuer's public key, as a verifier would use it that lets the token choose. */
function confused(): string {
  const input = `${encode(JSON.stringify({ alg: 'HS256', kid: 'ec' }))}.${encode(JSON.stringify(CLAIMS))}`;
  return `${input}.${createHmac('sha256', ec.publicKey.export({ format: 'pem', type: 'spki' }))
    .update(input)
    .digest('base64url')}`;
}

const ROWS: readonly (readonly [string, () => Refusal | 'accepted', string, RegExp])[] = [
  ['two parts', () => judge(parts().slice(0, 2).join('.')), 'E_JWT_FORMAT', /2 parts/],
  ['four parts', () => judge(`${token()}.x`), 'E_JWT_FORMAT', /4 parts/],
  ['five parts (an encrypted token)', () => judge('a.b.c.d.e'), 'E_JWT_FORMAT', /5 parts/],
  ['more than 16 kB', () => claims({ padding: 'x'.repeat(20_000) }), 'E_JWT_FORMAT', /at most 16384/],
  ['an empty signature', () => judge(`${parts().slice(0, 2).join('.')}.`), 'E_JWT_FORMAT', /no signature/],
  ['padding', () => judge(`${token()}==`), 'E_JWT_FORMAT', /signature is not base64url/],
  ['a header that is not base64url', () => judge(`*${token()}`), 'E_JWT_FORMAT', /header is not base64url/],
  ['a payload that is not base64url', () => judge(parts().with(1, 'a+b').join('.')), 'E_JWT_FORMAT', /payload is not base64url/],
  ['a header that is not JSON', () => judge(signed('alg', JSON.stringify(CLAIMS))), 'E_JWT_FORMAT', /header is not JSON/],
  ['a payload that is not JSON', () => judge(signed(JSON.stringify(HEADER), '{')), 'E_JWT_FORMAT', /payload is not JSON/],
  ['a payload that is a list', () => judge(signed(JSON.stringify(HEADER), '[]')), 'E_JWT_FORMAT', /payload is no JSON object/],
  ['a header that is null', () => judge(signed('null', JSON.stringify(CLAIMS))), 'E_JWT_FORMAT', /header is no JSON object/],
  [
    'a claim twice',
    () => judge(signed(JSON.stringify(HEADER), `{"sub":"admin",${JSON.stringify(CLAIMS).slice(1)}`)),
    'E_JWT_FORMAT',
    /payload has a member twice/,
  ],
  [
    'a header field twice, once escaped',
    () => judge(signed('{"alg":"ES256","kid":"ec","\\u0061lg":"none"}', JSON.stringify(CLAIMS))),
    'E_JWT_FORMAT',
    /header has a member twice/,
  ],
  ['alg none', () => judge(`${encode('{"alg":"none"}')}.${encode(JSON.stringify(CLAIMS))}.AA`), 'E_JWT_ALGORITHM', /"none" is not allowed/],
  ['alg nOnE', () => header({ alg: 'nOnE' }), 'E_JWT_ALGORITHM', /"nOnE" is not allowed/],
  ['no alg', () => judge(token({ kid: 'ec' })), 'E_JWT_ALGORITHM', /"undefined" is not allowed/],
  ['HS256 with the public key as secret', () => judge(confused()), 'E_JWT_ALGORITHM', /"HS256" is not allowed/],
  ['RS256 for a key on a curve', () => header({ alg: 'RS256' }), 'E_JWT_ALGORITHM', /not for the algorithm "RS256"/],
  ['ES384 for a P-256 key', () => header({ alg: 'ES384' }), 'E_JWT_ALGORITHM', /not for the algorithm "ES384"/],
  ['a critical header field', () => header({ crit: ['exp'] }), 'E_JWT_FORMAT', /critical header fields/],
  ['an unencoded payload', () => header({ b64: false }), 'E_JWT_FORMAT', /b64/],
  ['a key ID that nobody has', () => header({ kid: 'other' }), 'E_JWT_KEY', /no key "other"/],
  ['a key for encryption', () => header({ kid: 'for-encryption', alg: 'RS256' }, rsa.privateKey), 'E_JWT_KEY', /no key "for-encryption"/],
  ['a symmetric key of the set', () => header({ kid: 'hmac' }), 'E_JWT_KEY', /no key "hmac"/],
  ['a key ID that is no text', () => header({ kid: 7 }), 'E_JWT_KEY', /no key "7"/],
  ['the key ID of another key', () => header({ kid: 'rsa', alg: 'RS256' }), 'E_JWT_SIGNATURE', /not signed by the key/],
  [
    'a key of its own (jwk)',
    () => header({ jwk: stranger.publicKey.export({ format: 'jwk' }) }, stranger.privateKey),
    'E_JWT_SIGNATURE',
    /not signed/,
  ],
  [
    'an address of keys (jku, x5u)',
    () => header({ jku: 'https://evil/jwks', x5u: 'https://evil/x' }, stranger.privateKey),
    'E_JWT_SIGNATURE',
    /not signed/,
  ],
  [
    'another payload under the signature',
    () =>
      judge(
        parts()
          .with(1, encode(JSON.stringify({ ...CLAIMS, sub: 'admin' })))
          .join('.'),
      ),
    'E_JWT_SIGNATURE',
    /not signed/,
  ],
  [
    'a signature in DER',
    () =>
      judge(
        parts()
          .with(2, encode(sign('sha256', Buffer.from(parts().slice(0, 2).join('.')), ec.privateKey)))
          .join('.'),
      ),
    'E_JWT_SIGNATURE',
    /not signed/,
  ],
  [
    'a signature of zeros',
    () =>
      judge(
        parts()
          .with(2, encode(Buffer.alloc(64)))
          .join('.'),
      ),
    'E_JWT_SIGNATURE',
    /not signed/,
  ],
  ['no exp', () => judge(token(HEADER, without('exp'))), 'E_JWT_CLAIM', /no expiry/],
  ['exp as text', () => claims({ exp: '9999999999' }), 'E_JWT_CLAIM', /no expiry/],
  ['exp beyond all calendars', () => claims({ exp: 1e300 }), 'E_JWT_CLAIM', /no expiry/],
  ['no sub', () => judge(token(HEADER, without('sub'))), 'E_JWT_CLAIM', /no subject/],
  ['sub as a list', () => claims({ sub: [SUBJECT] }), 'E_JWT_CLAIM', /no subject/],
  ['no aud', () => judge(token(HEADER, without('aud'))), 'E_JWT_CLAIM', /no audience/],
  ['an empty aud', () => claims({ aud: [] }), 'E_JWT_CLAIM', /no audience/],
  ['another audience', () => claims({ aud: ['vault'] }), 'E_JWT_AUDIENCE', /another audience than istio-ca/],
  ['an audience that begins alike', () => claims({ aud: 'istio-ca2' }), 'E_JWT_AUDIENCE', /another audience/],
  ['another issuer', () => claims({ iss: 'https://evil' }), 'E_JWT_ISSUER', /another issuer/],
  ['no issuer', () => judge(token(HEADER, without('iss'))), 'E_JWT_ISSUER', /another issuer/],
  ['a life that is over', () => claims({ exp: NOW / 1000 }), 'E_JWT_EXPIRED', /expired at 2026-11-21T00:00:00/],
  ['a life that has not begun', () => claims({ nbf: NOW / 1000 + 1 }), 'E_JWT_NOT_YET_VALID', /only from 2026-11-21T00:00:01/],
  ['nbf as text', () => claims({ nbf: 'now' }), 'E_JWT_CLAIM', /beginning \(nbf\) is no time/],
];

describe('tokens with one defect', () => {
  it.each(ROWS)('%s', (_name, attempt, code, message) => {
    expect(judge(token())).toBe('accepted');
    expect(attempt()).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('are good with each kind of key, and without a key ID where one key fits', () => {
    expect(header({ alg: 'RS256', kid: 'rsa' }, rsa.privateKey)).toBe('accepted');
    expect(header({ alg: 'EdDSA', kid: 'ed' }, ed.privateKey)).toBe('accepted');
    expect(judge(token({ alg: 'ES256' }))).toBe('accepted');
    expect(claims({ aud: 'istio-ca' })).toBe('accepted');
  });

  it('may differ from the clock by what is allowed, and not more', () => {
    const rules = { keys, audiences: ['istio-ca'], now: NOW, clockSkewMs: 60_000 };
    const late = (seconds: number) => verifyToken(token(HEADER, { ...CLAIMS, exp: NOW / 1000 - seconds }), rules).ok;
    expect([late(59), late(60)]).toEqual([true, false]);
  });
});
