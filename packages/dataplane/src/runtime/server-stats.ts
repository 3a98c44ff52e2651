import type { StatsScope } from '@xebec/telemetry';
import type { DataplaneState } from '../dataplane-state.ts';
import { certificateInPem } from '../tls/peer-certificate.ts';

/** Shown, as Envoy shows them, though nothing here counts them. */
const unused = {
  counters: [
    'server.debug_assertion_failures',
    'server.dropped_stat_flushes',
    'server.dynamic_unknown_fields',
    'server.envoy_bug_failures',
    'server.envoy_notifications',
    'server.main_thread.watchdog_mega_miss',
    'server.main_thread.watchdog_miss',
    'server.static_unknown_fields',
    'server.wip_protos',
    'main_thread.watchdog_mega_miss',
    'main_thread.watchdog_miss',
    'workers.watchdog_mega_miss',
    'workers.watchdog_miss',
  ],
  gauges: [
    'server.compilation_settings.fips_mode',
    'server.parent_connections',
    'server.seconds_until_first_ocsp_response_expiring',
    'server.stats_recent_lookups',
    'server.version',
    'listener_manager.workers_pinned',
    'overload.envoy.resource_monitors.global_downstream_max_connections.pressure',
  ],
} as const;

const noCertificate = 4_294_967_295;
const dayMs = 86_400_000;

/** Names the metrics of the process, so that they are there before anybody looks. */
export function createServerStats(stats: StatsScope, workers: number, restartEpoch: number, limitsConnections: boolean): void {
  for (const name of unused.counters) stats.counter(name);
  for (const name of unused.gauges) if (limitsConnections || !name.startsWith('overload.')) stats.gauge(name);
  for (let worker = 0; worker < workers; worker++) {
    for (const what of ['miss', 'mega_miss']) stats.counter(`server.worker_${worker}.watchdog_${what}`);
  }
  stats.histogram('server.initialization_time_ms');
  stats.gauge('server.hot_restart_epoch').set(restartEpoch);
}

/** Brings gauges up to date that are only worth reading when somebody looks. */
export function refreshServerStats(state: DataplaneState): void {
  const usage = process.memoryUsage();
  const server = state.stats.scope('server');
  server.gauge('uptime').set(Math.floor((state.clock.now() - state.startedAtMs) / 1000));
  server.gauge('memory_allocated').set(usage.heapUsed + usage.external);
  server.gauge('memory_heap_size').set(usage.heapTotal + usage.external);
  server.gauge('memory_physical_size').set(usage.rss);
  server.gauge('total_connections').set(state.activeConnections);
  server.gauge('concurrency').set(state.concurrency);
  server.gauge('live').set(state.lifecycle === 'LIVE' && state.healthy ? 1 : 0);
  server.gauge('state').set(state.healthy ? { LIVE: 0, PRE_INITIALIZING: 2, INITIALIZING: 3 }[state.lifecycle] : 1);
  server.gauge('days_until_first_cert_expiring').set(daysUntilExpiry(state));
  if (state.concurrency > 1) tellLimits(state);
}

/** Workers count together against circuit breakers, and none of them knows when another has changed what is left. */
function tellLimits(state: DataplaneState): void {
  for (const cluster of state.clusters.all) {
    for (const { connections, pendingRequests, requests, retries } of [cluster.limits, cluster.highLimits]) {
      for (const resource of [connections, pendingRequests, requests, retries]) resource.tell();
    }
  }
}

/** Tells when each certificate in use expires, and returns the days until the first of them does. */
function daysUntilExpiry(state: DataplaneState): number {
  let first = Number.POSITIVE_INFINITY;
  for (const { material, scope } of state.secrets.contexts) {
    for (const { pem, name } of [...material.chains, ...material.trusted]) {
      const untilMs = certificateInPem(pem)?.notAfterMs;
      if (untilMs === undefined) continue;
      first = Math.min(first, untilMs);
      scope?.gauge(`ssl.certificate.${name}.expiration_unix_time_seconds`).set(Math.floor(untilMs / 1000));
    }
  }
  return first === Number.POSITIVE_INFINITY ? noCertificate : Math.max(0, Math.floor((first - state.clock.now()) / dayMs));
}
