import type { Counter, Gauge, Histogram, StatsScope } from '@xebec/telemetry';
import { createTlsStats, type TlsStats } from './downstream-tls.ts';

/** `listener.<address>.` */
export interface ListenerStats {
  readonly cxTotal: Counter;
  readonly cxActive: Gauge;
  readonly cxDestroy: Counter;
  readonly cxLengthMs: Histogram;
  readonly preCxActive: Gauge;
  readonly preCxTimeout: Counter;
  readonly listenerFilterError: Counter;
  readonly listenerFilterRemoteClose: Counter;
  readonly noFilterChainMatch: Counter;
  readonly tls: TlsStats;
}

export function createListenerStats(root: StatsScope, name: string): ListenerStats {
  const scope = root.scope(`listener.${name}`);
  return {
    cxTotal: scope.counter('downstream_cx_total'),
    cxActive: scope.gauge('downstream_cx_active'),
    cxDestroy: scope.counter('downstream_cx_destroy'),
    cxLengthMs: scope.histogram('downstream_cx_length_ms'),
    preCxActive: scope.gauge('downstream_pre_cx_active'),
    listenerFilterError: scope.counter('downstream_listener_filter_error'),
    listenerFilterRemoteClose: scope.counter('downstream_listener_filter_remote_close'),
    preCxTimeout: scope.counter('downstream_pre_cx_timeout'),
    noFilterChainMatch: scope.counter('no_filter_chain_match'),
    tls: createTlsStats(scope),
  };
}
