import {
  accessLog,
  anyRoute,
  bootstrap,
  chain,
  cluster,
  file,
  hcm,
  healthCheck,
  hosts,
  httpFilter,
  httpOptions,
  listener,
  networkFilter,
  route,
  router,
  tls,
  type,
  upstreamTls,
  type ValidationCase,
} from './builders.ts';

const lb = (name: string, policy: string, more = ''): ValidationCase =>
  cluster(
    `policy: ${name}`,
    `load_balancing_policy: {policies: [{typed_extension_config: {name: x, typed_config: {"@type": ${type}.extensions.load_balancing_policies.${policy}}}}]}${more}`,
  );
const roundRobin = `{policies: [{typed_extension_config: {name: rr, typed_config: {"@type": ${type}.extensions.load_balancing_policies.round_robin.v3.RoundRobin}}}]}`;
const clusterType = (name: string, config: string, more = ''): ValidationCase =>
  cluster(`extension: ${name}`, `cluster_type: {name: x, typed_config: {"@type": ${type}.extensions.clusters.${config}}}${more}`);
const rbac = (name: string, fields: string): ValidationCase => httpFilter(`rbac: ${name}`, `rbac.v3.RBAC, ${fields}`);
const rules = (permission: string, principal = '{any: true}') =>
  `rules: {policies: {p: {permissions: [${permission}], principals: [${principal}]}}}`;
const input = (message: string) => `{name: i, typed_config: {"@type": ${message}}}`;
const header = input(`${type}.type.matcher.v3.HttpRequestHeaderMatchInput, header_name: x`);
const rbacAction = `{action: {name: a, typed_config: {"@type": ${type}.config.rbac.v3.Action, name: a}}}`;
const predicate = (from: string, match: string) => `{single_predicate: {input: ${from}, ${match}}}`;
const matchList = (what: string, then = rbacAction) => `{matcher_list: {matchers: [{predicate: ${what}, on_match: ${then}}]}}`;
const chainAction = '{action: {name: a, typed_config: {"@type": type.googleapis.com/google.protobuf.StringValue, value: one}}}';
const serverName = input(`${type}.extensions.matching.common_inputs.network.v3.ServerNameInput`);
const scoped = (name: string, text: string): ValidationCase => hcm(`scoped routes: ${name}`, `scoped_routes: {${text}}`);
const builder = 'scope_key_builder: {fragments: [{header_value_extractor: {name: x, index: 0}}]}';
const scopeRoutes =
  'route_configuration: {name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: backend}}]}]}';
const scopeOf = (more: string) => `scoped_route_configurations_list: {scoped_route_configurations: [${more}]}`;
const key = (value: string) => `key: {fragments: [{string_key: ${value}}]}`;
const jwt = (name: string, fields: string): ValidationCase => httpFilter(`jwt: ${name}`, `jwt_authn.v3.JwtAuthentication, ${fields}`);
const keys = 'local_jwks: {inline_string: "{\\"keys\\": []}"}';
const endpoint = (fields: string) => `{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}, ${fields}}`;
const assignment = (text: string) => `load_assignment: {cluster_name: a, endpoints: [${text}]}`;
const forward = (fields: string) => `{match: {prefix: /}, route: {cluster: backend, ${fields}}}`;
const matching = (fields: string) => `{match: {prefix: /, ${fields}}, route: {cluster: backend}}`;

/** What messages mean beyond their fields: names that must be known or unique, orders, values that contradict one another. */
export const semanticCases: readonly ValidationCase[] = [
  // --- load-balancing policies
  lb('least request', 'least_request.v3.LeastRequest, choice_count: 3'),
  lb('least request one choice', 'least_request.v3.LeastRequest, choice_count: 1'),
  lb('random', 'random.v3.Random'),
  lb('ring hash', 'ring_hash.v3.RingHash, minimum_ring_size: 10, maximum_ring_size: 20'),
  lb('ring hash sizes swapped', 'ring_hash.v3.RingHash, minimum_ring_size: 20, maximum_ring_size: 10'),
  lb('ring hash balance factor', 'ring_hash.v3.RingHash, consistent_hashing_lb_config: {hash_balance_factor: 99}'),
  lb('maglev', 'maglev.v3.Maglev, table_size: 101'),
  lb('maglev not prime', 'maglev.v3.Maglev, table_size: 100'),
  lb('subset', `subset.v3.Subset, fallback_policy: ANY_ENDPOINT, subset_selectors: [{keys: [v]}], subset_lb_policy: ${roundRobin}`),
  lb('subset without policy', 'subset.v3.Subset, fallback_policy: ANY_ENDPOINT, subset_selectors: [{keys: [v]}]'),
  lb('wrr locality', `wrr_locality.v3.WrrLocality, endpoint_picking_policy: ${roundRobin}`),
  lb('wrr locality without policy', 'wrr_locality.v3.WrrLocality'),
  lb('client side weights', 'client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin, enable_oob_load_report: false'),
  lb('cluster provided on static', 'cluster_provided.v3.ClusterProvided'),
  lb('beside lb_policy', 'round_robin.v3.RoundRobin', '\nlb_policy: RANDOM'),
  lb('beside common_lb_config', 'round_robin.v3.RoundRobin', '\ncommon_lb_config: {healthy_panic_threshold: {value: 10}}'),
  lb('beside lb_subset_config', 'round_robin.v3.RoundRobin', '\nlb_subset_config: {subset_selectors: [{keys: [v]}]}'),
  cluster(
    'policy: first that is known',
    `load_balancing_policy: {policies: [{typed_extension_config: {name: nope, typed_config: {"@type": type.googleapis.com/xds.type.v3.TypedStruct, type_url: foo}}}, {typed_extension_config: {name: rr, typed_config: {"@type": ${type}.extensions.load_balancing_policies.round_robin.v3.RoundRobin}}}]}`,
  ),
  cluster('subset without keys', 'lb_subset_config: {subset_selectors: [{keys: []}]}'),
  cluster('subset keys fallback without keys', 'lb_subset_config: {subset_selectors: [{keys: [a], fallback_policy: KEYS_SUBSET}]}'),
  cluster(
    'subset keys fallback the same',
    'lb_subset_config: {subset_selectors: [{keys: [a], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [a]}]}',
  ),
  cluster(
    'subset keys fallback of others',
    'lb_subset_config: {subset_selectors: [{keys: [a], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [b]}]}',
  ),
  cluster('single host per subset with two keys', 'lb_subset_config: {subset_selectors: [{keys: [a, b], single_host_per_subset: true}]}'),
  cluster('locality weighted and zone aware', 'common_lb_config: {locality_weighted_lb_config: {}, zone_aware_lb_config: {}}'),
  cluster('original dst with hosts', `type: ORIGINAL_DST\nlb_policy: CLUSTER_PROVIDED\n${assignment('')}`),
  cluster(
    'original dst with endpoints',
    `type: ORIGINAL_DST\nlb_policy: CLUSTER_PROVIDED\n${assignment(`{lb_endpoints: [${endpoint('')}]}`)}`,
  ),
  cluster(
    'original dst with subsets',
    'type: ORIGINAL_DST\nlb_policy: CLUSTER_PROVIDED\nlb_subset_config: {subset_selectors: [{keys: [a]}]}',
  ),
  cluster(
    'hash by hostname on static',
    'lb_policy: RING_HASH\ncommon_lb_config: {consistent_hashing_lb_config: {use_hostname_for_hashing: true}}',
  ),
  cluster(
    'hash balance factor below 100',
    'lb_policy: RING_HASH\ncommon_lb_config: {consistent_hashing_lb_config: {hash_balance_factor: 50}}',
  ),
  cluster(
    'slow start aggression zero',
    'round_robin_lb_config: {slow_start_config: {slow_start_window: 1s, aggression: {default_value: 0, runtime_key: x}}}',
  ),
  // --- kinds of clusters
  clusterType('aggregate', 'aggregate.v3.ClusterConfig, clusters: [b, c]', '\nlb_policy: CLUSTER_PROVIDED'),
  clusterType('aggregate without clusters', 'aggregate.v3.ClusterConfig, clusters: []', '\nlb_policy: CLUSTER_PROVIDED'),
  clusterType('aggregate with round robin', 'aggregate.v3.ClusterConfig, clusters: [b]'),
  clusterType('dns', `dns.v3.DnsCluster, dns_lookup_family: V4_ONLY`, `\n${assignment('')}`),
  clusterType(
    'dynamic forward proxy',
    'dynamic_forward_proxy.v3.ClusterConfig, dns_cache_config: {name: c}',
    '\nlb_policy: CLUSTER_PROVIDED',
  ),
  clusterType('unknown', 'foo.v3.Bar'),
  cluster('endpoint twice', assignment(`{lb_endpoints: [${endpoint('')}, ${endpoint('')}]}`)),
  cluster(
    'weights that overflow',
    assignment(`{lb_endpoints: [${endpoint('load_balancing_weight: 4294967295')}, ${endpoint('load_balancing_weight: 1')}]}`),
  ),
  cluster('locality weight zero', assignment('{load_balancing_weight: 0, lb_endpoints: []}')),
  cluster(
    'health check port',
    assignment(
      '{lb_endpoints: [{endpoint: {health_check_config: {port_value: 70000}, address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}',
    ),
  ),
  cluster(
    'named endpoints',
    'load_assignment: {cluster_name: a, named_endpoints: {x: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}, endpoints: [{lb_endpoints: [{endpoint_name: x}]}]}',
  ),
  cluster('eds with assignment', `type: EDS\neds_cluster_config: {eds_config: {path_config_source: {path: /dev/null}}}\n${assignment('')}`),
  cluster(
    'strict dns with a port missing',
    'type: STRICT_DNS\nload_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: x}}}}]}]}',
  ),
  cluster(
    'strict dns with a pipe',
    'type: STRICT_DNS\nload_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: /x}}}}]}]}',
  ),
  cluster('strict dns with priorities', `type: STRICT_DNS\n${assignment('{priority: 1, lb_endpoints: []}')}`),
  cluster(
    'strict dns with a custom resolver name',
    'type: STRICT_DNS\nload_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: x, port_value: 1, resolver_name: nope}}}}]}]}',
  ),
  cluster(
    'static with a resolver name',
    'load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1, resolver_name: nope}}}}]}]}',
  ),
  cluster(
    'dns failure refresh rate',
    'type: STRICT_DNS\nload_assignment: {cluster_name: a}\ndns_failure_refresh_rate: {base_interval: 2s, max_interval: 1s}',
  ),
  cluster('dns jitter', 'type: STRICT_DNS\nload_assignment: {cluster_name: a}\ndns_jitter: 0.1s'),
  cluster(
    'typed dns resolver',
    `type: STRICT_DNS\nload_assignment: {cluster_name: a}\ntyped_dns_resolver_config: {name: x, typed_config: {"@type": ${type}.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig}}`,
  ),
  cluster(
    'typed dns resolver unknown',
    'type: STRICT_DNS\nload_assignment: {cluster_name: a}\ntyped_dns_resolver_config: {name: x, typed_config: {"@type": type.googleapis.com/foo.Bar}}',
  ),
  cluster(
    'transport socket matches of one name',
    `transport_socket_matches: [{name: m, match: {a: b}, transport_socket: {name: r, typed_config: {"@type": ${type}.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}}, {name: m, match: {a: c}, transport_socket: {name: r, typed_config: {"@type": ${type}.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}}]`,
  ),
  cluster(
    'proxy protocol upstream',
    `transport_socket: {name: p, typed_config: {"@type": ${type}.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, config: {version: V2}, transport_socket: {name: r, typed_config: {"@type": ${type}.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}}}`,
  ),
  cluster(
    'proxy protocol upstream without inner socket',
    `transport_socket: {name: p, typed_config: {"@type": ${type}.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, config: {version: V2}}}`,
  ),
  cluster(
    'downstream tls upstream',
    `transport_socket: {name: t, typed_config: {"@type": ${type}.extensions.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: {}}}`,
  ),
  cluster('bind config of another family', 'upstream_bind_config: {source_address: {address: "::1", port_value: 0}}'),
  cluster('bind config without address', 'upstream_bind_config: {}'),
  cluster('bind config not an address', 'upstream_bind_config: {source_address: {address: nope, port_value: 0}}'),
  cluster('retry budget 100', 'circuit_breakers: {thresholds: [{retry_budget: {budget_percent: {value: 101}}}]}'),
  cluster('thresholds of one priority twice', 'circuit_breakers: {thresholds: [{max_connections: 1}, {max_connections: 2}]}'),
  cluster('per host thresholds', 'circuit_breakers: {per_host_thresholds: [{max_connections: 1}]}'),
  cluster('per host thresholds of requests', 'circuit_breakers: {per_host_thresholds: [{max_requests: 1}]}'),
  cluster('two protocols', 'http2_protocol_options: {}\nhttp_protocol_options: {}'),
  cluster(
    'protocol options twice',
    `http2_protocol_options: {}\ntyped_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {"@type": ${type}.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http_protocol_options: {}}}}`,
  ),
  cluster(
    'protocol options of unknown extension',
    `typed_extension_protocol_options: {nope: {"@type": ${type}.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http_protocol_options: {}}}}`,
  ),
  cluster('max requests per connection', 'max_requests_per_connection: 1'),
  cluster(
    'two health checks',
    'health_checks: [{timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {}}, {timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {}}]',
  ),
  httpOptions('http3', 'explicit_http_config: {http3_protocol_options: {}}'),
  httpOptions(
    'http filters of codec alone',
    `explicit_http_config: {http_protocol_options: {}}, http_filters: [{name: c, typed_config: {"@type": ${type}.extensions.filters.http.upstream_codec.v3.UpstreamCodec}}]`,
  ),
  httpOptions(
    'http filters without codec',
    `explicit_http_config: {http_protocol_options: {}}, http_filters: [{name: c, typed_config: {"@type": ${type}.extensions.filters.http.header_mutation.v3.HeaderMutation, mutations: {}}}]`,
  ),
  httpOptions(
    'auto sni',
    'explicit_http_config: {http_protocol_options: {}}, upstream_http_protocol_options: {auto_sni: true, auto_san_validation: true}',
  ),
  httpOptions(
    'san validation without sni',
    'explicit_http_config: {http_protocol_options: {}}, upstream_http_protocol_options: {auto_san_validation: true}',
  ),
  httpOptions(
    'keepalive interval short',
    'explicit_http_config: {http2_protocol_options: {connection_keepalive: {interval: 0.0001s, timeout: 1s}}}',
  ),
  healthCheck(
    'http status out of range',
    'timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /, expected_statuses: [{start: 99, end: 200}]}',
  ),
  healthCheck(
    'retriable statuses overlap',
    'timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /, retriable_statuses: [{start: 200, end: 201}]}',
  ),
  healthCheck(
    'http method connect',
    'timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /, method: CONNECT}',
  ),
  healthCheck(
    'redis',
    `timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, custom_health_check: {name: envoy.health_checkers.redis, typed_config: {"@type": ${type}.extensions.health_checkers.redis.v3.Redis}}`,
  ),
  healthCheck(
    'http version',
    'timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /, codec_client_type: HTTP3}',
  ),
  healthCheck(
    'path with newline',
    'timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: "/a\\nb"}',
  ),
  // --- matchers
  rbac('matcher', `matcher: ${matchList(predicate(header, 'value_match: {exact: a}'))}`),
  rbac('matcher beside rules', `${rules('{any: true}')}, matcher: ${matchList(predicate(header, 'value_match: {exact: a}'))}`),
  rbac('matcher empty', 'matcher: {}'),
  rbac('matcher without predicate', `matcher: {matcher_list: {matchers: [{on_match: ${rbacAction}}]}}`),
  rbac('matcher list empty', 'matcher: {matcher_list: {matchers: []}}'),
  rbac('matcher of a wrong action', `matcher: ${matchList(predicate(header, 'value_match: {exact: a}'), chainAction)}`),
  rbac(
    'matcher input of responses',
    `matcher: ${matchList(predicate(input(`${type}.type.matcher.v3.HttpResponseHeaderMatchInput, header_name: x`), 'value_match: {exact: a}'))}`,
  ),
  rbac(
    'matcher input of TCP',
    `matcher: ${matchList(predicate(input(`${type}.extensions.matching.common_inputs.network.v3.TransportProtocolInput`), 'value_match: {exact: a}'))}`,
  ),
  rbac('matcher input unknown', `matcher: ${matchList(predicate(input('type.googleapis.com/foo.Bar'), 'value_match: {exact: a}'))}`),
  rbac('matcher regex bad', `matcher: ${matchList(predicate(header, 'value_match: {safe_regex: {google_re2: {}, regex: "(("}}'))}`),
  rbac('matcher or of one', `matcher: ${matchList(`{or_matcher: {predicate: [${predicate(header, 'value_match: {exact: a}')}]}}`)}`),
  rbac('matcher map empty', `matcher: {matcher_tree: {input: ${header}, exact_match_map: {map: {}}}}`),
  rbac('principal regex bad', rules('{any: true}', '{authenticated: {principal_name: {safe_regex: {regex: "(("}}}}')),
  rbac('port too large', rules('{destination_port: 65536}')),
  rbac('port range backwards', rules('{destination_port_range: {start: 10, end: 5}}')),
  rbac('header without matcher', rules('{header: {name: x}}')),
  rbac('header name empty', rules('{header: {name: "", present_match: true}}')),
  rbac('empty principal', rules('{any: true}', '{}')),
  rbac('and of nothing', rules('{and_rules: {rules: []}}')),
  rbac('metadata without path', rules('{metadata: {filter: f, value: {string_match: {exact: a}}}}')),
  networkFilter(
    'rbac matcher of headers',
    `rbac.v3.RBAC, stat_prefix: s, matcher: ${matchList(predicate(header, 'value_match: {exact: a}'))}`,
  ),
  listener(
    'chain matcher',
    `filter_chain_matcher: ${matchList(predicate(serverName, 'value_match: {exact: a}'), chainAction)}\nfilter_chains: [{name: one, ${chain}}]`,
  ),
  listener(
    'chain matcher, chain without name',
    `filter_chain_matcher: ${matchList(predicate(serverName, 'value_match: {exact: a}'), chainAction)}\nfilter_chains: [{${chain}}]`,
  ),
  listener(
    'chain matcher, names twice',
    `filter_chain_matcher: ${matchList(predicate(serverName, 'value_match: {exact: a}'), chainAction)}\nfilter_chains: [{name: one, ${chain}}, {name: one, ${chain}}]`,
  ),
  listener(
    'chain matcher, chain unknown',
    `filter_chain_matcher: ${matchList(predicate(serverName, 'value_match: {exact: a}'), chainAction)}\nfilter_chains: [{name: two, ${chain}}]`,
  ),
  listener(
    'chain matcher and matches',
    `filter_chain_matcher: ${matchList(predicate(serverName, 'value_match: {exact: a}'), chainAction)}\nfilter_chains: [{name: one, filter_chain_match: {destination_port: 1}, ${chain}}]`,
  ),
  listener(
    'chain matcher of headers',
    `filter_chain_matcher: ${matchList(predicate(header, 'value_match: {exact: a}'), chainAction)}\nfilter_chains: [{name: one, ${chain}}]`,
  ),
  listener(
    'chain matcher of a wrong action',
    `filter_chain_matcher: ${matchList(predicate(serverName, 'value_match: {exact: a}'))}\nfilter_chains: [{name: one, ${chain}}]`,
  ),
  hosts(
    'matcher',
    `{name: v, domains: ["*"], matcher: ${matchList(predicate(header, 'value_match: {exact: a}'), `{action: {name: r, typed_config: {"@type": ${type}.config.route.v3.Route, match: {prefix: /}, route: {cluster: backend}}}}`)}}`,
  ),
  hosts(
    'matcher of unknown cluster',
    `{name: v, domains: ["*"], matcher: ${matchList(predicate(header, 'value_match: {exact: a}'), `{action: {name: r, typed_config: {"@type": ${type}.config.route.v3.Route, match: {prefix: /}, route: {cluster: none}}}}`)}}`,
  ),
  hosts(
    'matcher beside routes',
    `{name: v, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: backend}}], matcher: ${matchList(predicate(header, 'value_match: {exact: a}'), `{action: {name: r, typed_config: {"@type": ${type}.config.route.v3.Route, match: {prefix: /}, route: {cluster: backend}}}}`)}}`,
  ),
  hosts('matcher of a wrong action', `{name: v, domains: ["*"], matcher: ${matchList(predicate(header, 'value_match: {exact: a}'))}}`),
  // --- scoped routes, discovery of virtual hosts
  scoped('inline', `name: s, ${builder}, ${scopeOf(`{name: one, ${key('a')}, ${scopeRoutes}}`)}`),
  scoped('inline by name without source', `name: s, ${builder}, ${scopeOf(`{name: one, ${key('a')}, route_configuration_name: r}`)}`),
  scoped('without name', `${builder}, ${scopeOf(`{name: one, ${key('a')}, ${scopeRoutes}}`)}`),
  scoped('without builder', `name: s, ${scopeOf(`{name: one, ${key('a')}, ${scopeRoutes}}`)}`),
  scoped('no fragments', `name: s, scope_key_builder: {fragments: []}, ${scopeOf(`{name: one, ${key('a')}, ${scopeRoutes}}`)}`),
  scoped('empty list', `name: s, ${builder}, ${scopeOf('')}`),
  scoped(
    'same key',
    `name: s, ${builder}, ${scopeOf(`{name: one, ${key('a')}, ${scopeRoutes}}, {name: two, ${key('a')}, ${scopeRoutes}}`)}`,
  ),
  scoped(
    'same name',
    `name: s, ${builder}, ${scopeOf(`{name: one, ${key('a')}, ${scopeRoutes}}, {name: one, ${key('b')}, ${scopeRoutes}}`)}`,
  ),
  scoped('scope without key', `name: s, ${builder}, ${scopeOf(`{name: one, ${scopeRoutes}}`)}`),
  scoped(
    'index without separator',
    `name: s, scope_key_builder: {fragments: [{header_value_extractor: {name: x, index: 1}}]}, ${scopeOf(`{name: one, ${key('a')}, ${scopeRoutes}}`)}`,
  ),
  scoped(
    'extractor without kind',
    `name: s, scope_key_builder: {fragments: [{header_value_extractor: {name: x}}]}, ${scopeOf(`{name: one, ${key('a')}, ${scopeRoutes}}`)}`,
  ),
  scoped(
    'element without separator',
    `name: s, scope_key_builder: {fragments: [{header_value_extractor: {name: x, element: {separator: "", key: k}}}]}, ${scopeOf(`{name: one, ${key('a')}, ${scopeRoutes}}`)}`,
  ),
  scoped(
    'element',
    `name: s, scope_key_builder: {fragments: [{header_value_extractor: {name: x, element_separator: ";", element: {separator: "=", key: k}}}]}, ${scopeOf(`{name: one, ${key('a')}, ${scopeRoutes}}`)}`,
  ),
  scoped('without configuration', `name: s, ${builder}`),
  hcm('vhds', 'route_config: {name: r, vhds: {config_source: {ads: {}, resource_api_version: V3}}}'),
  // --- routes
  route('header matcher without name', matching('headers: [{present_match: true}]')),
  route('header regex bad', matching('headers: [{name: x, string_match: {safe_regex: {regex: "(("}}}]')),
  route('header range backwards', matching('headers: [{name: x, range_match: {start: 10, end: 5}}]')),
  route('query parameter without name, again', matching('query_parameters: [{present_match: true}]')),
  route('query parameter regex bad', matching('query_parameters: [{name: q, string_match: {safe_regex: {regex: "["}}}]')),
  route('runtime fraction, again', matching('runtime_fraction: {default_value: {numerator: 200, denominator: HUNDRED}}')),
  route('path separated prefix with slash, again', '{match: {path_separated_prefix: /a/}, route: {cluster: backend}}'),
  route('path separated prefix with query', '{match: {path_separated_prefix: "/a?b"}, route: {cluster: backend}}'),
  route(
    'template rewrite without template',
    forward(
      `path_rewrite_policy: {name: t, typed_config: {"@type": ${type}.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig, path_template_rewrite: "/{a}"}}`,
    ),
  ),
  route(
    'template rewrite of unknown variable',
    `{match: {path_match_policy: {name: t, typed_config: {"@type": ${type}.extensions.path.match.uri_template.v3.UriTemplateMatchConfig, path_template: "/{a}"}}}, route: {cluster: backend, path_rewrite_policy: {name: t, typed_config: {"@type": ${type}.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig, path_template_rewrite: "/{b}"}}}}`,
  ),
  route(
    'template with a star in a name',
    `{match: {path_match_policy: {name: t, typed_config: {"@type": ${type}.extensions.path.match.uri_template.v3.UriTemplateMatchConfig, path_template: "/{a*}"}}}, route: {cluster: backend}}`,
  ),
  route(
    'template with a variable twice',
    `{match: {path_match_policy: {name: t, typed_config: {"@type": ${type}.extensions.path.match.uri_template.v3.UriTemplateMatchConfig, path_template: "/{a}/{a}"}}}, route: {cluster: backend}}`,
  ),
  route(
    'template prefix rewrite',
    `{match: {path_match_policy: {name: t, typed_config: {"@type": ${type}.extensions.path.match.uri_template.v3.UriTemplateMatchConfig, path_template: "/{a}"}}}, route: {cluster: backend, prefix_rewrite: /x}}`,
  ),
  route(
    'prefix and regex redirect',
    '{match: {prefix: /}, redirect: {prefix_rewrite: /a, regex_rewrite: {pattern: {regex: a}, substitution: b}}}',
  ),
  route('redirect port', '{match: {prefix: /}, redirect: {port_redirect: 70000}}'),
  route('redirect host with newline', '{match: {prefix: /}, redirect: {host_redirect: "a\\nb"}}'),
  route('redirect code', '{match: {prefix: /}, redirect: {response_code: 999}}'),
  route(
    'weights of one unknown',
    '{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: backend, weight: 1}, {name: none, weight: 0}]}}}',
  ),
  route(
    'weights by header and total',
    '{match: {prefix: /}, route: {weighted_clusters: {header_name: x, clusters: [{name: backend, weight: 1}]}}}',
  ),
  route(
    'weights too many',
    '{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: backend, weight: 4294967295}, {name: backend, weight: 1}]}}}',
  ),
  route('cluster specifier plugin unknown', forward('').replace('cluster: backend', 'cluster_specifier_plugin: nope')),
  route(
    'inline cluster specifier plugin',
    forward('').replace(
      'cluster: backend',
      `inline_cluster_specifier_plugin: {extension: {name: x, typed_config: {"@type": type.googleapis.com/foo.Bar}}}`,
    ),
  ),
  route('retry hedge', forward('hedge_policy: {hedge_on_per_try_timeout: true}')),
  route('retriable status out of range', forward('retry_policy: {retry_on: retriable-status-codes, retriable_status_codes: [99999]}')),
  route('retriable headers', forward('retry_policy: {retry_on: retriable-headers, retriable_headers: [{name: x}]}')),
  route(
    'rate limited back off',
    forward('retry_policy: {retry_on: 5xx, rate_limited_retry_back_off: {max_interval: 1s, reset_headers: [{name: ""}]}}'),
  ),
  route(
    'connect upgrade',
    '{match: {connect_matcher: {}}, route: {cluster: backend, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]}}',
  ),
  route('connect config of websocket', forward('upgrade_configs: [{upgrade_type: websocket, connect_config: {}}]')),
  route('internal redirect code', forward('internal_redirect_policy: {redirect_response_codes: [200]}')),
  route('negative timeout', forward('timeout: -1s')),
  route('host rewrite with newline', forward('host_rewrite_literal: "a\\nb"')),
  route(
    'append action and keep empty',
    `{match: {prefix: /}, route: {cluster: backend}, request_headers_to_add: [{header: {key: x, value: y}, append: true, append_action: ADD_IF_ABSENT}]}`,
  ),
  route(
    'header raw value',
    '{match: {prefix: /}, route: {cluster: backend}, request_headers_to_add: [{header: {key: x, raw_value: eA==}}]}',
  ),
  route(
    'header value and raw value',
    '{match: {prefix: /}, route: {cluster: backend}, request_headers_to_add: [{header: {key: x, value: y, raw_value: eA==}}]}',
  ),
  route(
    'header name with space',
    '{match: {prefix: /}, route: {cluster: backend}, request_headers_to_add: [{header: {key: "a b", value: y}}]}',
  ),
  route('metadata match without values', forward('metadata_match: {filter_metadata: {envoy.lb: {}}}')),
  hosts('retry and hedge', '{name: v, domains: ["*"], hedge_policy: {initial_requests: 2}}'),
  hosts('prefix and suffix star', '{name: v, domains: ["*a*"]}'),
  hosts('domain of port', '{name: v, domains: ["a:80", "a"]}'),
  hosts('domain twice in one host', '{name: v, domains: [a, a]}'),
  hosts(
    'rate limit by unknown extension',
    '{name: v, domains: ["*"], rate_limits: [{actions: [{extension: {name: x, typed_config: {"@type": type.googleapis.com/foo.Bar}}}]}]}',
  ),
  hosts('rate limit header without key', '{name: v, domains: ["*"], rate_limits: [{actions: [{request_headers: {header_name: x}}]}]}'),
  hosts('rate limit stage', '{name: v, domains: ["*"], rate_limits: [{stage: 11, actions: [{remote_address: {}}]}]}'),
  hcm('route config name twice', `${anyRoute}\nrds: {route_config_name: x, config_source: {path_config_source: {path: /dev/null}}}`),
  hcm('internal only header pseudo', 'route_config: {internal_only_headers: [":path"], virtual_hosts: []}'),
  hcm(
    'max direct response body',
    'route_config: {max_direct_response_body_size_bytes: 2, virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: abc}}}]}]}',
  ),
  hcm(
    'cluster specifier plugins of one name',
    `route_config: {cluster_specifier_plugins: [{extension: {name: x, typed_config: {"@type": type.googleapis.com/foo.Bar}}}], virtual_hosts: []}`,
  ),
  hcm(
    'two filters of one name',
    anyRoute,
    `[{name: c, typed_config: {"@type": ${type}.extensions.filters.http.cors.v3.Cors}}, {name: c, typed_config: {"@type": ${type}.extensions.filters.http.cors.v3.Cors}}, ${router}]`,
  ),
  hcm('idle timeout below headers timeout', `stream_idle_timeout: 1s\nrequest_headers_timeout: 5s\n${anyRoute}`),
  hcm(
    'xff detection beside remote address',
    `use_remote_address: true\noriginal_ip_detection_extensions: [{name: x, typed_config: {"@type": ${type}.extensions.http.original_ip_detection.xff.v3.XffConfig}}]\n${anyRoute}`,
  ),
  hcm('proxy status', `proxy_status_config: {use_node_id: true}\n${anyRoute}`),
  hcm('header validator', `typed_header_validation_config: {name: x, typed_config: {"@type": type.googleapis.com/foo.Bar}}\n${anyRoute}`),
  hcm('access log options', `access_log_options: {access_log_flush_interval: 0.0001s}\n${anyRoute}`),
  hcm(
    'early header mutation',
    `early_header_mutation_extensions: [{name: x, typed_config: {"@type": ${type}.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation, mutations: [{remove: a}]}}]\n${anyRoute}`,
  ),
  hcm('upgrade with filters', `upgrade_configs: [{upgrade_type: websocket, filters: [${router}]}]\n${anyRoute}`),
  hcm(
    'upgrade with filters without router',
    `upgrade_configs: [{upgrade_type: websocket, filters: [{name: c, typed_config: {"@type": ${type}.extensions.filters.http.cors.v3.Cors}}]}]\n${anyRoute}`,
  ),
  hcm('http3 options', `http3_protocol_options: {}\n${anyRoute}`),
  hcm('codec http3', `codec_type: HTTP3\n${anyRoute}`),
  hcm(
    'two custom setting identifiers',
    `http2_protocol_options: {custom_settings_parameters: [{identifier: 1, value: 1}, {identifier: 1, value: 2}]}\n${anyRoute}`,
  ),
  // --- filters
  jwt('rule without requirement', `providers: {p: {issuer: i, ${keys}}}, rules: [{match: {prefix: /}}]`),
  jwt('requirement by unknown name', `providers: {p: {issuer: i, ${keys}}}, rules: [{match: {prefix: /}, requirement_name: nope}]`),
  jwt(
    'requirement by name',
    `providers: {p: {issuer: i, ${keys}}}, requirement_map: {r: {provider_name: p}}, rules: [{match: {prefix: /}, requirement_name: r}]`,
  ),
  jwt(
    'any of one',
    `providers: {p: {issuer: i, ${keys}}}, rules: [{match: {prefix: /}, requires: {requires_any: {requirements: [{provider_name: p}]}}}]`,
  ),
  jwt(
    'any of unknown',
    `providers: {p: {issuer: i, ${keys}}}, rules: [{match: {prefix: /}, requires: {requires_any: {requirements: [{provider_name: p}, {provider_name: q}]}}}]`,
  ),
  jwt('keys that are no keys', 'providers: {p: {issuer: i, local_jwks: {inline_string: nope}}}'),
  jwt('keys in a missing file', 'providers: {p: {issuer: i, local_jwks: {filename: /none}}}'),
  jwt('remote without cluster', 'providers: {p: {issuer: i, remote_jwks: {http_uri: {uri: "http://x", timeout: 1s}}}}'),
  jwt('remote of unknown cluster', 'providers: {p: {issuer: i, remote_jwks: {http_uri: {uri: "http://x", cluster: none, timeout: 1s}}}}'),
  jwt('header without name', `providers: {p: {issuer: i, from_headers: [{value_prefix: x}], ${keys}}}`),
  jwt('claim to header without name', `providers: {p: {issuer: i, claim_to_headers: [{claim_name: x}], ${keys}}}`),
  httpFilter(
    'ext authz unknown cluster',
    'ext_authz.v3.ExtAuthz, transport_api_version: V3, grpc_service: {envoy_grpc: {cluster_name: none}}',
  ),
  httpFilter('ext authz without service', 'ext_authz.v3.ExtAuthz, transport_api_version: V3'),
  httpFilter(
    'rate limit unknown cluster',
    'ratelimit.v3.RateLimit, domain: d, rate_limit_service: {transport_api_version: V3, grpc_service: {envoy_grpc: {cluster_name: none}}}',
  ),
  httpFilter('header to metadata without rules', 'header_to_metadata.v3.Config'),
  httpFilter('header to metadata rule without action', 'header_to_metadata.v3.Config, request_rules: [{header: x}]'),
  httpFilter(
    'header to metadata header and cookie',
    'header_to_metadata.v3.Config, request_rules: [{header: x, cookie: y, on_header_present: {key: k}}]',
  ),
  httpFilter(
    'header to metadata missing without value',
    'header_to_metadata.v3.Config, request_rules: [{header: x, on_header_missing: {key: k}}]',
  ),
  httpFilter(
    'header to metadata value and regex',
    'header_to_metadata.v3.Config, request_rules: [{header: x, on_header_present: {key: k, value: v, regex_value_rewrite: {pattern: {regex: a}, substitution: b}}}]',
  ),
  httpFilter('set metadata without namespace', 'set_metadata.v3.Config, metadata: [{value: {a: b}}]'),
  httpFilter(
    'set metadata typed',
    `set_metadata.v3.Config, metadata: [{metadata_namespace: n, typed_value: {"@type": type.googleapis.com/google.protobuf.StringValue, value: x}}]`,
  ),
  httpFilter('set metadata of nothing', 'set_metadata.v3.Config'),
  httpFilter(
    'set filter state without key',
    'set_filter_state.v3.Config, on_request_headers: [{format_string: {text_format_source: {inline_string: x}}}]',
  ),
  httpFilter(
    'set filter state without factory',
    'set_filter_state.v3.Config, on_request_headers: [{object_key: k, format_string: {text_format_source: {inline_string: x}}}]',
  ),
  httpFilter(
    'set filter state of unknown factory',
    'set_filter_state.v3.Config, on_request_headers: [{object_key: k, factory_key: nope, format_string: {text_format_source: {inline_string: x}}}]',
  ),
  httpFilter('csrf without fraction', 'csrf.v3.CsrfPolicy'),
  httpFilter('csrf', 'csrf.v3.CsrfPolicy, filter_enabled: {default_value: {numerator: 100}}'),
  httpFilter(
    'csrf origin regex bad',
    'csrf.v3.CsrfPolicy, filter_enabled: {default_value: {numerator: 100}}, additional_origins: [{safe_regex: {regex: "(("}}]',
  ),
  httpFilter('fault headers', 'fault.v3.HTTPFault, headers: [{name: ""}]'),
  httpFilter('fault grpc status', 'fault.v3.HTTPFault, abort: {grpc_status: 99}'),
  httpFilter(
    'compressor of unknown library',
    'compressor.v3.Compressor, compressor_library: {name: x, typed_config: {"@type": type.googleapis.com/foo.Bar}}',
  ),
  httpFilter(
    'decompressor',
    `decompressor.v3.Decompressor, decompressor_library: {name: gzip, typed_config: {"@type": ${type}.extensions.compression.gzip.decompressor.v3.Gzip}}`,
  ),
  httpFilter('decompressor without library', 'decompressor.v3.Decompressor'),
  httpFilter(
    'header mutation of host',
    'header_mutation.v3.HeaderMutation, mutations: {request_mutations: [{append: {header: {key: host, value: b}}}]}',
  ),
  httpFilter('header mutation of pseudo header', 'header_mutation.v3.HeaderMutation, mutations: {request_mutations: [{remove: ":path"}]}'),
  httpFilter(
    'local rate limit tokens per fill zero',
    'local_ratelimit.v3.LocalRateLimit, stat_prefix: s, token_bucket: {max_tokens: 1, tokens_per_fill: 0, fill_interval: 1s}',
  ),
  httpFilter('local rate limit without bucket', 'local_ratelimit.v3.LocalRateLimit, stat_prefix: s'),
  httpFilter(
    'local rate limit descriptor interval',
    'local_ratelimit.v3.LocalRateLimit, stat_prefix: s, token_bucket: {max_tokens: 1, fill_interval: 1s}, descriptors: [{entries: [{key: a, value: b}], token_bucket: {max_tokens: 1, fill_interval: 1.5s}}]',
  ),
  httpFilter(
    'local rate limit descriptor twice',
    'local_ratelimit.v3.LocalRateLimit, stat_prefix: s, token_bucket: {max_tokens: 1, fill_interval: 1s}, descriptors: [{entries: [{key: a, value: b}], token_bucket: {max_tokens: 1, fill_interval: 1s}}, {entries: [{key: a, value: b}], token_bucket: {max_tokens: 2, fill_interval: 1s}}]',
  ),
  httpFilter('on demand', 'on_demand.v3.OnDemand'),
  networkFilter(
    'tcp proxy bad subset',
    'tcp_proxy.v3.TcpProxy, stat_prefix: s, cluster: backend, metadata_match: {filter_metadata: {envoy.lb: {}}}',
  ),
  networkFilter(
    'tcp proxy two hash policies',
    'tcp_proxy.v3.TcpProxy, stat_prefix: s, cluster: backend, hash_policy: [{source_ip: {}}, {source_ip: {}}]',
  ),
  networkFilter('tcp proxy tunnel without host', 'tcp_proxy.v3.TcpProxy, stat_prefix: s, cluster: backend, tunneling_config: {}'),
  networkFilter('tcp proxy tunnel', 'tcp_proxy.v3.TcpProxy, stat_prefix: s, cluster: backend, tunneling_config: {hostname: "a:1"}'),
  networkFilter('tcp proxy idle timeout', 'tcp_proxy.v3.TcpProxy, stat_prefix: s, cluster: backend, idle_timeout: -1s'),
  networkFilter('local rate limit', 'local_ratelimit.v3.LocalRateLimit, stat_prefix: s, token_bucket: {max_tokens: 1, fill_interval: 1s}'),
  networkFilter('direct response of two', 'direct_response.v3.Config, response: {inline_string: x, filename: y}'),
  // --- listeners and TLS
  listener(
    'overlapping server names',
    `listener_filters: [{name: t, typed_config: {"@type": ${type}.extensions.filters.listener.tls_inspector.v3.TlsInspector}}]\nfilter_chains: [{filter_chain_match: {server_names: [a, b]}, ${chain}}, {filter_chain_match: {server_names: [b, c]}, ${chain}}]`,
  ),
  listener(
    'overlapping prefixes',
    `filter_chains: [{filter_chain_match: {prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}, ${chain}}, {filter_chain_match: {prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 16}]}, ${chain}}]`,
  ),
  listener(
    'same prefixes written in two ways',
    `filter_chains: [{filter_chain_match: {prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}, ${chain}}, {filter_chain_match: {prefix_ranges: [{address_prefix: 10.1.0.0, prefix_len: 8}]}, ${chain}}]`,
  ),
  listener(
    'same source types',
    `filter_chains: [{filter_chain_match: {source_type: EXTERNAL}, ${chain}}, {filter_chain_match: {source_type: EXTERNAL}, ${chain}}]`,
  ),
  listener('server name of two stars', `filter_chains: [{filter_chain_match: {server_names: ["*.*.a"]}, ${chain}}]`),
  listener('server name in capitals', `filter_chains: [{filter_chain_match: {server_names: [A]}, ${chain}}]`),
  listener('source port too large', `filter_chains: [{filter_chain_match: {source_ports: [70000]}, ${chain}}]`),
  listener('two default chains', `filter_chains: [{${chain}}]\ndefault_filter_chain: {${chain}}`),
  listener(
    'listener filter twice',
    `listener_filters: [{name: t, typed_config: {"@type": ${type}.extensions.filters.listener.tls_inspector.v3.TlsInspector}}, {name: t, typed_config: {"@type": ${type}.extensions.filters.listener.tls_inspector.v3.TlsInspector}}]\nfilter_chains: [{${chain}}]`,
  ),
  listener(
    'listener filter predicate',
    `listener_filters: [{name: t, filter_disabled: {destination_port_range: {start: 1, end: 2}}, typed_config: {"@type": ${type}.extensions.filters.listener.tls_inspector.v3.TlsInspector}}]\nfilter_chains: [{${chain}}]`,
  ),
  listener(
    'listener filter predicate backwards',
    `listener_filters: [{name: t, filter_disabled: {destination_port_range: {start: 2, end: 1}}, typed_config: {"@type": ${type}.extensions.filters.listener.tls_inspector.v3.TlsInspector}}]\nfilter_chains: [{${chain}}]`,
  ),
  listener(
    'internal listener without extension',
    `address: {envoy_internal_address: {server_listener_name: x}}\ninternal_listener: {}\nfilter_chains: [{${chain}}]`,
  ),
  listener('udp', `address: {socket_address: {protocol: UDP, address: 127.0.0.1, port_value: 0}}\nfilter_chains: [{${chain}}]`),
  listener('two directions of bind', `bind_to_port: false\ndeprecated_v1: {bind_to_port: true}\nfilter_chains: [{${chain}}]`),
  listener('pipe', `address: {pipe: {path: /tmp/xebec-validation.sock}}\nfilter_chains: [{${chain}}]`),
  listener('pipe mode', `address: {pipe: {path: /tmp/xebec-validation.sock, mode: 777}}\nfilter_chains: [{${chain}}]`),
  listener('address of a name', `address: {socket_address: {address: localhost, port_value: 0}}\nfilter_chains: [{${chain}}]`),
  listener(
    'additional address twice',
    `additional_addresses: [{address: {socket_address: {address: 127.0.0.1, port_value: 0}}}]\nfilter_chains: [{${chain}}]`,
  ),
  listener(
    'access log',
    `access_log: [{name: l, typed_config: {"@type": ${type}.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/null}}]\nfilter_chains: [{${chain}}]`,
  ),
  listener('buffer limit', `per_connection_buffer_limit_bytes: 0\nfilter_chains: [{${chain}}]`),
  tls('two certificates of one name', 'common_tls_context: {tls_certificates: [{}, {}]}'),
  tls(
    'certificates and sds',
    'common_tls_context: {tls_certificates: [{certificate_chain: {inline_string: x}, private_key: {inline_string: y}}], tls_certificate_sds_secret_configs: [{name: a, sds_config: {path_config_source: {path: /tmp}}}]}',
  ),
  tls(
    'ticket keys',
    'session_ticket_keys: {keys: [{inline_string: short}]}, common_tls_context: {tls_certificate_sds_secret_configs: [{name: a, sds_config: {path_config_source: {path: /tmp}}}]}',
  ),
  tls(
    'ticket keys and no tickets',
    'disable_stateless_session_resumption: true, session_ticket_keys: {keys: [{inline_string: x}]}, common_tls_context: {}',
  ),
  tls('version auto', 'common_tls_context: {tls_params: {tls_minimum_protocol_version: TLS_AUTO}, tls_certificates: []}'),
  upstreamTls('crl without ca', 'common_tls_context: {validation_context: {crl: {inline_string: x}}}'),
  upstreamTls('spki bad', 'common_tls_context: {validation_context: {verify_certificate_spki: [x]}}'),
  upstreamTls('ecdh unknown', 'common_tls_context: {tls_params: {ecdh_curves: [nope]}}'),
  upstreamTls(
    'two sds secrets',
    'common_tls_context: {tls_certificate_sds_secret_configs: [{name: a, sds_config: {path_config_source: {path: /tmp}}}, {name: b, sds_config: {path_config_source: {path: /tmp}}}]}',
  ),
  upstreamTls(
    'combined context',
    'common_tls_context: {combined_validation_context: {default_validation_context: {}, validation_context_sds_secret_config: {name: a, sds_config: {path_config_source: {path: /tmp}}}}}',
  ),
  upstreamTls(
    'combined context without default',
    'common_tls_context: {combined_validation_context: {validation_context_sds_secret_config: {name: a, sds_config: {path_config_source: {path: /tmp}}}}}',
  ),
  upstreamTls('renegotiation', 'allow_renegotiation: true, max_session_keys: 0, sni: x'),
  // --- bootstrap and logs
  bootstrap(
    'node missing where ads wants it',
    'static_resources: {clusters: [{name: x, type: STATIC}]}\ndynamic_resources: {ads_config: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: x}}]}, cds_config: {ads: {}, resource_api_version: V3}}',
  ),
  bootstrap(
    'ads api type rest',
    'node: {id: x, cluster: y}\nstatic_resources: {clusters: [{name: x, type: STATIC}]}\ndynamic_resources: {ads_config: {api_type: REST, transport_api_version: V3, cluster_names: [x]}}',
  ),
  bootstrap('two config sources of one name', 'config_sources: [{authorities: [{name: a}], ads: {}}, {authorities: [{name: a}], ads: {}}]'),
  bootstrap('stats sink unknown', 'stats_sinks: [{name: nope}]'),
  bootstrap(
    'overload action unknown',
    `overload_manager: {resource_monitors: [{name: envoy.resource_monitors.fixed_heap, typed_config: {"@type": ${type}.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig, max_heap_size_bytes: 1}}], actions: [{name: nope, triggers: [{name: envoy.resource_monitors.fixed_heap, threshold: {value: 0.9}}]}]}`,
  ),
  bootstrap('watchdog multiplier', 'watchdogs: {main_thread_watchdog: {kill_timeout: 1s, multikill_threshold: {value: 101}}}'),
  bootstrap(
    'listener that names a cluster of discovery',
    `node: {id: x, cluster: y}\nstatic_resources: {clusters: [{name: x, type: STATIC}]}\ndynamic_resources: {cds_config: {path_config_source: {path: /none}}}`,
  ),
  accessLog('status filter without comparison', `{filter: {status_code_filter: {}}, ${file('').slice(1)}`),
  accessLog('two formats', file('format: a, log_format: {text_format_source: {inline_string: b}}')),
  accessLog('unknown json type', file('log_format: {json_format: {a: 1, b: true, c: null}}')),
  accessLog('flag filter of detail', `{filter: {response_flag_filter: {flags: [UMSDR, OM, DF]}}, ${file('').slice(1)}`),
];
