import { emptyHistogram, type Label, type StatSample } from '@xebec/telemetry';
import type { DataplaneState } from '../dataplane-state.ts';

/**
 * Names that Envoy shows from the start. What counts them here is made when it first counts (a thousand clusters need not keep a
 * hundred zeros each), and a few belong to what is not there: HTTP/3, 0-RTT, overload actions. `g:` is a gauge, `h:` a histogram.
 */
const words = (text: string): readonly string[] => text.trim().split(/\s+/);

const clusterNames = words(`
  default.total_match_count assignment_stale assignment_timeout_received assignment_use_cached bind_errors
  g:circuit_breakers.default.cx_pool_open g:circuit_breakers.high.cx_pool_open
  lb_healthy_panic lb_local_cluster_not_ok lb_recalculate_zone_structures lb_subsets_created lb_subsets_fallback
  lb_subsets_fallback_panic lb_subsets_removed lb_subsets_selected g:lb_subsets_active lb_zone_cluster_too_small
  lb_zone_no_capacity_left lb_zone_routing_all_directly lb_zone_routing_cross_zone lb_zone_routing_sampled g:max_host_weight
  original_dst_host_invalid retry_or_shadow_abandoned update_attempt update_success update_failure update_empty update_no_rebuild
  upstream_cx_close_notify upstream_cx_connect_attempts_exceeded upstream_cx_connect_with_0_rtt upstream_cx_destroy_local
  upstream_cx_destroy_local_with_active_rq upstream_cx_destroy_remote upstream_cx_destroy_remote_with_active_rq
  upstream_cx_destroy_with_active_rq upstream_cx_http3_total h:upstream_cx_length_ms upstream_cx_max_duration_reached
  upstream_cx_pool_overflow upstream_cx_preconnect_skipped upstream_cx_protocol_error upstream_queue_overloaded g:upstream_cx_rx_bytes_buffered g:upstream_cx_tx_bytes_buffered
  upstream_flow_control_backed_up_total upstream_flow_control_drained_total upstream_flow_control_paused_reading_total
  upstream_flow_control_resumed_reading_total upstream_http3_broken upstream_internal_redirect_failed_total
  upstream_internal_redirect_succeeded_total upstream_rq_0rtt upstream_rq_active_overflow upstream_rq_completed
  upstream_rq_maintenance_mode h:upstream_rq_per_cx upstream_rq_retry_backoff_ratelimited upstream_rq_rx_reset_no_error
  g:version g:warming_state`);

const http1Names = words(`
  http1.dropped_headers_with_underscores http1.metadata_not_supported_error http1.requests_rejected_with_underscores_in_headers
  http1.response_flood`);

const http2Names = words(`
  h:http2.cookie_count h:http2.cookie_size http2.cookies_total_bytes_too_large g:http2.deferred_stream_close
  http2.dropped_headers_with_underscores http2.goaway_sent h:http2.header_count h:http2.header_list_size
  http2.header_list_size_too_large http2.header_overflow http2.headers_cb_no_stream http2.inbound_empty_frames_flood
  http2.inbound_priority_frames_flood http2.inbound_window_update_frames_flood http2.keepalive_timeout
  http2.metadata_empty_frames g:http2.nghttp2_downstream_connections g:http2.nghttp2_upstream_connections
  g:http2.oghttp2_downstream_connections g:http2.oghttp2_upstream_connections http2.outbound_control_flood
  g:http2.outbound_control_frames_active http2.outbound_flood g:http2.outbound_frames_active g:http2.pending_send_bytes
  http2.requests_rejected_with_underscores_in_headers http2.rx_messaging_error http2.rx_reset http2.stream_refused_errors
  g:http2.streams_active http2.trailers http2.tx_flush_timeout http2.tx_reset`);

/** Of every connection manager, the admin's too. */
const managerNames = words(`
  downstream_cx_delayed_close_timeout downstream_cx_destroy_active_rq downstream_cx_destroy_local
  downstream_cx_destroy_local_active_rq downstream_cx_destroy_remote downstream_cx_destroy_remote_active_rq
  downstream_cx_http1_soft_drain downstream_cx_http3_total g:downstream_cx_http3_active h:downstream_cx_length_ms
  downstream_cx_max_duration_reached downstream_cx_max_requests_reached downstream_cx_overload_disable_keepalive
  g:downstream_cx_rx_bytes_buffered g:downstream_cx_tx_bytes_buffered downstream_cx_upgrades_total g:downstream_cx_upgrades_active
  downstream_flow_control_paused_reading_total downstream_flow_control_resumed_reading_total
  downstream_rq_failed_path_normalization downstream_rq_header_timeout downstream_rq_http3_total downstream_rq_non_relative_path
  downstream_rq_overload_close downstream_rq_redirected_with_normalized_path downstream_rq_rejected_via_ip_detection
  downstream_rq_response_before_rq_complete downstream_rq_too_large downstream_rq_too_many_premature_resets
  downstream_rq_ws_on_non_ws_route rs_too_large`);

/** Of those with a router. */
const routerNames = words(`
  no_cluster no_route passthrough_internal_redirect_bad_location passthrough_internal_redirect_no_route
  passthrough_internal_redirect_predicate passthrough_internal_redirect_too_many_redirects
  passthrough_internal_redirect_unsafe_scheme rq_direct_response rq_overload_local_reply rq_redirect
  rq_reset_after_downstream_response_started rq_total`);

const tracingNames = words(`
  tracing.client_enabled tracing.health_check tracing.not_traceable tracing.random_sampling tracing.service_forced`);

const tcpNames = words(`
  downstream_cx_overload_close g:downstream_cx_rx_bytes_buffered g:downstream_cx_tx_bytes_buffered route_delayed_total`);

const processNames = words(`
  cluster_manager.cluster_added cluster_manager.cluster_modified cluster_manager.cluster_removed cluster_manager.cluster_updated
  cluster_manager.cluster_updated_via_merge cluster_manager.update_merge_cancelled cluster_manager.update_out_of_merge_window
  envoy.overload_actions.reset_high_memory_stream.count h:overload.refresh_interval_delay`);

/** Names that are not among the samples yet. Only here, when somebody looks. What stands in `samples` stays. */
export function withZeros(samples: readonly StatSample[], state: DataplaneState): StatSample[] {
  const known = new Set(samples.map(({ name }) => name));
  const added: StatSample[] = [];
  const add = (scope: string, names: readonly string[], stem: string, labels: readonly Label[]): void => {
    for (const word of names) {
      const marked = word.charAt(1) === ':';
      const end = marked ? word.slice(2) : word;
      const name = scope + end;
      if (known.has(name)) continue;
      known.add(name);
      const base = { name, used: false, labels, prometheusName: `envoy_${(stem + end).replaceAll(/[^a-zA-Z0-9_]/g, '_')}` };
      if (word.startsWith('h:')) added.push({ ...base, kind: 'histogram', data: emptyHistogram });
      else added.push({ ...base, kind: word.startsWith('g:') ? 'gauge' : 'counter', value: 0 });
    }
  };
  for (const { config, stats } of state.clusters.all) {
    const scope = `cluster.${config.statName}.`;
    const labels: readonly Label[] = [['cluster_name', config.statName]];
    add(scope, clusterNames, 'cluster.', labels);
    if (known.has(`${scope}ssl.handshake`)) add(scope, tlsNames('client'), 'cluster.', labels);
    if (known.has(`${scope}outlier_detection.ejections_overflow`))
      add(scope, ['outlier_detection.ejections_detected_degradation'], 'cluster.', labels);
    if (config.balancing.subsets !== undefined) add(scope, ['lb_subsets_single_host_per_subset_duplicate'], 'cluster.', labels);
    // A codec's names are there once there was a connection for it.
    if (stats.cxHttp1.value > 0) add(scope, http1Names, 'cluster.', labels);
    if (stats.cxHttp2.value > 0) add(scope, http2Names, 'cluster.', labels);
  }
  for (const { name } of samples) {
    const listener = /^listener\.(.+)\.ssl\.handshake$/.exec(name)?.[1];
    if (listener !== undefined) add(`listener.${listener}.`, tlsNames('server'), 'listener.', [['listener_address', listener]]);
  }
  for (const [kind, value] of scopesOf(samples)) {
    const scope = `${kind}.${value}.`;
    if (kind === 'tcp') add(scope, tcpNames, 'tcp.', [['tcp_prefix', value]]);
    else {
      const labels: readonly Label[] = [['http_conn_manager_prefix', value]];
      add(scope, managerNames, 'http.', labels);
      if (value !== 'admin') add(scope, [...routerNames, ...tracingNames], 'http.', labels);
    }
  }
  add('http.async-client.', routerNames, 'http.', [['http_conn_manager_prefix', 'async-client']]);
  add('', processNames, '', []);
  const spoken = (protocol: string): boolean =>
    samples.some((sample) => sample.kind === 'counter' && sample.value > 0 && sample.name.endsWith(`.downstream_cx_${protocol}_total`));
  if (spoken('http1')) add('', http1Names, '', []);
  if (spoken('http2')) add('', http2Names, '', []);
  return added.length === 0 ? [...samples] : [...samples, ...added].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

const tlsNames = (side: 'client' | 'server'): readonly string[] =>
  ['downstream_context_secrets_not_ready', 'ssl_context_update_by_sds', 'upstream_context_secrets_not_ready'].map(
    (name) => `${side}_ssl_socket_factory.${name}`,
  );

/** Connection managers and TCP proxies that have been made. */
function scopesOf(samples: readonly StatSample[]): [kind: string, value: string][] {
  const found = new Map<string, [string, string]>();
  for (const { name } of samples) {
    const match = /^(?:(http)\.(.+)\.downstream_rq_total|(tcp)\.(.+)\.downstream_cx_total)$/.exec(name);
    if (match === null) continue;
    const [, http, manager = '', , proxy = ''] = match;
    found.set(name, http === undefined ? ['tcp', proxy] : ['http', manager]);
  }
  return [...found.values()];
}
