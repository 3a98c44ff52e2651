import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';

/** Made for specs alone: answers as Vault's API pages say that transit, tokens and Kubernetes logins do. It is not Vault. */
export interface FakeVault {
  readonly address: string;
  /** Method, path and namespace of each call. */
  readonly calls: string[];
  /** Statuses that the next calls get instead of an answer. */
  readonly failures: number[];
  /** Tokens that it accepts. */
  readonly tokens: Set<string>;
  leaseSeconds: number;
  /** Answers to paths that are none of the engine's. */
  readonly more: Map<string, (body: Readonly<Record<string, unknown>>) => object | undefined>;
  close(): Promise<void>;
}

interface Key {
  readonly type: string;
  readonly privateKey: KeyObject;
  readonly publicText: string;
  deletable: boolean;
}

function makeKey(type: string): Key {
  const pair =
    type === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : type.startsWith('rsa')
        ? generateKeyPairSync('rsa', { modulusLength: Number(type.slice(4)) })
        : generateKeyPairSync('ec', { namedCurve: type === 'ecdsa-p384' ? 'P-384' : 'P-256' });
  const spki = pair.publicKey.export({ format: 'der', type: 'spki' });
  const publicText =
    type === 'ed25519' ? spki.subarray(-32).toString('base64') : pair.publicKey.export({ format: 'pem', type: 'spki' }).toString();
  return { type, privateKey: pair.privateKey, publicText, deletable: false };
}

export async function startFakeVault(): Promise<FakeVault> {
  const keys = new Map<string, Key>();
  let logins = 0;
  const vault = { calls: [] as string[], failures: [] as number[], tokens: new Set(['root']), leaseSeconds: 3600 };
  const more: FakeVault['more'] = new Map();

  const answer = (method: string, path: string, body: Readonly<Record<string, unknown>>, token: string): [number, object?] => {
    if (path === 'auth/kubernetes/login') {
      if (body['jwt'] !== 'pod-token') return [403, { errors: ['permission denied'] }];
      const granted = `login-${++logins}`;
      vault.tokens.add(granted);
      return [200, { auth: { client_token: granted, lease_duration: vault.leaseSeconds, renewable: true } }];
    }
    if (!vault.tokens.has(token)) return [403, { errors: ['permission denied'] }];
    if (path === 'auth/token/renew-self')
      return [200, { auth: { client_token: token, lease_duration: vault.leaseSeconds, renewable: true } }];
    const own = more.get(path)?.(body);
    if (own !== undefined) return [200, own];
    if (path.endsWith('?list=true')) return keys.size === 0 ? [404, { errors: [] }] : [200, { data: { keys: [...keys.keys()] } }];
    const [, part = '', name = '', last = ''] = path.split('/');
    const key = keys.get(name);
    if (part === 'sign') return signed(key, last, body);
    if (method === 'POST' && last === 'config') {
      if (key !== undefined) key.deletable = body['deletion_allowed'] === true;
      return [204];
    }
    if (method === 'POST') {
      if (key === undefined) keys.set(name, makeKey(String(body['type'])));
      return [200, { data: {} }];
    }
    if (key === undefined) return [404, { errors: [] }];
    if (method === 'GET') return [200, { data: { type: key.type, keys: { 1: { public_key: key.publicText } } } }];
    if (!key.deletable) return [400, { errors: ['deletion is not allowed for this key'] }];
    keys.delete(name);
    return [204];
  };
  const signed = (key: Key | undefined, hash: string, body: Readonly<Record<string, unknown>>): [number, object?] => {
    if (key === undefined) return [400, { errors: ['signing key not found'] }];
    if (key.type.startsWith('rsa') && body['signature_algorithm'] !== 'pkcs1v15') return [400, { errors: ['PSS is not expected here'] }];
    const digest = key.type === 'ed25519' ? null : hash.replace('sha2-', 'sha');
    const signature = sign(digest, Buffer.from(String(body['input']), 'base64'), key.privateKey);
    return [200, { data: { signature: `vault:v1:${signature.toString('base64')}` } }];
  };

  const bodyOf = async (request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> => {
    const value: unknown = request.headers['content-type'] === undefined ? {} : await json(request);
    return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
  };
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      const path = (request.url ?? '').replace('/v1/', '');
      vault.calls.push([request.method, path, request.headers['x-vault-namespace']].join(' ').trim());
      const failure = vault.failures.shift();
      const [status, value] =
        failure === undefined
          ? answer(request.method ?? '', path, body, String(request.headers['x-vault-token']))
          : [failure, { errors: ['Vault is sealed'] }];
      response.writeHead(status, { 'content-type': 'application/json' }).end(value === undefined ? '' : JSON.stringify(value));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return Object.assign(vault, {
    address: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    more,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  });
}
