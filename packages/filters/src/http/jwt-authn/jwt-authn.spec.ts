import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { JwtAuthenticationSchema, PerRouteConfigSchema } from '@xebec/protos/envoy/extensions/filters/http/jwt_authn/v3/config';
import { describe, expect, it } from 'vitest';
import type { FilterUpstream } from '../../http-filter.ts';
import { compileTest, configBytes, TestStream, testContext } from '../../test-harness.ts';
import { jwtAuthnDefinition } from './config.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');
const secret = Buffer.alloc(32, 7);
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const jwk = (key: KeyObject, kid: string) => ({ ...key.export({ format: 'jwk' }), kid });
const keySet = JSON.stringify({
  keys: [
    jwk(rsa.publicKey, 'rsa'),
    jwk(ec.publicKey, 'ec'),
    jwk(ed.publicKey, 'ed'),
    { kty: 'oct', kid: 'hs', k: secret.toString('base64url') },
  ],
});

function signature(alg: string, text: string, hmacKey: Buffer): Buffer {
  const bytes = Buffer.from(text);
  const hash = `sha${alg.slice(2)}`;
  if (alg.startsWith('RS')) return sign(hash, bytes, rsa.privateKey);
  if (alg.startsWith('PS'))
    return sign(hash, bytes, {
      key: rsa.privateKey,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
    });
  if (alg.startsWith('ES')) return sign(hash, bytes, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' });
  if (alg === 'EdDSA') return sign(null, bytes, ed.privateKey);
  return createHmac(hash, hmacKey).update(bytes).digest();
}

/** The test clock stands at 1000 seconds. */
function token(alg = 'RS256', kid = 'rsa', claims: Record<string, unknown> = {}, hmacKey = secret): string {
  const text = `${encode({ alg, kid })}.${encode({ iss: 'A', sub: 'jason', exp: 2000, scope: 'read write', ...claims })}`;
  return `${text}.${signature(alg, text, hmacKey).toString('base64url')}`;
}

const provider = { issuer: 'A', localJwks: { inlineString: keySet } };
const optional = { requiresAny: { requirements: [{ providerName: 'p' }, { allowMissing: {} }] } };
const config = (changes: object = {}, requires: object = { providerName: 'p' }) => ({
  providers: { p: { ...provider, ...changes } },
  rules: [{ match: { prefix: '/' }, requires }],
  bypassCorsPreflight: true,
});

function run(
  json: object,
  headers: string[],
  options: { path?: string; method?: string; upstream?: FilterUpstream; perRoute?: unknown } = {},
) {
  const { context, clock, statsText } = testContext(options.upstream === undefined ? {} : { upstream: options.upstream });
  const factory = compileTest(jwtAuthnDefinition, JwtAuthenticationSchema, JSON.parse(JSON.stringify(json)), context);
  const stream = new TestStream(factory, clock, {
    request: { headers, path: options.path ?? '/', method: options.method ?? 'GET' },
    ...('perRoute' in options ? { perRoute: options.perRoute } : {}),
  });
  return { status: stream.head(), stream, reply: stream.replies[0], statsText, factory, clock };
}
const bearer = (text: string) => ['authorization', `Bearer ${text}`];

describe('envoy.filters.http.jwt_authn', () => {
  it.each(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'])('verifies %s', (alg) => {
    expect(run(config(), bearer(token(alg))).status).toBe('continue');
  });
  it.each([
    ['ES256', 'ec'],
    ['EdDSA', 'ed'],
    ['HS256', 'hs'],
    ['HS384', 'hs'],
    ['HS512', 'hs'],
  ])('verifies %s', (alg, kid) => {
    expect(run(config(), bearer(token(alg, kid))).status).toBe('continue');
  });

  const [head = '', body = '', mac = ''] = token().split('.');
  it.each([
    ['Jwt is missing', []],
    ['Jwt is expired', bearer(token('RS256', 'rsa', { exp: 939 }))],
    ['Jwt not yet valid', bearer(token('RS256', 'rsa', { nbf: 1061 }))],
    ['Jwt issuer is not configured', bearer(token('RS256', 'rsa', { iss: 'B' }))],
    ['Jwt verification fails', bearer(`${head}.${encode({ iss: 'A', sub: 'root' })}.${mac}`)],
    ['Jwt header [alg] is not supported', bearer(`${encode({ alg: 'none' })}.${body}.AAAA`)],
    ['Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections', bearer(`${encode({ alg: 'none' })}.${body}.`)],
    ["Jwks doesn't have key to match kid or alg from Jwt", bearer(token('RS256', 'other'))],
    ['Jwt header is an invalid JSON', bearer('eHg.e30.AAAA')],
    ['Jwt payload [exp] field is not an integer', bearer(`${head}.${encode({ exp: 'soon' })}.AAAA`)],
  ])('answers 401 "%s"', (text, headers) => {
    const { status, reply } = run(config(), headers);
    expect(status).toBe('stop');
    expect(reply).toEqual({
      status: 401,
      body: text,
      details: `jwt_authn_access_denied{${text.replaceAll(' ', '_')}}`,
      headers: ['www-authenticate', `Bearer realm="http://host/"${text === 'Jwt is missing' ? '' : ', error="invalid_token"'}`],
    });
  });
  it('does not take a public key for an HMAC secret', () => {
    const pem = Buffer.from(rsa.publicKey.export({ format: 'pem', type: 'spki' }));
    expect(run(config(), bearer(token('HS256', 'rsa', {}, pem))).reply?.body).toBe('Jwt verification fails');
  });
  it('allows a minute between clocks', () => {
    expect(run(config(), bearer(token('RS256', 'rsa', { exp: 941, nbf: 1059 }))).status).toBe('continue');
  });
  it('compares audiences without scheme and last slash, and answers 403', () => {
    const audiences = { audiences: ['https://shop'] };
    expect(run(config(audiences), bearer(token('RS256', 'rsa', { aud: ['x', 'http://shop/'] }))).status).toBe('continue');
    expect(run(config(audiences), bearer(token('RS256', 'rsa', { aud: 'x' }))).reply).toMatchObject({
      status: 403,
      body: 'Audiences in Jwt are not allowed',
    });
  });
  it('hands claims on and takes the token and forged claims away', () => {
    const claimToHeaders = [{ headerName: 'x-sub', claimName: 'sub' }];
    const normalize = { normalizePayloadInMetadata: { spaceDelimitedClaims: ['scope'] } };
    const changes = { payloadInMetadata: 'payload', forwardPayloadHeader: 'x-payload', claimToHeaders, ...normalize };
    const { stream } = run(config(changes), [...bearer(`${head}.${body}.${mac}`), 'x-sub', 'root', 'x-payload', 'forged']);
    expect(stream.request.headers).toEqual(['x-payload', body, 'x-sub', 'jason']);
    expect(stream.info.dynamicMetadata.get('envoy.filters.http.jwt_authn')).toEqual({
      payload: { iss: 'A', sub: 'jason', exp: 2000, scope: ['read', 'write'] },
    });
    expect(run(config(changes, optional), ['x-sub', 'root']).stream.request.headers).toEqual([]);
  });
  it('finds tokens in parameters, headers and cookies', () => {
    expect(run(config(), [], { path: `/a?access_token=${token()}&b=1` }).stream.request.path).toBe('/a?b=1');
    expect(run(config({ fromHeaders: [{ name: 'X-T' }] }), ['x-t', token()]).status).toBe('continue');
    expect(run(config({ fromHeaders: [{ name: 'X-T' }] }), bearer(token())).reply?.body).toBe('Jwt is missing');
    expect(run(config({ fromCookies: ['t'] }), ['cookie', `a=b; t=${token()}`]).status).toBe('continue');
  });
  it('lets requests without a token pass where that is allowed, but none with a bad one', () => {
    expect(run(config({}, optional), []).status).toBe('continue');
    expect(run(config({}, optional), bearer('x.y.z')).status).toBe('stop');
    expect(run(config({}, { allowMissingOrFailed: {} }), bearer('x.y.z')).status).toBe('continue');
  });
  it('needs one of any and each of all', () => {
    const providers = {
      p: { ...provider, forward: true },
      q: { issuer: 'B', localJwks: { inlineString: keySet }, fromHeaders: [{ name: 'x-q' }] },
    };
    const names = { requirements: [{ providerName: 'p' }, { providerName: 'q' }] };
    const rules = (requires: object) => ({ providers, rules: [{ match: { prefix: '/' }, requires }] });
    const both = [...bearer(token()), 'x-q', token('RS256', 'rsa', { iss: 'B' })];
    expect(run(rules({ requiresAny: names }), bearer(token())).status).toBe('continue');
    expect(run(rules({ requiresAll: names }), bearer(token())).reply?.body).toBe('Jwt is missing');
    expect(run(rules({ requiresAll: names }), both).status).toBe('continue');
    // What is wrong with one's own token says more than that the other has none.
    expect(run(rules({ requiresAny: names }), bearer(token('RS256', 'rsa', { exp: 1 }))).reply?.body).toBe('Jwt is expired');
  });
  it('lets preflights and switched-off routes pass', () => {
    const preflight = ['origin', 'http://a', 'access-control-request-method', 'PUT'];
    expect(run(config(), preflight, { method: 'OPTIONS' }).status).toBe('continue');
    const off = jwtAuthnDefinition.compilePerRoute?.(configBytes(PerRouteConfigSchema, { disabled: true }), '');
    expect(run(config(), [], { perRoute: off }).status).toBe('continue');
    const unknown = jwtAuthnDefinition.compilePerRoute?.(configBytes(PerRouteConfigSchema, { requirementName: 'gone' }), '');
    expect(run(config(), [], { perRoute: unknown }).status).toBe('stop');
  });
  it('fetches remote keys once, keeps them, and says when it cannot', async () => {
    const remote = {
      localJwks: undefined,
      remoteJwks: { httpUri: { uri: 'http://keys.example/jwks?x=1', cluster: 'keys', timeout: '5s' }, cacheDuration: '300s' },
    };
    const calls: string[] = [];
    const upstream: FilterUpstream = {
      grpcUnary: () => Promise.reject(new Error('unused')),
      http: (cluster, request, _, timeoutMs) => {
        calls.push(`${cluster} ${request.authority}${request.path} ${timeoutMs}`);
        return calls.length === 2
          ? Promise.reject(new Error('down'))
          : Promise.resolve({ head: { status: 200, headers: [] }, body: Buffer.from(keySet) });
      },
    };
    const { stream, factory, clock, status } = run(config(remote), bearer(token()), { upstream });
    expect(status).toBe('stop');
    await expect.poll(() => stream.continuedRequest).toBe(1);
    const again = () => new TestStream(factory, clock, { request: { headers: bearer(token()) } });
    expect(again().head()).toBe('continue');
    clock.advance(300_000);
    const late = again();
    late.head();
    await expect.poll(() => late.replies[0]?.body).toBe('Jwks remote fetch is failed');
    expect(calls).toEqual(['keys keys.example/jwks?x=1 5000', 'keys keys.example/jwks?x=1 5000']);
  });
  it.each([
    ['set local_jwks or remote_jwks', { providers: { p: { issuer: 'A' } } }],
    ["Jwks doesn't have any valid public key", { providers: { p: { localJwks: { inlineString: '{"keys":[]}' } } } }],
    ['provider "zz"', { rules: [{ match: { prefix: '/' }, requires: { providerName: 'zz' } }] }],
  ])('refuses a configuration: %s', (text, json) => {
    expect(() => run(json, [])).toThrow(text);
  });
});
