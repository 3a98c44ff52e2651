import type { Counter, Gauge, Histogram, StatsScope } from '@xebec/telemetry';
import { createTlsStats, type TlsStats } from './downstream-tls.ts';

/** `listener.<address>.` */
export interface ListenerStats {
  /** Connections taken at one wake-up of the listening socket: one. */
  readonly acceptedAtOnce: Histogram;
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

/** `worker` is the thread that counts, as it appears in `worker_0.`; undefined is the main thread, for the admin server. */
export function createListenerStats(root: StatsScope, name: string, worker: number | undefined): ListenerStats {
  const scope = root.scope(`listener.${name}`);
  // Shown, as Envoy shows them, though nothing here counts them.
  const thread = worker === undefined ? 'main_thread' : `worker_${worker}`;
  const unused = worker === undefined ? unusedCounters.filter((counter) => !counter.includes('config')) : unusedCounters;
  for (const counter of unused) scope.counter(counter);
  let tls: TlsStats | undefined;
  return {
    acceptedAtOnce: scope.histogram('connections_accepted_per_socket_event'),
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
    workerCxTotal: scope.counter(`${thread}.downstream_cx_total`),
    workerCxActive: scope.gauge(`${thread}.downstream_cx_active`),
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
