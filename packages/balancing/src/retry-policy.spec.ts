import { seededRandom } from '@xebec/core';
import { expect, test } from 'vitest';
import { createCircuitBreaker, withinRetryBudget } from './circuit-breaker.ts';
import { chooseAccepted, parseRetryOn, retryBackoffMs, shouldRetry, type TryResult } from './retry-policy.ts';

const response = (status: number, grpcStatus?: number, headers: string[] = []): TryResult => ({
  kind: 'response',
  status,
  grpcStatus,
  headers,
});
const reset = (reason: string, beforeRequest = false): TryResult => ({ kind: 'reset', reason, beforeRequest });

test.each<[string, TryResult, boolean]>([
  ['5xx', response(500), true],
  ['5xx', response(499), false],
  ['5xx', reset('remote-reset'), true],
  ['5xx', reset('overflow'), false],
  ['gateway-error', response(503), true],
  ['gateway-error', response(500), false],
  ['retriable-4xx', response(409), true],
  ['retriable-4xx', response(404), false],
  ['connect-failure', reset('connection-failure', true), true],
  ['connect-failure', reset('remote-reset'), false],
  ['refused-stream', reset('refused-stream'), true],
  ['reset-before-request', reset('connection-termination', true), true],
  ['reset-before-request', reset('connection-termination', false), false],
  ['503,418', response(418), true],
  ['cancelled', response(200, 1), true],
  ['deadline-exceeded', response(200, 4), true],
  ['resource-exhausted', response(200, 8), true],
  ['internal', response(200, 13), true],
  ['unavailable', response(200, 14), true],
  ['unavailable', response(200, 13), false],
  ['5xx', response(503, undefined, ['x-envoy-overloaded', 'true']), true],
  ['envoy-ratelimited', response(429, undefined, ['x-envoy-ratelimited', 'true']), true],
])('%s with %j: %s', (text, result, expected) => {
  expect(shouldRetry(result, parseRetryOn(text))).toBe(expected);
});

test('unknown conditions are told', () => {
  expect(parseRetryOn('5xx, sometimes').unknown).toEqual(['sometimes']);
});

test('back-off grows and has a ceiling', () => {
  const random = seededRandom(3);
  for (let i = 0; i < 200; i++) {
    expect(retryBackoffMs(1, random)).toBeLessThan(25);
    expect(retryBackoffMs(2, random)).toBeLessThan(75);
    expect(retryBackoffMs(20, random)).toBeLessThanOrEqual(250);
  }
  expect(retryBackoffMs(20, { next: () => 0.99 })).toBe(250);
});

test('rejected hosts are avoided while there are others', () => {
  let turn = 0;
  expect(
    chooseAccepted(
      () => 'ab'[turn++ % 2],
      (host) => host === 'a',
    ),
  ).toBe('b');
  expect(
    chooseAccepted(
      () => 'a',
      (host) => host === 'a',
      2,
    ),
  ).toBe('a');
});

test('counters and budget', () => {
  const breaker = createCircuitBreaker({ maxRequests: 2 });
  expect([breaker.requests.tryAcquire(), breaker.requests.tryAcquire(), breaker.requests.tryAcquire()]).toEqual([true, true, false]);
  breaker.requests.release();
  expect(breaker.requests.open).toBe(false);
  expect([breaker.connections.max, breaker.pendingRequests.max, breaker.retries.max]).toEqual([1024, 1024, 3]);
  for (let i = 0; i < 3; i++) {
    expect(withinRetryBudget(breaker, {})).toBe(true);
    breaker.retries.tryAcquire();
  }
  expect(withinRetryBudget(breaker, {})).toBe(false);
});
