import { STATUS_CODES } from 'node:http';
import type { RetryPolicySchema } from '@xebec/protos/envoy/config/route/v3/route_components';
import { PreviousHostsPredicateSchema } from '@xebec/protos/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts';
import { PreviousPrioritiesConfigSchema } from '@xebec/protos/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config';
import type { HttpRoute } from '@xebec/schemas';
import { extension, type Fields } from '../envoy/any.ts';
import { duration } from '../envoy/duration.ts';

type RetryPolicy = Fields<typeof RetryPolicySchema>;

/** What is safe to try again without knowing the service: the request cannot have been worked on. */
const DEFAULT_RETRY_ON = 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes';
const DEFAULT_ATTEMPTS = 2;

/**
 * The retry policy of a route; undefined when retries are off, as they are for a policy that gives no attempts. With
 * consistent hashing a retry goes to the same host, unless the policy asks for another.
 */
export function retryPolicy(retries: HttpRoute['retries'], consistentHash: boolean): RetryPolicy | undefined {
  if (retries !== undefined && (retries.attempts ?? 0) <= 0) return undefined;
  const { codes, conditions } = parseRetryOn(retries?.retryOn);
  const avoidHosts = retries?.retryIgnorePreviousHosts ?? !consistentHash;
  return {
    retryOn: conditions,
    retriableStatusCodes: codes,
    numRetries: retries?.attempts ?? DEFAULT_ATTEMPTS,
    ...(avoidHosts ? { retryHostPredicate: [extension('envoy.retry_host_predicates.previous_hosts', PreviousHostsPredicateSchema)] } : {}),
    hostSelectionRetryMaxAttempts: 5n,
    ...(retries?.perTryTimeout === undefined ? {} : { perTryTimeout: duration(retries.perTryTimeout) }),
    ...(retries?.retryRemoteLocalities === true
      ? { retryPriority: extension('envoy.retry_priorities.previous_priorities', PreviousPrioritiesConfigSchema, { updateFrequency: 2 }) }
      : {}),
    ...(retries?.backoff === undefined ? {} : { retryBackOff: { baseInterval: duration(retries.backoff) } }),
  };
}

/** Numbers among the conditions are status codes. */
function parseRetryOn(text: string | undefined): { conditions: string; codes: number[] } {
  if (text === undefined || text === '') return { conditions: DEFAULT_RETRY_ON, codes: [] };
  const words = text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  const isStatus = (word: string) => STATUS_CODES[Number(word)] !== undefined;
  const codes = words.filter(isStatus).map(Number);
  const conditions = words.filter((word) => !isStatus(word)).join(',');
  const named = codes.length === 0 || conditions.includes('retriable-status-codes');
  return { conditions: named ? conditions : `${conditions},retriable-status-codes`, codes };
}
