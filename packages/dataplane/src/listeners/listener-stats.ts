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
  /** Connections beyond the listener's own limit, and beyond that of all listeners. */
  readonly cxOverflow: Counter;
  readonly globalCxOverflow: Counter;
  readonly workerCxTotal: Counter;
  readonly workerCxActive: Gauge;
  /** Made when a chain with TLS first asks for them, and then there. */
  readonly tls: TlsStats;
}

/** `worker` is the thread that counts, as it appears in `worker_0.`. */
export function createListenerStats(root: StatsScope, name: string, worker: number): ListenerStats {
  const scope = root.scope(`listener.${name}`);
  // Shown, as Envoy shows them, though nothing here counts them.
  for (const unused of unusedCounters) scope.counter(unused);
  scope.histogram('connections_accepted_per_socket_event');
  let tls: TlsStats | undefined;
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
    cxOverflow: scope.counter('downstream_cx_overflow'),
    globalCxOverflow: scope.counter('downstream_global_cx_overflow'),
    workerCxTotal: scope.counter(`worker_${worker}.downstream_cx_total`),
    workerCxActive: scope.gauge(`worker_${worker}.downstream_cx_active`),
    get tls() {
      tls ??= createTlsStats(scope);
      return tls;
    },
  };
}

const unusedCounters = [
  'downstream_cx_overload_reject',
  'downstream_cx_transport_socket_connect_timeout',
  'extension_config_missing',
  'network_extension_config_missing',
];
