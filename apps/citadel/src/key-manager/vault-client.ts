import { Backoff, type Clock, errorText, type Random, XebecError } from '@xebec/core';

/** How Citadel proves itself to Vault. */
export type VaultAuth =
  | { readonly kind: 'token'; readonly token: string }
  /** Logs in at `auth/<mount>/login` with the service-account token of the pod, read anew each time. */
  | { readonly kind: 'kubernetes'; readonly mount: string; readonly role: string; readToken(): Promise<string> };

export interface VaultOptions {
  /** `https://vault.example:8200` */
  readonly address: string;
  /** Sent as `X-Vault-Namespace`. */
  readonly namespace?: string;
  readonly auth: VaultAuth;
  readonly clock: Clock;
  readonly random: Random;
  readonly timeoutMs?: number;
}

/** Vault's HTTP API, as far as keys and certificates need it. */
export interface VaultClient {
  readonly address: string;
  /** The `data` of the answer, undefined for 404. Tries on while Vault is sealed, on standby or overloaded, up to three times. */
  call(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<Readonly<Record<string, unknown>> | undefined>;
  close(): void;
}

const MAX_ANSWER_BYTES = 1 << 20;
const ATTEMPTS = 3;
/** 412: a standby does not know of the last write yet; 429 and 472: too much, or on standby; 5xx: sealed or broken. */
const PASSING = new Set([412, 429, 472, 473, 500, 502, 503, 504]);

interface Session {
  readonly token: string;
  /** On the monotonic clock; undefined for a token that Citadel did not get itself. */
  readonly renewAt?: number;
  readonly expiresAt?: number;
}

export function createVaultClient(options: VaultOptions): VaultClient {
  const { address, auth, clock } = options;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.hostname !== '127.0.0.1' && url.hostname !== 'localhost'))
    throw new XebecError('E_FLAG', `the address of Vault ${JSON.stringify(address)} must be an https:// URL`);
  let session: Promise<Session> | undefined;

  const send = async (method: string, path: string, token: string | undefined, body?: object) => {
    const response = await fetch(new URL(`/v1/${path}`, url), {
      method,
      redirect: 'error',
      signal: AbortSignal.timeout(options.timeoutMs ?? 10_000),
      headers: {
        'x-vault-request': 'true',
        ...(token === undefined ? {} : { 'x-vault-token': token }),
        ...(options.namespace === undefined ? {} : { 'x-vault-namespace': options.namespace }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (text.length > MAX_ANSWER_BYTES)
      throw new XebecError('E_KEY_STORE', `Vault answers ${path} with more than ${MAX_ANSWER_BYTES} bytes`);
    return { status: response.status, answer: text === '' ? {} : asRecord(JSON.parse(text)) };
  };

  const logIn = async (): Promise<Session> => {
    if (auth.kind === 'token') return { token: auth.token };
    const path = `auth/${auth.mount}/login`;
    const { status, answer } = await send('POST', path, undefined, { role: auth.role, jwt: await auth.readToken() });
    if (status !== 200) throw new XebecError('E_KEY_STORE', `Vault refuses the login of role ${auth.role}: ${problemOf(status, answer)}`);
    return sessionOf(answer);
  };
  const sessionOf = (answer: Readonly<Record<string, unknown>>): Session => {
    const granted = asRecord(answer['auth']);
    const [token, seconds] = [granted['client_token'], granted['lease_duration']];
    if (typeof token !== 'string') throw new XebecError('E_KEY_STORE', 'Vault answers a login without a token');
    if (typeof seconds !== 'number' || seconds <= 0) return { token };
    const now = clock.monotonic();
    return { token, expiresAt: now + seconds * 1000, ...(granted['renewable'] === true ? { renewAt: now + seconds * 500 } : {}) };
  };
  /** A lease is renewed from half of its life on; one that cannot be is replaced by a new login. */
  const current = async (): Promise<Session> => {
    session ??= logIn();
    const known = await session.catch((error: unknown) => {
      session = undefined;
      throw error;
    });
    const now = clock.monotonic();
    if (known.expiresAt !== undefined && known.expiresAt - now < 5_000) {
      session = undefined;
      return current();
    }
    if (known.renewAt === undefined || now < known.renewAt) return known;
    session = send('POST', 'auth/token/renew-self', known.token, {}).then(
      ({ status, answer }) => (status === 200 ? sessionOf(answer) : logIn()),
      () => known,
    );
    return session;
  };

  return {
    address,
    async call(method, path, body) {
      const backoff = new Backoff({ baseMs: 100, maxMs: 2_000 }, options.random);
      let failure = '';
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        if (attempt > 0) await new Promise<void>((done) => void clock.setTimeout(done, backoff.nextMs()));
        try {
          const { token } = await current();
          const { status, answer } = await send(method, path, token, body);
          if (status === 404) return undefined;
          if (status < 300) return asRecord(answer['data']);
          failure = problemOf(status, answer);
          // The token may have been revoked: a new login tells.
          if (status === 403 && auth.kind === 'kubernetes') session = undefined;
          else if (!PASSING.has(status)) break;
        } catch (error) {
          failure = errorText(error);
        }
      }
      throw new XebecError('E_KEY_STORE', `Vault at ${address} does not do ${method} ${path}: ${failure}`);
    },
    close() {
      session = undefined;
    },
  };
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

function problemOf(status: number, answer: Readonly<Record<string, unknown>>): string {
  const errors = Array.isArray(answer['errors']) ? answer['errors'].filter((error) => typeof error === 'string') : [];
  return `status ${status}${errors.length === 0 ? '' : ` (${errors.join('; ').slice(0, 300)})`}`;
}
