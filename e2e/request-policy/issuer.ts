import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Issuer {
  /** What tokens have as `iss`; the OpenID configuration is behind it. */
  readonly url: string;
  /** Paths that were asked for. */
  readonly asked: readonly string[];
  token(claims?: object): string;
  /** Signed by a key that is not in the key set. */
  forged(claims?: object): string;
  /** `alg` none, without signature bytes of its own. */
  unsigned(claims?: object): string;
  /** HS256 with the public key as the secret. */
  confused(claims?: object): string;
  close(): Promise<void>;
}

/** An OpenID provider: its configuration, its keys, and tokens, good ones and others. */
export async function startIssuer(): Promise<Issuer> {
  const own = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...own.publicKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' };
  const asked: string[] = [];
  let url = '';
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (request.url === '/.well-known/openid-configuration') response.end(JSON.stringify({ issuer: url, jwks_uri: `${url}/keys` }));
    else if (request.url === '/keys') response.end(JSON.stringify({ keys: [jwk] }));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // a TCP server that listens has an address
  const text = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const content = (header: object, claims: object): string =>
    `${text({ typ: 'JWT', kid: 'one', ...header })}.${text({ iss: url, sub: 'somebody', exp: 4_102_444_800, ...claims })}`;
  const rsa = (key: typeof own.privateKey, claims: object): string => {
    const signed = content({ alg: 'RS256' }, claims);
    return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
  };
  return {
    url,
    asked,
    token: (claims = {}) => rsa(own.privateKey, claims),
    forged: (claims = {}) => rsa(other.privateKey, claims),
    unsigned: (claims = {}) => `${content({ alg: 'none' }, claims)}.AA`,
    confused: (claims = {}) => {
      const signed = content({ alg: 'HS256' }, claims);
      const secret = own.publicKey.export({ format: 'pem', type: 'spki' });
      return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
