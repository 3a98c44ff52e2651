import type { Counter, Gauge, Histogram, StatsScope } from '@xebec/telemetry';

/** Handles of the statistics every cluster has, looked up once (Envoy's `cluster.<name>.` tree). */
export interface ClusterStats {
  readonly scope: StatsScope;
  readonly cxTotal: Counter;
  readonly cxActive: Gauge;
  readonly cxConnectFail: Counter;
  readonly cxConnectTimeout: Counter;
  readonly cxOverflow: Counter;
  readonly cxDestroy: Counter;
  readonly cxHttp1: Counter;
  readonly cxHttp2: Counter;
  readonly cxMaxRequests: Counter;
  readonly cxIdleTimeout: Counter;
  readonly cxRxBytes: Counter;
  readonly cxTxBytes: Counter;
  readonly cxConnectMs: Histogram;
  readonly rqTotal: Counter;
  readonly rqActive: Gauge;
  readonly rqPendingTotal: Counter;
  readonly rqPendingActive: Gauge;
  readonly rqPendingOverflow: Counter;
  readonly rqPendingFailure: Counter;
  readonly rqCancelled: Counter;
  readonly rqTimeout: Counter;
  readonly rqPerTryTimeout: Counter;
  readonly rqPerTryIdleTimeout: Counter;
  readonly rqMaxDuration: Counter;
  readonly rqRxReset: Counter;
  readonly rqTxReset: Counter;
  readonly rqRetry: Counter;
  readonly rqRetrySuccess: Counter;
  readonly rqRetryBackoffExponential: Counter;
  readonly rqActiveOverflow: Counter;
  readonly rqRetryOverflow: Counter;
  readonly rqRetryLimitExceeded: Counter;
  readonly rqCompleted: Counter;
  readonly rqTime: Histogram;
  readonly noneHealthy: Counter;
  readonly membershipTotal: Gauge;
  readonly membershipHealthy: Gauge;
  readonly membershipDegraded: Gauge;
  readonly membershipExcluded: Gauge;
  readonly membershipChange: Counter;
  /** `upstream_rq_2xx` and the like by first digit; filled on first use. */
  status(code: number): void;
}

export function createClusterStats(scope: StatsScope): ClusterStats {
  const classes: (Counter | undefined)[] = [];
  const codes = new Map<number, Counter>();
  return {
    scope,
    cxTotal: scope.counter('upstream_cx_total'),
    cxActive: scope.gauge('upstream_cx_active'),
    cxConnectFail: scope.counter('upstream_cx_connect_fail'),
    cxConnectTimeout: scope.counter('upstream_cx_connect_timeout'),
    cxOverflow: scope.counter('upstream_cx_overflow'),
    cxDestroy: scope.counter('upstream_cx_destroy'),
    cxHttp1: scope.counter('upstream_cx_http1_total'),
    cxHttp2: scope.counter('upstream_cx_http2_total'),
    cxMaxRequests: scope.counter('upstream_cx_max_requests'),
    cxIdleTimeout: scope.counter('upstream_cx_idle_timeout'),
    cxRxBytes: scope.counter('upstream_cx_rx_bytes_total'),
    cxTxBytes: scope.counter('upstream_cx_tx_bytes_total'),
    cxConnectMs: scope.histogram('upstream_cx_connect_ms'),
    rqTotal: scope.counter('upstream_rq_total'),
    rqActive: scope.gauge('upstream_rq_active'),
    rqPendingTotal: scope.counter('upstream_rq_pending_total'),
    rqPendingActive: scope.gauge('upstream_rq_pending_active'),
    rqPendingOverflow: scope.counter('upstream_rq_pending_overflow'),
    rqPendingFailure: scope.counter('upstream_rq_pending_failure_eject'),
    rqCancelled: scope.counter('upstream_rq_cancelled'),
    rqTimeout: scope.counter('upstream_rq_timeout'),
    rqPerTryTimeout: scope.counter('upstream_rq_per_try_timeout'),
    rqPerTryIdleTimeout: scope.counter('upstream_rq_per_try_idle_timeout'),
    rqMaxDuration: scope.counter('upstream_rq_max_duration_reached'),
    rqRxReset: scope.counter('upstream_rq_rx_reset'),
    rqTxReset: scope.counter('upstream_rq_tx_reset'),
    rqRetry: scope.counter('upstream_rq_retry'),
    rqRetrySuccess: scope.counter('upstream_rq_retry_success'),
    rqRetryBackoffExponential: scope.counter('upstream_rq_retry_backoff_exponential'),
    rqActiveOverflow: scope.counter('upstream_rq_active_overflow'),
    rqRetryOverflow: scope.counter('upstream_rq_retry_overflow'),
    rqRetryLimitExceeded: scope.counter('upstream_rq_retry_limit_exceeded'),
    rqCompleted: scope.counter('upstream_rq_completed'),
    rqTime: scope.histogram('upstream_rq_time'),
    noneHealthy: scope.counter('upstream_cx_none_healthy'),
    membershipTotal: scope.gauge('membership_total'),
    membershipHealthy: scope.gauge('membership_healthy'),
    membershipDegraded: scope.gauge('membership_degraded'),
    membershipExcluded: scope.gauge('membership_excluded'),
    membershipChange: scope.counter('membership_change'),
    status(code) {
      const digit = Math.floor(code / 100);
      const byClass = classes[digit] ?? scope.counter(`upstream_rq_${digit}xx`);
      classes[digit] = byClass;
      byClass.add(1);
      let exact = codes.get(code);
      if (exact === undefined) {
        exact = scope.counter(`upstream_rq_${code}`);
        codes.set(code, exact);
      }
      exact.add(1);
    },
  };
}
