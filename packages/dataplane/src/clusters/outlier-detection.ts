import { type EjectionType, type OutlierAverages, OutlierDetector, type OutlierOptions } from '@xebec/balancing';
import type { Clock, Random } from '@xebec/core';
import { optionalDurationMs } from '@xebec/matching';
import type { OutlierDetection as OutlierProto } from '@xebec/protos/envoy/config/cluster/v3/outlier_detection';
import type { StatsScope } from '@xebec/telemetry';
import type { Host } from './host.ts';

const types: readonly EjectionType[] = [
  'consecutive_5xx',
  'consecutive_gateway_failure',
  'consecutive_local_origin_failure',
  'success_rate',
  'local_origin_success_rate',
  'failure_percentage',
  'local_origin_failure_percentage',
];

/** Hears what hosts of a cluster do. */
export interface HostOutliers {
  readonly averages: OutlierAverages;
  rates(host: Host): { readonly external: number; readonly local: number };
  setHosts(hosts: readonly Host[]): void;
  onStatus(host: Host, status: number): void;
  onLocalFailure(host: Host, timedOut?: boolean): void;
  onConnected(host: Host, whole?: boolean): void;
  onHealthy(host: Host): void;
  close(): void;
}

/** A cluster's outlier detector with its timer and statistics (envoy.config.cluster.v3.OutlierDetection). */
export class OutlierDetection implements HostOutliers {
  readonly #clock: Clock;
  readonly #detector: OutlierDetector<Host>;
  readonly #stats: StatsScope;
  readonly #unejectsHealthy: boolean;
  #cancel: (() => void) | undefined;

  constructor(config: OutlierProto, clock: Clock, random: Random, onChange: () => void, parent: StatsScope) {
    this.#clock = clock;
    this.#unejectsHealthy = config.successfulActiveHealthCheckUnejectHost ?? true;
    const stats = parent.scope('outlier_detection');
    this.#stats = stats;
    for (const type of types) for (const what of ['detected', 'enforced']) stats.counter(`ejections_${what}_${type}`);
    for (const name of ['enforced_total', 'overflow', 'total', 'consecutive_5xx', 'success_rate']) stats.counter(`ejections_${name}`);
    stats.gauge('ejections_active');
    this.#detector = new OutlierDetector(outlierOptions(config), random, (event) => {
      if (event.action !== 'uneject') this.#count(event.type, event.action === 'eject', event.action === 'spare' && event.overflow);
      stats.gauge('ejections_active').set(this.#detector.ejectedCount);
      if (event.action !== 'spare') onChange();
    });
    this.#schedule();
  }
  get averages(): OutlierAverages {
    return this.#detector.averages;
  }
  /** Percent of good answers in the last interval, -1 where there were too few. */
  rates(host: Host): { readonly external: number; readonly local: number } {
    return this.#detector.rates(host);
  }
  setHosts(hosts: readonly Host[]): void {
    this.#detector.setHosts(hosts);
    this.#stats.gauge('ejections_active').set(this.#detector.ejectedCount);
  }
  /** A response's status; a gRPC failure as the HTTP status it stands for. */
  onStatus(host: Host, status: number): void {
    this.#detector.reportStatus(host, status, this.#clock.monotonic());
  }
  /** Connecting failed, timed out, or the host reset the request. */
  onLocalFailure(host: Host, timedOut = false): void {
    this.#detector.reportLocalOriginFailure(host, this.#clock.monotonic(), timedOut);
  }
  /** `whole`: no status will follow, as for TCP. */
  onConnected(host: Host, whole = false): void {
    this.#detector.reportConnected(host, whole, this.#clock.monotonic());
  }
  /** An active check of the host succeeded, and it counts as healthy. */
  onHealthy(host: Host): void {
    if (this.#unejectsHealthy) this.#detector.reportHealthy(host);
  }
  close(): void {
    this.#cancel?.();
  }
  #count(type: EjectionType, enforced: boolean, overflow: boolean): void {
    const stats = this.#stats;
    const old = type === 'consecutive_5xx' || type === 'success_rate';
    stats.counter(`ejections_detected_${type}`).add(1);
    // Envoy still counts these two under their old names as well.
    if (old) stats.counter(`ejections_${type}`).add(1);
    if (overflow) {
      stats.counter('ejections_overflow').add(1);
      return;
    }
    if (old) stats.counter('ejections_total').add(1);
    if (!enforced) return;
    stats.counter('ejections_enforced_total').add(1);
    stats.counter(`ejections_enforced_${type}`).add(1);
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
    enforcingSuccessRate: config.enforcingSuccessRate,
    enforcingLocalOriginSuccessRate: config.enforcingLocalOriginSuccessRate,
    successRateMinimumHosts: config.successRateMinimumHosts,
    successRateRequestVolume: config.successRateRequestVolume,
    successRateStdevFactor: config.successRateStdevFactor,
    failurePercentageThreshold: config.failurePercentageThreshold,
    enforcingFailurePercentage: config.enforcingFailurePercentage,
    enforcingFailurePercentageLocalOrigin: config.enforcingFailurePercentageLocalOrigin,
    failurePercentageMinimumHosts: config.failurePercentageMinimumHosts,
    failurePercentageRequestVolume: config.failurePercentageRequestVolume,
    intervalMs: intervalMs === undefined ? undefined : Math.max(1, intervalMs),
    baseEjectionTimeMs: optionalDurationMs(config.baseEjectionTime),
    maxEjectionTimeMs: optionalDurationMs(config.maxEjectionTime),
    maxEjectionTimeJitterMs: optionalDurationMs(config.maxEjectionTimeJitter),
    maxEjectionPercent: config.maxEjectionPercent,
    alwaysEjectOneHost: config.alwaysEjectOneHost,
  };
}
