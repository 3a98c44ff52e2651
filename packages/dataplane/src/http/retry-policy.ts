import { compileHeaderLookup, optionalDurationMs } from '@xebec/matching';
import type { RetryPolicy } from '@xebec/protos/envoy/config/route/v3/route_components';
import { type HeaderList, header, headerJoined, type ResetReason } from '@xebec/wire';

/** When and how to try again; compiled once per route, copied when request headers change it. */
export interface RetryRules {
  readonly on: ReadonlySet<string>;
  readonly count: number;
  /** 0 is no limit. */
  readonly perTryTimeoutMs: number;
  readonly perTryIdleTimeoutMs: number;
  readonly statuses: ReadonlySet<number>;
  readonly headers: readonly ((lookup: (name: string) => string | undefined) => boolean)[];
  readonly baseMs: number;
  readonly maxMs: number;
  /** Try another host than before. */
  readonly avoidPrevious: boolean;
}

const compiled = new WeakMap<RetryPolicy, RetryRules>();
const none: RetryRules = {
  on: new Set(),
  count: 0,
  perTryTimeoutMs: 0,
  perTryIdleTimeoutMs: 0,
  statuses: new Set(),
  headers: [],
  baseMs: 25,
  maxMs: 250,
  avoidPrevious: false,
};

/** The rules of one request: the route's policy, changed by `x-envoy-retry-on` and its siblings. */
export function retryRules(policy: RetryPolicy | undefined, headers: HeaderList): RetryRules {
  let rules = none;
  if (policy !== undefined) {
    const known = compiled.get(policy);
    rules = known ?? compile(policy);
    if (known === undefined) compiled.set(policy, rules);
  }
  let asked = false;
  for (let i = 0; i < headers.length && !asked; i += 2) {
    const name = headers[i] as string;
    asked =
      name.startsWith('x-envoy-') &&
      (name.startsWith('x-envoy-ret') || name === 'x-envoy-max-retries' || name.startsWith('x-envoy-upstream-rq-per'));
  }
  return asked ? withHeaders(rules, headers) : rules;
}

function compile(policy: RetryPolicy): RetryRules {
  const baseMs = optionalDurationMs(policy.retryBackOff?.baseInterval) ?? 25;
  return {
    on: words(policy.retryOn),
    count: policy.numRetries ?? 1,
    perTryTimeoutMs: optionalDurationMs(policy.perTryTimeout) ?? 0,
    perTryIdleTimeoutMs: optionalDurationMs(policy.perTryIdleTimeout) ?? 0,
    statuses: new Set(policy.retriableStatusCodes),
    headers: policy.retriableHeaders.map(compileHeaderLookup),
    baseMs,
    maxMs: optionalDurationMs(policy.retryBackOff?.maxInterval) ?? baseMs * 10,
    avoidPrevious: policy.retryHostPredicate.some((predicate) => predicate.name.endsWith('previous_hosts')),
  };
}

function withHeaders(rules: RetryRules, headers: HeaderList): RetryRules {
  const on = new Set(rules.on);
  for (const name of ['x-envoy-retry-on', 'x-envoy-retry-grpc-on']) for (const word of words(header(headers, name) ?? '')) on.add(word);
  const codes = words(header(headers, 'x-envoy-retriable-status-codes') ?? '');
  const max = Number(header(headers, 'x-envoy-max-retries') ?? Number.NaN);
  const perTry = Number(header(headers, 'x-envoy-upstream-rq-per-try-timeout-ms') ?? Number.NaN);
  return {
    ...rules,
    on,
    count: Number.isInteger(max) && max >= 0 ? max : rules === none && on.size > 0 ? 1 : rules.count,
    perTryTimeoutMs: Number.isFinite(perTry) && perTry >= 0 ? perTry : rules.perTryTimeoutMs,
    statuses: codes.size === 0 ? rules.statuses : new Set([...rules.statuses, ...[...codes].map(Number)]),
  };
}

function words(text: string): Set<string> {
  return new Set(
    text
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== ''),
  );
}

const grpcConditions: Record<string, string> = {
  '1': 'cancelled',
  '4': 'deadline-exceeded',
  '8': 'resource-exhausted',
  '13': 'internal',
  '14': 'unavailable',
};

/** Whether a response is worth another try. */
export function retriesResponse(rules: RetryRules, status: number, headers: HeaderList): boolean {
  const { on } = rules;
  if (on.size === 0 || header(headers, 'x-envoy-overloaded') !== undefined) return false;
  if (header(headers, 'x-envoy-ratelimited') !== undefined) return on.has('envoy-ratelimited');
  if (status >= 500 && on.has('5xx')) return true;
  if (status >= 502 && status <= 504 && on.has('gateway-error')) return true;
  if (status === 409 && on.has('retriable-4xx')) return true;
  if (on.has('retriable-status-codes') && rules.statuses.has(status)) return true;
  if (on.has('retriable-headers') && rules.headers.some((matches) => matches((name) => headerJoined(headers, name)))) return true;
  const grpc = header(headers, 'grpc-status');
  const condition = grpc === undefined ? undefined : grpcConditions[grpc];
  return condition !== undefined && on.has(condition);
}

export type AttemptFailure = ResetReason | 'connection-timeout' | 'per-try-timeout';

/** Whether an attempt that got no response is worth another. `sent`: the request's head had left. */
export function retriesReset(rules: RetryRules, reason: AttemptFailure, sent: boolean): boolean {
  const { on } = rules;
  if (on.size === 0 || reason === 'overflow') return false;
  if (on.has('reset') || on.has('5xx') || on.has('gateway-error')) return true;
  if (on.has('reset-before-request') && !sent) return true;
  if (on.has('connect-failure') && (reason === 'connection-failure' || reason === 'connection-timeout')) return true;
  return on.has('refused-stream') && reason === 'refused-stream';
}

/** The wait before the n-th retry (from 1): full jitter over (2^n - 1)·base, capped. */
export function retryDelayMs(rules: RetryRules, retry: number, random: number): number {
  return Math.min(rules.maxMs, (2 ** Math.min(retry, 20) - 1) * rules.baseMs) * random;
}
