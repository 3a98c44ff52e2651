import type { Random } from '@xebec/core';
import type { Host } from './host.ts';

/** Envoy's names and defaults; an enforcing percentage of 0 detects without ejecting. */
export interface OutlierOptions {
  readonly consecutive5xx?: number;
  readonly enforcingConsecutive5xx?: number;
  readonly consecutiveGatewayFailure?: number;
  readonly enforcingConsecutiveGatewayFailure?: number;
  readonly consecutiveLocalOriginFailure?: number;
  readonly enforcingConsecutiveLocalOriginFailure?: number;
  readonly splitExternalLocalOriginErrors?: boolean;
  readonly intervalMs?: number;
  readonly baseEjectionTimeMs?: number;
  readonly maxEjectionTimeMs?: number;
  readonly maxEjectionPercent?: number;
  /** Statuses that count instead of 5xx. */
  readonly isError?: (status: number) => boolean;
}

export type EjectionType = 'consecutive-5xx' | 'consecutive-gateway-failure' | 'consecutive-local-origin-failure';

/** What happened to a host. */
export interface OutlierEvent {
  readonly host: Host;
  readonly action: 'eject' | 'uneject';
  readonly type?: EjectionType;
}

interface HostState {
  errors: number;
  gatewayErrors: number;
  localErrors: number;
  /** How often the ejection time counts; sinks with every interval in the pool. */
  multiplier: number;
  ejectedAtMs: number;
}

/**
 * Ejects hosts that fail again and again (Envoy: "Outlier detection"). No clock inside: the caller reports results with the time
 * and calls `tick` each `intervalMs`; `host.ejected` changes in place and `onEvent` tells, so that the balancer is built anew.
 */
export class OutlierDetector {
  readonly #options: Required<OutlierOptions>;
  readonly #random: Random;
  readonly #onEvent: (event: OutlierEvent) => void;
  #states = new Map<Host, HostState>();

  constructor(options: OutlierOptions, random: Random, onEvent: (event: OutlierEvent) => void) {
    const base = options.baseEjectionTimeMs ?? 30_000;
    this.#options = {
      consecutive5xx: 5,
      enforcingConsecutive5xx: 100,
      consecutiveGatewayFailure: 5,
      enforcingConsecutiveGatewayFailure: 0,
      consecutiveLocalOriginFailure: 5,
      enforcingConsecutiveLocalOriginFailure: 100,
      splitExternalLocalOriginErrors: false,
      intervalMs: 10_000,
      baseEjectionTimeMs: base,
      maxEjectionTimeMs: Math.max(300_000, base),
      maxEjectionPercent: 10,
      isError: (status) => status >= 500,
      ...options,
    };
    this.#random = random;
    this.#onEvent = onEvent;
  }
  get intervalMs(): number {
    return this.#options.intervalMs;
  }
  get ejectedCount(): number {
    let count = 0;
    for (const host of this.#states.keys()) if (host.ejected) count++;
    return count;
  }
  /** The hosts of the cluster now: new ones start clean, gone ones are forgotten. */
  setHosts(hosts: readonly Host[]): void {
    const states = new Map<Host, HostState>();
    for (const host of hosts) {
      states.set(host, this.#states.get(host) ?? { errors: 0, gatewayErrors: 0, localErrors: 0, multiplier: 0, ejectedAtMs: 0 });
    }
    this.#states = states;
  }
  /** A response came from the host. */
  reportStatus(host: Host, status: number, nowMs: number): void {
    const state = this.#states.get(host);
    if (state === undefined) return;
    if (this.#options.splitExternalLocalOriginErrors) state.localErrors = 0;
    const gateway = status >= 502 && status <= 504;
    state.gatewayErrors = gateway ? state.gatewayErrors + 1 : 0;
    state.errors = this.#options.isError(status) ? state.errors + 1 : 0;
    if (gateway) this.#checkGateway(host, state, nowMs);
    if (state.errors >= this.#options.consecutive5xx) {
      state.errors = 0;
      this.#eject(host, state, 'consecutive-5xx', this.#options.enforcingConsecutive5xx, nowMs);
    }
  }
  /** The host could not be reached, or the connection broke or timed out; without split errors it counts as a 503. */
  reportLocalOriginFailure(host: Host, nowMs: number): void {
    if (!this.#options.splitExternalLocalOriginErrors) {
      const state = this.#states.get(host);
      if (state === undefined) return;
      state.gatewayErrors++;
      this.#checkGateway(host, state, nowMs);
      if (++state.errors >= this.#options.consecutive5xx) {
        state.errors = 0;
        this.#eject(host, state, 'consecutive-5xx', this.#options.enforcingConsecutive5xx, nowMs);
      }
      return;
    }
    const state = this.#states.get(host);
    if (state === undefined || ++state.localErrors < this.#options.consecutiveLocalOriginFailure) return;
    state.localErrors = 0;
    this.#eject(host, state, 'consecutive-local-origin-failure', this.#options.enforcingConsecutiveLocalOriginFailure, nowMs);
  }
  #checkGateway(host: Host, state: HostState, nowMs: number): void {
    if (state.gatewayErrors < this.#options.consecutiveGatewayFailure) return;
    state.gatewayErrors = 0;
    this.#eject(host, state, 'consecutive-gateway-failure', this.#options.enforcingConsecutiveGatewayFailure, nowMs);
  }
  #eject(host: Host, state: HostState, type: EjectionType, enforcingPercent: number, nowMs: number): void {
    if (host.ejected || this.#random.next() * 100 >= enforcingPercent) return;
    // One host may always go, however small the percentage and the cluster.
    const ejected = this.ejectedCount;
    if (ejected > 0 && (100 * (ejected + 1)) / this.#states.size > this.#options.maxEjectionPercent) return;
    if (this.#options.maxEjectionPercent <= 0) return;
    host.ejected = true;
    state.ejectedAtMs = nowMs;
    if (state.multiplier * this.#options.baseEjectionTimeMs < this.#options.maxEjectionTimeMs) state.multiplier++;
    this.#onEvent({ host, action: 'eject', type });
  }
  /** Once an interval: hosts whose time is over come back; hosts that stayed in are forgiven one ejection. */
  tick(nowMs: number): void {
    for (const [host, state] of this.#states) {
      if (!host.ejected) {
        if (state.multiplier > 0) state.multiplier--;
        continue;
      }
      const duration = Math.min(state.multiplier * this.#options.baseEjectionTimeMs, this.#options.maxEjectionTimeMs);
      if (nowMs - state.ejectedAtMs < duration) continue;
      host.ejected = false;
      state.errors = 0;
      state.gatewayErrors = 0;
      state.localErrors = 0;
      this.#onEvent({ host, action: 'uneject' });
    }
  }
}
