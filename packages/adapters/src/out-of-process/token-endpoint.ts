import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { status } from '@grpc/grpc-js';
import { type Clock, errorText } from '@xebec/core';
import type { ConnectionSpec } from '@xebec/schemas';
import { z } from 'zod';
import { CallFailure } from './call-failure.ts';
import { readSecret } from './secret-file.ts';

type OAuthSpec = NonNullable<NonNullable<NonNullable<ConnectionSpec['authentication']>['tls']>['oauth']>;

export interface Token {
  /** As the header is to hold it. */
  readonly text: string;
  /** From then on a newer one is looked for; after `endMs` it is of no use. Milliseconds since the epoch. */
  readonly renewMs: number;
  readonly endMs: number;
}

/** A token that ends in less than this is fetched anew. */
const SPARE_MS = 30_000;
const TIMEOUT_MS = 1_500;
const MAX_ANSWER_BYTES = 64 * 1024;
const tokenAnswer = z.looseObject({
  access_token: z.string().regex(/^[\x21-\x7e]+$/),
  token_type: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9._-]*$/)
    .optional(),
  expires_in: z.coerce.number().positive().optional(),
});

/** Fetches tokens by client credentials (RFC 6749 section 4.4). The client's secret goes to the token's URL only, redirects are not followed. */
export class TokenEndpoint {
  readonly #oauth: OAuthSpec;
  readonly #roots: string;
  readonly #clock: Clock;
  /** Servers take the secret in a header or, some, in the body only: the first that worked is kept. */
  #secretInBody = false;

  constructor(oauth: OAuthSpec, roots: string, clock: Clock) {
    this.#oauth = oauth;
    this.#roots = roots;
    this.#clock = clock;
  }
  /** `withType`: written with its type before it, as for `authorization`. */
  async token(withType: boolean): Promise<Token> {
    const { clientSecret, tokenUrl } = this.#oauth;
    const secret = await readSecret(clientSecret, 'oauth.clientSecret');
    let answer = await this.#post(secret);
    if (answer.status >= 400 && answer.status < 500) {
      this.#secretInBody = !this.#secretInBody;
      const other = await this.#post(secret);
      if (other.status < 400) answer = other;
      else this.#secretInBody = !this.#secretInBody;
    }
    const read = tokenAnswer.safeParse(answer.fields);
    if (answer.status !== 200 || !read.success) throw failure(tokenUrl, problem(answer, read.success));
    const { access_token, expires_in, token_type } = read.data;
    const nowMs = this.#clock.now();
    const lifeMs = (expires_in ?? Number.POSITIVE_INFINITY) * 1000;
    return {
      text: withType ? `${typeName(token_type)} ${access_token}` : access_token,
      renewMs: nowMs + Math.max(lifeMs - SPARE_MS, lifeMs / 2),
      endMs: nowMs + lifeMs,
    };
  }

  #post(secret: string): Promise<Answer> {
    const { clientId, endpointParams, scopes = [], tokenUrl } = this.#oauth;
    const body = new URLSearchParams({ grant_type: 'client_credentials', ...endpointParams });
    if (scopes.length > 0) body.set('scope', scopes.join(' '));
    const headers: Record<string, string> = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' };
    if (this.#secretInBody) {
      body.set('client_id', clientId);
      body.set('client_secret', secret);
    } else {
      const basic = Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`).toString('base64');
      headers['authorization'] = `Basic ${basic}`;
    }
    return post(tokenUrl, headers, body.toString(), this.#roots).catch((error: unknown) => {
      throw failure(tokenUrl, errorText(error));
    });
  }
}

interface Answer {
  readonly status: number;
  readonly fields: unknown;
}

async function post(url: string, headers: Readonly<Record<string, string>>, body: string, roots: string): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const request = url.startsWith('http://') ? requestHttp : requestHttps;
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const sent = request(url, { method: 'POST', headers, signal, agent: false, ...(roots === '' ? {} : { ca: roots }) }, (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_ANSWER_BYTES) chunks.push(chunk);
      else response.destroy(new Error(`it answered with more than ${MAX_ANSWER_BYTES} bytes`));
    });
    response.on('error', reject);
    response.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      const isJson = !/^(?:application\/x-www-form-urlencoded|text\/plain)/i.test(response.headers['content-type'] ?? '');
      resolve({ status: response.statusCode ?? 0, fields: isJson ? parseJson(text) : Object.fromEntries(new URLSearchParams(text)) });
    });
  });
  sent.on('error', (error) => reject(signal.aborted ? new Error(`no answer within ${TIMEOUT_MS} ms`) : error));
  sent.end(body);
  return await promise;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Of the answer only OAuth's own code for the failure is told (RFC 6749 section 5.2): the rest may hold anything. */
function problem({ status: code, fields }: Answer, hasToken: boolean): string {
  if (code === 200 && !hasToken) return 'its answer holds no access_token';
  const error = z.looseObject({ error: z.string().regex(/^[a-z_]{1,40}$/) }).safeParse(fields);
  return `it answered with status ${code}${error.success ? ` ${error.data.error}` : ''}`;
}

function failure(url: string, reason: string): CallFailure {
  // A URL may hold a name and a password.
  const { origin, pathname } = URL.parse(url) ?? { origin: 'tokenUrl', pathname: '' };
  return new CallFailure(status.UNAVAILABLE, `no token from ${origin}${pathname}: ${reason}`);
}

/** Servers write `bearer` in any case; adapters expect it as RFC 6750 writes it. */
function typeName(type = 'Bearer'): string {
  return type.toLowerCase() === 'bearer' ? 'Bearer' : type;
}
