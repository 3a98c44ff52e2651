import { type Clock, err, ok, type Violation } from '@xebec/core';
import { numericValue } from '@xebec/expressions';
import type { InstanceValue } from '@xebec/policy';
import type { AdapterDefinition } from '../adapter.ts';
import { parseParams } from '../params.ts';
import type { MetricLease as Lease } from './metric-store.ts';
import { bucketBounds, type ExpirationPolicy, normalizeParams, prometheusParams } from './params.ts';

/** Turns metric instances into Prometheus series; each is named `<namespace>_<name>`, `istio_` unless told otherwise. */
export const prometheus: AdapterDefinition = {
  name: 'prometheus',
  templates: ['metric'],
  check(raw) {
    const parsed = parseParams(prometheusParams, normalizeParams(raw));
    return parsed.ok ? [] : parsed.error;
  },
  configure(raw, environment) {
    const parsed = parseParams(prometheusParams, normalizeParams(raw));
    if (!parsed.ok) return parsed;
    const metrics = new Map<string, Lease>();
    const violations: Violation[] = [];
    for (const [i, definition] of parsed.value.metrics.entries()) {
      const instance = qualified(definition.instance_name, environment.namespace);
      const name = `${definition.namespace ?? 'istio'}_${definition.name}`;
      if (metrics.has(instance)) {
        violations.push({ path: `spec.params.metrics[${i}].instance_name`, message: `${instance} is the source of two metrics` });
        continue;
      }
      const lease = environment.metrics.acquire({
        name,
        help: definition.description ?? definition.name,
        kind: definition.kind,
        labelNames: definition.label_names,
        buckets: definition.kind === 'DISTRIBUTION' ? bucketBounds(definition.buckets) : [],
      });
      if (lease === undefined) {
        violations.push({
          path: `spec.params.metrics[${i}].name`,
          message: `${name} is in use with another kind, other labels or other buckets`,
        });
      } else {
        metrics.set(instance, lease);
      }
    }
    const release = () => {
      for (const lease of metrics.values()) lease.release();
    };
    if (violations.length > 0) {
      release();
      return err(violations);
    }
    const policy = parsed.value.metrics_expiration_policy;
    const stopExpiry = policy === undefined ? () => undefined : expireSeries([...metrics.values()], policy, environment.clock);
    return ok({
      report: (instances) => {
        for (const instance of instances) record(metrics.get(instance.name), instance);
      },
      close: () => {
        stopExpiry();
        release();
      },
    });
  },
};

const SHORTEST_LOOK_MS = 1000;

/** Forgets series that stand still, each at the latest two looks after its time; the returned function ends it. */
function expireSeries(leases: readonly Lease[], policy: ExpirationPolicy, clock: Clock): () => void {
  const idleMs = policy.metrics_expiry_duration;
  const intervalMs = Math.max(SHORTEST_LOOK_MS, policy.expiry_check_interval_duration ?? idleMs / 2);
  let stop: () => void = () => undefined;
  const look = (): void => {
    const now = clock.now();
    // What was added has the time of the look before it.
    for (const lease of leases) lease.expire(now, now - idleMs - intervalMs);
    stop = clock.setTimeout(look, intervalMs);
  };
  look();
  return () => stop();
}

/** `requestcount.metric.istio-system` and `requestcount` mean the instance `requestcount.istio-system`. */
function qualified(name: string, namespace: string): string {
  const parts = name.split('.');
  return `${parts[0] ?? ''}.${parts.length === 1 ? namespace : (parts.at(-1) ?? '')}`;
}

function record(metric: Lease | undefined, { fields }: InstanceValue): void {
  const value = fields['value'];
  if (metric === undefined || value === undefined || !('type' in value)) return;
  const number = numericValue(value);
  if (number === undefined || !Number.isFinite(number)) return;
  const dimensions = fields['dimensions'];
  metric.record(dimensions instanceof Map ? dimensions : undefined, number);
}
