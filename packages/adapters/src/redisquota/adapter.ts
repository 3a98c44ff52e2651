import { err, errorText, ok, type Result, type Violation } from '@xebec/core';
import { z } from 'zod';
import type { AdapterDefinition } from '../adapter.ts';
import { milliseconds, parseParams } from '../params.ts';
import { protoObject } from '../proto-object.ts';
import { quotaHandler } from '../quota/quota-handler.ts';
import { algorithmOf, checkQuotas, quotaDefinitions } from '../quota/quota-params.ts';
import { parseRedisAddress, type RedisAddress } from '../redis/redis-address.ts';
import { readCertificates } from '../redis/redis-certificates.ts';
import { RedisQuotaStore } from '../redis/redis-quota-store.ts';

const RESOURCE_EXHAUSTED = 8;
const UNAVAILABLE = 14;
const MAX_TIME_LIMIT_MS = 60_000;

const params = protoObject({
  quotas: quotaDefinitions,
  redisServerUrl: z.string().default(''),
  connectionPoolSize: z.int().min(0).max(100).default(0),
  timeLimit: milliseconds.default(500),
  caCertificates: z.string().optional(),
});

type Params = z.output<typeof params>;

function read(raw: unknown, namespace: string): Result<Params & { readonly address: RedisAddress }> {
  const parsed = parseParams(params, raw);
  if (!parsed.ok) return parsed;
  const { quotas, redisServerUrl, timeLimit } = parsed.value;
  const violations: Violation[] = [];
  if (quotas.length === 0) violations.push({ path: 'spec.params.quotas', message: 'required field is missing: define at least one quota' });
  for (const [i, { validDuration, bucketDuration, rateLimitAlgorithm, fairShare, maxAmount, overrides }] of quotas.entries()) {
    const path = `spec.params.quotas[${i}]`;
    const rolling = rateLimitAlgorithm === 'ROLLING_WINDOW' || rateLimitAlgorithm === 1;
    if (maxAmount <= 0) violations.push({ path: `${path}.maxAmount`, message: `${maxAmount} is not above 0` });
    if (validDuration === 0 && fairShare === undefined)
      violations.push({ path: `${path}.validDuration`, message: 'must be longer than 0: how long taken quota stays taken, such as 1s' });
    if (rolling && (bucketDuration === undefined || bucketDuration === 0))
      violations.push({
        path: `${path}.bucketDuration`,
        message: 'must be longer than 0 with ROLLING_WINDOW, such as a tenth of validDuration',
      });
    else if (rolling && bucketDuration !== undefined && validDuration > 0 && validDuration <= bucketDuration)
      violations.push({ path: `${path}.bucketDuration`, message: 'must be shorter than validDuration with ROLLING_WINDOW' });
    for (const [j, override] of overrides.entries()) {
      const at = `${path}.overrides[${j}]`;
      if (override.maxAmount <= 0) violations.push({ path: `${at}.maxAmount`, message: `${override.maxAmount} is not above 0` });
      if (override.validDuration === 0) violations.push({ path: `${at}.validDuration`, message: 'must be longer than 0, or left out' });
      if (Object.keys(override.dimensions).length === 0)
        violations.push({
          path: `${at}.dimensions`,
          message: 'required field is missing: an override without dimensions is for everybody',
        });
    }
  }
  violations.push(...checkQuotas(quotas, namespace));
  if (timeLimit <= 0 || timeLimit > MAX_TIME_LIMIT_MS)
    violations.push({ path: 'spec.params.timeLimit', message: 'must be longer than 0 and at most 60s' });
  if (redisServerUrl === '') {
    violations.push({ path: 'spec.params.redisServerUrl', message: 'required field is missing: the address of Redis, such as redis:6379' });
    return err(violations);
  }
  const address = parseRedisAddress(redisServerUrl);
  if (!address.ok) violations.push({ path: 'spec.params.redisServerUrl', message: address.error });
  return address.ok && violations.length === 0 ? ok({ ...parsed.value, address: address.value }) : err(violations);
}

/** Quotas counted in Redis: exact over all replicas that use it. */
export const redisquota: AdapterDefinition = {
  name: 'redisquota',
  templates: ['quota'],
  check(raw) {
    const checked = read(raw, 'istio-system');
    return checked.ok ? [] : checked.error;
  },
  configure(raw, { namespace, logger }) {
    const parsed = read(raw, namespace);
    if (!parsed.ok) return parsed;
    const { quotas, address, connectionPoolSize, timeLimit, caCertificates } = parsed.value;
    const certificates = readCertificates(caCertificates);
    if (!certificates.ok) return certificates;
    const store = new RedisQuotaStore({
      address,
      ...certificates.value,
      // Requests share a connection without waiting for each other.
      connections: connectionPoolSize === 0 ? 1 : connectionPoolSize,
      timeLimitMs: timeLimit,
      prefix: 'xebec:quota:',
      logger,
    });
    return ok(
      quotaHandler({
        adapter: 'redisquota',
        namespace,
        quotas,
        algorithm: (definition) => algorithmOf(definition, 'FIXED_WINDOW'),
        store,
        exhausted: { code: RESOURCE_EXHAUSTED, message: 'redisquota: Resource exhausted', amount: 0, validDurationMs: 0 },
        logger,
        unavailable: (error) => ({ code: UNAVAILABLE, message: `redisquota: ${errorText(error)}`, amount: 0, validDurationMs: 0 }),
        close: () => undefined,
      }),
    );
  },
};
