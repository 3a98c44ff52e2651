import type { Random } from '@xebec/core';
import type { Host } from './host.ts';

/** Envoy's names and defaults; an enforcing percentage of 0 detects without ejecting. */
export interface OutlierOptions {
  readonly consecutive5xx?: number | undefined;
  readonly enforcingConsecutive5xx?: number | undefined;
  readonly consecutiveGatewayFailure?: number | undefined;
  readonly enforcingConsecutiveGatewayFailure?: number | undefined;
  readonly consecutiveLocalOriginFailure?: number | undefined;
  readonly enforcingConsecutiveLocalOriginFailure?: number | undefined;
  readonly splitExternalLocalOriginErrors?: boolean | undefined;
  readonly intervalMs?: number | undefined;
  readonly baseEjectionTimeMs?: number | undefined;
  readonly maxEjectionTimeMs?: number | undefined;
  readonly maxEjectionPercent?: number | undefined;
  /** Statuses that count instead of 5xx. */
  readonly isError?: ((status: number) => boolean) | undefined;
}

export type EjectionType = 'consecutive-5xx' | 'consecutive-gateway-failure' | 'consecutive-local-origin-failure';

/** What happened to a host: every detection either ejects it or spares it (not enforced, or too many are out already). */
export type OutlierEvent =
  | { readonly host: Host; readonly action: 'eject'; readonly type: EjectionType }
  | { readonly host: Host; readonly action: 'spare'; readonly type: EjectionType; readonly overflow: boolean }
  | { readonly host: Host; readonly action: 'uneject' };

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
  readonly #options: { readonly [Name in keyof OutlierOptions]-?: NonNullable<OutlierOptions[Name]> };
  readonly #random: Random;
  readonly #onEvent: (event: OutlierEvent) => void;
  #states = new Map<Host, HostState>();

  constructor(options: OutlierOptions, random: Random, onEvent: (event: OutlierEvent) => void) {
    const base = options.baseEjectionTimeMs ?? 30_000;
    this.#options = {
      consecutive5xx: options.consecutive5xx ?? 5,
      enforcingConsecutive5xx: options.enforcingConsecutive5xx ?? 100,
      consecutiveGatewayFailure: options.consecutiveGatewayFailure ?? 5,
      enforcingConsecutiveGatewayFailure: options.enforcingConsecutiveGatewayFailure ?? 0,
      consecutiveLocalOriginFailure: options.consecutiveLocalOriginFailure ?? 5,
      enforcingConsecutiveLocalOriginFailure: options.enforcingConsecutiveLocalOriginFailure ?? 100,
      splitExternalLocalOriginErrors: options.splitExternalLocalOriginErrors ?? false,
      intervalMs: options.intervalMs ?? 10_000,
      baseEjectionTimeMs: base,
      maxEjectionTimeMs: options.maxEjectionTimeMs ?? Math.max(300_000, base),
      maxEjectionPercent: options.maxEjectionPercent ?? 10,
      isError: options.isError ?? ((status) => status >= 500),
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
  /** The host took a connection. `whole`: that is all there is to judge by (TCP), so it counts as a success. */
  reportConnected(host: Host, whole: boolean, nowMs: number): void {
    if (!this.#options.splitExternalLocalOriginErrors) {
      if (whole) this.reportStatus(host, 200, nowMs);
      return;
    }
    const state = this.#states.get(host);
    if (state !== undefined) state.localErrors = 0;
  }
  #checkGateway(host: Host, state: HostState, nowMs: number): void {
    if (state.gatewayErrors < this.#options.consecutiveGatewayFailure) return;
    state.gatewayErrors = 0;
    this.#eject(host, state, 'consecutive-gateway-failure', this.#options.enforcingConsecutiveGatewayFailure, nowMs);
  }
  #eject(host: Host, state: HostState, type: EjectionType, enforcingPercent: number, nowMs: number): void {
    if (host.ejected) return;
    if (this.#random.next() * 100 >= enforcingPercent) {
      this.#onEvent({ host, action: 'spare', type, overflow: false });
      return;
    }
    // One host may always go, however small the percentage and the cluster.
    const ejected = this.ejectedCount;
    const share = (100 * (ejected + 1)) / this.#states.size;
    if (this.#options.maxEjectionPercent <= 0 || (ejected > 0 && share > this.#options.maxEjectionPercent)) {
      this.#onEvent({ host, action: 'spare', type, overflow: true });
      return;
    }
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
