import type { Counter, Gauge, Histogram, StatsScope } from '@xebec/telemetry';
import { ResponseStats } from './response-stats.ts';

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
  readonly rqTime: Histogram;
  readonly noneHealthy: Counter;
  readonly membershipTotal: Gauge;
  readonly membershipHealthy: Gauge;
  readonly membershipDegraded: Gauge;
  readonly membershipExcluded: Gauge;
  readonly membershipChange: Counter;
  /** Counts an answer, also one of the proxy's own: by status and its class, and again by where the request came from. */
  status(code: number, internal?: boolean): void;
  /** Counts an answer that a retry hides (`retry.*`). */
  retriedStatus(code: number): void;
  /** Answers counted once more, and how long they took: `external`, `internal`, `canary`, `zone.<own>.<host's>`, or empty for all; made on first use. */
  part(name: string): ResponseStats;
  /** How long a connection that was established has lasted. */
  lasted(ms: number): void;
}

export function createClusterStats(scope: StatsScope): ClusterStats {
  const parts = new Map<string, ResponseStats>();
  let lengths: Histogram | undefined;
  const all = statusCounters(scope, '');
  const external = statusCounters(scope, 'external.');
  const internal = statusCounters(scope, 'internal.');
  const retried = statusCounters(scope, 'retry.');
  const stats: ClusterStats = {
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
    // There once something was timed, as in Envoy: most clusters of a mesh never are.
    rqTime: { record: (ms) => stats.part('').time(ms) },
    noneHealthy: scope.counter('upstream_cx_none_healthy'),
    membershipTotal: scope.gauge('membership_total'),
    membershipHealthy: scope.gauge('membership_healthy'),
    membershipDegraded: scope.gauge('membership_degraded'),
    membershipExcluded: scope.gauge('membership_excluded'),
    membershipChange: scope.counter('membership_change'),
    status(code, isInternal = false) {
      count(all, code);
      count(isInternal ? internal : external, code);
    },
    retriedStatus(code) {
      count(retried, code);
    },
    part(name) {
      let stats = parts.get(name);
      if (stats === undefined) {
        stats = new ResponseStats(scope, name === '' ? '' : `${name}.`);
        parts.set(name, stats);
      }
      return stats;
    },
    lasted(ms) {
      lengths ??= scope.histogram('upstream_cx_length_ms');
      lengths.record(ms);
    },
  };
  return stats;
}

/** Looks up the counters of a status once: completed, its class and itself. */
type StatusCounters = (code: number) => readonly Counter[];

function statusCounters(scope: StatsScope, prefix: string): StatusCounters {
  const codes = new Map<number, readonly Counter[]>();
  return (code) => {
    let counters = codes.get(code);
    if (counters === undefined) {
      const known = code >= 100 && code < 600;
      const names = known ? ['completed', `${Math.floor(code / 100)}xx`, String(code)] : ['completed', 'unknown'];
      counters = names.map((name) => scope.counter(`${prefix}upstream_rq_${name}`));
      codes.set(code, counters);
    }
    return counters;
  };
}

function count(counters: StatusCounters, code: number): void {
  for (const counter of counters(code)) counter.add(1);
}
