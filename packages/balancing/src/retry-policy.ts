import type { Random } from '@xebec/core';

/** How one try ended. */
export type TryResult =
  | {
      readonly kind: 'response';
      readonly status: number;
      readonly grpcStatus?: number | undefined;
      /** Names in lower case, values in turn. */
      readonly headers: readonly string[];
    }
  | {
      readonly kind: 'reset';
      readonly reason: string;
      /** No byte of the request had been sent. */
      readonly beforeRequest: boolean;
    };

export interface RetryConditions {
  /** Envoy's retry_on vocabulary, for HTTP and gRPC. */
  readonly on: ReadonlySet<string>;
  readonly statusCodes?: ReadonlySet<number>;
  /** For `retriable-headers`: whether a response's headers ask for a retry. */
  readonly retriableHeaders?: (headers: readonly string[]) => boolean;
}

const grpcConditions: ReadonlyMap<number, string> = new Map([
  [1, 'cancelled'],
  [4, 'deadline-exceeded'],
  [8, 'resource-exhausted'],
  [13, 'internal'],
  [14, 'unavailable'],
]);

export const retryOnVocabulary: ReadonlySet<string> = new Set([
  ...['5xx', 'gateway-error', 'reset', 'reset-before-request', 'connect-failure', 'envoy-ratelimited', 'retriable-4xx'],
  ...['refused-stream', 'retriable-status-codes', 'retriable-headers', 'http3-post-connect-failure'],
  ...grpcConditions.values(),
]);

/** Splits `5xx,connect-failure,503`: numbers become status codes, as Istio does with retryOn. */
export function parseRetryOn(text: string): { on: Set<string>; statusCodes: Set<number>; unknown: string[] } {
  const on = new Set<string>();
  const statusCodes = new Set<number>();
  const unknown: string[] = [];
  for (const part of text.split(',').map((item) => item.trim())) {
    if (part === '') continue;
    if (/^[1-9][0-9]{2}$/.test(part)) {
      statusCodes.add(Number(part));
      on.add('retriable-status-codes');
    } else if (retryOnVocabulary.has(part)) on.add(part);
    else unknown.push(part);
  }
  return { on, statusCodes, unknown };
}

/** Whether the conditions ask for another try; limits and deadlines are the caller's. */
export function shouldRetry(result: TryResult, conditions: RetryConditions): boolean {
  const { on } = conditions;
  if (result.kind === 'reset') {
    // Overload is not helped by more requests.
    if (result.reason === 'overflow') return false;
    if (on.has('reset') || on.has('5xx') || on.has('gateway-error')) return true;
    if (result.beforeRequest && on.has('reset-before-request')) return true;
    if (result.reason === 'connection-failure' || result.reason === 'connection-timeout') return on.has('connect-failure');
    return result.reason === 'refused-stream' && on.has('refused-stream');
  }
  const { status, grpcStatus, headers } = result;
  if (has(headers, 'x-envoy-ratelimited')) return on.has('envoy-ratelimited');
  if (status >= 500 && on.has('5xx')) return true;
  if ((status === 502 || status === 503 || status === 504) && on.has('gateway-error')) return true;
  if (status === 409 && on.has('retriable-4xx')) return true;
  if (on.has('retriable-status-codes') && conditions.statusCodes?.has(status) === true) return true;
  if (on.has('retriable-headers') && conditions.retriableHeaders?.(headers) === true) return true;
  const condition = grpcStatus === undefined ? undefined : grpcConditions.get(grpcStatus);
  return condition !== undefined && on.has(condition);
}

/**
 * Wait before retry number `retry` (1 is the first): random in [0, (2^retry - 1) · base), never more than `maxMs`, which is ten
 * times the base unless given.
 */
export function retryBackoffMs(retry: number, random: Random, baseMs = 25, maxMs = 10 * baseMs): number {
  return Math.min(maxMs, Math.floor(random.next() * (2 ** Math.min(retry, 30) - 1) * baseMs));
}

/** Chooses again, at most `attempts` times, while the host is rejected; the last one stands. */
export function chooseAccepted<H>(choose: (attempt: number) => H | undefined, rejects: (host: H) => boolean, attempts = 1): H | undefined {
  let host = choose(0);
  for (let i = 1; i <= attempts && host !== undefined && rejects(host); i++) host = choose(i);
  return host;
}

function has(headers: readonly string[], name: string): boolean {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return true;
  return false;
}
