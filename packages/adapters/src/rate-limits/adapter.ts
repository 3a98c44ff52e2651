import { err, ok, type Result, type Violation } from '@xebec/core';
import type { z } from 'zod';
import type { AdapterDefinition } from '../adapter.ts';
import { parseParams } from '../params.ts';
import { MemoryQuotaStore } from '../quota/memory-store.ts';
import { parseRedisAddress, type RedisAddress } from '../redis/redis-address.ts';
import { readCertificates } from '../redis/redis-certificates.ts';
import { RedisQuotaStore } from '../redis/redis-quota-store.ts';
import { compileDescriptorTree, type DescriptorTree } from './descriptor-tree.ts';
import { createRateLimitDomain } from './rate-limit-domains.ts';
import { rateLimitParams } from './rate-limit-params.ts';

interface Compiled {
  readonly params: z.output<typeof rateLimitParams>;
  readonly tree: DescriptorTree;
  /** Undefined: counts are in this process. */
  readonly address: RedisAddress | undefined;
}

function compile(raw: unknown): Result<Compiled> {
  const parsed = parseParams(rateLimitParams, raw);
  if (!parsed.ok) return parsed;
  const params = parsed.value;
  const violations: Violation[] = [];
  if (params.domain === '')
    violations.push({ path: 'spec.params.domain', message: 'required field is missing: the domain that callers name' });
  const tree = compileDescriptorTree(params.descriptors, 'spec.params.descriptors');
  if (!tree.ok) violations.push(...tree.error);
  const address = params.redisServerUrl === undefined ? undefined : parseRedisAddress(params.redisServerUrl);
  if (address?.ok === false) violations.push({ path: 'spec.params.redisServerUrl', message: address.error });
  if (violations.length > 0 || !tree.ok) return err(violations);
  return ok({ params, tree: tree.value, address: address?.ok === true ? address.value : undefined });
}

/**
 * The limits of one domain of Envoy's rate limit service, as the tree of descriptors that users of envoyproxy/ratelimit write. It takes
 * no instances: who asks the service names the domain.
 */
export const rateLimits: AdapterDefinition = {
  name: 'ratelimit',
  templates: [],
  check(raw) {
    const compiled = compile(raw);
    return compiled.ok ? [] : compiled.error;
  },
  configure(raw, { clock, logger, rateLimits: domains }) {
    const compiled = compile(raw);
    if (!compiled.ok) return compiled;
    const { params, tree, address } = compiled.value;
    const { domain, responseHeaders, connectionPoolSize, timeLimit: timeLimitMs } = params;
    const certificates = readCertificates(params.caCertificates);
    if (!certificates.ok) return certificates;
    const store =
      address === undefined
        ? // Windows of the grid start when the clock on the wall says so.
          new MemoryQuotaStore({ now: () => clock.now(), deduplicationMs: 1000 })
        : new RedisQuotaStore({
            address,
            ...certificates.value,
            connections: connectionPoolSize === 0 ? 1 : connectionPoolSize,
            timeLimitMs,
            prefix: 'xebec:ratelimit:',
            logger,
          });
    const remove = domains.add(domain, createRateLimitDomain(domain, tree, store, responseHeaders));
    if (remove === undefined) {
      store.close();
      return err([{ path: 'spec.params.domain', message: `domain "${domain}" is served by another handler` }]);
    }
    return ok({
      close: () => {
        remove();
        store.close();
      },
    });
  },
};
