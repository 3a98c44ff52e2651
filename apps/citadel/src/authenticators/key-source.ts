import { readFileSync, statSync } from 'node:fs';
import { errorText, XebecError } from '@xebec/core';
import { createLocalJWKSet, createRemoteJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';

/** Where the keys of a token issuer come from. */
export type KeySource =
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'url'; readonly url: string }
  /** `<issuer>/.well-known/openid-configuration` says where (OpenID Connect Discovery 4). */
  | { readonly kind: 'discovery'; readonly issuer: string };

/** Keys are asked for again after so long, and when a token names one that is not known, but not more often than the second. */
const CACHE_MS = 10 * 60_000;
const COOLDOWN_MS = 5_000;
const TIMEOUT_MS = 5_000;
const MAX_DISCOVERY_BYTES = 64 * 1024;

/** The key for a token's header, from a file that is read again when it changes, or from a server with a cache. */
export function openKeySource(source: KeySource): JWTVerifyGetKey {
  switch (source.kind) {
    case 'file':
      return fileKeys(source.file);
    case 'url':
      return remoteKeys(secureUrl(source.url, 'JWKS URL'));
    case 'discovery':
      return discoveredKeys(secureUrl(source.issuer, 'issuer').href.replace(/\/$/, ''), source.issuer);
  }
}

function fileKeys(file: string): JWTVerifyGetKey {
  const read = () => {
    try {
      // jose checks the shape itself and throws.
      return { keys: createLocalJWKSet(JSON.parse(readFileSync(file, 'utf8')) as JSONWebKeySet), changed: statSync(file).mtimeMs };
    } catch (error) {
      throw new XebecError('E_FLAG', `--jwt-jwks ${file} is no readable JWKS file: ${errorText(error)}`);
    }
  };
  // At the start a bad file is an error, later the last good one stays.
  let current = read();
  return (header, token) => {
    try {
      if (statSync(file).mtimeMs !== current.changed) current = read();
    } catch {
      // Being replaced.
    }
    return current.keys(header, token);
  };
}

function remoteKeys(url: URL): JWTVerifyGetKey {
  return createRemoteJWKSet(url, { cacheMaxAge: CACHE_MS, cooldownDuration: COOLDOWN_MS, timeoutDuration: TIMEOUT_MS });
}

function discoveredKeys(base: string, issuer: string): JWTVerifyGetKey {
  let found: Promise<JWTVerifyGetKey> | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  return async (header, token) => {
    if (found === undefined) {
      const now = performance.now();
      if (now - askedAt < COOLDOWN_MS) throw new XebecError('E_JWT_KEY', `the issuer ${issuer} did not answer a moment ago`);
      askedAt = now;
      found = discover(base, issuer);
      // The next token asks again.
      found.catch(() => {
        found = undefined;
      });
    }
    return (await found)(header, token);
  };
}

async function discover(base: string, issuer: string): Promise<JWTVerifyGetKey> {
  const response = await fetch(`${base}/.well-known/openid-configuration`, {
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  if (!response.ok || text.length > MAX_DISCOVERY_BYTES)
    throw new XebecError('E_JWT_KEY', `the issuer ${issuer} answers discovery with status ${response.status}`);
  const document: unknown = JSON.parse(text);
  const field = (name: string): unknown => (typeof document === 'object' && document !== null ? Reflect.get(document, name) : undefined);
  // OpenID Connect Discovery 4.3: a document of another issuer must not be used.
  if (field('issuer') !== issuer) throw new XebecError('E_JWT_KEY', `the discovery document of ${issuer} is of another issuer`);
  const uri = field('jwks_uri');
  if (typeof uri !== 'string') throw new XebecError('E_JWT_KEY', `the discovery document of ${issuer} has no jwks_uri`);
  return remoteKeys(secureUrl(uri, 'jwks_uri'));
}

/** Keys that come over plain HTTP are whoever's is on the way; on this machine nobody is. */
function secureUrl(text: string, what: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const local = url?.protocol === 'http:' && /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/.test(url.hostname);
  if (url === undefined || !(url.protocol === 'https:' || local))
    throw new XebecError('E_FLAG', `the ${what} ${JSON.stringify(text)} must be an https:// URL`);
  return url;
}
