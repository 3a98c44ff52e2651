import type { StatSample } from '@xebec/telemetry';
import type { DataplaneState } from '../dataplane.ts';

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Counters that Envoy shows of every cluster and that nothing here can ever raise: HTTP/3, 0-RTT, preconnection... */
const clusterCounters = words(`
  assignment_stale assignment_timeout_received assignment_use_cached bind_errors update_attempt update_success update_failure
  update_empty update_no_rebuild http1.dropped_headers_with_underscores http1.metadata_not_supported_error http1.response_flood
  http1.requests_rejected_with_underscores_in_headers lb_healthy_panic lb_local_cluster_not_ok lb_recalculate_zone_structures
  lb_subsets_created lb_subsets_fallback lb_subsets_fallback_panic lb_subsets_removed lb_subsets_selected lb_zone_cluster_too_small
  lb_zone_no_capacity_left lb_zone_routing_all_directly lb_zone_routing_cross_zone lb_zone_routing_sampled
  original_dst_host_invalid upstream_cx_connect_with_0_rtt upstream_cx_http3_total upstream_http3_broken upstream_rq_0rtt
  upstream_cx_pool_overflow upstream_cx_preconnect_skipped upstream_rq_active_overflow upstream_rq_maintenance_mode
  upstream_queue_overloaded`);
const clusterGauges = words(`
  circuit_breakers.default.cx_pool_open circuit_breakers.high.cx_pool_open lb_subsets_active max_host_weight version warming_state`);

const managerCounters = words(`
  downstream_cx_http1_soft_drain downstream_cx_http3_total downstream_rq_http3_total downstream_cx_overload_disable_keepalive
  downstream_rq_overload_close rq_overload_local_reply tracing.client_enabled tracing.health_check tracing.not_traceable
  tracing.random_sampling tracing.service_forced`);
const managerGauges = words('downstream_cx_http3_active');

const processCounters = words(`
  cluster_manager.cluster_added cluster_manager.cluster_modified cluster_manager.cluster_removed cluster_manager.cluster_updated
  cluster_manager.cluster_updated_via_merge cluster_manager.update_merge_cancelled cluster_manager.update_out_of_merge_window
  runtime.deprecated_feature_use runtime.load_error runtime.override_dir_exists
  http1.dropped_headers_with_underscores http1.metadata_not_supported_error http1.requests_rejected_with_underscores_in_headers
  http1.response_flood`);

/**
 * Adds names that Envoy shows before they count anything. Only here, when somebody looks: a thousand clusters need not keep forty
 * zeros each. What stands in `samples` already stays.
 */
export function withZeros(samples: readonly StatSample[], state: DataplaneState): StatSample[] {
  const known = new Set(samples.map(({ name }) => name));
  const added: StatSample[] = [];
  const add = (kind: 'counter' | 'gauge', scope: string, name: string, labels: StatSample['labels'], value = 0): void => {
    const dotted = name.startsWith(scope) ? name : `${scope}${name}`;
    if (known.has(dotted)) return;
    known.add(dotted);
    const stem = labels.length === 0 ? dotted : `${scope.slice(0, scope.indexOf('.'))}.${name}`;
    added.push({ name: dotted, kind, value, used: false, labels, prometheusName: `envoy_${stem.replaceAll(/[^a-zA-Z0-9_]/g, '_')}` });
  };
  for (const { config } of state.clusters.all) {
    const labels: StatSample['labels'] = [['cluster_name', config.statName]];
    for (const name of clusterCounters) add('counter', `cluster.${config.statName}.`, name, labels);
    for (const name of clusterGauges) add('gauge', `cluster.${config.statName}.`, name, labels);
  }
  for (const prefix of managerPrefixes(samples)) {
    const labels: StatSample['labels'] = [['http_conn_manager_prefix', prefix]];
    for (const name of managerCounters) add('counter', `http.${prefix}.`, name, labels);
    for (const name of managerGauges) add('gauge', `http.${prefix}.`, name, labels);
  }
  for (const name of processCounters) add('counter', '', name, []);
  const layers = state.bootstrap.layeredRuntime?.layers ?? [];
  add('counter', '', 'runtime.load_success', [], 1);
  add('counter', '', 'runtime.override_dir_not_exists', [], 1);
  add('gauge', '', 'runtime.num_layers', [], layers.length);
  for (const name of ['runtime.num_keys', 'runtime.admin_overrides_active', 'runtime.deprecated_feature_seen_since_process_start'])
    add('gauge', '', name, []);
  return added.length === 0 ? [...samples] : [...samples, ...added].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function managerPrefixes(samples: readonly StatSample[]): Set<string> {
  const found = new Set<string>();
  for (const { name, labels } of samples) {
    if (!name.startsWith('http.') || !name.endsWith('.downstream_rq_total')) continue;
    const prefix = labels.find(([label]) => label === 'http_conn_manager_prefix')?.[1];
    if (prefix !== undefined) found.add(prefix);
  }
  return found;
}
