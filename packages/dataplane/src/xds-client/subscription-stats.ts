import { xxHash64 } from '@xebec/balancing';
import type { Clock } from '@xebec/core';
import type { Counter, Gauge, Histogram, StatsScope, TextReadout } from '@xebec/telemetry';

/** What Envoy counts of one subscription: `cluster_manager.cds.*`, `cluster.NAME.*`, `http.PREFIX.rds.NAME.*`... */
export class SubscriptionStats {
  readonly #clock: Clock;
  readonly #attempt: Counter;
  readonly #success: Counter;
  readonly #rejected: Counter;
  readonly #failure: Counter;
  readonly #timeout: Counter;
  readonly #version: Gauge;
  readonly #versionText: TextReadout;
  readonly #updateTime: Gauge;
  readonly #duration: Histogram;

  readonly #reloads: { readonly count: Counter; readonly time: Gauge } | undefined;

  constructor(stats: StatsScope, prefix: string, clock: Clock) {
    const scope = stats.scope(prefix);
    // Envoy counts reloads of clusters and routes only.
    this.#reloads = /\.(?:cds$|rds(?:$|\.))/.test(prefix)
      ? { count: scope.counter('config_reload'), time: scope.gauge('config_reload_time_ms') }
      : undefined;
    scope.counter('update_empty');
    this.#clock = clock;
    this.#attempt = scope.counter('update_attempt');
    this.#success = scope.counter('update_success');
    this.#rejected = scope.counter('update_rejected');
    this.#failure = scope.counter('update_failure');
    this.#timeout = scope.counter('init_fetch_timeout');
    this.#version = scope.gauge('version');
    this.#versionText = scope.textReadout('version_text');
    this.#updateTime = scope.gauge('update_time');
    this.#duration = scope.histogram('update_duration');
  }
  attempted(): void {
    this.#attempt.add(1);
  }
  /** An update is in force; `startedAtMs` is monotonic. */
  succeeded(version: string, startedAtMs: number): void {
    this.#success.add(1);
    this.#attempt.add(1);
    this.#reloads?.count.add(1);
    this.#reloads?.time.set(this.#clock.now());
    this.#version.set(Number(xxHash64(Buffer.from(version))));
    this.#versionText.set(version);
    this.#updateTime.set(this.#clock.now());
    this.#duration.record(this.#clock.monotonic() - startedAtMs);
  }
  rejected(): void {
    this.#rejected.add(1);
    this.#attempt.add(1);
  }
  /** No answer: the connection failed or the file could not be read. */
  failed(): void {
    this.#failure.add(1);
    this.#attempt.add(1);
  }
  timedOut(): void {
    this.#timeout.add(1);
  }
}
