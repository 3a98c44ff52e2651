import type { Clock, Random } from '@xebec/core';
import type { ActiveHealth } from '../host-health.ts';
import type { HealthCheckConfig } from './health-check-config.ts';
import type { ProbeResult } from './probe.ts';

/** What one result did to a host. */
export interface HealthTransition {
  readonly healthy: boolean;
  /** The host's health for balancing is another than before. */
  readonly changed: boolean;
  readonly degradedChanged: boolean;
  readonly first: boolean;
}

export interface SessionOwner {
  readonly clock: Clock;
  readonly random: Random;
  readonly config: HealthCheckConfig;
  /** Whether requests have ever gone to the cluster: idle ones are checked seldom. */
  hasTraffic(): boolean;
  /** Runs one probe; the result comes once, and never after the returned function was called. */
  probe(done: (result: ProbeResult) => void): () => void;
  onResult(result: ProbeResult, transition: HealthTransition): void;
}

/** The checks of one host: when the next one is, and what results in a row mean (Envoy: "Health checking"). */
export class HealthSession {
  readonly #owner: SessionOwner;
  readonly #health: ActiveHealth;
  #good = 0;
  #bad = 0;
  #first = true;
  #cancelTimer: (() => void) | undefined;
  #cancelProbe: (() => void) | undefined;

  /** A host that is checked counts as failed until its first result. */
  constructor(health: ActiveHealth, owner: SessionOwner) {
    this.#health = health;
    this.#owner = owner;
    health.failed = true;
  }
  start(): void {
    const { initialJitterMs } = this.#owner.config;
    if (initialJitterMs === 0) this.#check();
    else this.#cancelTimer = this.#owner.clock.setTimeout(() => this.#check(), Math.floor(this.#owner.random.next() * initialJitterMs));
  }
  close(): void {
    this.#cancelTimer?.();
    this.#cancelProbe?.();
  }
  /** A request's response told that the host is going away. */
  failPassively(): void {
    this.#health.excluded = true;
    const transition = this.#record({ kind: 'failure', failure: 'PASSIVE', retriable: false, excluded: true });
    this.#owner.onResult({ kind: 'failure', failure: 'PASSIVE', retriable: false, excluded: true }, transition);
  }
  #check(): void {
    this.#cancelTimer = undefined;
    this.#cancelProbe = this.#owner.probe((result) => {
      this.#cancelProbe = undefined;
      this.#health.excluded = result.excluded;
      const edge = this.#edge(result);
      const transition = this.#record(result);
      this.#cancelTimer = this.#owner.clock.setTimeout(
        () => this.#check(),
        this.#intervalMs(transition.healthy, edge && !transition.changed),
      );
      this.#owner.onResult(result, transition);
    });
  }
  /** The result speaks against the host's present health. */
  #edge(result: ProbeResult): boolean {
    return (result.kind === 'success') === this.#health.failed;
  }
  #record(result: ProbeResult): HealthTransition {
    const health = this.#health;
    const { config } = this.#owner;
    const first = this.#first;
    this.#first = false;
    let changed = false;
    let degradedChanged = false;
    if (result.kind === 'success') {
      this.#bad = 0;
      // The first result counts at once, so that starting is quick.
      if (health.failed && (first || ++this.#good >= config.healthyThreshold)) {
        this.#good = 0;
        health.failed = false;
        health.timedOut = false;
        changed = true;
      }
      degradedChanged = health.degraded !== result.degraded;
      health.degraded = result.degraded;
    } else {
      this.#good = 0;
      const immediate = result.failure !== 'NETWORK' && result.failure !== 'NETWORK_TIMEOUT' && !result.retriable;
      if (!health.failed && (immediate || ++this.#bad >= config.unhealthyThreshold)) {
        this.#bad = 0;
        health.failed = true;
        changed = true;
      }
      if (health.failed) health.timedOut = result.failure === 'NETWORK_TIMEOUT';
    }
    health.pending = false;
    return { healthy: result.kind === 'success', changed, degradedChanged, first };
  }
  #intervalMs(healthy: boolean, edge: boolean): number {
    const { config, random } = this.#owner;
    let base: number;
    if (!this.#owner.hasTraffic()) base = healthy ? config.noTrafficHealthyIntervalMs : config.noTrafficIntervalMs;
    else if (healthy) base = edge ? config.healthyEdgeIntervalMs : config.intervalMs;
    else base = edge ? config.unhealthyEdgeIntervalMs : config.unhealthyIntervalMs;
    base += Math.floor(random.next() * Math.floor((base * config.intervalJitterPercent) / 100));
    base += Math.floor(random.next() * config.intervalJitterMs);
    return Math.max(1, base);
  }
}
