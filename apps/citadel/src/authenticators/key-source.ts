import { readFileSync, statSync } from 'node:fs';
import { type Clock, errorText, XebecError } from '@xebec/core';
import { parseVerificationKeys, unwrap, type VerificationKey } from '@xebec/identity';

/** Where the keys of a token issuer come from. */
export type KeySource =
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'url'; readonly url: string }
  /** `<issuer>/.well-known/openid-configuration` says where (OpenID Connect Discovery 4). */
  | { readonly kind: 'discovery'; readonly issuer: string };

/** The keys of an issuer. */
export interface IssuerKeys {
  /** What is known by now, fetched if it is old or nothing is. Rejects while there is nothing. */
  current(): Promise<readonly VerificationKey[]> | readonly VerificationKey[];
  /** What there is after one more look, because a token names a key that is not known; not more often than every few seconds. */
  refreshed(): Promise<readonly VerificationKey[]>;
}

const CACHE_MS = 10 * 60_000;
const COOLDOWN_MS = 5_000;
const TIMEOUT_MS = 5_000;
const MAX_BYTES = 1 << 20;

/** Keys from a file that is read again when it changes, or from a server with a cache. */
export function openKeySource(source: KeySource, clock: Clock): IssuerKeys {
  switch (source.kind) {
    case 'file':
      return fileKeys(source.file);
    case 'url': {
      const url = secureUrl(source.url, 'JWKS URL');
      return servedKeys(() => fetchText(url), clock);
    }
    case 'discovery': {
      const issuer = secureUrl(source.issuer, 'issuer').href.replace(/\/$/, '');
      return servedKeys(async () => fetchText(await discoveredUrl(issuer, source.issuer)), clock);
    }
  }
}

function fileKeys(file: string): IssuerKeys {
  const read = () => {
    try {
      return { keys: unwrap(parseVerificationKeys(readFileSync(file, 'utf8'))), changed: statSync(file).mtimeMs };
    } catch (error) {
      throw new XebecError('E_FLAG', `--jwt-jwks ${file} is no readable JWKS file: ${errorText(error)}`);
    }
  };
  // At the start a bad file is an error, later the last good one stays.
  let known = read();
  return {
    current: () => known.keys,
    async refreshed() {
      try {
        if (statSync(file).mtimeMs !== known.changed) known = read();
      } catch {
        // Being replaced.
      }
      return known.keys;
    },
  };
}

function servedKeys(fetchKeys: () => Promise<string>, clock: Clock): IssuerKeys {
  let keys: readonly VerificationKey[] | undefined;
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let askedAt = Number.NEGATIVE_INFINITY;
  let running: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    if (running === undefined && clock.monotonic() - askedAt >= COOLDOWN_MS) {
      askedAt = clock.monotonic();
      running = fetchKeys()
        .then((text) => {
          keys = unwrap(parseVerificationKeys(text));
          fetchedAt = clock.monotonic();
        })
        .finally(() => {
          running = undefined;
        });
    }
    await running;
  };
  /** While the server is away the last good keys stay. */
  const lookIfPossible = async (): Promise<readonly VerificationKey[]> => {
    const failure = await look().then(
      () => undefined,
      (error: unknown) => error,
    );
    if (keys === undefined)
      throw new XebecError('E_JWT_KEY', `the issuer's keys are not to be had${failure === undefined ? ' yet' : `: ${errorText(failure)}`}`);
    return keys;
  };
  return {
    current: () => (keys !== undefined && clock.monotonic() - fetchedAt < CACHE_MS ? keys : lookIfPossible()),
    refreshed: lookIfPossible,
  };
}

async function discoveredUrl(base: string, issuer: string): Promise<URL> {
  const document: unknown = JSON.parse(await fetchText(new URL(`${base}/.well-known/openid-configuration`)));
  const field = (name: string): unknown => (typeof document === 'object' && document !== null ? Reflect.get(document, name) : undefined);
  // OpenID Connect Discovery 4.3: a document of another issuer must not be used.
  if (field('issuer') !== issuer) throw new XebecError('E_JWT_KEY', `the discovery document of ${issuer} is of another issuer`);
  const uri = field('jwks_uri');
  if (typeof uri !== 'string') throw new XebecError('E_JWT_KEY', `the discovery document of ${issuer} has no jwks_uri`);
  return secureUrl(uri, 'jwks_uri');
}

async function fetchText(url: URL): Promise<string> {
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!response.ok) throw new XebecError('E_JWT_KEY', `${url.href} answers with status ${response.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new XebecError('E_JWT_KEY', `${url.href} answers with more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Keys that come over plain HTTP are whoever's is on the way; on this machine nobody is. */
function secureUrl(text: string, what: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const local = url?.protocol === 'http:' && /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/.test(url.hostname);
  if (url === undefined || !(url.protocol === 'https:' || local))
    throw new XebecError('E_FLAG', `the ${what} ${JSON.stringify(text)} must be an https:// URL`);
  return url;
}
