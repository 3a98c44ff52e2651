import { durationMs } from '@bufbuild/protobuf/wkt';
import type { Clock } from '@xebec/core';
import type { Bootstrap } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import type { Stats } from '@xebec/telemetry';

/**
 * `stats_eviction_interval`: series of Istio's metrics that stood still for a whole interval go. Workloads that are gone leave no
 * series behind, and a client that invents hosts cannot fill the memory. Returns what stops it.
 */
export function evictIdleStats({ statsEviction }: Bootstrap, stats: Pick<Stats, 'evictIdle'>, clock: Clock): () => void {
  const intervalMs = statsEviction.value === undefined ? 0 : durationMs(statsEviction.value);
  if (intervalMs <= 0) return () => undefined;
  const evict = (): void => {
    stats.evictIdle('istio_');
    cancel = clock.setTimeout(evict, intervalMs);
  };
  let cancel = clock.setTimeout(evict, intervalMs);
  return () => cancel();
}
