import type { Clock } from '@xebec/core';
import { durationMs } from '@xebec/matching';
import type { OutlierDetection as OutlierProto } from '@xebec/protos/envoy/config/cluster/v3/outlier_detection';
import type { StatsScope } from '@xebec/telemetry';
import type { Host } from './host.ts';

/** Ejects hosts that fail again and again (envoy.config.cluster.v3.OutlierDetection, the consecutive kinds). */
export class OutlierDetection {
  readonly #config: OutlierProto;
  readonly #clock: Clock;
  readonly #hosts: () => Iterable<Host>;
  readonly #onChange: () => void;
  readonly #stats: StatsScope;
  readonly #intervalMs: number;
  readonly #baseMs: number;
  readonly #maxMs: number;
  #cancel: (() => void) | undefined;

  constructor(config: OutlierProto, clock: Clock, hosts: () => Iterable<Host>, onChange: () => void, stats: StatsScope) {
    this.#config = config;
    this.#clock = clock;
    this.#hosts = hosts;
    this.#onChange = onChange;
    this.#stats = stats.scope('outlier_detection');
    this.#intervalMs = config.interval === undefined ? 10_000 : Math.max(1, durationMs(config.interval));
    this.#baseMs = config.baseEjectionTime === undefined ? 30_000 : durationMs(config.baseEjectionTime);
    this.#maxMs = config.maxEjectionTime === undefined ? Math.max(300_000, this.#baseMs) : durationMs(config.maxEjectionTime);
    this.#schedule();
  }
  /** A response's status, or 503 for a local failure when they are not told apart. */
  onStatus(host: Host, status: number): void {
    const config = this.#config;
    if (status >= 500) {
      host.consecutive5xx++;
      if (status >= 502 && status <= 504) host.consecutiveGatewayFailures++;
      else host.consecutiveGatewayFailures = 0;
      if (host.consecutiveGatewayFailures >= (config.consecutiveGatewayFailure ?? 5)) {
        this.#eject(host, config.enforcingConsecutiveGatewayFailure ?? 0, 'consecutive_gateway_failure');
      }
      if (host.consecutive5xx >= (config.consecutive5xx ?? 5)) this.#eject(host, config.enforcingConsecutive5xx ?? 100, 'consecutive_5xx');
      return;
    }
    host.consecutive5xx = 0;
    host.consecutiveGatewayFailures = 0;
  }
  /** Connecting failed, timed out, or the host reset the request. */
  onLocalFailure(host: Host): void {
    if (!this.#config.splitExternalLocalOriginErrors) {
      this.onStatus(host, 503);
      return;
    }
    host.consecutiveLocalFailures++;
    if (host.consecutiveLocalFailures >= (this.#config.consecutiveLocalOriginFailure ?? 5)) {
      this.#eject(host, this.#config.enforcingConsecutiveLocalOriginFailure ?? 100, 'consecutive_local_origin_failure');
    }
  }
  onConnected(host: Host): void {
    host.consecutiveLocalFailures = 0;
  }
  close(): void {
    this.#cancel?.();
  }
  #eject(host: Host, enforcing: number, reason: string): void {
    host.consecutive5xx = 0;
    host.consecutiveGatewayFailures = 0;
    host.consecutiveLocalFailures = 0;
    if (host.ejected) return;
    this.#stats.counter(`ejections_detected_${reason}`).add(1);
    if (enforcing === 0) return;
    const all = [...this.#hosts()];
    const ejected = all.filter((other) => other.ejected).length;
    const share = ((ejected + 1) / all.length) * 100;
    // One host may always go, whatever the share says.
    if (ejected > 0 && share > (this.#config.maxEjectionPercent ?? 10)) {
      this.#stats.counter('ejections_overflow').add(1);
      return;
    }
    host.ejected = true;
    host.ejections++;
    host.ejectedUntilMs = this.#clock.monotonic() + Math.min(this.#baseMs * host.ejections, this.#maxMs);
    this.#stats.counter('ejections_enforced_total').add(1);
    this.#stats.counter(`ejections_enforced_${reason}`).add(1);
    this.#stats.gauge('ejections_active').add(1);
    this.#onChange();
  }
  #schedule(): void {
    this.#cancel = this.#clock.setTimeout(() => {
      const now = this.#clock.monotonic();
      let changed = false;
      for (const host of this.#hosts()) {
        if (host.ejected && now >= host.ejectedUntilMs) {
          host.ejected = false;
          this.#stats.gauge('ejections_active').add(-1);
          changed = true;
        } else if (!host.ejected && host.ejections > 0) host.ejections--;
      }
      if (changed) this.#onChange();
      this.#schedule();
    }, this.#intervalMs);
  }
}
