import type { Clock } from '@xebec/core';
import { RefusedError, RetryLaterError } from './delivery.ts';

/** Of an answer no more is read. */
const MAX_ANSWER_BYTES = 64 * 1024;

export interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array<ArrayBuffer>;
}

/** Statuses after which the same request may be taken later (RFC 9110 and OTLP/HTTP). */
const LATER: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * Posts a body and resolves with the start of the answer of a 2xx. Rejects as a delivery wants it: `RetryLaterError` for statuses
 * that pass, `RefusedError` for those that do not, and the network's own error.
 */
export async function post({ url, headers, body }: Post, signal: AbortSignal, clock: Clock): Promise<Uint8Array<ArrayBuffer>> {
  // A redirected POST would lose its body or send headers, which may hold secrets, to somebody else.
  const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' }).catch((error: unknown) => {
    throw new Error(networkErrorText(error), { cause: error });
  });
  const answer = await readStart(response);
  if (response.ok) return answer;
  const text = new TextDecoder().decode(answer.subarray(0, 200)).replaceAll(/\s+/g, ' ').trim();
  const message = `status ${response.status}${text === '' ? '' : `: ${text}`}`;
  if (LATER.has(response.status)) throw new RetryLaterError(message, retryAfterMs(response.headers.get('retry-after'), clock));
  throw new RefusedError(message);
}

async function readStart(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= MAX_ANSWER_BYTES) break;
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** `fetch failed` says nothing; the reason is its cause. */
function networkErrorText(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error && cause.message !== '' ? cause.message : String(cause);
}

/** Seconds, or a date (RFC 9110 section 10.2.3). */
function retryAfterMs(header: string | null, clock: Clock): number {
  if (header === null) return 0;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? 0 : Math.max(0, atMs - clock.now());
}
