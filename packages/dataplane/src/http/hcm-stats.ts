import type { Counter, Gauge, Histogram, StatsScope } from '@xebec/telemetry';

/** Statistics of one connection manager (`http.<stat_prefix>.`), looked up once. */
export interface HcmStats {
  readonly scope: StatsScope;
  readonly cxTotal: Counter;
  readonly cxActive: Gauge;
  readonly cxDestroy: Counter;
  readonly cxRxBytes: Counter;
  readonly cxTxBytes: Counter;
  readonly cxProtocolError: Counter;
  readonly cxIdleTimeout: Counter;
  readonly cxDrainClose: Counter;
  readonly rqTotal: Counter;
  readonly rqHttp1: Counter;
  readonly rqHttp2: Counter;
  readonly rqActive: Gauge;
  readonly rqCompleted: Counter;
  readonly rqTime: Histogram;
  readonly rqRxReset: Counter;
  readonly rqTxReset: Counter;
  readonly rqIdleTimeout: Counter;
  readonly rqTimeout: Counter;
  readonly rqMaxDuration: Counter;
  readonly noRoute: Counter;
  readonly noCluster: Counter;
  readonly rqRedirect: Counter;
  readonly rqDirectResponse: Counter;
  readonly rqRouted: Counter;
  readonly classes: readonly Counter[];
}

export function createHcmStats(root: StatsScope, statPrefix: string): HcmStats {
  const scope = root.scope(`http.${statPrefix.replace(/;$/, '')}`);
  return {
    scope,
    cxTotal: scope.counter('downstream_cx_total'),
    cxActive: scope.gauge('downstream_cx_active'),
    cxDestroy: scope.counter('downstream_cx_destroy'),
    cxRxBytes: scope.counter('downstream_cx_rx_bytes_total'),
    cxTxBytes: scope.counter('downstream_cx_tx_bytes_total'),
    cxProtocolError: scope.counter('downstream_cx_protocol_error'),
    cxIdleTimeout: scope.counter('downstream_cx_idle_timeout'),
    cxDrainClose: scope.counter('downstream_cx_drain_close'),
    rqTotal: scope.counter('downstream_rq_total'),
    rqHttp1: scope.counter('downstream_rq_http1_total'),
    rqHttp2: scope.counter('downstream_rq_http2_total'),
    rqActive: scope.gauge('downstream_rq_active'),
    rqCompleted: scope.counter('downstream_rq_completed'),
    rqTime: scope.histogram('downstream_rq_time'),
    rqRxReset: scope.counter('downstream_rq_rx_reset'),
    rqTxReset: scope.counter('downstream_rq_tx_reset'),
    rqIdleTimeout: scope.counter('downstream_rq_idle_timeout'),
    rqTimeout: scope.counter('downstream_rq_timeout'),
    rqMaxDuration: scope.counter('downstream_rq_max_duration_reached'),
    noRoute: scope.counter('no_route'),
    noCluster: scope.counter('no_cluster'),
    rqRedirect: scope.counter('rq_redirect'),
    rqDirectResponse: scope.counter('rq_direct_response'),
    rqRouted: scope.counter('rq_total'),
    classes: [1, 2, 3, 4, 5].map((digit) => scope.counter(`downstream_rq_${digit}xx`)),
  };
}
