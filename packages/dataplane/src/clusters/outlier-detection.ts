import { OutlierDetector, type OutlierOptions } from '@xebec/balancing';
import type { Clock, Random } from '@xebec/core';
import { optionalDurationMs } from '@xebec/matching';
import type { OutlierDetection as OutlierProto } from '@xebec/protos/envoy/config/cluster/v3/outlier_detection';
import type { StatsScope } from '@xebec/telemetry';
import type { Host } from './host.ts';

/** A cluster's outlier detector with its timer and statistics (envoy.config.cluster.v3.OutlierDetection, the consecutive kinds). */
export class OutlierDetection {
  readonly #clock: Clock;
  readonly #detector: OutlierDetector;
  #cancel: (() => void) | undefined;

  constructor(config: OutlierProto, clock: Clock, random: Random, onChange: () => void, parent: StatsScope) {
    this.#clock = clock;
    const stats = parent.scope('outlier_detection');
    this.#detector = new OutlierDetector(outlierOptions(config), random, (event) => {
      if (event.action === 'uneject') {
        stats.gauge('ejections_active').add(-1);
        onChange();
        return;
      }
      const kind = event.type.replaceAll('-', '_');
      stats.counter(`ejections_detected_${kind}`).add(1);
      if (event.action === 'spare') {
        if (event.overflow) stats.counter('ejections_overflow').add(1);
        return;
      }
      stats.counter('ejections_enforced_total').add(1);
      stats.counter(`ejections_enforced_${kind}`).add(1);
      stats.gauge('ejections_active').add(1);
      onChange();
    });
    this.#schedule();
  }
  setHosts(hosts: readonly Host[]): void {
    this.#detector.setHosts(hosts);
  }
  /** A response's status; a gRPC failure as the HTTP status it stands for. */
  onStatus(host: Host, status: number): void {
    this.#detector.reportStatus(host, status, this.#clock.monotonic());
  }
  /** Connecting failed, timed out, or the host reset the request. */
  onLocalFailure(host: Host): void {
    this.#detector.reportLocalOriginFailure(host, this.#clock.monotonic());
  }
  /** `whole`: no status will follow, as for TCP. */
  onConnected(host: Host, whole = false): void {
    this.#detector.reportConnected(host, whole, this.#clock.monotonic());
  }
  close(): void {
    this.#cancel?.();
  }
  #schedule(): void {
    this.#cancel = this.#clock.setTimeout(() => {
      this.#detector.tick(this.#clock.monotonic());
      this.#schedule();
    }, this.#detector.intervalMs);
  }
}

function outlierOptions(config: OutlierProto): OutlierOptions {
  const intervalMs = optionalDurationMs(config.interval);
  return {
    consecutive5xx: config.consecutive5xx,
    enforcingConsecutive5xx: config.enforcingConsecutive5xx,
    consecutiveGatewayFailure: config.consecutiveGatewayFailure,
    enforcingConsecutiveGatewayFailure: config.enforcingConsecutiveGatewayFailure,
    consecutiveLocalOriginFailure: config.consecutiveLocalOriginFailure,
    enforcingConsecutiveLocalOriginFailure: config.enforcingConsecutiveLocalOriginFailure,
    splitExternalLocalOriginErrors: config.splitExternalLocalOriginErrors,
    intervalMs: intervalMs === undefined ? undefined : Math.max(1, intervalMs),
    baseEjectionTimeMs: optionalDurationMs(config.baseEjectionTime),
    maxEjectionTimeMs: optionalDurationMs(config.maxEjectionTime),
    maxEjectionPercent: config.maxEjectionPercent,
  };
}
