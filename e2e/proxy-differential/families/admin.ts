import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CertificateFiles } from '../harness/certificates.ts';
import { address, cluster, httpConnectionManager, listener, type, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Json, ProxyUnderTest, Site } from '../harness/family.ts';

const tlsType = 'envoy.extensions.transport_sockets.tls.v3';
const pair = (files: CertificateFiles): Json => ({
  certificate_chain: { filename: files.certificate },
  private_key: { filename: files.key },
});

const routes: readonly Json[] = [
  { match: { prefix: '/a' }, route: { cluster: 'a' } },
  { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'ok' } } },
];

/** Writes a discovery file and returns its source. */
function discovery(site: Site, name: string, message: string, resources: readonly Json[]): Json {
  const path = join(site.directory, `${name}.json`);
  const typed = resources.map((resource) => ({ '@type': type(message), ...resource }));
  writeFileSync(path, JSON.stringify({ version_info: `${name}-1`, resources: typed }));
  return { path_config_source: { path } };
}

function bootstrap(site: Site): Json {
  const { certificates } = site;
  const rds = discovery(site, 'rds', 'envoy.config.route.v3.RouteConfiguration', [
    { name: 'dynamic', virtual_hosts: [virtualHost(routes)] },
  ]);
  const eds = discovery(site, 'eds', 'envoy.config.endpoint.v3.ClusterLoadAssignment', [
    {
      cluster_name: 'service',
      endpoints: [
        {
          locality: { region: 'r', zone: 'z', sub_zone: 's' },
          load_balancing_weight: 3,
          lb_endpoints: [
            {
              endpoint: { hostname: 'host.example', address: address(site.upstream('a')) },
              load_balancing_weight: 2,
              health_status: 'DEGRADED',
            },
            { endpoint: { address: address(site.upstream('b')) }, health_status: 'UNHEALTHY' },
          ],
        },
        { locality: { region: 'far' }, priority: 1, lb_endpoints: [{ endpoint: { address: address(site.deadPort) } }] },
      ],
    },
  ]);
  const manager = httpConnectionManager(site, []);
  const { route_config: _inline, ...typed } = manager['typed_config'] as Json; // as httpConnectionManager makes it
  const discovering = { ...manager, typed_config: { ...typed, rds: { route_config_name: 'dynamic', config_source: rds } } };
  const lds = discovery(site, 'lds', 'envoy.config.listener.v3.Listener', [
    listener(site, 'dynamic', [discovering], { stat_prefix: 'dynamic' }),
  ]);
  const cds = discovery(site, 'cds', 'envoy.config.cluster.v3.Cluster', [
    { name: 'discovered', type: 'EDS', connect_timeout: '1s', eds_cluster_config: { service_name: 'service', eds_config: eds } },
  ]);
  const tls: Json = {
    ...listener(site, 'tls', [], { stat_prefix: 'tls' }),
    filter_chains: [
      {
        filters: [httpConnectionManager(site, [virtualHost(routes)])],
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: {
            '@type': type(`${tlsType}.DownstreamTlsContext`),
            common_tls_context: {
              tls_certificate_sds_secret_configs: [{ name: 'server' }],
              validation_context: { trusted_ca: { filename: certificates.ca } },
            },
          },
        },
      },
    ],
  };
  const check = { timeout: '1s', interval: '60s', unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: { path: '/health' } };
  return {
    node: { id: 'n', cluster: 'c', metadata: { key: 'value' }, locality: { region: 'r' } },
    stats_flush_on_admin: true,
    dynamic_resources: { lds_config: lds, cds_config: cds },
    layered_runtime: {
      layers: [
        { name: 'static', static_layer: { some: { key: 1, other: true }, text: 'words' } },
        { name: 'admin', admin_layer: {} },
      ],
    },
    static_resources: {
      secrets: [
        { name: 'server', tls_certificate: pair(certificates.server) },
        { name: 'unused', validation_context: { trusted_ca: { filename: certificates.ca } } },
        { name: 'inline', generic_secret: { secret: { inline_string: 'hush' } } },
      ],
      listeners: [listener(site, 'http', [httpConnectionManager(site, [virtualHost(routes)])], { stat_prefix: 'plain' }), tls],
      clusters: [
        cluster('a', [site.upstream('a'), site.upstream('b')]),
        cluster('limits', [site.deadPort], {
          circuit_breakers: {
            thresholds: [
              { max_connections: 7, max_retries: 0 },
              { priority: 'HIGH', max_requests: 3 },
            ],
          },
          outlier_detection: {},
        }),
        cluster('checked', [site.deadPort], { health_checks: [check] }),
        cluster('other', [site.deadPort], { alt_stat_name: 'another' }),
        cluster('empty', []),
      ],
    },
  };
}

interface AdminAnswer {
  readonly status: number;
  readonly type: string | null;
  readonly text: string;
}

async function ask(proxy: ProxyUnderTest, method: string, path: string): Promise<AdminAnswer> {
  const response = await fetch(`http://127.0.0.1:${proxy.adminPort}${path}`, { method });
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
}

/** Compares status, type and text. */
const text = (request: string, change: (answer: string) => unknown = (answer) => answer, name = request): DifferentialCase => ({
  name,
  does: [],
  run: async (proxy) => {
    const [method = '', path = ''] = request.split(' ');
    const answer = await ask(proxy, method, path);
    return { ...answer, text: change(answer.text) };
  },
});

/** Compares JSON; `change` takes out what cannot be equal. */
const json = (request: string, change: (value: Json) => unknown = (value) => value): DifferentialCase =>
  text(request, (answer) => change(timeless(JSON.parse(answer)) as Json));

/** Times of day and free ports have no equal; what a hash table holds has no order. */
function timeless(value: unknown): unknown {
  if (typeof value === 'string') return /^20\d\d-\d\d-\d\dT[\d:.]+Z$/.test(value) ? 'TIME' : value;
  if (Array.isArray(value)) return value.map(timeless);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === 'port_value' ? 'PORT' : tables.test(key) ? sorted(timeless(inner)) : timeless(inner),
    ]),
  );
}

const tables = /^(configs|cluster_statuses|certificates|(static|dynamic)_.*(clusters|secrets|configs))$/;

function sorted(items: unknown): unknown {
  return Array.isArray(items) ? items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : items;
}

const lines = (answer: string): unknown => answer.split('\n').sort();

/** The proxy's own name, version and extensions. */
function anonymous(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, inner: unknown) =>
      key.startsWith('user_agent_') || key === 'extensions' || key === 'version' || key === 'log_format'
        ? undefined
        : key === 'uptime_current_epoch' || key === 'uptime_all_epochs'
          ? 'N'
          : inner,
    ),
  );
}

/** The shape: keys with the types of their values. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shape);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shape(inner)]));
  return value === null ? 'null' : typeof value;
}

/** Names of help and of its parameters; the words after the colon are everyone's own. */
const commands = (answer: string): unknown => answer.split('\n').map((line) => line.replace(/^(\s*[^:]*): .*$/, '$1'));

const numbers = (answer: string): unknown => answer.replaceAll(/\d+(\.\d+)?/g, 'N');
/** What was recorded since the last flush depends on when that was; the values themselves on the machine. */
const histogram = (answer: string): unknown => answer.replaceAll(/(?<=[PBLN(,=: ]|^)(nan|\d+(\.\d+)?(e[+]\d+)?)(?=[,):]|$)/gm, 'N');

const traffic: DifferentialCase = {
  name: 'traffic',
  does: [{ path: '/' }, { path: '/a' }, { path: '/a' }, { to: 'dynamic', path: '/' }],
  // Which of the two hosts is first is Envoy's random choice.
  replies: { headers: [['content-type', 'text/plain']], body: 'of either host' },
  unordered: true,
};

const dumps = [
  'resource=static_clusters',
  'resource=dynamic_active_clusters',
  'resource=dynamic_warming_clusters',
  'resource=static_listeners',
  'resource=dynamic_listeners',
  'resource=static_route_configs',
  'resource=dynamic_route_configs',
  'resource=static_secrets',
  'resource=dynamic_active_secrets',
  'resource=dynamic_warming_secrets',
  'resource=inline_scoped_route_configs',
  'resource=static_endpoint_configs&include_eds',
  'resource=dynamic_endpoint_configs&include_eds',
  'resource=static_clusters&mask=cluster.name',
  'resource=static_clusters&mask=cluster.name,last_updated',
  'resource=dynamic_listeners&mask=name,active_state.version_info',
  'resource=static_listeners&mask=listener.address.socket_address.address',
  'resource=static_clusters&name_regex=a',
  'resource=static_clusters&name_regex=.*e.*',
  'resource=static_clusters&name_regex=none',
  'mask=static_clusters',
  'mask=dynamic_listeners,version_info',
  'mask=bootstrap.node.id',
  'mask=bootstrap.static_resources.clusters',
  'mask=bootstrap.layered_runtime',
  'name_regex=.*dynamic.*',
  'name_regex=none&include_eds',
];

const refusedDumps = [
  'resource=none',
  'resource=bootstrap',
  'resource=version_info',
  'resource=bootstrap&mask=node.id',
  'resource=dynamic_endpoint_configs',
  'resource=ecds_filters',
  'mask=none',
  'mask=static_clusters.cluster.name',
  'mask=bootstrap,static_listeners',
  'mask=bootstrap.node.none',
  'name_regex=%5B',
];

const wrongRequests = [
  ...['/nothing', '/stats/', '/Stats', '/clusters/a', '//'].map((path) => `GET ${path}`),
  ...['quitquitquit', 'drain_listeners', 'healthcheck/fail', 'healthcheck/ok', 'reset_counters', 'reopen_logs', 'runtime_modify?a=1'].map(
    (path) => `GET /${path}`,
  ),
  ...['logging', 'cpuprofiler?enable=y', 'heapprofiler?enable=y', 'stats/recentlookups/enable', 'stats/recentlookups/clear'].map(
    (path) => `GET /${path}`,
  ),
  'PUT /quitquitquit',
  'DELETE /healthcheck/fail',
  'POST /cpuprofiler',
  'POST /cpuprofiler?enable=maybe',
  'POST /heapprofiler?enable=y',
  'POST /runtime_modify',
  'GET /clusters?filter=%5B',
  'GET /stats?filter=%5B',
  'GET /stats?type=none',
  'GET /stats?type=gauges',
  'GET /stats?format=none',
  'GET /stats?hidden=none',
  'GET /stats?histogram_buckets=wrong',
  'GET /stats?histogram_buckets=prometheusnative',
  'GET /stats/prometheus?histogram_buckets=detailed',
  'GET /stats/prometheus?histogram_buckets=disjoint',
  'GET /stats/prometheus?histogram_buckets=wrong',
  'GET /stats/prometheus?filter=%5B',
];

const levels = [
  '',
  '?level=info',
  '?level=none',
  '?level=',
  '?admin=debug',
  '?admin=none',
  '?none=info',
  '?paths=http:error,rbac:trace',
  '?paths=http:none',
  '?paths=none:info',
  '?paths=http',
  '?paths=http:info,',
  '?level=info&paths=http:debug',
  '?group=http:info',
  '?level=critical',
  '?level=off',
  '?level=warning',
];

const cases: DifferentialCase[] = [
  traffic,
  { name: 'settled', does: [{ kind: 'pause', ms: 300 }] },
  text('GET /ready'),
  text('POST /ready'),
  text('HEAD /ready'),
  text('GET /hot_restart_version'),
  text('GET /contention'),
  text('GET /init_dump'),
  text('GET /init_dump?mask=listener'),
  json('GET /memory', shape),
  text('GET /help', commands),
  text('GET /', (answer) => /<html/i.test(answer)),
  json('GET /runtime'),
  json('GET /server_info', (value) => anonymous(value)),
  json('GET /certs'),
  text('GET /clusters', lines),
  text('GET /clusters?filter=li', lines),
  text('GET /clusters?filter=^(a|other)$', lines),
  text('GET /clusters?format=none', lines),
  json('GET /clusters?format=json'),
  json('GET /clusters?format=json&filter=discovered'),
  json('GET /clusters?format=json&filter=none'),
  text('GET /listeners', lines),
  text('GET /listeners?format=text', lines),
  json('GET /listeners?format=json'),
  json('GET /config_dump', anonymous),
  json('GET /config_dump?include_eds', anonymous),
  ...dumps.map((query) => json(`GET /config_dump?${query}`, anonymous)),
  ...refusedDumps.map((query) => text(`GET /config_dump?${query}`)),
  ...wrongRequests.map((request) =>
    text(request, request.startsWith('GET /stats?') || request.startsWith('GET /stats/p') ? undefined : commands),
  ),
  ...levels.map((query) => text(`POST /logging${query}`)),
  text('POST /runtime_modify?added=1&some.key=3'),
  json('GET /runtime', undefined),
  text('POST /runtime_modify?added='),
  text('POST /healthcheck/fail'),
  text('GET /ready'),
  text('POST /healthcheck/ok'),
  text('GET /ready'),
  text('GET /stats?filter=cluster.a.upstream_rq_[^t]'),
  text('GET /stats?filter=cluster.a.upstream_rq_2..&usedonly'),
  text('GET /stats?filter=^cluster%5C.discovered%5C.(membership|lb_h|version_text|update_s)'),
  text('GET /stats?type=TextReadouts'),
  json('GET /stats?type=TextReadouts&format=json'),
  text('GET /stats?type=Gauges&filter=^listener_manager.*active'),
  text('GET /stats?type=Counters&filter=http.main.downstream_rq_(total|completed|2xx)'),
  json('GET /stats?type=Counters&filter=http.main.downstream_rq_(total|completed|2xx)&format=json'),
  text('GET /stats?filter=nothing'),
  json('GET /stats?format=json&filter=nothing'),
  text('GET /stats?hidden=only'),
  text('GET /stats?hidden=exclude&filter=cluster.a.upstream_rq_total'),
  text('GET /stats?type=Histograms&filter=http.main.downstream_(rq|cx)', histogram),
  ...['cumulative', 'disjoint', 'summary'].map((view) =>
    text(`GET /stats?histogram_buckets=${view}&filter=http.main.downstream_cx_length`, histogram),
  ),
  ...['cumulative', 'disjoint', 'detailed', 'summary'].flatMap((view) => [
    text(`GET /stats?histogram_buckets=${view}&filter=cluster.a.*per_cx_none`),
    json(`GET /stats?format=json&histogram_buckets=${view}&filter=cluster.empty.upstream_rq_per_cx`),
    json(`GET /stats?format=json&histogram_buckets=${view}&filter=http.main.downstream_rq_time$`, (value) =>
      view === 'detailed' ? Object.keys(Object(Reflect.get(Object(Reflect.get(value, 'stats')), '0'))) : shapeOfHistograms(value),
    ),
  ]),
  text('GET /stats/prometheus?filter=cluster.a.upstream_rq_(total|2xx|200|active)'),
  text('GET /stats/prometheus?filter=(worker_0|main_thread).downstream_cx_total', numbers),
  text('GET /stats/prometheus?filter=http.main.downstream_rq_(2xx|completed|total)'),
  text('GET /stats/prometheus?filter=rds&text_readouts', (answer) =>
    answer.split('\n').filter((line) => /version_text|config_reload\b|update_success/.test(line)),
  ),
  text('GET /stats/prometheus?filter=version_text'),
  text('GET /stats/prometheus?filter=certificate', numbers),
  text('GET /stats/prometheus?filter=empty.upstream_cx_length'),
  text('GET /stats/prometheus?filter=empty.upstream_cx_length&histogram_buckets=summary'),
  text('GET /stats?format=prometheus&filter=cluster.a.upstream_cx_total'),
  text('POST /reset_counters'),
  text('GET /stats?filter=cluster.a.(upstream_rq_total|membership_total)'),
  text('POST /reopen_logs'),
  text('POST /stats/recentlookups/enable'),
  text('POST /stats/recentlookups/clear'),
  text('POST /stats/recentlookups/disable'),
  text('GET /stats/recentlookups', numbers),
];

function shapeOfHistograms(value: Json): unknown {
  return JSON.parse(JSON.stringify(value, (key, inner: unknown) => (key === 'interval' || key === 'cumulative' ? 'N' : inner)));
}

export const admin: DifferentialFamily = {
  name: 'admin',
  about: 'the admin interface: every path, its parameters and its refusals, in text and JSON',
  upstreams: { a: 'http1', b: 'http1' },
  bootstrap,
  cases: cases.map((each, i) => ({
    ...each,
    name: cases.findIndex(({ name }) => name === each.name) === i ? each.name : `${each.name} again ${i}`,
  })),
};
