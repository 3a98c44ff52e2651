/** One bootstrap (YAML) and what Envoy 1.40 says to it in `--mode validate`. */
export interface ValidationCase {
  readonly name: string;
  readonly yaml: string;
}

const type = 'type.googleapis.com/envoy';
const indent = (text: string, by: number) =>
  text
    .trim()
    .split('\n')
    .join(`\n${' '.repeat(by)}`);

/** A bootstrap whose cluster `a` has these fields. */
const cluster = (name: string, fields: string): ValidationCase => ({
  name: `cluster: ${name}`,
  yaml: `static_resources:\n  clusters:\n  - name: a\n    connect_timeout: 1s\n    ${indent(fields, 4)}\n`,
});

const bootstrap = (name: string, yaml: string): ValidationCase => ({ name: `bootstrap: ${name}`, yaml });

const clusters = `
  clusters:
  - name: backend
    connect_timeout: 1s
    type: STATIC
    load_assignment:
      cluster_name: backend
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]`;

const router = `{name: envoy.filters.http.router, typed_config: {"@type": ${type}.extensions.filters.http.router.v3.Router}}`;

/** A listener with these fields beside name and address. */
const listener = (name: string, fields: string): ValidationCase => ({
  name: `listener: ${name}`,
  yaml: `static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    ${indent(fields, 4)}${clusters}
`,
});

/** A connection manager; `filters` are put in place of the router, `fields` beside route_config. */
const hcm = (name: string, fields: string, filters = `[${router}]`): ValidationCase =>
  listener(
    `http: ${name}`,
    `filter_chains:
- filters:
  - name: envoy.filters.network.http_connection_manager
    typed_config:
      "@type": ${type}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
      stat_prefix: s
      http_filters: ${filters}
      ${indent(fields, 6)}`,
  );

const host = (routes: string) => `route_config: {virtual_hosts: [{name: v, domains: ["*"], routes: [${routes}]}]}`;
const anyRoute = host('{match: {prefix: /}, route: {cluster: backend}}');
const route = (name: string, text: string): ValidationCase => hcm(`route: ${name}`, host(text));
const hosts = (name: string, text: string): ValidationCase => hcm(`virtual hosts: ${name}`, `route_config: {virtual_hosts: [${text}]}`);
const httpFilter = (name: string, config: string, filterName = 'f'): ValidationCase =>
  hcm(
    `filter: ${name}`,
    anyRoute,
    `[{name: ${filterName}, typed_config: {"@type": ${type}.extensions.filters.http.${config}}}, ${router}]`,
  );
const accessLog = (name: string, log: string): ValidationCase => hcm(`access log: ${name}`, `access_log: [${log}]\n${anyRoute}`);
const file = (format: string) =>
  `{name: l, typed_config: {"@type": ${type}.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/null, ${format}}}`;
const networkFilter = (name: string, config: string): ValidationCase =>
  listener(
    `network filter: ${name}`,
    `filter_chains: [{filters: [{name: f, typed_config: {"@type": ${type}.extensions.filters.network.${config}}}]}]`,
  );
const chain = 'filters: [{name: f, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}]';
const tls = (name: string, fields: string): ValidationCase =>
  listener(
    `tls: ${name}`,
    `filter_chains: [{${chain}, transport_socket: {name: tls, typed_config: {"@type": ${type}.extensions.transport_sockets.tls.v3.DownstreamTlsContext, ${fields}}}}]`,
  );
const upstreamTls = (name: string, fields: string): ValidationCase =>
  cluster(
    `tls: ${name}`,
    `transport_socket: {name: tls, typed_config: {"@type": ${type}.extensions.transport_sockets.tls.v3.UpstreamTlsContext, ${fields}}}`,
  );
const httpOptions = (name: string, fields: string): ValidationCase =>
  cluster(
    `http options: ${name}`,
    `typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": ${type}.extensions.upstreams.http.v3.HttpProtocolOptions, ${fields}}}`,
  );
const healthCheck = (name: string, fields: string): ValidationCase => cluster(`health check: ${name}`, `health_checks: [{${fields}}]`);

export const cases: readonly ValidationCase[] = [
  // --- what a bootstrap may hold
  bootstrap('empty object', '{}'),
  bootstrap('unknown field', 'foo: bar'),
  bootstrap('scalar', 'a'),
  bootstrap('list', '[1]'),
  bootstrap('node', 'node: {id: x, cluster: y, locality: {region: r, zone: z}, metadata: {a: 1, b: {c: [x]}}}'),
  bootstrap('node id unquoted boolean', 'node: {id: y}'),
  bootstrap('node id number', 'node: {id: 5}'),
  bootstrap('node id quoted number', 'node: {id: "5"}'),
  bootstrap('camel case', 'staticResources: {clusters: [{name: a, connectTimeout: 1s}]}'),
  bootstrap('admin', 'admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}'),
  bootstrap('admin without address', 'admin: {}'),
  bootstrap('admin port too large', 'admin: {address: {socket_address: {address: 127.0.0.1, port_value: 99999}}}'),
  bootstrap('admin address unset', 'admin: {address: {}}'),
  bootstrap('admin socket address empty', 'admin: {address: {socket_address: {address: "", port_value: 1}}}'),
  bootstrap('admin no port', 'admin: {address: {socket_address: {address: 127.0.0.1}}}'),
  bootstrap('admin profile path', 'admin: {profile_path: /tmp/x, address: {socket_address: {address: 127.0.0.1, port_value: 0}}}'),
  bootstrap('admin address not an ip', 'admin: {address: {socket_address: {address: localhost, port_value: 0}}}'),
  bootstrap('stats flush interval', 'stats_flush_interval: 10s'),
  bootstrap('stats flush interval too short', 'stats_flush_interval: 0.0001s'),
  bootstrap('stats flush interval too long', 'stats_flush_interval: 400s'),
  bootstrap('stats flush on admin false', 'stats_flush_on_admin: false'),
  bootstrap('stats flush on admin', 'stats_flush_on_admin: true'),
  bootstrap('duration without s', 'stats_flush_interval: "5"'),
  bootstrap('duration as number', 'stats_flush_interval: 5'),
  bootstrap('duration in ms', 'stats_flush_interval: 5ms'),
  bootstrap('duration fraction', 'stats_flush_interval: 1.5s'),
  bootstrap('duration negative', 'stats_flush_interval: -1s'),
  bootstrap(
    'layered runtime',
    'layered_runtime: {layers: [{name: s, static_layer: {a: 1, b: {c: true}}}, {name: admin, admin_layer: {}}]}',
  ),
  bootstrap('layered runtime without name', 'layered_runtime: {layers: [{static_layer: {}}]}'),
  bootstrap('layered runtime without kind', 'layered_runtime: {layers: [{name: a}]}'),
  bootstrap('layered runtime same name', 'layered_runtime: {layers: [{name: a, static_layer: {}}, {name: a, static_layer: {}}]}'),
  bootstrap('layered runtime two admins', 'layered_runtime: {layers: [{name: a, admin_layer: {}}, {name: b, admin_layer: {}}]}'),
  bootstrap('layered runtime disk', 'layered_runtime: {layers: [{name: a, disk_layer: {symlink_root: /tmp/none, subdirectory: envoy}}]}'),
  bootstrap('layered runtime rtds without source', 'layered_runtime: {layers: [{name: a, rtds_layer: {name: x}}]}'),
  bootstrap(
    'overload manager',
    `overload_manager: {refresh_interval: 0.25s, resource_monitors: [{name: envoy.resource_monitors.fixed_heap, typed_config: {"@type": ${type}.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig, max_heap_size_bytes: 100000000}}], actions: [{name: envoy.overload_actions.stop_accepting_requests, triggers: [{name: envoy.resource_monitors.fixed_heap, threshold: {value: 0.95}}]}]}`,
  ),
  bootstrap(
    'overload manager unknown trigger',
    'overload_manager: {resource_monitors: [], actions: [{name: envoy.overload_actions.stop_accepting_requests, triggers: [{name: none, threshold: {value: 0.95}}]}]}',
  ),
  bootstrap(
    'overload manager threshold above 1',
    `overload_manager: {resource_monitors: [{name: envoy.resource_monitors.fixed_heap, typed_config: {"@type": ${type}.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig, max_heap_size_bytes: 1}}], actions: [{name: envoy.overload_actions.stop_accepting_requests, triggers: [{name: envoy.resource_monitors.fixed_heap, threshold: {value: 1.5}}]}]}`,
  ),
  bootstrap(
    'heap monitor without size',
    `overload_manager: {resource_monitors: [{name: envoy.resource_monitors.fixed_heap, typed_config: {"@type": ${type}.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig}}]}`,
  ),
  bootstrap(
    'downstream connections monitor',
    `overload_manager: {resource_monitors: [{name: envoy.resource_monitors.global_downstream_max_connections, typed_config: {"@type": ${type}.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig, max_active_downstream_connections: 1000}}]}`,
  ),
  bootstrap('overload manager without monitors', 'overload_manager: {refresh_interval: 1s}'),
  bootstrap('watchdogs', 'watchdogs: {main_thread_watchdog: {miss_timeout: 1s}, worker_watchdog: {miss_timeout: 1s}}'),
  bootstrap(
    'internal listener',
    `bootstrap_extensions: [{name: envoy.bootstrap.internal_listener, typed_config: {"@type": ${type}.extensions.bootstrap.internal_listener.v3.InternalListener}}]`,
  ),
  bootstrap('unknown bootstrap extension', 'bootstrap_extensions: [{name: x, typed_config: {"@type": type.googleapis.com/foo.Bar}}]'),
  bootstrap(
    'stats config',
    'stats_config: {use_all_default_tags: true, stats_tags: [{tag_name: a, regex: "^x((.*))"}, {tag_name: b, fixed_value: c}], stats_matcher: {exclusion_list: {patterns: [{prefix: foo}]}}, histogram_bucket_settings: [{match: {prefix: x}, buckets: [1, 2, 3]}]}',
  ),
  bootstrap('stats config bad regex', 'stats_config: {stats_tags: [{tag_name: a, regex: "((("}]}'),
  bootstrap(
    'stats config duplicate tag',
    'stats_config: {stats_tags: [{tag_name: a, regex: "^x((.*))"}, {tag_name: a, regex: "^y((.*))"}]}',
  ),
  bootstrap('stats config unknown default tag', 'stats_config: {stats_tags: [{tag_name: no.such.tag}]}'),
  bootstrap('stats config empty matcher', 'stats_config: {stats_matcher: {}}'),
  bootstrap('histogram without buckets', 'stats_config: {histogram_bucket_settings: [{match: {prefix: x}, buckets: []}]}'),
  bootstrap('histogram negative bucket', 'stats_config: {histogram_bucket_settings: [{match: {prefix: x}, buckets: [-1]}]}'),
  bootstrap('histogram bucket twice', 'stats_config: {histogram_bucket_settings: [{match: {prefix: x}, buckets: [1, 1]}]}'),
  bootstrap('header prefix', 'header_prefix: x-foo'),
  bootstrap('flags path', 'flags_path: /tmp/none'),
  bootstrap(
    'cluster manager',
    'cluster_manager: {outlier_detection: {event_log_path: /dev/null}, upstream_bind_config: {source_address: {address: 127.0.0.1, port_value: 0}}}',
  ),
  bootstrap('local cluster unknown', 'cluster_manager: {local_cluster_name: none}'),
  bootstrap(
    'default regex engine',
    `default_regex_engine: {name: envoy.regex_engines.google_re2, typed_config: {"@type": ${type}.extensions.regex_engines.v3.GoogleRE2}}`,
  ),
  bootstrap(
    'dns resolver',
    `typed_dns_resolver_config: {name: envoy.network.dns_resolver.cares, typed_config: {"@type": ${type}.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig, resolvers: [{socket_address: {address: 8.8.8.8, port_value: 53}}], dns_resolver_options: {use_tcp_for_dns_lookups: true}}}`,
  ),
  bootstrap('http connection ids', 'enable_dispatcher_stats: true'),
  bootstrap('inline headers', 'inline_headers: [{inline_header_name: x-foo, inline_header_type: REQUEST_HEADER}]'),
  bootstrap('inline headers bad type', 'inline_headers: [{inline_header_name: x-foo, inline_header_type: FOO}]'),
  bootstrap('perf tracing file', 'perf_tracing_file_path: /tmp/x'),
  bootstrap('memory', 'memory_allocator_manager: {bytes_to_release: 0}'),
  bootstrap('application log', 'application_log_config: {log_format: {text_format: "%v"}}'),
  bootstrap('hds', 'hds_config: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: a}}]}'),
  bootstrap('certificate providers', 'certificate_provider_instances: {}'),
  bootstrap(
    'unknown any type',
    'static_resources: {clusters: [{name: a, transport_socket: {name: x, typed_config: {"@type": type.googleapis.com/foo.Bar}}}]}',
  ),
  bootstrap('any without type', 'static_resources: {clusters: [{name: a, transport_socket: {name: x, typed_config: {foo: 1}}}]}'),
  bootstrap('secrets', 'static_resources: {secrets: [{name: s, generic_secret: {secret: {inline_string: x}}}]}'),
  bootstrap(
    'secrets same name',
    'static_resources: {secrets: [{name: s, generic_secret: {secret: {inline_string: x}}}, {name: s, generic_secret: {secret: {inline_string: y}}}]}',
  ),
  bootstrap('lds ads without ads config', 'dynamic_resources: {lds_config: {ads: {}}}'),
  bootstrap('cds ads v2', 'dynamic_resources: {cds_config: {ads: {}, resource_api_version: V2}}'),
  bootstrap(
    'cds unknown cluster',
    'dynamic_resources: {cds_config: {resource_api_version: V3, api_config_source: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: none}}]}}}',
  ),
  bootstrap(
    'cds without services',
    'dynamic_resources: {cds_config: {resource_api_version: V3, api_config_source: {api_type: GRPC, transport_api_version: V3}}}',
  ),
  bootstrap(
    'cds two services',
    'static_resources: {clusters: [{name: x}]}\ndynamic_resources: {cds_config: {resource_api_version: V3, api_config_source: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: x}}, {envoy_grpc: {cluster_name: x}}]}}}',
  ),
  bootstrap('cds path missing', 'dynamic_resources: {cds_config: {path_config_source: {path: /none/cds.yaml}}}'),
  bootstrap(
    'cds rest without clusters',
    'dynamic_resources: {cds_config: {api_config_source: {api_type: REST, transport_api_version: V3, refresh_delay: 1s}}}',
  ),
  bootstrap('config source empty', 'dynamic_resources: {cds_config: {}}'),
  bootstrap(
    'ads cluster is eds',
    'static_resources: {clusters: [{name: x, type: EDS, eds_cluster_config: {eds_config: {ads: {}, resource_api_version: V3}}}]}\ndynamic_resources: {ads_config: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: x}}]}}',
  ),
  // --- clusters
  cluster('plain', 'type: STATIC'),
  cluster('timeout zero', 'connect_timeout: 0s'),
  cluster('unknown type', 'type: FOO'),
  cluster('type number', 'type: 1\nload_assignment: {cluster_name: a}'),
  cluster('lb policy number', 'lb_policy: 99'),
  cluster('lb policy 4 is gone', 'lb_policy: 4'),
  cluster('name empty', 'name: ""'),
  cluster('eds without config', 'type: EDS'),
  cluster('eds on static', 'type: STATIC\neds_cluster_config: {eds_config: {ads: {}}}'),
  cluster('strict dns without endpoints', 'type: STRICT_DNS'),
  cluster('logical dns without endpoints', 'type: LOGICAL_DNS'),
  cluster(
    'logical dns two',
    'type: LOGICAL_DNS\nload_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: x, port_value: 1}}}}, {endpoint: {address: {socket_address: {address: y, port_value: 1}}}}]}]}',
  ),
  cluster(
    'static with host name',
    'type: STATIC\nload_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: example.com, port_value: 1}}}}]}]}',
  ),
  cluster('load assignment without name', 'type: STATIC\nload_assignment: {endpoints: []}'),
  cluster('original dst', 'type: ORIGINAL_DST\nlb_policy: CLUSTER_PROVIDED'),
  cluster('original dst with round robin', 'type: ORIGINAL_DST'),
  cluster('cluster provided on static', 'type: STATIC\nlb_policy: CLUSTER_PROVIDED'),
  cluster('original dst header', 'type: ORIGINAL_DST\nlb_policy: CLUSTER_PROVIDED\noriginal_dst_lb_config: {use_http_header: true}'),
  cluster('ring hash', 'lb_policy: RING_HASH\nring_hash_lb_config: {minimum_ring_size: 10, maximum_ring_size: 100}'),
  cluster('ring hash too large', 'lb_policy: RING_HASH\nring_hash_lb_config: {minimum_ring_size: 9000000}'),
  cluster('ring hash min above max', 'lb_policy: RING_HASH\nring_hash_lb_config: {minimum_ring_size: 100, maximum_ring_size: 10}'),
  cluster('maglev table not prime', 'lb_policy: MAGLEV\nmaglev_lb_config: {table_size: 100}'),
  cluster('maglev table too large', 'lb_policy: MAGLEV\nmaglev_lb_config: {table_size: 9000000}'),
  cluster('least request choice count 1', 'lb_policy: LEAST_REQUEST\nleast_request_lb_config: {choice_count: 1}'),
  cluster('panic threshold above 100', 'common_lb_config: {healthy_panic_threshold: {value: 101}}'),
  cluster(
    'circuit breakers',
    'circuit_breakers: {thresholds: [{max_connections: 1, retry_budget: {budget_percent: {value: 20}, min_retry_concurrency: 3}}, {priority: HIGH}]}',
  ),
  cluster('outlier detection', 'outlier_detection: {consecutive_5xx: 5, interval: 1s, base_ejection_time: 1s, max_ejection_percent: 50}'),
  cluster('outlier detection above 100', 'outlier_detection: {max_ejection_percent: 101}'),
  cluster('outlier detection interval zero', 'outlier_detection: {interval: 0s}'),
  cluster('dns refresh rate too short', 'dns_refresh_rate: 0.0001s'),
  cluster('buffer limit text', 'per_connection_buffer_limit_bytes: x'),
  cluster('buffer limit quoted number', 'per_connection_buffer_limit_bytes: "100"'),
  cluster('buffer limit negative', 'per_connection_buffer_limit_bytes: -1'),
  cluster('buffer limit fraction', 'per_connection_buffer_limit_bytes: 1.5'),
  cluster('buffer limit whole fraction', 'per_connection_buffer_limit_bytes: 2.0'),
  cluster('buffer limit hexadecimal', 'per_connection_buffer_limit_bytes: 0x10'),
  cluster(
    'endpoint weight zero',
    'load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{load_balancing_weight: 0, endpoint: {address: {socket_address: {address: 1.1.1.1, port_value: 1}}}}]}]}',
  ),
  cluster(
    'priority gap',
    'load_assignment: {cluster_name: a, endpoints: [{priority: 0, lb_endpoints: []}, {priority: 2, lb_endpoints: []}]}',
  ),
  cluster('priority above 128', 'load_assignment: {cluster_name: a, endpoints: [{priority: 200}]}'),
  cluster(
    'pipe endpoint',
    'load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: /tmp/x}}}}]}]}',
  ),
  cluster(
    'pipe without path',
    'load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: ""}}}}]}]}',
  ),
  cluster('address missing', 'load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {}}]}]}'),
  cluster(
    'health status unknown',
    'load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{health_status: SICK, endpoint: {address: {socket_address: {address: 1.1.1.1, port_value: 1}}}}]}]}',
  ),
  cluster('overprovisioning zero', 'load_assignment: {cluster_name: a, policy: {overprovisioning_factor: 0}}'),
  cluster('subset', 'lb_subset_config: {fallback_policy: ANY_ENDPOINT, subset_selectors: [{keys: [v]}]}'),
  cluster('alt stat name', 'alt_stat_name: other'),
  cluster('metadata', 'metadata: {filter_metadata: {x: {y: z}}}'),
  cluster('http2 options', 'http2_protocol_options: {}'),
  cluster('upstream bind config', 'upstream_bind_config: {source_address: {address: 127.0.0.1, port_value: 0}}'),
  cluster('respect dns ttl', 'type: STRICT_DNS\nload_assignment: {cluster_name: a}\nrespect_dns_ttl: true\ndns_lookup_family: V4_ONLY'),
  cluster('dns family unknown', 'dns_lookup_family: V5'),
  cluster(
    'load balancing policy',
    `load_balancing_policy: {policies: [{typed_extension_config: {name: rr, typed_config: {"@type": ${type}.extensions.load_balancing_policies.round_robin.v3.RoundRobin}}}]}`,
  ),
  cluster('load balancing policy unknown', 'load_balancing_policy: {policies: []}'),
  cluster(
    'transport socket match',
    `transport_socket_matches: [{name: m, match: {a: b}, transport_socket: {name: envoy.transport_sockets.raw_buffer, typed_config: {"@type": ${type}.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}}]`,
  ),
  cluster('transport socket match without name', 'transport_socket_matches: [{match: {a: b}}]'),
  cluster('transport socket without config', 'transport_socket: {name: x}'),
  cluster(
    'slow start',
    'round_robin_lb_config: {slow_start_config: {slow_start_window: 1s, aggression: {default_value: 1, runtime_key: x}, min_weight_percent: {value: 10}}}',
  ),
  cluster('track stats', 'track_cluster_stats: {timeout_budgets: true, request_response_sizes: true}'),
  cluster('wait for warm on init', 'wait_for_warm_on_init: false'),
  cluster('preconnect', 'preconnect_policy: {per_upstream_preconnect_ratio: 1.5}'),
  cluster('preconnect below 1', 'preconnect_policy: {per_upstream_preconnect_ratio: 0.5}'),
  cluster('upstream keepalive', 'upstream_connection_options: {tcp_keepalive: {keepalive_probes: 3, keepalive_time: 5}}'),
  bootstrap('two clusters of one name', 'static_resources: {clusters: [{name: a, connect_timeout: 1s}, {name: a}]}'),
  bootstrap('cluster type twice', 'static_resources: {clusters: [{name: a, type: STATIC, cluster_type: {name: envoy.cluster.static}}]}'),
  healthCheck('http', 'timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /}'),
  healthCheck('tcp', 'timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {send: {text: "00ff"}}'),
  healthCheck(
    'tcp bad hex',
    'timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {send: {text: "xyz"}}',
  ),
  healthCheck('no checker', 'timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1'),
  healthCheck('no timeout', 'interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /}'),
  healthCheck('no threshold', 'timeout: 1s, interval: 1s, unhealthy_threshold: 1, http_health_check: {path: /}'),
  healthCheck('empty path', 'timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {}'),
  healthCheck('zero interval', 'timeout: 1s, interval: 0s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /}'),
  healthCheck(
    'bad expected status',
    'timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /, expected_statuses: [{start: 300, end: 200}]}',
  ),
  healthCheck('grpc without http2', 'timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, grpc_health_check: {}'),
  upstreamTls('plain', 'sni: x'),
  upstreamTls('two certificates', 'common_tls_context: {tls_certificates: [{}, {}]}'),
  upstreamTls('sni too long', `sni: ${'a'.repeat(256)}`),
  upstreamTls('alpn', 'common_tls_context: {alpn_protocols: [h2, http/1.1]}'),
  upstreamTls(
    'versions swapped',
    'common_tls_context: {tls_params: {tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_2}}',
  ),
  upstreamTls('cipher unknown', 'common_tls_context: {tls_params: {cipher_suites: [FOO]}}'),
  upstreamTls('ca missing', 'common_tls_context: {validation_context: {trusted_ca: {filename: /none}}}'),
  upstreamTls('ca garbage', 'common_tls_context: {validation_context: {trusted_ca: {inline_string: garbage}}}'),
  upstreamTls(
    'san without ca',
    'common_tls_context: {validation_context: {match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: x}}]}}',
  ),
  upstreamTls('san type unset', 'common_tls_context: {validation_context: {match_typed_subject_alt_names: [{matcher: {exact: x}}]}}'),
  upstreamTls('hash bad length', 'common_tls_context: {validation_context: {verify_certificate_hash: [abc]}}'),
  upstreamTls(
    'sds without name',
    'common_tls_context: {tls_certificate_sds_secret_configs: [{sds_config: {path_config_source: {path: /none}}}]}',
  ),
  upstreamTls('static sds unknown', 'common_tls_context: {tls_certificate_sds_secret_configs: [{name: none}]}'),
  httpOptions('http2', 'explicit_http_config: {http2_protocol_options: {max_concurrent_streams: 100}}'),
  httpOptions('http1', 'explicit_http_config: {http_protocol_options: {}}'),
  httpOptions('unset', 'common_http_protocol_options: {idle_timeout: 1s}'),
  httpOptions('auto without alpn', 'auto_config: {}'),
  httpOptions('use downstream', 'use_downstream_protocol_config: {http2_protocol_options: {}}'),
  httpOptions('streams too few', 'explicit_http_config: {http2_protocol_options: {max_concurrent_streams: 0}}'),
  httpOptions('window too small', 'explicit_http_config: {http2_protocol_options: {initial_stream_window_size: 10}}'),
  httpOptions('explicit empty', 'explicit_http_config: {}'),
  httpOptions('max headers', 'common_http_protocol_options: {max_headers_count: 0}, explicit_http_config: {http_protocol_options: {}}'),
  // --- listeners
  listener('no address', 'address: {}'),
  listener('no filter chains', 'filter_chains: []'),
  listener('echo', `filter_chains: [{${chain}}]`),
  listener('empty chain', 'filter_chains: [{}]'),
  listener('default chain only', `default_filter_chain: {${chain}}`),
  listener('port and named port', 'address: {socket_address: {address: 127.0.0.1, named_port: http}}\nfilter_chains: [{}]'),
  listener('same matches', `filter_chains: [{${chain}}, {${chain}}]`),
  listener(
    'same server names',
    `listener_filters: [{name: t, typed_config: {"@type": ${type}.extensions.filters.listener.tls_inspector.v3.TlsInspector}}]\nfilter_chains: [{filter_chain_match: {server_names: [a]}, ${chain}}, {filter_chain_match: {server_names: [a, b]}, ${chain}}]`,
  ),
  listener(
    'same chain names',
    `filter_chains: [{name: x, filter_chain_match: {destination_port: 1}, ${chain}}, {name: x, filter_chain_match: {destination_port: 2}, ${chain}}]`,
  ),
  listener('bad prefix', `filter_chains: [{filter_chain_match: {prefix_ranges: [{address_prefix: foo, prefix_len: 8}]}, ${chain}}]`),
  listener(
    'prefix too long',
    `filter_chains: [{filter_chain_match: {prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 33}]}, ${chain}}]`,
  ),
  listener(
    'prefix above 128',
    `filter_chains: [{filter_chain_match: {prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 129}]}, ${chain}}]`,
  ),
  listener('address suffix', `filter_chains: [{filter_chain_match: {address_suffix: x}, ${chain}}]`),
  listener('partial wildcard', `filter_chains: [{filter_chain_match: {server_names: ["a.*"]}, ${chain}}]`),
  listener('destination port zero', `filter_chains: [{filter_chain_match: {destination_port: 0}, ${chain}}]`),
  listener('destination port too large', `filter_chains: [{filter_chain_match: {destination_port: 70000}, ${chain}}]`),
  listener('source ports', `filter_chains: [{filter_chain_match: {source_ports: [0]}, ${chain}}]`),
  listener('transport protocol', `filter_chains: [{filter_chain_match: {transport_protocol: tls, application_protocols: [h2]}, ${chain}}]`),
  listener('unknown network filter', 'filter_chains: [{filters: [{name: envoy.filters.network.nope}]}]'),
  listener('filter without config', 'filter_chains: [{filters: [{name: envoy.filters.network.echo}]}]'),
  listener(
    'terminal filter not last',
    `filter_chains: [{filters: [{name: e, typed_config: {"@type": ${type}.extensions.filters.network.echo.v3.Echo}}, {name: e2, typed_config: {"@type": ${type}.extensions.filters.network.echo.v3.Echo}}]}]`,
  ),
  listener(
    'no terminal filter',
    `filter_chains: [{filters: [{name: e, typed_config: {"@type": ${type}.extensions.filters.network.connection_limit.v3.ConnectionLimit, stat_prefix: s, max_connections: 1}}]}]`,
  ),
  listener('unknown listener filter', `listener_filters: [{name: nope}]\nfilter_chains: [{${chain}}]`),
  listener(
    'listener filters',
    `listener_filters: [{name: a, typed_config: {"@type": ${type}.extensions.filters.listener.original_dst.v3.OriginalDst}}, {name: b, typed_config: {"@type": ${type}.extensions.filters.listener.http_inspector.v3.HttpInspector}}, {name: c, typed_config: {"@type": ${type}.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}}]\nlistener_filters_timeout: 0s\ncontinue_on_listener_filters_timeout: true\nfilter_chains: [{${chain}}]`,
  ),
  listener('traffic direction', `traffic_direction: INBOUND\nfilter_chains: [{${chain}}]`),
  listener('freebind, transparent', `freebind: true\ntransparent: false\ntcp_fast_open_queue_length: 10\nfilter_chains: [{${chain}}]`),
  listener('drain type', `drain_type: MODIFY_ONLY\nfilter_chains: [{${chain}}]`),
  listener('drain type unknown', `drain_type: NEVER\nfilter_chains: [{${chain}}]`),
  listener('connection balance', `connection_balance_config: {exact_balance: {}}\nfilter_chains: [{${chain}}]`),
  listener('reuse port', `enable_reuse_port: false\nfilter_chains: [{${chain}}]`),
  listener('deprecated bind', `deprecated_v1: {bind_to_port: false}\nfilter_chains: [{${chain}}]`),
  listener(
    'additional addresses',
    `additional_addresses: [{address: {socket_address: {address: 127.0.0.2, port_value: 0}}}]\nfilter_chains: [{${chain}}]`,
  ),
  listener('socket options', `socket_options: [{level: 1, name: 2, int_value: 1, state: STATE_PREBIND}]\nfilter_chains: [{${chain}}]`),
  listener('chain timeout', `filter_chains: [{transport_socket_connect_timeout: 1s, ${chain}}]`),
  bootstrap(
    'two listeners of one name',
    `static_resources: {listeners: [{name: a, address: {socket_address: {address: 127.0.0.1, port_value: 0}}, filter_chains: [{${chain}}]}, {name: a, address: {socket_address: {address: 127.0.0.1, port_value: 0}}, filter_chains: [{${chain}}]}]}`,
  ),
  bootstrap(
    'two listeners of one address',
    `static_resources: {listeners: [{name: a, address: {socket_address: {address: 127.0.0.1, port_value: 17171}}, filter_chains: [{${chain}}]}, {name: b, address: {socket_address: {address: 127.0.0.1, port_value: 17171}}, filter_chains: [{${chain}}]}]}`,
  ),
  bootstrap('unknown field in listener', 'static_resources: {listeners: [{name: a, addres: {}}]}'),
  tls('no certificate', 'common_tls_context: {}'),
  tls('no common context', 'require_client_certificate: true'),
  tls('certificate without key', 'common_tls_context: {tls_certificates: [{certificate_chain: {inline_string: x}}]}'),
  tls(
    'certificate file missing',
    'common_tls_context: {tls_certificates: [{certificate_chain: {filename: /none}, private_key: {filename: /none}}]}',
  ),
  tls(
    'garbage certificate',
    'common_tls_context: {tls_certificates: [{certificate_chain: {inline_string: x}, private_key: {inline_string: y}}]}',
  ),
  tls(
    'client certificate without ca',
    'require_client_certificate: true, common_tls_context: {tls_certificate_sds_secret_configs: [{name: a, sds_config: {path_config_source: {path: /tmp}}}]}',
  ),
  networkFilter('tcp proxy', 'tcp_proxy.v3.TcpProxy, stat_prefix: s, cluster: backend'),
  networkFilter('tcp proxy without stat prefix', 'tcp_proxy.v3.TcpProxy, cluster: backend'),
  networkFilter('tcp proxy without cluster', 'tcp_proxy.v3.TcpProxy, stat_prefix: s'),
  networkFilter('tcp proxy unknown cluster', 'tcp_proxy.v3.TcpProxy, stat_prefix: s, cluster: nope'),
  networkFilter('tcp proxy weights', 'tcp_proxy.v3.TcpProxy, stat_prefix: s, weighted_clusters: {clusters: [{name: backend, weight: 1}]}'),
  networkFilter(
    'tcp proxy weight zero',
    'tcp_proxy.v3.TcpProxy, stat_prefix: s, weighted_clusters: {clusters: [{name: backend, weight: 0}]}',
  ),
  networkFilter('tcp proxy no weights', 'tcp_proxy.v3.TcpProxy, stat_prefix: s, weighted_clusters: {clusters: []}'),
  networkFilter('tcp proxy attempts zero', 'tcp_proxy.v3.TcpProxy, stat_prefix: s, cluster: backend, max_connect_attempts: 0'),
  networkFilter('rbac alone', 'rbac.v3.RBAC, stat_prefix: s'),
  networkFilter('direct response', 'direct_response.v3.Config, response: {inline_string: x}'),
  networkFilter('unknown field', 'tcp_proxy.v3.TcpProxy, stat_prefix: s, cluster: backend, foo: 1'),
  networkFilter('connection limit zero', 'connection_limit.v3.ConnectionLimit, stat_prefix: s, max_connections: 0'),
  // --- connection manager and routes
  hcm('plain', anyRoute),
  hcm('no stat prefix', `stat_prefix: ""\n${anyRoute}`),
  hcm('no routes', 'codec_type: AUTO'),
  hcm('codec type unknown', `codec_type: HTTP9\n${anyRoute}`),
  hcm('rds without source', 'rds: {route_config_name: x}'),
  hcm('rds ads without ads', 'rds: {route_config_name: x, config_source: {ads: {}, resource_api_version: V3}}'),
  hcm('rds without name', 'rds: {config_source: {path_config_source: {path: /tmp}}}'),
  hcm('no filters', anyRoute, '[]'),
  hcm('router not last', anyRoute, `[${router}, {name: c, typed_config: {"@type": ${type}.extensions.filters.http.cors.v3.Cors}}]`),
  hcm('two routers', anyRoute, `[${router}, ${router}]`),
  hcm('unknown filter', anyRoute, `[{name: envoy.filters.http.nope}, ${router}]`),
  hcm('unknown optional filter', anyRoute, `[{name: envoy.filters.http.nope, is_optional: true}, ${router}]`),
  hcm(
    'disabled filter',
    anyRoute,
    `[{name: c, disabled: true, typed_config: {"@type": ${type}.extensions.filters.http.cors.v3.Cors}}, ${router}]`,
  ),
  hcm(
    'disabled router',
    anyRoute,
    `[{name: r, disabled: true, typed_config: {"@type": ${type}.extensions.filters.http.router.v3.Router}}]`,
  ),
  hcm('filter without config', anyRoute, '[{name: envoy.filters.http.router}]'),
  hcm('filter without name', anyRoute, `[{typed_config: {"@type": ${type}.extensions.filters.http.router.v3.Router}}]`),
  hcm(
    'stream idle timeout',
    `stream_idle_timeout: 0s\nrequest_timeout: 1s\nrequest_headers_timeout: 1s\ndrain_timeout: 1s\ndelayed_close_timeout: 0s\n${anyRoute}`,
  ),
  hcm('request headers timeout negative', `request_headers_timeout: -1s\n${anyRoute}`),
  hcm('xff hops', `use_remote_address: true\nxff_num_trusted_hops: 1\n${anyRoute}`),
  hcm('server header', `server_name: x\nserver_header_transformation: PASS_THROUGH\n${anyRoute}`),
  hcm('server name with newline', `server_name: "a\\nb"\n${anyRoute}`),
  hcm('max header kb', `max_request_headers_kb: 96\n${anyRoute}`),
  hcm('max header kb too large', `max_request_headers_kb: 9000\n${anyRoute}`),
  hcm('max header kb zero', `max_request_headers_kb: 0\n${anyRoute}`),
  hcm(
    'forward client cert',
    `forward_client_cert_details: SANITIZE_SET\nset_current_client_cert_details: {subject: true, uri: true, dns: true}\n${anyRoute}`,
  ),
  hcm('upgrade configs', `upgrade_configs: [{upgrade_type: websocket}]\n${anyRoute}`),
  hcm('upgrade configs twice', `upgrade_configs: [{upgrade_type: websocket}, {upgrade_type: WebSocket}]\n${anyRoute}`),
  hcm(
    'path normalization',
    `normalize_path: true\nmerge_slashes: true\npath_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT\n${anyRoute}`,
  ),
  hcm('path action unknown', `path_with_escaped_slashes_action: NOPE\n${anyRoute}`),
  hcm('internal addresses', `internal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}\n${anyRoute}`),
  hcm('internal addresses bad', `internal_address_config: {cidr_ranges: [{address_prefix: x, prefix_len: 8}]}\n${anyRoute}`),
  hcm(
    'local reply',
    `local_reply_config: {mappers: [{filter: {status_code_filter: {comparison: {op: GE, value: {default_value: 500, runtime_key: x}}}}, status_code: 500, body: {inline_string: x}}], body_format: {text_format: "%LOCAL_REPLY_BODY%"}}\n${anyRoute}`,
  ),
  hcm('local reply without filter', `local_reply_config: {mappers: [{status_code: 500}]}\n${anyRoute}`),
  hcm('local reply bad status', `local_reply_config: {mappers: [{filter: {not_health_check_filter: {}}, status_code: 700}]}\n${anyRoute}`),
  hcm(
    'tracing',
    `tracing: {client_sampling: {value: 100}, random_sampling: {value: 1}, custom_tags: [{tag: a, literal: {value: b}}], verbose: true, max_path_tag_length: 10}\n${anyRoute}`,
  ),
  hcm('tracing tag empty', `tracing: {custom_tags: [{tag: "", literal: {value: b}}]}\n${anyRoute}`),
  hcm('tracing tag without kind', `tracing: {custom_tags: [{tag: a}]}\n${anyRoute}`),
  hcm('tracing literal empty', `tracing: {custom_tags: [{tag: a, literal: {value: ""}}]}\n${anyRoute}`),
  hcm(
    'tracing zipkin',
    `tracing: {provider: {name: z, typed_config: {"@type": ${type}.config.trace.v3.ZipkinConfig, collector_cluster: backend, collector_endpoint: /api/v2/spans, collector_endpoint_version: HTTP_JSON}}}\n${anyRoute}`,
  ),
  hcm(
    'tracing zipkin unknown cluster',
    `tracing: {provider: {name: z, typed_config: {"@type": ${type}.config.trace.v3.ZipkinConfig, collector_cluster: none, collector_endpoint: /api/v2/spans, collector_endpoint_version: HTTP_JSON}}}\n${anyRoute}`,
  ),
  hcm(
    'tracing otel',
    `tracing: {provider: {name: o, typed_config: {"@type": ${type}.config.trace.v3.OpenTelemetryConfig, grpc_service: {envoy_grpc: {cluster_name: backend}}, service_name: s}}}\n${anyRoute}`,
  ),
  hcm(
    'tracing otel two exporters',
    `tracing: {provider: {name: o, typed_config: {"@type": ${type}.config.trace.v3.OpenTelemetryConfig, grpc_service: {envoy_grpc: {cluster_name: backend}}, http_service: {http_uri: {uri: "http://x/v1/traces", cluster: backend, timeout: 1s}}}}}\n${anyRoute}`,
  ),
  hcm('http1 options', `http_protocol_options: {accept_http_10: true, header_key_format: {proper_case_words: {}}}\n${anyRoute}`),
  hcm(
    'http2 options',
    `http2_protocol_options: {max_concurrent_streams: 10, initial_stream_window_size: 65535, connection_keepalive: {interval: 1s, timeout: 1s}}\n${anyRoute}`,
  ),
  hcm('http2 keepalive without timeout', `http2_protocol_options: {connection_keepalive: {interval: 1s}}\n${anyRoute}`),
  hcm('http2 table size', `http2_protocol_options: {hpack_table_size: 4096, max_outbound_frames: 0}\n${anyRoute}`),
  hcm(
    'common options',
    `common_http_protocol_options: {idle_timeout: 1s, max_connection_duration: 1s, max_headers_count: 10, headers_with_underscores_action: REJECT_REQUEST}\n${anyRoute}`,
  ),
  hcm('scheme', `scheme_header_transformation: {scheme_to_overwrite: https}\n${anyRoute}`),
  hcm('scheme unknown', `scheme_header_transformation: {scheme_to_overwrite: ftp}\n${anyRoute}`),
  hcm(
    'request id extension',
    `request_id_extension: {typed_config: {"@type": ${type}.extensions.request_id.uuid.v3.UuidRequestIdConfig, pack_trace_reason: false}}\n${anyRoute}`,
  ),
  hcm(
    'xff detection',
    `original_ip_detection_extensions: [{name: x, typed_config: {"@type": ${type}.extensions.http.original_ip_detection.xff.v3.XffConfig, xff_num_trusted_hops: 1}}]\n${anyRoute}`,
  ),
  hcm('strip port', `strip_matching_host_port: true\n${anyRoute}`),
  hcm('strip ports both', `strip_matching_host_port: true\nstrip_any_host_port: true\n${anyRoute}`),
  hosts('no domains', '{name: v, domains: []}'),
  hosts('empty domain', '{name: v, domains: [""]}'),
  hosts('no name', '{domains: ["*"]}'),
  hosts('same domain', '{name: v, domains: [a]}, {name: w, domains: [a]}'),
  hosts('same domain, other case', '{name: v, domains: [a]}, {name: w, domains: [A]}'),
  hosts('two stars', '{name: v, domains: ["*"]}, {name: w, domains: ["*"]}'),
  hosts('same name', '{name: v, domains: [a]}, {name: v, domains: [b]}'),
  hosts('star in the middle', '{name: v, domains: ["a.*.b"]}'),
  hosts('domain with newline', '{name: v, domains: ["a\\nb"]}'),
  hosts('rate limits', '{name: v, domains: ["*"], rate_limits: [{actions: [{remote_address: {}}]}]}'),
  hosts('rate limit without actions', '{name: v, domains: ["*"], rate_limits: [{}]}'),
  hosts('tls required', '{name: v, domains: ["*"], require_tls: ALL}'),
  hosts(
    'virtual cluster',
    '{name: v, domains: ["*"], virtual_clusters: [{name: x, headers: [{name: ":path", string_match: {prefix: /}}]}]}',
  ),
  hosts('virtual cluster without headers', '{name: v, domains: ["*"], virtual_clusters: [{name: x}]}'),
  hosts('retry policy', '{name: v, domains: ["*"], retry_policy: {retry_on: 5xx}}'),
  hosts(
    'per filter config unknown filter',
    `{name: v, domains: ["*"], typed_per_filter_config: {nope: {"@type": ${type}.extensions.filters.http.cors.v3.CorsPolicy}}}`,
  ),
  hosts(
    'per filter config unknown type',
    '{name: v, domains: ["*"], typed_per_filter_config: {nope: {"@type": type.googleapis.com/google.protobuf.Struct}}}',
  ),
  hosts('header to add', '{name: v, domains: ["*"], request_headers_to_add: [{header: {key: x, value: "%REQ(y)%"}}]}'),
  hosts('header with bad operator', '{name: v, domains: ["*"], request_headers_to_add: [{header: {key: x, value: "%NOPE%"}}]}'),
  hosts('header with lone percent', '{name: v, domains: ["*"], request_headers_to_add: [{header: {key: x, value: "50%"}}]}'),
  hosts('header without name', '{name: v, domains: ["*"], request_headers_to_add: [{header: {key: "", value: x}}]}'),
  hosts('pseudo header to add', '{name: v, domains: ["*"], request_headers_to_add: [{header: {key: ":path", value: x}}]}'),
  hosts('host header to add', '{name: v, domains: ["*"], request_headers_to_add: [{header: {key: host, value: x}}]}'),
  hosts('remove host header', '{name: v, domains: ["*"], request_headers_to_remove: [host]}'),
  hosts('remove pseudo header', '{name: v, domains: ["*"], request_headers_to_remove: [":path"]}'),
  route('no match', '{route: {cluster: backend}}'),
  route('empty match', '{match: {}, route: {cluster: backend}}'),
  route('no action', '{match: {prefix: /}}'),
  route('two specifiers', '{match: {prefix: /, path: /a}, route: {cluster: backend}}'),
  route('no cluster', '{match: {prefix: /}, route: {}}'),
  route('cluster empty', '{match: {prefix: /}, route: {cluster: ""}}'),
  route('unknown cluster', '{match: {prefix: /}, route: {cluster: none}}'),
  hcm(
    'validate clusters off',
    'route_config: {validate_clusters: false, virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: none}}]}]}',
  ),
  route('cluster header', '{match: {prefix: /}, route: {cluster_header: x-c}}'),
  route('cluster header bad', '{match: {prefix: /}, route: {cluster_header: "x c"}}'),
  route(
    'weights',
    '{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: backend, weight: 1}, {name: backend, weight: 99}]}}}',
  ),
  route('weights all zero', '{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: backend, weight: 0}]}}}'),
  route('weights none', '{match: {prefix: /}, route: {weighted_clusters: {clusters: []}}}'),
  route('weights total', '{match: {prefix: /}, route: {weighted_clusters: {total_weight: 100, clusters: [{name: backend, weight: 1}]}}}'),
  route('weights unknown cluster', '{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: none, weight: 1}]}}}'),
  route('weights without name', '{match: {prefix: /}, route: {weighted_clusters: {clusters: [{weight: 1}]}}}'),
  route(
    'weights name and header',
    '{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: backend, cluster_header: x, weight: 1}]}}}',
  ),
  route('regex', '{match: {safe_regex: {regex: "/a.*"}}, route: {cluster: backend}}'),
  route('regex bad', '{match: {safe_regex: {regex: "(("}}, route: {cluster: backend}}'),
  route('regex lookahead', '{match: {safe_regex: {regex: "(?=a)"}}, route: {cluster: backend}}'),
  route('regex backreference', '{match: {safe_regex: {regex: "(a)\\\\1"}}, route: {cluster: backend}}'),
  route('regex case flag', '{match: {safe_regex: {regex: "(?i)/A"}}, route: {cluster: backend}}'),
  route('regex empty', '{match: {safe_regex: {regex: ""}}, route: {cluster: backend}}'),
  route('regex named group', '{match: {safe_regex: {regex: "(?P<x>a)"}}, route: {cluster: backend}}'),
  route('regex posix class', '{match: {safe_regex: {regex: "[[:alpha:]]+"}}, route: {cluster: backend}}'),
  route('regex repetition too large', '{match: {safe_regex: {regex: "a{2000}"}}, route: {cluster: backend}}'),
  route('path separated prefix', '{match: {path_separated_prefix: /a}, route: {cluster: backend}}'),
  route('path separated prefix with slash', '{match: {path_separated_prefix: /a/}, route: {cluster: backend}}'),
  route('connect matcher', '{match: {connect_matcher: {}}, route: {cluster: backend}}'),
  route(
    'uri template',
    `{match: {path_match_policy: {name: t, typed_config: {"@type": ${type}.extensions.path.match.uri_template.v3.UriTemplateMatchConfig, path_template: "/a/{b}"}}}, route: {cluster: backend}}`,
  ),
  route(
    'uri template bad',
    `{match: {path_match_policy: {name: t, typed_config: {"@type": ${type}.extensions.path.match.uri_template.v3.UriTemplateMatchConfig, path_template: "/a/{b"}}}, route: {cluster: backend}}`,
  ),
  route(
    'headers',
    '{match: {prefix: /, headers: [{name: a, string_match: {exact: b}}, {name: c, range_match: {start: 1, end: 2}}, {name: d, present_match: true, invert_match: true}]}, route: {cluster: backend}}',
  ),
  route('header without name', '{match: {prefix: /, headers: [{string_match: {exact: b}}]}, route: {cluster: backend}}'),
  route(
    'header bad regex',
    '{match: {prefix: /, headers: [{name: a, string_match: {safe_regex: {regex: "("}}}]}, route: {cluster: backend}}',
  ),
  route('header empty prefix', '{match: {prefix: /, headers: [{name: a, string_match: {prefix: ""}}]}, route: {cluster: backend}}'),
  route(
    'query parameters',
    '{match: {prefix: /, query_parameters: [{name: a, string_match: {exact: b}}, {name: c, present_match: true}]}, route: {cluster: backend}}',
  ),
  route('query parameter without name', '{match: {prefix: /, query_parameters: [{present_match: true}]}, route: {cluster: backend}}'),
  route(
    'runtime fraction',
    '{match: {prefix: /, runtime_fraction: {default_value: {numerator: 50, denominator: HUNDRED}, runtime_key: x}}, route: {cluster: backend}}',
  ),
  route('runtime fraction without default', '{match: {prefix: /, runtime_fraction: {runtime_key: x}}, route: {cluster: backend}}'),
  route('grpc', '{match: {prefix: /, grpc: {}}, route: {cluster: backend}}'),
  route(
    'metadata',
    '{match: {prefix: /, dynamic_metadata: [{filter: f, path: [{key: a}], value: {string_match: {exact: x}}}]}, route: {cluster: backend}}',
  ),
  route(
    'metadata without path',
    '{match: {prefix: /, dynamic_metadata: [{filter: f, value: {string_match: {exact: x}}}]}, route: {cluster: backend}}',
  ),
  route('redirect', '{match: {prefix: /}, redirect: {host_redirect: x, https_redirect: true, response_code: FOUND}}'),
  route('redirect bad code', '{match: {prefix: /}, redirect: {response_code: 5}}'),
  route('redirect scheme and https', '{match: {prefix: /}, redirect: {https_redirect: true, scheme_redirect: x}}'),
  route('redirect path and prefix', '{match: {prefix: /}, redirect: {path_redirect: /a, prefix_rewrite: /b}}'),
  route('redirect regex', '{match: {prefix: /}, redirect: {regex_rewrite: {pattern: {regex: "a(.*)"}, substitution: "\\\\1"}}}'),
  route('redirect path with newline', '{match: {prefix: /}, redirect: {path_redirect: "/a\\nb"}}'),
  route('direct response', '{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: x}}}'),
  route('direct response status 99', '{match: {prefix: /}, direct_response: {status: 99}}'),
  route('direct response status 600', '{match: {prefix: /}, direct_response: {status: 600}}'),
  route('direct response status 100', '{match: {prefix: /}, direct_response: {status: 100}}'),
  route(
    'direct response body too long',
    `{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: "${'x'.repeat(4097)}"}}}`,
  ),
  route('direct response file missing', '{match: {prefix: /}, direct_response: {status: 200, body: {filename: /none}}}'),
  route('non forwarding action', '{match: {prefix: /}, non_forwarding_action: {}}'),
  route('rewrite', '{match: {prefix: /}, route: {cluster: backend, prefix_rewrite: /x, host_rewrite_literal: y}}'),
  route(
    'two path rewrites',
    '{match: {prefix: /}, route: {cluster: backend, prefix_rewrite: /x, regex_rewrite: {pattern: {regex: a}, substitution: b}}}',
  ),
  route(
    'regex rewrite bad substitution',
    '{match: {prefix: /}, route: {cluster: backend, regex_rewrite: {pattern: {regex: a}, substitution: "\\\\1"}}}',
  ),
  route('regex rewrite without pattern', '{match: {prefix: /}, route: {cluster: backend, regex_rewrite: {substitution: "x"}}}'),
  route('host rewrite header', '{match: {prefix: /}, route: {cluster: backend, host_rewrite_header: x}}'),
  route('two host rewrites', '{match: {prefix: /}, route: {cluster: backend, host_rewrite_literal: x, auto_host_rewrite: true}}'),
  route(
    'host rewrite regex',
    '{match: {prefix: /}, route: {cluster: backend, host_rewrite_path_regex: {pattern: {regex: "^/(.+)/.+$"}, substitution: "\\\\1"}}}',
  ),
  route('prefix rewrite with newline', '{match: {prefix: /}, route: {cluster: backend, prefix_rewrite: "/a\\nb"}}'),
  route(
    'timeout',
    '{match: {prefix: /}, route: {cluster: backend, timeout: 0s, idle_timeout: 1s, max_stream_duration: {max_stream_duration: 1s, grpc_timeout_header_max: 0s}}}',
  ),
  route(
    'retry',
    '{match: {prefix: /}, route: {cluster: backend, retry_policy: {retry_on: "5xx,gateway-error,connect-failure", num_retries: 2, per_try_timeout: 1s, retry_back_off: {base_interval: 0.1s, max_interval: 1s}}}}',
  ),
  route('retry on unknown', '{match: {prefix: /}, route: {cluster: backend, retry_policy: {retry_on: nope}}}'),
  route(
    'retry back off without base',
    '{match: {prefix: /}, route: {cluster: backend, retry_policy: {retry_on: 5xx, retry_back_off: {max_interval: 1s}}}}',
  ),
  route(
    'retry back off max below base',
    '{match: {prefix: /}, route: {cluster: backend, retry_policy: {retry_on: 5xx, retry_back_off: {base_interval: 2s, max_interval: 1s}}}}',
  ),
  route(
    'retry back off zero',
    '{match: {prefix: /}, route: {cluster: backend, retry_policy: {retry_on: 5xx, retry_back_off: {base_interval: 0s}}}}',
  ),
  route(
    'retry predicate',
    `{match: {prefix: /}, route: {cluster: backend, retry_policy: {retry_on: 5xx, retry_host_predicate: [{name: p, typed_config: {"@type": ${type}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}}], host_selection_retry_max_attempts: 3}}}`,
  ),
  route(
    'retry predicate unknown',
    '{match: {prefix: /}, route: {cluster: backend, retry_policy: {retry_on: 5xx, retry_host_predicate: [{name: nope}]}}}',
  ),
  route(
    'retry priority',
    `{match: {prefix: /}, route: {cluster: backend, retry_policy: {retry_on: 5xx, retry_priority: {name: p, typed_config: {"@type": ${type}.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig, update_frequency: 2}}}}}`,
  ),
  route(
    'retry rate limited',
    '{match: {prefix: /}, route: {cluster: backend, retry_policy: {retry_on: 5xx, rate_limited_retry_back_off: {reset_headers: [{name: retry-after, format: SECONDS}]}}}}',
  ),
  route(
    'retry rate limited without headers',
    '{match: {prefix: /}, route: {cluster: backend, retry_policy: {retry_on: 5xx, rate_limited_retry_back_off: {}}}}',
  ),
  route(
    'mirror',
    '{match: {prefix: /}, route: {cluster: backend, request_mirror_policies: [{cluster: backend, runtime_fraction: {default_value: {numerator: 1}}}]}}',
  ),
  route('mirror unknown cluster', '{match: {prefix: /}, route: {cluster: backend, request_mirror_policies: [{cluster: none}]}}'),
  route('mirror without cluster', '{match: {prefix: /}, route: {cluster: backend, request_mirror_policies: [{}]}}'),
  route(
    'hash policy',
    '{match: {prefix: /}, route: {cluster: backend, hash_policy: [{header: {header_name: x}}, {cookie: {name: c, ttl: 1s}}, {connection_properties: {source_ip: true}}, {query_parameter: {name: q}}, {filter_state: {key: k}, terminal: true}]}}',
  ),
  route('hash policy empty', '{match: {prefix: /}, route: {cluster: backend, hash_policy: [{}]}}'),
  route('hash policy cookie without name', '{match: {prefix: /}, route: {cluster: backend, hash_policy: [{cookie: {}}]}}'),
  route('hedge', '{match: {prefix: /}, route: {cluster: backend, hedge_policy: {hedge_on_per_try_timeout: true, initial_requests: 1}}}'),
  route('hedge zero', '{match: {prefix: /}, route: {cluster: backend, hedge_policy: {initial_requests: 0}}}'),
  route(
    'internal redirect',
    '{match: {prefix: /}, route: {cluster: backend, internal_redirect_policy: {max_internal_redirects: 2, redirect_response_codes: [302]}}}',
  ),
  route(
    'internal redirect predicate',
    `{match: {prefix: /}, route: {cluster: backend, internal_redirect_policy: {predicates: [{name: p, typed_config: {"@type": ${type}.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig}}]}}}`,
  ),
  route('upgrade', '{match: {prefix: /}, route: {cluster: backend, upgrade_configs: [{upgrade_type: websocket, enabled: false}]}}'),
  route(
    'upgrade twice',
    '{match: {prefix: /}, route: {cluster: backend, upgrade_configs: [{upgrade_type: websocket}, {upgrade_type: websocket}]}}',
  ),
  route('priority', '{match: {prefix: /}, route: {cluster: backend, priority: HIGH}}'),
  route('cluster not found code', '{match: {prefix: /}, route: {cluster: backend, cluster_not_found_response_code: NOT_FOUND}}'),
  route('decorator', '{match: {prefix: /}, route: {cluster: backend}, decorator: {operation: op, propagate: false}}'),
  route('decorator empty', '{match: {prefix: /}, route: {cluster: backend}, decorator: {operation: ""}}'),
  route('tracing', '{match: {prefix: /}, route: {cluster: backend}, tracing: {random_sampling: {numerator: 1}}}'),
  route(
    'too many headers',
    `{match: {prefix: /}, route: {cluster: backend}, request_headers_to_add: [${Array.from({ length: 1001 }, (_, i) => `{header: {key: h${i}, value: v}}`).join(', ')}]}`,
  ),
  route(
    'metadata of route',
    '{match: {prefix: /}, metadata: {filter_metadata: {a: {b: 1}}}, route: {cluster: backend, metadata_match: {filter_metadata: {envoy.lb: {v: x}}}}}',
  ),
  route('grpc timeout', '{match: {prefix: /}, route: {cluster: backend, max_grpc_timeout: 1s}}'),
  route(
    'cors policy per route',
    `{match: {prefix: /}, route: {cluster: backend}, typed_per_filter_config: {c: {"@type": ${type}.extensions.filters.http.cors.v3.CorsPolicy, allow_origin_string_match: [{exact: a}]}}}`,
  ),
  // --- http filters
  httpFilter(
    'fault',
    'fault.v3.HTTPFault, delay: {fixed_delay: 1s, percentage: {numerator: 1}}, abort: {http_status: 503, percentage: {numerator: 1}}',
  ),
  httpFilter('fault abort status 700', 'fault.v3.HTTPFault, abort: {http_status: 700}'),
  httpFilter('fault delay zero', 'fault.v3.HTTPFault, delay: {fixed_delay: 0s}'),
  httpFilter('fault abort unset', 'fault.v3.HTTPFault, abort: {}'),
  httpFilter('buffer', 'buffer.v3.Buffer, max_request_bytes: 10'),
  httpFilter('buffer without limit', 'buffer.v3.Buffer'),
  httpFilter('buffer limit zero', 'buffer.v3.Buffer, max_request_bytes: 0'),
  httpFilter('cors', 'cors.v3.Cors'),
  httpFilter(
    'health check',
    'health_check.v3.HealthCheck, pass_through_mode: false, headers: [{name: ":path", string_match: {exact: /hc}}]',
  ),
  httpFilter('health check without mode', 'health_check.v3.HealthCheck'),
  httpFilter('health check cache without pass through', 'health_check.v3.HealthCheck, pass_through_mode: false, cache_time: 1s'),
  httpFilter('rbac', 'rbac.v3.RBAC, rules: {action: ALLOW, policies: {p: {permissions: [{any: true}], principals: [{any: true}]}}}'),
  httpFilter('rbac no permissions', 'rbac.v3.RBAC, rules: {policies: {p: {principals: [{any: true}]}}}'),
  httpFilter('rbac any false', 'rbac.v3.RBAC, rules: {policies: {p: {permissions: [{any: false}], principals: [{any: true}]}}}'),
  httpFilter('rbac empty rule', 'rbac.v3.RBAC, rules: {policies: {p: {permissions: [{}], principals: [{any: true}]}}}'),
  httpFilter(
    'rbac bad cidr',
    'rbac.v3.RBAC, rules: {policies: {p: {permissions: [{destination_ip: {address_prefix: x, prefix_len: 8}}], principals: [{any: true}]}}}',
  ),
  httpFilter('rbac action unknown', 'rbac.v3.RBAC, rules: {action: MAYBE}'),
  httpFilter('local rate limit', 'local_ratelimit.v3.LocalRateLimit, stat_prefix: s, token_bucket: {max_tokens: 1, fill_interval: 1s}'),
  httpFilter(
    'local rate limit short fill',
    'local_ratelimit.v3.LocalRateLimit, stat_prefix: s, token_bucket: {max_tokens: 1, fill_interval: 0.01s}',
  ),
  httpFilter('local rate limit no prefix', 'local_ratelimit.v3.LocalRateLimit, token_bucket: {max_tokens: 1, fill_interval: 1s}'),
  httpFilter(
    'local rate limit no tokens',
    'local_ratelimit.v3.LocalRateLimit, stat_prefix: s, token_bucket: {max_tokens: 0, fill_interval: 1s}',
  ),
  httpFilter(
    'rate limit',
    'ratelimit.v3.RateLimit, domain: d, rate_limit_service: {transport_api_version: V3, grpc_service: {envoy_grpc: {cluster_name: backend}}}',
  ),
  httpFilter(
    'rate limit no domain',
    'ratelimit.v3.RateLimit, rate_limit_service: {transport_api_version: V3, grpc_service: {envoy_grpc: {cluster_name: backend}}}',
  ),
  httpFilter('rate limit no service', 'ratelimit.v3.RateLimit, domain: d'),
  httpFilter(
    'rate limit v2',
    'ratelimit.v3.RateLimit, domain: d, rate_limit_service: {grpc_service: {envoy_grpc: {cluster_name: backend}}}',
  ),
  httpFilter('ext authz', 'ext_authz.v3.ExtAuthz, transport_api_version: V3, grpc_service: {envoy_grpc: {cluster_name: backend}}'),
  httpFilter('ext authz v2', 'ext_authz.v3.ExtAuthz, grpc_service: {envoy_grpc: {cluster_name: backend}}'),
  httpFilter(
    'ext authz http',
    'ext_authz.v3.ExtAuthz, transport_api_version: V3, http_service: {server_uri: {uri: "http://x", cluster: backend, timeout: 1s}}',
  ),
  httpFilter(
    'ext authz http without timeout',
    'ext_authz.v3.ExtAuthz, transport_api_version: V3, http_service: {server_uri: {uri: "http://x", cluster: backend}}',
  ),
  httpFilter(
    'ext authz max bytes zero',
    'ext_authz.v3.ExtAuthz, transport_api_version: V3, grpc_service: {envoy_grpc: {cluster_name: backend}}, with_request_body: {max_request_bytes: 0}',
  ),
  httpFilter('jwt', 'jwt_authn.v3.JwtAuthentication, providers: {p: {issuer: i, local_jwks: {inline_string: "{\\"keys\\": []}"}}}'),
  httpFilter('jwt no jwks', 'jwt_authn.v3.JwtAuthentication, providers: {p: {issuer: i}}'),
  httpFilter('jwt unknown provider', 'jwt_authn.v3.JwtAuthentication, rules: [{match: {prefix: /}, requires: {provider_name: nope}}]'),
  httpFilter(
    'compressor',
    'compressor.v3.Compressor, compressor_library: {name: gzip, typed_config: {"@type": type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip}}',
  ),
  httpFilter('compressor without library', 'compressor.v3.Compressor'),
  httpFilter(
    'gzip level',
    'compressor.v3.Compressor, compressor_library: {name: gzip, typed_config: {"@type": type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip, window_bits: 3}}',
  ),
  httpFilter(
    'header mutation',
    'header_mutation.v3.HeaderMutation, mutations: {request_mutations: [{append: {header: {key: a, value: b}}}, {remove: c}]}',
  ),
  httpFilter('header mutation empty', 'header_mutation.v3.HeaderMutation, mutations: {request_mutations: [{}]}'),
  httpFilter('grpc stats', 'grpc_stats.v3.FilterConfig, stats_for_all_methods: true'),
  httpFilter('grpc web', 'grpc_web.v3.GrpcWeb'),
  httpFilter('router strict headers', 'cors.v3.Cors, foo: 1'),
  hcm(
    'router headers to check',
    anyRoute,
    `[{name: r, typed_config: {"@type": ${type}.extensions.filters.http.router.v3.Router, strict_check_headers: [x-foo]}}]`,
  ),
  hcm(
    'router headers to check known',
    anyRoute,
    `[{name: r, typed_config: {"@type": ${type}.extensions.filters.http.router.v3.Router, strict_check_headers: [x-envoy-max-retries]}}]`,
  ),
  hcm(
    'typed struct',
    anyRoute,
    '[{name: r, typed_config: {"@type": type.googleapis.com/xds.type.v3.TypedStruct, type_url: type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, value: {}}}]',
  ),
  hcm(
    'typed struct udpa',
    anyRoute,
    '[{name: r, typed_config: {"@type": type.googleapis.com/udpa.type.v1.TypedStruct, type_url: type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, value: {suppress_envoy_headers: true}}}]',
  ),
  hcm(
    'typed struct unknown field',
    anyRoute,
    '[{name: r, typed_config: {"@type": type.googleapis.com/xds.type.v3.TypedStruct, type_url: type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, value: {foo: 1}}}]',
  ),
  hcm(
    'ecds',
    anyRoute,
    `[{name: x, config_discovery: {config_source: {path_config_source: {path: /none}}, type_urls: [type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors]}}, ${router}]`,
  ),
  hcm('ecds without types', anyRoute, `[{name: x, config_discovery: {config_source: {ads: {}}, type_urls: []}}, ${router}]`),
  hcm(
    'ecds default of other type',
    anyRoute,
    `[{name: x, config_discovery: {config_source: {path_config_source: {path: /none}}, default_config: {"@type": ${type}.extensions.filters.http.buffer.v3.Buffer, max_request_bytes: 1}, type_urls: [type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors]}}, ${router}]`,
  ),
  // --- access logs
  accessLog('text', file('log_format: {text_format_source: {inline_string: "%REQ(:PATH)% %START_TIME(%s.%3f)%\\n"}}')),
  accessLog('json', file('log_format: {json_format: {a: "%PROTOCOL%", b: {c: ["%DURATION%", 5]}}}')),
  accessLog('no path', `{name: l, typed_config: {"@type": ${type}.extensions.access_loggers.file.v3.FileAccessLog}}`),
  accessLog('unknown operator', file('log_format: {text_format_source: {inline_string: "%NOPE%"}}')),
  accessLog('unbalanced percent', file('log_format: {text_format_source: {inline_string: "50% of"}}')),
  accessLog('double percent', file('log_format: {text_format_source: {inline_string: "50%% of"}}')),
  accessLog('lower case operator', file('log_format: {text_format_source: {inline_string: "%protocol%"}}')),
  accessLog('header operator without name', file('log_format: {text_format_source: {inline_string: "%REQ()%"}}')),
  accessLog('header operator without parentheses', file('log_format: {text_format_source: {inline_string: "%REQ%"}}')),
  accessLog('header operator three names', file('log_format: {text_format_source: {inline_string: "%REQ(A?B?C)%"}}')),
  accessLog('argument where none is wanted', file('log_format: {text_format_source: {inline_string: "%PROTOCOL(x)%"}}')),
  accessLog('length', file('log_format: {text_format_source: {inline_string: "%REQ(A):10%"}}')),
  accessLog('length not a number', file('log_format: {text_format_source: {inline_string: "%REQ(A):x%"}}')),
  accessLog('length on an operator that has none', file('log_format: {text_format_source: {inline_string: "%PROTOCOL:3%"}}')),
  accessLog('newline in time format', file('log_format: {text_format_source: {inline_string: "%START_TIME(a\\nb)%"}}')),
  accessLog('environment', file('log_format: {text_format_source: {inline_string: "%ENVIRONMENT(HOME)%"}}')),
  accessLog('grpc status format', file('log_format: {text_format_source: {inline_string: "%GRPC_STATUS(NOPE)%"}}')),
  accessLog(
    'formatter',
    file(
      `log_format: {text_format_source: {inline_string: "%METADATA(ROUTE:a:b)%"}, formatters: [{name: m, typed_config: {"@type": ${type}.extensions.formatter.metadata.v3.Metadata}}]}`,
    ),
  ),
  accessLog('metadata without formatter', file('log_format: {text_format_source: {inline_string: "%METADATA(ROUTE:a:b)%"}}')),
  accessLog('req without query without formatter', file('log_format: {text_format_source: {inline_string: "%REQ_WITHOUT_QUERY(:PATH)%"}}')),
  accessLog('metadata unknown source', file('log_format: {text_format_source: {inline_string: "%METADATA(NOPE:a:b)%"}}')),
  accessLog('unknown logger', '{name: nope, typed_config: {"@type": type.googleapis.com/google.protobuf.Struct}}'),
  accessLog('stdout', `{name: l, typed_config: {"@type": ${type}.extensions.access_loggers.stream.v3.StdoutAccessLog}}`),
  accessLog(
    'filter',
    `{filter: {status_code_filter: {comparison: {op: GE, value: {default_value: 400, runtime_key: k}}}}, ${file('').slice(1)}`,
  ),
  accessLog(
    'filter without runtime key',
    `{filter: {status_code_filter: {comparison: {op: GE, value: {default_value: 400}}}}, ${file('').slice(1)}`,
  ),
  accessLog('filter empty', `{filter: {}, ${file('').slice(1)}`),
  accessLog('and filter of one', `{filter: {and_filter: {filters: [{not_health_check_filter: {}}]}}, ${file('').slice(1)}`),
  accessLog('response flag unknown', `{filter: {response_flag_filter: {flags: [XX]}}, ${file('').slice(1)}`),
  accessLog('response flags', `{filter: {response_flag_filter: {flags: [UF, NR]}}, ${file('').slice(1)}`),
  accessLog('header filter', `{filter: {header_filter: {header: {name: a, present_match: true}}}, ${file('').slice(1)}`),
  accessLog('header filter empty', `{filter: {header_filter: {}}, ${file('').slice(1)}`),
  accessLog('grpc status filter', `{filter: {grpc_status_filter: {statuses: [OK]}}, ${file('').slice(1)}`),
  accessLog(
    'cel filter',
    `{filter: {extension_filter: {name: c, typed_config: {"@type": ${type}.extensions.access_loggers.filters.cel.v3.ExpressionFilter, expression: "response.code >= 400"}}}, ${file('').slice(1)}`,
  ),
  accessLog(
    'cel filter bad',
    `{filter: {extension_filter: {name: c, typed_config: {"@type": ${type}.extensions.access_loggers.filters.cel.v3.ExpressionFilter, expression: "response.code >="}}}, ${file('').slice(1)}`,
  ),
  accessLog('log type filter', `{filter: {log_type_filter: {types: [DownstreamEnd]}}, ${file('').slice(1)}`),
  accessLog(
    'metadata filter',
    `{filter: {metadata_filter: {matcher: {filter: f, path: [{key: a}], value: {bool_match: true}}, match_if_key_not_found: true}}, ${file('').slice(1)}`,
  ),
  accessLog('runtime filter', `{filter: {runtime_filter: {runtime_key: x, percent_sampled: {numerator: 1}}}, ${file('').slice(1)}`),
  accessLog('runtime filter without key', `{filter: {runtime_filter: {percent_sampled: {numerator: 1}}}, ${file('').slice(1)}`),
  accessLog(
    'grpc',
    `{name: l, typed_config: {"@type": ${type}.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig, common_config: {log_name: x, transport_api_version: V3, grpc_service: {envoy_grpc: {cluster_name: backend}}}}}`,
  ),
];
