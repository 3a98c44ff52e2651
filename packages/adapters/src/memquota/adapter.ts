import { err, ok } from '@xebec/core';
import type { AdapterDefinition } from '../adapter.ts';
import { milliseconds, parseParams } from '../params.ts';
import { protoObject } from '../proto-object.ts';
import { MemoryQuotaStore } from '../quota/memory-store.ts';
import { quotaHandler } from '../quota/quota-handler.ts';
import { algorithmOf, checkQuotas, quotaDefinitions } from '../quota/quota-params.ts';

const params = protoObject({ quotas: quotaDefinitions, minDeduplicationDuration: milliseconds.default(1_000) });

function read(raw: unknown, namespace: string) {
  const parsed = parseParams(params, raw);
  if (!parsed.ok) return parsed;
  const { quotas, minDeduplicationDuration } = parsed.value;
  const violations = checkQuotas(quotas, namespace);
  if (minDeduplicationDuration <= 0)
    violations.push({ path: 'spec.params.minDeduplicationDuration', message: 'must be longer than 0, such as 1s' });
  return violations.length > 0 ? err(violations) : parsed;
}

/** Quotas counted in this Mixer's memory: for one replica, and gone when it ends. */
export const memquota: AdapterDefinition = {
  name: 'memquota',
  templates: ['quota'],
  check(raw) {
    const params = read(raw, 'istio-system');
    return params.ok ? [] : params.error;
  },
  configure(raw, { namespace, clock, logger }) {
    const parsed = read(raw, namespace);
    if (!parsed.ok) return parsed;
    const { quotas, minDeduplicationDuration } = parsed.value;
    let warned = false;
    const store = new MemoryQuotaStore({
      now: () => clock.monotonic(),
      deduplicationMs: minDeduplicationDuration,
      onForgotten: () => {
        if (!warned)
          logger.warn({}, 'more quota keys than memory is meant for: those asked longest ago are forgotten; use fewer dimensions');
        warned = true;
      },
    });
    return ok(
      quotaHandler({
        adapter: 'memquota',
        namespace,
        quotas,
        algorithm: (definition) => algorithmOf(definition, 'ROLLING_WINDOW'),
        store,
        exhausted: { code: 0, message: '', amount: 0, validDurationMs: 0 },
        logger,
        unavailable: (error) => {
          throw error;
        },
        close: () => undefined,
      }),
    );
  },
};
