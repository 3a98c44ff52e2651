import { address, cluster, httpConnectionManager, listener, type, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Field, Json, ProxyUnderTest, Site } from '../harness/family.ts';

const names = ['a', 'b', 'c', 'd'];
const users = ['anna', 'bert', 'carla', 'dora', 'emil', 'frieda', 'gustav', 'hanna', 'ida', 'jakob'];

interface HostOptions {
  readonly weight?: number;
  readonly hostname?: string;
  readonly health?: string;
  readonly lb?: Json;
}

function host(port: number, options: HostOptions = {}): Json {
  return {
    endpoint: { address: address(port), ...(options.hostname === undefined ? {} : { hostname: options.hostname }) },
    ...(options.weight === undefined ? {} : { load_balancing_weight: options.weight }),
    ...(options.health === undefined ? {} : { health_status: options.health }),
    ...(options.lb === undefined ? {} : { metadata: { filter_metadata: { 'envoy.lb': options.lb } } }),
  };
}

/** A cluster of groups: each is a locality or a priority. */
function grouped(name: string, groups: readonly Json[], more: Json = {}): Json {
  return { name, connect_timeout: '1s', type: 'STATIC', load_assignment: { cluster_name: name, endpoints: groups }, ...more };
}

const extension = (name: string, message: string, config: Json = {}): Json => ({
  load_balancing_policy: {
    policies: [
      {
        typed_extension_config: {
          name: `envoy.load_balancing_policies.${name}`,
          typed_config: { '@type': type(`envoy.extensions.load_balancing_policies.${name}.v3.${message}`), ...config },
        },
      },
    ],
  },
});
const zone = (region: string): Json => ({ locality: { region } });
const localityWeighted: Json = { common_lb_config: { locality_weighted_lb_config: {} } };
const noPanic: Json = { common_lb_config: { healthy_panic_threshold: { value: 0 } } };

/** Clusters whose choice follows from the hash alone. */
function hashed(site: Site): Json[] {
  const ports = names.map((name) => site.upstream(name));
  const hosts = (options: (index: number) => HostOptions) => [{ lb_endpoints: ports.map((port, i) => host(port, options(i))) }];
  const weights = [1, 2, 3, 5];
  const localities = [
    { ...zone('x'), load_balancing_weight: 7, lb_endpoints: ports.slice(0, 2).map((port) => host(port)) },
    { ...zone('y'), load_balancing_weight: 3, lb_endpoints: ports.slice(2).map((port) => host(port)) },
  ];
  const hostnames = {
    type: 'STRICT_DNS',
    common_lb_config: { consistent_hashing_lb_config: { use_hostname_for_hashing: true } },
  };
  return [
    cluster('ring', ports, { lb_policy: 'RING_HASH' }),
    cluster('ring-murmur', ports, { lb_policy: 'RING_HASH', ring_hash_lb_config: { hash_function: 'MURMUR_HASH_2' } }),
    cluster('ring-small', ports, { lb_policy: 'RING_HASH', ring_hash_lb_config: { minimum_ring_size: 5, maximum_ring_size: 9 } }),
    grouped(
      'ring-weights',
      hosts((i) => ({ weight: weights[i] ?? 1 })),
      { lb_policy: 'RING_HASH' },
    ),
    grouped(
      'ring-names',
      hosts((i) => ({ hostname: `host-${i}.example` })),
      { lb_policy: 'RING_HASH', ...hostnames },
    ),
    grouped(
      'ring-keys',
      hosts((i) => ({ lb: { hash_key: `key ${i}` } })),
      { lb_policy: 'RING_HASH' },
    ),
    grouped('ring-localities', localities, { lb_policy: 'RING_HASH', ...localityWeighted }),
    cluster('ring-bounded', ports, {
      lb_policy: 'RING_HASH',
      common_lb_config: { consistent_hashing_lb_config: { hash_balance_factor: 150 } },
    }),
    cluster('ring-extension', ports, extension('ring_hash', 'RingHash', { minimum_ring_size: 64 })),
    cluster('maglev', ports, { lb_policy: 'MAGLEV' }),
    cluster('maglev-small', ports, { lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 31 } }),
    grouped(
      'maglev-weights',
      hosts((i) => ({ weight: weights[i] ?? 1 })),
      { lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 1031 } },
    ),
    grouped(
      'maglev-names',
      hosts((i) => ({ hostname: `host-${i}.example` })),
      { lb_policy: 'MAGLEV', ...hostnames },
    ),
    grouped('maglev-localities', localities, { lb_policy: 'MAGLEV', ...localityWeighted }),
    cluster('maglev-extension', ports, extension('maglev', 'Maglev', { table_size: 251 })),
    grouped(
      'ring-health',
      hosts((i) => (i === 1 ? { health: 'UNHEALTHY' } : {})),
      { lb_policy: 'RING_HASH' },
    ),
    grouped(
      'maglev-priorities',
      [0, 1].map((priority) => ({
        priority,
        lb_endpoints: ports
          .slice(2 * priority, 2 * priority + 2)
          .map((port, i) => host(port, priority === 0 && i === 0 ? { health: 'UNHEALTHY' } : {})),
      })),
      { lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 1031 } },
    ),
  ];
}

const subsetHosts: readonly Json[] = [
  { version: 'v1', stage: 'prod', tags: ['x', 'y'] },
  { version: 'v2', stage: 'prod', tags: ['y'] },
  { version: 'v3', stage: 'dev', tags: ['z'] },
  { version: 'v3', stage: 'test', size: 3, live: true },
];

function subsetCluster(site: Site, name: string, config: Json): Json {
  const endpoints = names.map((upstream, i) => host(site.upstream(upstream), { lb: subsetHosts[i] ?? {} }));
  return grouped(name, [{ lb_endpoints: endpoints }], {
    lb_subset_config: { subset_selectors: [{ keys: ['version'] }, { keys: ['stage', 'version'] }], ...config },
  });
}

function subsets(site: Site): Json[] {
  return [
    subsetCluster(site, 'subset', {}),
    subsetCluster(site, 'subset-any', { fallback_policy: 'ANY_ENDPOINT' }),
    subsetCluster(site, 'subset-default', { fallback_policy: 'DEFAULT_SUBSET', default_subset: { stage: 'dev' } }),
    subsetCluster(site, 'subset-panic', { fallback_policy: 'DEFAULT_SUBSET', default_subset: { stage: 'gone' }, panic_mode_any: true }),
    subsetCluster(site, 'subset-list', { subset_selectors: [{ keys: ['tags'] }], list_as_any: true }),
    subsetCluster(site, 'subset-values', { subset_selectors: [{ keys: ['size'] }, { keys: ['live'] }] }),
    subsetCluster(site, 'subset-single', { subset_selectors: [{ keys: ['version'], single_host_per_subset: true }] }),
    subsetCluster(site, 'subset-keys', {
      subset_selectors: [
        { keys: ['stage', 'version'], fallback_policy: 'KEYS_SUBSET', fallback_keys_subset: ['version'] },
        { keys: ['version'] },
      ],
    }),
    subsetCluster(site, 'subset-selector-none', {
      fallback_policy: 'ANY_ENDPOINT',
      subset_selectors: [{ keys: ['version'], fallback_policy: 'NO_FALLBACK' }],
    }),
    subsetCluster(site, 'subset-fallback-list', { metadata_fallback_policy: 'FALLBACK_LIST' }),
  ];
}

/** Clusters compared by how many requests each host gets. */
function spread(site: Site): Json[] {
  const [a = 0, b = 0, c = 0, d = 0] = names.map((name) => site.upstream(name));
  const levels = (healths: readonly (readonly string[])[]): Json[] =>
    healths.map((level, priority) => ({
      priority,
      lb_endpoints: level.map((health, i) => host([a, b, c, d][2 * priority + i] ?? a, { health })),
    }));
  const weighted = [{ lb_endpoints: [host(a, { weight: 1 }), host(b, { weight: 3 })] }];
  const localities = (first: number, second: number, third = 'HEALTHY') => [
    { ...zone('x'), load_balancing_weight: first, lb_endpoints: [host(a), host(b)] },
    { ...zone('y'), ...(second === 0 ? {} : { load_balancing_weight: second }), lb_endpoints: [host(c, { health: third }), host(d)] },
  ];
  return [
    cluster('rr', [a, b, c, d]),
    grouped('rr-weights', weighted),
    cluster('rr-extension', [a, b], extension('round_robin', 'RoundRobin')),
    grouped('lr-weights', weighted, { lb_policy: 'LEAST_REQUEST' }),
    grouped('localities', localities(3, 1), localityWeighted),
    grouped('localities-zero', localities(3, 0), localityWeighted),
    grouped('localities-ill', localities(1, 1, 'UNHEALTHY'), localityWeighted),
    cluster('wrr-locality', [a, b], extension('wrr_locality', 'WrrLocality', { endpoint_picking_policy: byLoadReports })),
    grouped('priority', levels([['HEALTHY', 'HEALTHY'], ['HEALTHY']])),
    grouped('priority-gone', levels([['UNHEALTHY', 'UNHEALTHY'], ['HEALTHY']])),
    grouped('priority-empty', [{ priority: 1, lb_endpoints: [host(c)] }]),
    grouped('draining', levels([['DRAINING', 'HEALTHY'], ['HEALTHY']]), noPanic),
    grouped('timeout', levels([['TIMEOUT', 'TIMEOUT'], ['HEALTHY']])),
    grouped('degraded', levels([['DEGRADED', 'HEALTHY']])),
    grouped('degraded-only', levels([['DEGRADED', 'DEGRADED'], ['UNHEALTHY']])),
    grouped('panic', levels([['UNHEALTHY', 'UNHEALTHY']])),
    grouped('panic-off', levels([['UNHEALTHY', 'UNHEALTHY']]), noPanic),
    grouped('panic-one', levels([['UNHEALTHY', 'HEALTHY']]), { common_lb_config: { healthy_panic_threshold: { value: 60 } } }),
    grouped('panic-fails', levels([['UNHEALTHY', 'UNHEALTHY']]), {
      common_lb_config: { zone_aware_lb_config: { fail_traffic_on_panic: true } },
    }),
    {
      name: 'original',
      type: 'ORIGINAL_DST',
      lb_policy: 'CLUSTER_PROVIDED',
      connect_timeout: '1s',
      original_dst_lb_config: { use_http_header: true },
    },
    {
      name: 'original-named',
      type: 'ORIGINAL_DST',
      lb_policy: 'CLUSTER_PROVIDED',
      connect_timeout: '1s',
      original_dst_lb_config: { use_http_header: true, http_header_name: 'X-Target', upstream_port_override: d },
    },
    grouped('dns', [{ lb_endpoints: [host(a)] }], { type: 'STRICT_DNS', dns_lookup_family: 'V4_ONLY' }),
    grouped('names', [{ lb_endpoints: [{ endpoint: { address: address(b, 'localhost') } }] }], {
      type: 'STRICT_DNS',
      dns_lookup_family: 'V4_ONLY',
    }),
    grouped('logical', [{ lb_endpoints: [{ endpoint: { address: address(c, 'localhost') } }] }], {
      type: 'LOGICAL_DNS',
      dns_lookup_family: 'V4_PREFERRED',
    }),
    grouped('unresolved', [{ lb_endpoints: [{ endpoint: { address: address(c, 'nobody.invalid') } }] }], {
      type: 'STRICT_DNS',
      dns_lookup_family: 'V4_ONLY',
    }),
    grouped('retry', [{ lb_endpoints: [host(a), host(b)] }]),
    grouped('retry-canary', [{ lb_endpoints: [host(a, { lb: { canary: true } }), host(b)] }]),
    grouped('retry-priority', levels([['HEALTHY', 'HEALTHY'], ['HEALTHY']])),
  ];
}

const byLoadReports: Json = {
  policies: [
    {
      typed_extension_config: {
        name: 'envoy.load_balancing_policies.client_side_weighted_round_robin',
        typed_config: {
          '@type': type('envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin'),
        },
      },
    },
  ],
};

const predicate = (name: string, message: string): Json => ({
  name: `envoy.retry_host_predicates.${name}`,
  typed_config: { '@type': type(`envoy.extensions.retry.host.${name}.v3.${message}`) },
});
const retry = (more: Json): Json => ({
  retry_policy: { retry_on: '5xx', num_retries: 1, retry_back_off: { base_interval: '0.001s' }, ...more },
});
const extraRoute: Readonly<Record<string, Json>> = {
  retry: retry({
    retry_host_predicate: [predicate('previous_hosts', 'PreviousHostsPredicate')],
    host_selection_retry_max_attempts: 10,
  }),
  'retry-canary': retry({
    retry_host_predicate: [predicate('omit_canary_hosts', 'OmitCanaryHostsPredicate')],
    host_selection_retry_max_attempts: 10,
  }),
  'retry-priority': retry({
    retry_priority: {
      name: 'envoy.retry_priorities.previous_priorities',
      typed_config: {
        '@type': type('envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig'),
        update_frequency: 1,
      },
    },
  }),
};

const wanted: Readonly<Record<string, Json>> = {
  v1: { version: 'v1' },
  v2: { version: 'v2' },
  v9: { version: 'v9' },
  'v3-dev': { version: 'v3', stage: 'dev' },
  'v2-dev': { version: 'v2', stage: 'dev' },
  stage: { stage: 'prod' },
  'tag-x': { tags: 'x' },
  'tag-z': { tags: 'z' },
  size: { size: 3 },
  live: { live: true },
  dead: { live: false },
  list: { fallback_list: [{ version: 'v9' }, { version: 'v2' }] },
};

function bootstrap(site: Site): Json {
  const clusters = [...hashed(site), ...subsets(site), ...spread(site)];
  const routes = clusters.flatMap(({ name }): Json[] => {
    const text = String(name);
    const plain: Json = {
      match: { path_separated_prefix: `/${text}` },
      route: {
        cluster: text,
        hash_policy: [{ header: { header_name: 'x-user' } }],
        ...extraRoute[text],
      },
    };
    if (!text.startsWith('subset')) return [plain];
    const of = Object.entries(wanted).map(([key, values]) => ({
      match: { path_separated_prefix: `/${text}/${key}` },
      route: { cluster: text, metadata_match: { filter_metadata: { 'envoy.lb': values } } },
    }));
    return [...of, plain];
  });
  const merged = {
    match: { prefix: '/merged' },
    route: {
      metadata_match: { filter_metadata: { 'envoy.lb': { stage: 'dev' } } },
      weighted_clusters: {
        clusters: [{ name: 'subset', weight: 1, metadata_match: { filter_metadata: { 'envoy.lb': { version: 'v3' } } } }],
      },
    },
  };
  return {
    static_resources: {
      listeners: [listener(site, 'http', [httpConnectionManager(site, [virtualHost([merged, ...routes])])])],
      clusters,
    },
  };
}

/** How often each host (by its masked port) was chosen; retries count. */
async function counts(proxy: ProxyUnderTest, path: string, requests: number, headers: readonly Field[] = []): Promise<unknown> {
  proxy.takeSeen();
  const statuses: Record<string, number> = {};
  for (let i = 0; i < requests; i++) {
    const { answers } = (await proxy.exchange({ path, headers })) as { readonly answers: readonly { readonly status: string }[] };
    const status = answers[0]?.status ?? 'none';
    statuses[status] = (statuses[status] ?? 0) + 1;
  }
  const hosts: Record<string, number> = {};
  for (const { upstream } of proxy.takeSeen()) hosts[upstream] = (hosts[upstream] ?? 0) + 1;
  await proxy.takeLog(requests);
  return { statuses, hosts };
}

/** Which hosts were chosen at all. */
async function chosen(proxy: ProxyUnderTest, path: string, requests: number): Promise<unknown> {
  const { statuses, hosts } = (await counts(proxy, path, requests)) as { statuses: Json; hosts: Json };
  return { statuses: Object.keys(statuses).sort(), hosts: Object.keys(hosts).sort() };
}

const hashedNames = [
  ...['ring', 'ring-murmur', 'ring-small', 'ring-weights', 'ring-names', 'ring-keys', 'ring-localities', 'ring-bounded', 'ring-extension'],
  ...[
    'maglev',
    'maglev-small',
    'maglev-weights',
    'maglev-names',
    'maglev-localities',
    'maglev-extension',
    'ring-health',
    'maglev-priorities',
  ],
];
const subsetNames = ['subset', 'subset-any', 'subset-default', 'subset-panic', 'subset-selector-none', 'subset-keys'];

const cases: DifferentialCase[] = [
  { name: 'original destination that is no address', does: { path: '/original', headers: [['x-envoy-original-dst-host', 'nonsense']] } },
  ...hashedNames.flatMap((name) =>
    users.map((user): DifferentialCase => ({ name: `${name} of ${user}`, does: { path: `/${name}`, headers: [['x-user', user]] } })),
  ),
  ...subsetNames.flatMap((name) =>
    ['v1', 'v9', 'v3-dev', 'v2-dev', 'stage'].map(
      (key): DifferentialCase => ({ name: `${name} of ${key}`, does: [], run: (proxy) => chosen(proxy, `/${name}/${key}`, 12) }),
    ),
  ),
  ...(
    [
      ['subset', ''],
      ['subset-any', ''],
      ['subset-default', ''],
      ['subset-list', '/tag-x'],
      ['subset-list', '/tag-z'],
      ['subset-values', '/size'],
      ['subset-values', '/live'],
      ['subset-values', '/dead'],
      ['subset-single', '/v1'],
      ['subset-fallback-list', '/list'],
      ['subset-fallback-list', '/v1'],
      ['merged', ''],
    ] as const
  ).map(
    ([name, key]): DifferentialCase => ({
      name: `${name} at ${key === '' ? 'no metadata' : key}`,
      does: [],
      run: (proxy) => chosen(proxy, `/${name}${key}`, 12),
    }),
  ),
  ...(
    [
      ['rr', 8],
      ['rr-weights', 16],
      ['rr-extension', 8],
      ['lr-weights', 16],
      ['localities', 16],
      ['localities-zero', 8],
      ['localities-ill', 34],
      ['priority', 8],
      ['priority-gone', 8],
      ['priority-empty', 4],
      ['timeout', 8],
      ['degraded-only', 8],
      ['panic', 8],
      ['panic-off', 2],
      ['panic-one', 8],
      ['panic-fails', 2],
      ['dns', 2],
      ['names', 2],
      ['logical', 2],
      ['unresolved', 2],
    ] as const
  ).map(
    ([name, requests]): DifferentialCase => ({ name: `spread of ${name}`, does: [], run: (proxy) => counts(proxy, `/${name}`, requests) }),
  ),
  { name: 'hosts of draining', does: [], run: (proxy) => chosen(proxy, '/draining', 60) },
  { name: 'hosts of degraded', does: [], run: (proxy) => chosen(proxy, '/degraded', 60) },
  { name: 'hosts of wrr-locality', does: [], run: (proxy) => chosen(proxy, '/wrr-locality', 8) },
  {
    name: 'retry to another host',
    does: [],
    run: async (proxy) => {
      proxy.reply({ status: 503 });
      return counts(proxy, '/retry', 6);
    },
  },
  {
    name: 'retry away from a canary',
    does: [],
    run: async (proxy) => {
      proxy.reply({ a: { status: 503 }, b: { status: 200 } });
      return chosen(proxy, '/retry-canary', 6);
    },
  },
  {
    name: 'retry in another priority',
    does: [],
    run: async (proxy) => {
      proxy.reply({ status: 503 });
      return counts(proxy, '/retry-priority', 6);
    },
  },
  {
    name: 'original destination by header',
    does: [],
    run: (proxy) => counts(proxy, '/original', 2, [['x-envoy-original-dst-host', `127.0.0.1:${proxy.site.upstream('b')}`]]),
  },
  {
    name: 'original destination by a named header, another port',
    does: [],
    run: (proxy) => counts(proxy, '/original-named', 2, [['x-target', '127.0.0.1:1']]),
  },
];

export const loadBalancing: DifferentialFamily = {
  name: 'load-balancing',
  waits: true,
  about: 'Which host each policy chooses: consistent hashing by hash, subsets by metadata, priorities, localities, panic, retries, DNS.',
  bootstrap,
  cases,
  stats: [
    'cluster.ring.ring_hash_lb.size',
    'cluster.ring.ring_hash_lb.min_hashes_per_host',
    'cluster.ring.ring_hash_lb.max_hashes_per_host',
    'cluster.ring-weights.ring_hash_lb.min_hashes_per_host',
    'cluster.ring-weights.ring_hash_lb.max_hashes_per_host',
    'cluster.maglev.maglev_lb.min_entries_per_host',
    'cluster.maglev.maglev_lb.max_entries_per_host',
    'cluster.panic.lb_healthy_panic',
    'cluster.panic-one.lb_healthy_panic',
    'cluster.panic-fails.lb_healthy_panic',
    'cluster.panic-fails.upstream_cx_none_healthy',
    'cluster.subset.lb_subsets_active',
    'cluster.subset.lb_subsets_created',
    'cluster.subset.lb_subsets_selected',
    'cluster.subset-any.lb_subsets_fallback',
    'cluster.subset-panic.lb_subsets_fallback',
    'cluster.subset-panic.lb_subsets_fallback_panic',
    'cluster.subset-list.lb_subsets_active',
    'cluster.subset-single.lb_subsets_active',
    'cluster.degraded.membership_degraded',
    'cluster.degraded.membership_healthy',
    'cluster.draining.membership_healthy',
    'cluster.draining.membership_total',
    'cluster.priority.membership_total',
    'cluster.original.original_dst_host_invalid',
    'cluster.original.membership_total',
    'cluster.unresolved.membership_total',
    'cluster.unresolved.upstream_cx_none_healthy',
  ],
};
