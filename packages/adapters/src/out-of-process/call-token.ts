import { readFile } from 'node:fs/promises';
import { Metadata, status } from '@grpc/grpc-js';
import { errorText } from '@xebec/core';
import type { ConnectionSpec } from '@xebec/schemas';
import { z } from 'zod';
import type { AdapterEnvironment } from '../adapter.ts';
import { CallFailure } from './call-failure.ts';

type TlsSpec = NonNullable<NonNullable<ConnectionSpec['authentication']>['tls']>;

/** A token file is read again after so long: it may have been rotated. */
const FILE_TOKEN_MS = 10_000;
/** A token that ends in less than this is fetched anew. */
const SPARE_MS = 30_000;
const FETCH_TIMEOUT_MS = 1_500;
const tokenAnswer = z.looseObject({ access_token: z.string().min(1), expires_in: z.coerce.number().positive().optional() });

interface Token {
  readonly text: string;
  readonly untilMs: number;
}

/** The metadata that each call carries: a token from a file, or from an OAuth 2.0 server by client credentials (RFC 6749 section 4.4). */
export function callToken(tls: TlsSpec, { clock }: Pick<AdapterEnvironment, 'clock'>): (() => Promise<Metadata>) | undefined {
  const { oauth, tokenPath } = tls;
  const fetchToken =
    oauth !== undefined
      ? () => clientCredentialsToken(oauth, clock.now())
      : tokenPath !== undefined
        ? async (): Promise<Token> => ({ text: (await readText(tokenPath)).trim(), untilMs: clock.now() + FILE_TOKEN_MS })
        : undefined;
  if (fetchToken === undefined) return undefined;
  const header = tls.customHeader ?? 'authorization';
  const bearer = tls.customHeader === undefined && (oauth !== undefined || tls.authHeader === 'BEARER');
  let current: Promise<Token> | undefined;
  return async () => {
    const known = await current?.catch(() => undefined);
    if (known === undefined || known.untilMs <= clock.now()) current = fetchToken();
    const { text } = await (current ?? fetchToken());
    const metadata = new Metadata();
    metadata.set(header, bearer ? `Bearer ${text}` : text);
    return metadata;
  };
}

async function clientCredentialsToken(oauth: NonNullable<TlsSpec['oauth']>, nowMs: number): Promise<Token> {
  const secret = (await readText(oauth.clientSecret)).trim();
  const body = new URLSearchParams({ grant_type: 'client_credentials', ...oauth.endpointParams });
  if ((oauth.scopes ?? []).length > 0) body.set('scope', (oauth.scopes ?? []).join(' '));
  const basic = Buffer.from(`${encodeURIComponent(oauth.clientId)}:${encodeURIComponent(secret)}`).toString('base64');
  const response = await fetch(oauth.tokenUrl, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}`, accept: 'application/json' },
    body,
    redirect: 'error',
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
  }).catch((error: unknown) => {
    throw new CallFailure(status.UNAVAILABLE, `no token from ${oauth.tokenUrl}: ${errorText(error)}`);
  });
  const answer = tokenAnswer.safeParse(await response.json().catch(() => undefined));
  if (!response.ok || !answer.success)
    throw new CallFailure(status.UNAVAILABLE, `no token from ${oauth.tokenUrl}: it answered with status ${response.status}`);
  const lifeMs = (answer.data.expires_in ?? 3600) * 1000;
  return { text: answer.data.access_token, untilMs: nowMs + Math.max(lifeMs - SPARE_MS, lifeMs / 2) };
}

function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw new CallFailure(status.UNAVAILABLE, `cannot read ${path}: ${errorText(error)}`);
  });
}
