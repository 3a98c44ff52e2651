import { type RetryConditions, retryBackoffMs, shouldRetry } from '@xebec/balancing';
import type { Random } from '@xebec/core';
import { compileHeaderLookup, compileHeaderMatcher, optionalDurationMs } from '@xebec/matching';
import type { RetryPolicy } from '@xebec/protos/envoy/config/route/v3/route_components';
import { type HeaderList, header, headerJoined, type RequestHead, type ResetReason } from '@xebec/wire';
import { compileRetryHosts, type RetryHosts } from '../clusters/retry-hosts.ts';

/** When and how to try again; compiled once per route, copied when request headers change it. */
export interface RetryRules extends RetryConditions {
  readonly count: number;
  /** 0 is no limit. */
  readonly perTryTimeoutMs: number;
  readonly perTryIdleTimeoutMs: number;
  readonly statusCodes: ReadonlySet<number>;
  readonly baseMs: number;
  readonly maxMs: number;
  /** Where retries go; undefined: as first tries. */
  readonly hosts: RetryHosts | undefined;
  /** Whether a request may be tried again at all; undefined: any may. */
  readonly mayRetry: ((head: RequestHead) => boolean) | undefined;
}

const compiled = new WeakMap<RetryPolicy, RetryRules>();
const none: RetryRules = {
  on: new Set(),
  count: 0,
  perTryTimeoutMs: 0,
  perTryIdleTimeoutMs: 0,
  statusCodes: new Set(),
  baseMs: 25,
  maxMs: 250,
  hosts: undefined,
  mayRetry: undefined,
};

/** What the route says of this request, which asks nothing itself. */
export function requestRules(policy: RetryPolicy | undefined, head: RequestHead): RetryRules {
  const rules = policyRules(policy);
  return rules.mayRetry === undefined || rules.mayRetry(head) ? rules : { ...rules, on: none.on, count: 0 };
}

/** `x-envoy-hedge-on-per-try-timeout`. */
export function asksForHedging(headers: HeaderList): boolean {
  return header(headers, 'x-envoy-hedge-on-per-try-timeout') === 'true';
}

function policyRules(policy: RetryPolicy | undefined): RetryRules {
  if (policy === undefined) return none;
  let rules = compiled.get(policy);
  if (rules === undefined) {
    rules = compile(policy);
    compiled.set(policy, rules);
  }
  return rules;
}

/** The rules of one request: the route's policy, changed by `x-envoy-retry-on` and its siblings. */
export function retryRules(policy: RetryPolicy | undefined, head: RequestHead): RetryRules {
  const { headers } = head;
  const rules = requestRules(policy, head);
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
  const matchers = policy.retriableHeaders.map(compileHeaderLookup);
  const requestMatchers = policy.retriableRequestHeaders.map(compileHeaderMatcher);
  const baseMs = optionalDurationMs(policy.retryBackOff?.baseInterval) ?? 25;
  return {
    on: words(policy.retryOn),
    count: policy.numRetries ?? 1,
    perTryTimeoutMs: optionalDurationMs(policy.perTryTimeout) ?? 0,
    perTryIdleTimeoutMs: optionalDurationMs(policy.perTryIdleTimeout) ?? 0,
    statusCodes: new Set(policy.retriableStatusCodes),
    retriableHeaders: (headers) => matchers.some((matches) => matches((name) => headerJoined(headers, name))),
    baseMs,
    maxMs: optionalDurationMs(policy.retryBackOff?.maxInterval) ?? baseMs * 10,
    hosts: compileRetryHosts(policy, 'retry_policy'),
    mayRetry: requestMatchers.length === 0 ? undefined : (head) => requestMatchers.some((matches) => matches(head)),
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
    statusCodes: codes.size === 0 ? rules.statusCodes : new Set([...rules.statusCodes, ...[...codes].map(Number)]),
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

/** Whether a response is worth another try. */
export function retriesResponse(rules: RetryRules, status: number, headers: HeaderList): boolean {
  if (rules.on.size === 0) return false;
  const grpc = header(headers, 'grpc-status');
  return shouldRetry({ kind: 'response', status, grpcStatus: grpc === undefined ? undefined : Number(grpc), headers }, rules);
}

export type AttemptFailure = ResetReason | 'connection-timeout' | 'per-try-timeout';

/** Whether an attempt that got no response is worth another. `sent`: the request's head had left. */
export function retriesReset(rules: RetryRules, reason: AttemptFailure, sent: boolean): boolean {
  return rules.on.size > 0 && shouldRetry({ kind: 'reset', reason, beforeRequest: !sent }, rules);
}

/** The wait before the n-th retry (from 1). */
export function retryDelayMs(rules: RetryRules, retry: number, random: Random): number {
  return retryBackoffMs(retry, random, rules.baseMs, rules.maxMs);
}
