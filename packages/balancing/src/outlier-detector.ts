import type { Random } from '@xebec/core';
import type { Host } from './host.ts';
import { type OutlierOptions, type ResolvedOutlierOptions, resolveOutlierOptions } from './outlier-options.ts';
import { type HostRate, type RateThreshold, RateWindow, successRateThreshold } from './success-rate.ts';

/** Envoy's names, as its statistics spell them. */
export type EjectionType =
  | 'consecutive_5xx'
  | 'consecutive_gateway_failure'
  | 'consecutive_local_origin_failure'
  | 'success_rate'
  | 'local_origin_success_rate'
  | 'failure_percentage'
  | 'local_origin_failure_percentage';

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
  jitterMs: number;
  readonly external: RateWindow;
  readonly local: RateWindow;
  /** Percent of the last interval, -1 when there were too few requests. */
  externalRate: number;
  localRate: number;
}

/** The cluster's view of success rates after the last interval; -1 where there was too little to go by. */
export interface OutlierAverages {
  readonly external: RateThreshold;
  readonly local: RateThreshold;
}

const noThreshold: RateThreshold = { average: -1, threshold: -1 };

/**
 * Ejects hosts that fail again and again, or more than others (Envoy: "Outlier detection"). No clock inside: the caller reports
 * results with the time and calls `tick` each `intervalMs`; `host.ejected` changes in place and `onEvent` tells, so that the balancer
 * is built anew.
 */
export class OutlierDetector<H extends Host = Host> {
  readonly #options: ResolvedOutlierOptions;
  readonly #random: Random;
  readonly #onEvent: (event: OutlierEvent) => void;
  #states = new Map<H, HostState>();
  #ejected = 0;
  #averages: OutlierAverages = { external: noThreshold, local: noThreshold };

  constructor(options: OutlierOptions, random: Random, onEvent: (event: OutlierEvent) => void) {
    this.#options = resolveOutlierOptions(options);
    this.#random = random;
    this.#onEvent = onEvent;
  }
  get intervalMs(): number {
    return this.#options.intervalMs;
  }
  get ejectedCount(): number {
    return this.#ejected;
  }
  get averages(): OutlierAverages {
    return this.#averages;
  }
  /** Percent of good answers of a host in the last interval, -1 when there were too few requests. */
  rates(host: H): { readonly external: number; readonly local: number } {
    const state = this.#states.get(host);
    return { external: state?.externalRate ?? -1, local: state?.localRate ?? -1 };
  }
  /** The hosts of the cluster now: new ones start clean, gone ones are forgotten. */
  setHosts(hosts: readonly H[]): void {
    const states = new Map<H, HostState>();
    this.#ejected = 0;
    for (const host of hosts) {
      states.set(host, this.#states.get(host) ?? createState());
      if (host.ejected) this.#ejected++;
    }
    this.#states = states;
  }
  /** A response came from the host. */
  reportStatus(host: H, status: number, nowMs: number): void {
    const state = this.#states.get(host);
    if (state === undefined) return;
    const { consecutive5xx, consecutiveGatewayFailure, isError } = this.#options;
    const error = isError(status);
    state.external.record(!error);
    if (!error) {
      state.errors = 0;
      state.gatewayErrors = 0;
      return;
    }
    if (status < 502 || status > 504) state.gatewayErrors = 0;
    else if (++state.gatewayErrors === consecutiveGatewayFailure) this.#detect(host, state, 'consecutive_gateway_failure', nowMs);
    if (++state.errors === consecutive5xx) this.#detect(host, state, 'consecutive_5xx', nowMs);
  }
  /** The host could not be reached, or the connection broke or timed out; without split errors it counts as a 503 or 504. */
  reportLocalOriginFailure(host: H, nowMs: number, timedOut = false): void {
    if (!this.#options.splitExternalLocalOriginErrors) {
      this.reportStatus(host, timedOut ? 504 : 503, nowMs);
      return;
    }
    const state = this.#states.get(host);
    if (state === undefined) return;
    state.local.record(false);
    if (++state.localErrors === this.#options.consecutiveLocalOriginFailure)
      this.#detect(host, state, 'consecutive_local_origin_failure', nowMs);
  }
  /** The host took a connection. `whole`: that is all there is to judge by (TCP), so it counts as a success. */
  reportConnected(host: H, whole: boolean, nowMs: number): void {
    if (!this.#options.splitExternalLocalOriginErrors) {
      if (whole) this.reportStatus(host, 200, nowMs);
      return;
    }
    const state = this.#states.get(host);
    if (state === undefined) return;
    state.local.record(true);
    state.localErrors = 0;
  }
  /** An active health check found an ejected host well: it comes back before its time. */
  reportHealthy(host: H): void {
    const state = this.#states.get(host);
    if (state !== undefined && host.ejected) this.#uneject(host, state);
  }
  /** Once an interval: hosts whose time is over come back, those that stayed in are forgiven one ejection, rates are compared. */
  tick(nowMs: number): void {
    const { baseEjectionTimeMs, maxEjectionTimeMs } = this.#options;
    for (const [host, state] of this.#states) {
      if (!host.ejected) {
        if (state.multiplier > 0) state.multiplier--;
      } else if (Math.min(state.multiplier * baseEjectionTimeMs, maxEjectionTimeMs) + state.jitterMs <= nowMs - state.ejectedAtMs) {
        this.#uneject(host, state);
      }
      state.external.turn();
      state.local.turn();
      state.externalRate = -1;
      state.localRate = -1;
    }
    const external = this.#compareRates('external', nowMs);
    const local = this.#compareRates('local', nowMs);
    this.#averages = { external, local };
  }
  #detect(host: H, state: HostState, type: EjectionType, nowMs: number): void {
    if (host.ejected) return;
    if (type === 'consecutive_5xx') state.errors = 0;
    else if (type === 'consecutive_gateway_failure') state.gatewayErrors = 0;
    else state.localErrors = 0;
    this.#eject(host, state, type, nowMs);
  }
  #eject(host: H, state: HostState, type: EjectionType, nowMs: number): void {
    const { maxEjectionPercent, alwaysEjectOneHost, baseEjectionTimeMs, maxEjectionTimeMs, maxEjectionTimeJitterMs } = this.#options;
    const share = (100 * (this.#ejected + 1)) / this.#states.size;
    if (share > maxEjectionPercent && !(alwaysEjectOneHost && this.#ejected === 0)) {
      this.#onEvent({ host, action: 'spare', type, overflow: true });
      return;
    }
    if (this.#random.next() * 100 >= this.#enforcing(type)) {
      this.#onEvent({ host, action: 'spare', type, overflow: false });
      return;
    }
    host.ejected = true;
    this.#ejected++;
    state.ejectedAtMs = nowMs;
    state.jitterMs = maxEjectionTimeJitterMs === 0 ? 0 : Math.floor(this.#random.next() * (maxEjectionTimeJitterMs + 1));
    if (state.multiplier * baseEjectionTimeMs < maxEjectionTimeMs + baseEjectionTimeMs) state.multiplier++;
    this.#onEvent({ host, action: 'eject', type });
  }
  #uneject(host: H, state: HostState): void {
    host.ejected = false;
    this.#ejected--;
    state.errors = 0;
    state.gatewayErrors = 0;
    state.localErrors = 0;
    this.#onEvent({ host, action: 'uneject' });
  }
  /** Ejects hosts whose success rate stands out or whose failures are too many. */
  #compareRates(origin: 'external' | 'local', nowMs: number): RateThreshold {
    const options = this.#options;
    if (this.#states.size < Math.min(options.successRateMinimumHosts, options.failurePercentageMinimumHosts)) return noThreshold;
    const rates: HostRate<H>[] = [];
    for (const [host, state] of this.#states) {
      const { rate, volume } = state[origin];
      if (host.ejected || rate === undefined) continue;
      rates.push({ host, rate, volume });
      if (volume < Math.min(options.successRateRequestVolume, options.failurePercentageRequestVolume)) continue;
      if (origin === 'external') state.externalRate = rate;
      else state.localRate = rate;
    }
    const found = successRateThreshold(rates, {
      minimumHosts: options.successRateMinimumHosts,
      requestVolume: options.successRateRequestVolume,
      stdevFactor: options.successRateStdevFactor,
    });
    const eject = (host: H, type: EjectionType): void => {
      const state = this.#states.get(host);
      if (state !== undefined && !host.ejected) this.#eject(host, state, type, nowMs);
    };
    for (const { host, rate, volume } of found === undefined ? [] : rates) {
      if (volume >= options.successRateRequestVolume && found !== undefined && rate < found.threshold)
        eject(host, origin === 'external' ? 'success_rate' : 'local_origin_success_rate');
    }
    const judged = rates.filter(({ volume }) => volume >= options.failurePercentageRequestVolume);
    if (judged.length > 0 && judged.length >= options.failurePercentageMinimumHosts) {
      for (const { host, rate } of judged)
        if (100 - rate >= options.failurePercentageThreshold)
          eject(host, origin === 'external' ? 'failure_percentage' : 'local_origin_failure_percentage');
    }
    return found ?? noThreshold;
  }
  #enforcing(type: EjectionType): number {
    const options = this.#options;
    switch (type) {
      case 'consecutive_5xx':
        return options.enforcingConsecutive5xx;
      case 'consecutive_gateway_failure':
        return options.enforcingConsecutiveGatewayFailure;
      case 'consecutive_local_origin_failure':
        return options.enforcingConsecutiveLocalOriginFailure;
      case 'success_rate':
        return options.enforcingSuccessRate;
      case 'local_origin_success_rate':
        return options.enforcingLocalOriginSuccessRate;
      case 'failure_percentage':
        return options.enforcingFailurePercentage;
      case 'local_origin_failure_percentage':
        return options.enforcingFailurePercentageLocalOrigin;
    }
  }
}

function createState(): HostState {
  return {
    errors: 0,
    gatewayErrors: 0,
    localErrors: 0,
    multiplier: 0,
    ejectedAtMs: 0,
    jitterMs: 0,
    external: new RateWindow(),
    local: new RateWindow(),
    externalRate: -1,
    localRate: -1,
  };
}
