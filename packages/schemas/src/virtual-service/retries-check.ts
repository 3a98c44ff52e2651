import { STATUS_CODES } from 'node:http';
import { nearest } from '@xebec/core';
import type { FindingList } from '../findings.ts';
import { checkDuration } from '../traffic-policy/connection-pool.ts';
import type { HttpRoute } from './spec.ts';

/** `x-envoy-retry-on` and `x-envoy-retry-grpc-on`. */
const CONDITIONS: readonly string[] = [
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'envoy-ratelimited',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
];

export function checkRetries(retries: HttpRoute['retries'], path: readonly PropertyKey[], findings: FindingList): void {
  if (retries === undefined) return;
  const { attempts = 0, retryOn = '' } = retries;
  if (attempts < 0) findings.error([...path, 'attempts'], `${attempts} is negative`);
  const others = retryOn !== '' || retries.perTryTimeout !== undefined || retries.retryRemoteLocalities !== undefined;
  if (attempts === 0 && others) findings.error([...path, 'attempts'], '0 turns retries off: nothing else can be set beside it');
  checkDuration(retries.perTryTimeout, [...path, 'perTryTimeout'], findings);
  checkDuration(retries.backoff, [...path, 'backoff'], findings);
  for (const condition of retryOn === '' ? [] : retryOn.split(',')) {
    if (CONDITIONS.includes(condition) || isStatus(condition)) continue;
    const suggestion = nearest(condition, CONDITIONS);
    const hint = suggestion === undefined ? `; use statuses or ${CONDITIONS.join(', ')}` : `; did you mean "${suggestion}"?`;
    findings.error([...path, 'retryOn'], `"${condition}" is no reason to retry${hint}`);
  }
}

/** The statuses that have a name; node calls some otherwise than others do, but knows the same. */
function isStatus(text: string): boolean {
  return /^\+?\d+$/.test(text) && STATUS_CODES[Number(text)] !== undefined && Number(text) !== 509;
}
