import { describe, expect, it } from 'vitest';
import { findingsOf } from '../testing-check.ts';

const check = (rule: string): string[] => findingsOf('RequestAuthentication', `{jwtRules: [${rule}]}`);
const keys = (...list: readonly object[]): string => `{issuer: a, jwks: '${JSON.stringify({ keys: list })}'}`;
const rsa = { kty: 'RSA', n: 'AQAB', e: 'AQAB' };

describe('checkRequestAuthentication', () => {
  it.each([
    '{issuer: a}',
    '{jwksUri: "https://keys.example/set"}',
    keys(rsa, { kty: 'EC', crv: 'P-256', x: 'AQ', y: 'AQ' }, { kty: 'OKP', crv: 'Ed25519', x: 'AQ' }),
    `{issuer: a, jwks: '${JSON.stringify(rsa)}'}`,
    '{issuer: a, timeout: 1.5s, outputClaimToHeaders: [{header: x_a-b, claim: deep.er}]}',
  ])('takes %s', (rule) => expect(check(rule)).toEqual([]));

  it.each([
    ['{}', 'spec.jwtRules[0].issuer: issuer or jwksUri must be set'],
    ['{issuer: a, audiences: [""]}', 'spec.jwtRules[0].audiences[0]: must not be empty'],
    ['{issuer: a, jwksUri: "ftp://keys"}', 'spec.jwtRules[0].jwksUri: "ftp://keys" is not a URL of http or https'],
    ['{issuer: a, jwksUri: "http://keys/%zz"}', 'spec.jwtRules[0].jwksUri: "http://keys/%zz" is not a URL of http or https'],
    ['{issuer: a, jwks: text}', 'spec.jwtRules[0].jwks: not JSON; paste the key set as its server answers it'],
    ['{issuer: a, jwks: "[]"}', 'spec.jwtRules[0].jwks: not a JSON Web Key Set: expected {"keys": [...]}'],
    [keys({ kty: 'new' }), 'spec.jwtRules[0].jwks: key 0 has kty "new"; known are RSA, EC, OKP, oct'],
    [keys(rsa, { kty: 'RSA', n: 'AQ' }), 'spec.jwtRules[0].jwks: key 1 has no "e"'],
    [keys({ ...rsa, alg: 7 }), 'spec.jwtRules[0].jwks: key 0 has alg 7, which is not a name'],
    ['{issuer: a, fromHeaders: [{name: ""}]}', 'spec.jwtRules[0].fromHeaders[0].name: must not be empty'],
    ['{issuer: a, fromParams: [""]}', 'spec.jwtRules[0].fromParams[0]: must not be empty'],
    ['{issuer: a, fromCookies: [b, ""]}', 'spec.jwtRules[0].fromCookies[1]: must not be empty'],
    [
      '{issuer: a, outputClaimToHeaders: [{header: x, claim: ""}]}',
      'spec.jwtRules[0].outputClaimToHeaders[0]: header and claim must both be set',
    ],
    [
      '{issuer: a, outputClaimToHeaders: [{header: "x:y", claim: z}]}',
      'spec.jwtRules[0].outputClaimToHeaders[0].header: "x:y" is not a header name: use letters, digits, "-" and "_"',
    ],
    ['{issuer: a, timeout: 0s}', 'spec.jwtRules[0].timeout: "0s" is not a whole number of milliseconds, at least 1ms'],
    ['{issuer: a, timeout: 1.0001s}', 'spec.jwtRules[0].timeout: "1.0001s" is not a whole number of milliseconds, at least 1ms'],
    [
      keys({ ...rsa, d: 'AQ' }),
      'warning spec.jwtRules[0].jwks: key 0 holds private key material; only public keys are needed to verify tokens',
    ],
  ])('finds in %s', (rule, wanted) => expect(check(rule)).toEqual([wanted]));

  it('never repeats key material', () => {
    const found = check(keys({ kty: 'RSA', n: 'AQAB', d: 'topsecret' })).join();
    expect(found).toContain('has no "e"');
    expect(found).not.toContain('topsecret');
  });

  it('has no dry run', () => {
    expect(findingsOf('RequestAuthentication', '{}', { 'istio.io/dry-run': 'true' })).toEqual([
      'metadata.annotations.istio.io/dry-run: only an AuthorizationPolicy can be a dry run; remove the annotation',
    ]);
  });
});
