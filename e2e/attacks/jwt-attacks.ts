import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export const ISSUER = 'https://issuer.example';
export const AUDIENCE = 'shop';

const base64url = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A key pair of the issuer, the set that proxies are given, and tokens that forgers make without the private key. */
export function createForgery() {
  const issuer = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const forger = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwks = JSON.stringify({ keys: [{ ...issuer.publicKey.export({ format: 'jwk' }), kid: 'real', alg: 'RS256', use: 'sig' }] });
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: ISSUER, sub: 'alice', aud: AUDIENCE, exp: now + 3600, iat: now };
  const rs256 = (key: KeyObject, header: object, payload: object) => {
    const input = `${base64url({ alg: 'RS256', typ: 'JWT', ...header })}.${base64url(payload)}`;
    return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`;
  };
  const hs256 = (secret: string | Buffer, header: object) => {
    const input = `${base64url({ alg: 'HS256', typ: 'JWT', ...header })}.${base64url(claims)}`;
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
  };
  const genuine = rs256(issuer.privateKey, { kid: 'real' }, claims);
  const [head = '', , signature = ''] = genuine.split('.');
  const bearer = (token: string) => [`Authorization: Bearer ${token}`];
  const pem = issuer.publicKey.export({ format: 'pem', type: 'spki' });
  const admin = base64url({ ...claims, sub: 'admin' });
  const attacks: readonly (readonly [name: string, headers: readonly string[], path?: string])[] = [
    ['no token', []],
    ['alg none without signature', bearer(`${base64url({ alg: 'none' })}.${base64url(claims)}.`)],
    ['alg None with the signature of another', bearer(`${base64url({ alg: 'None' })}.${base64url(claims)}.${signature}`)],
    ['HS256 with the public key in PEM as its secret', bearer(hs256(pem, { kid: 'real' }))],
    [
      'HS256 with the modulus as its secret',
      bearer(hs256(Buffer.from(String(issuer.publicKey.export({ format: 'jwk' }).n), 'base64url'), { kid: 'real' })),
    ],
    ['HS256 with an empty secret', bearer(hs256('', { kid: 'real' }))],
    ['key of somebody else', bearer(rs256(forger.privateKey, { kid: 'real' }, claims))],
    ['key of somebody else, without kid', bearer(rs256(forger.privateKey, {}, claims))],
    ['kid that names nothing', bearer(rs256(forger.privateKey, { kid: 'fake' }, claims))],
    ['kid that looks like a path', bearer(rs256(forger.privateKey, { kid: '../../../../dev/null' }, claims))],
    ['kid that looks like SQL', bearer(rs256(forger.privateKey, { kid: "x' UNION SELECT 'key" }, claims))],
    ['embedded jwk', bearer(rs256(forger.privateKey, { jwk: forger.publicKey.export({ format: 'jwk' }) }, claims))],
    ['jku that points at the forger', bearer(rs256(forger.privateKey, { kid: 'real', jku: 'http://10.98.0.1/jwks' }, claims))],
    ['critical header that nobody knows', bearer(rs256(forger.privateKey, { kid: 'real', crit: ['exp'], b64: false }, claims))],
    ['claims exchanged under the signature', bearer(`${head}.${admin}.${signature}`)],
    ['signature stripped', bearer(genuine.slice(0, genuine.lastIndexOf('.') + 1))],
    ['only two parts', bearer(genuine.slice(0, genuine.lastIndexOf('.')))],
    ['signature of zeros', bearer(`${genuine.slice(0, genuine.lastIndexOf('.') + 1)}${'A'.repeat(signature.length)}`)],
    ['other issuer', bearer(rs256(issuer.privateKey, { kid: 'real' }, { ...claims, iss: 'https://other.example' }))],
    ['other audience', bearer(rs256(issuer.privateKey, { kid: 'real' }, { ...claims, aud: 'bank' }))],
    ['expired', bearer(rs256(issuer.privateKey, { kid: 'real' }, { ...claims, exp: now - 3600 }))],
    ['not yet valid', bearer(rs256(issuer.privateKey, { kid: 'real' }, { ...claims, nbf: now + 3600 }))],
    ['genuine token behind a forged one', [...bearer(hs256(pem, { kid: 'real' })), ...bearer(genuine)]],
    ['token in the query', [], `/secret?token=${genuine}`],
    ['token in a cookie', [`Cookie: token=${genuine}`]],
    ['token in another header', [`X-Token: ${genuine}`]],
    ['token without Bearer', [`Authorization: ${genuine}`]],
    ['claims in the header that the filter writes', ['X-Jwt-Payload: eyJzdWIiOiJhZG1pbiJ9']],
  ];
  return { jwks, genuine, attacks };
}
