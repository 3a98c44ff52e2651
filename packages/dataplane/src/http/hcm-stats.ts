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
  readonly cxHttp1: { readonly total: Counter; readonly active: Gauge };
  readonly cxHttp2: { readonly total: Counter; readonly active: Gauge };
  readonly cxTls: { readonly total: Counter; readonly active: Gauge };
  /** The whole tree, for what does not belong to one manager. */
  readonly root: StatsScope;
  /** An answer has gone to the client: by class, here and in the listener's `http.<stat_prefix>.`. */
  answered(status: number): void;
  /** A connection has ended, with requests under way or without. */
  ended(side: 'local' | 'remote', busy: boolean, lengthMs: number): void;
  /** Counts what happens rarely. */
  count(name: string): void;
}

/** `listener` is the scope of the listener whose connections it manages. */
export function createHcmStats(root: StatsScope, statPrefix: string, listener: StatsScope): HcmStats {
  const scope = root.scope(`http.${statPrefix.replace(/;$/, '')}`);
  const inListener = listener.scope(`http.${statPrefix.replace(/;$/, '')}`);
  const outcomes = [scope, inListener].map((where) => ({
    completed: where.counter('downstream_rq_completed'),
    classes: [1, 2, 3, 4, 5].map((digit) => where.counter(`downstream_rq_${digit}xx`)),
  }));
  const kind = (name: string) => ({
    total: scope.counter(`downstream_cx_${name}_total`),
    active: scope.gauge(`downstream_cx_${name}_active`),
  });
  // What a router counts: the admin's manager has none.
  const late = (name: string): Counter => {
    let counter: Counter | undefined;
    return {
      add(n) {
        counter ??= scope.counter(name);
        counter.add(n);
      },
      get value() {
        return counter?.value ?? 0;
      },
    };
  };
  let lengths: Histogram | undefined;
  return {
    scope,
    root,
    cxHttp1: kind('http1'),
    cxHttp2: kind('http2'),
    cxTls: kind('ssl'),
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
    rqTime: scope.histogram('downstream_rq_time'),
    rqRxReset: scope.counter('downstream_rq_rx_reset'),
    rqTxReset: scope.counter('downstream_rq_tx_reset'),
    rqIdleTimeout: scope.counter('downstream_rq_idle_timeout'),
    rqTimeout: scope.counter('downstream_rq_timeout'),
    rqMaxDuration: scope.counter('downstream_rq_max_duration_reached'),
    noRoute: late('no_route'),
    noCluster: late('no_cluster'),
    rqRedirect: late('rq_redirect'),
    rqDirectResponse: late('rq_direct_response'),
    rqRouted: late('rq_total'),
    answered(status) {
      for (const { completed, classes } of outcomes) {
        completed.add(1);
        classes[((status / 100) | 0) - 1]?.add(1);
      }
    },
    ended(side, busy, lengthMs) {
      lengths ??= scope.histogram('downstream_cx_length_ms');
      lengths.record(lengthMs);
      scope.counter(`downstream_cx_destroy_${side}`).add(1);
      if (!busy) return;
      scope.counter('downstream_cx_destroy_active_rq').add(1);
      scope.counter(`downstream_cx_destroy_${side}_active_rq`).add(1);
    },
    count: (name) => scope.counter(name).add(1),
  };
}
