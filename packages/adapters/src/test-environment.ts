import { seededRandom, silentLogger, VirtualClock } from '@xebec/core';
import { type Handler, templates } from '@xebec/policy';
import { Registry } from 'prom-client';
import type { AdapterDefinition, AdapterEnvironment } from './adapter.ts';
import { noWorkloads } from './kubernetesenv/workload-directory.ts';
import { MetricStore } from './prometheus/metric-store.ts';
import { RateLimitDomains } from './rate-limits/rate-limit-domains.ts';
import { RoleStore } from './rbac/role-store.ts';

/** An environment for specs that remembers what handlers did with it. */
export function testEnvironment(over: Partial<AdapterEnvironment> = {}) {
  const registry = new Registry();
  const lines: string[] = [];
  const counts = { delivered: 0, dropped: 0 };
  const clock = new VirtualClock();
  const environment: AdapterEnvironment = {
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    metrics: new MetricStore(registry),
    workloads: noWorkloads,
    rateLimits: new RateLimitDomains(),
    roles: new RoleStore(),
    delivery: {
      delivered: (entries) => {
        counts.delivered += entries;
      },
      dropped: (entries) => {
        counts.dropped += entries;
      },
    },
    writeLine: (line) => void lines.push(line),
    namespace: 'istio-system',
    ...over,
  };
  return { registry, lines, counts, clock, environment };
}

/** A handler, or an error that lists the violations; `check` must say the same as `configure`. */
export function configured(adapter: AdapterDefinition, params: unknown, environment: AdapterEnvironment): Handler {
  for (const name of adapter.templates) if (!templates.has(name)) throw new Error(`adapter ${adapter.name}: no template ${name}`);
  const result = adapter.configure(params, environment);
  if (!result.ok) throw new Error(result.error.map(({ path, message }) => `${path}: ${message}`).join('\n'));
  const violations = adapter.check(params);
  if (violations.length > 0) throw new Error(`check says ${JSON.stringify(violations)} of params that configure takes`);
  return result.value;
}
