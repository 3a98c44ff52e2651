import { setTimeout as wait } from 'node:timers/promises';
import { TraceService } from '@xebec/protos/opentelemetry/proto/collector/trace/v1/trace_service';
import { cluster, http2Upstream, httpConnectionManager, listener, standardClusters, type, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Field, Json, ProxyUnderTest, Seen, Site } from '../harness/family.ts';
import { GrpcPeer } from '../peers/grpc-peer.ts';
import { SpanCollector } from '../peers/span-collector.ts';

const collector = new SpanCollector();
const otlp = new GrpcPeer(TraceService.method.export, (request) => {
  collector.addOtlp(request);
  return {};
});

const provider = (name: string, message: string, config: Json): Json => ({
  provider: { name: `envoy.tracers.${name}`, typed_config: { '@type': type(`envoy.config.trace.v3.${message}`), ...config } },
});
const zipkin = (config: Json = {}): Json =>
  provider('zipkin', 'ZipkinConfig', {
    collector_cluster: 'collector',
    collector_endpoint: '/api/v2/spans',
    collector_endpoint_version: 'HTTP_JSON',
    trace_id_128bit: true,
    shared_span_context: false,
    ...config,
  });
const otlpGrpc = provider('opentelemetry', 'OpenTelemetryConfig', {
  grpc_service: { envoy_grpc: { cluster_name: 'otlp' }, timeout: '1s' },
  service_name: 'front',
});
const otlpHttp = provider('opentelemetry', 'OpenTelemetryConfig', {
  service_name: 'front',
  http_service: {
    http_uri: { uri: 'http://collector.example/v1/traces', cluster: 'collector', timeout: '1s' },
    request_headers_to_add: [{ header: { key: 'authorization', value: 'token' } }],
  },
});

const tag = (name: string, value: Json): Json => ({ tag: name, ...value });
const customTags: readonly Json[] = [
  tag('literal', { literal: { value: 'text' } }),
  tag('environment', { environment: { name: 'XEBEC_NO_SUCH_VARIABLE', default_value: 'fallback' } }),
  tag('environment none', { environment: { name: 'XEBEC_NO_SUCH_VARIABLE' } }),
  tag('header', { request_header: { name: 'X-Tag', default_value: 'no header' } }),
  tag('header none', { request_header: { name: 'x-none' } }),
  tag('route', { metadata: { kind: { route: {} }, metadata_key: { key: 'meta', path: [{ key: 'name' }] } } }),
  tag('route deep', { metadata: { kind: { route: {} }, metadata_key: { key: 'meta', path: [{ key: 'deep' }] } } }),
  tag('cluster', { metadata: { kind: { cluster: {} }, metadata_key: { key: 'meta', path: [{ key: 'name' }] } } }),
  tag('host', { metadata: { kind: { host: {} }, metadata_key: { key: 'meta', path: [{ key: 'name' }] } } }),
  tag('none', { metadata: { kind: { request: {} }, metadata_key: { key: 'none', path: [{ key: 'x' }] }, default_value: 'no metadata' } }),
  tag('component', { literal: { value: 'mine' } }),
  tag('value', { value: '%REQ(X-TAG)% %RESPONSE_CODE%' }),
];

interface Traced {
  readonly tracing: Json;
  readonly direction?: string;
  readonly manager?: Json;
}

const uuid = (config: Json): Json => ({
  request_id_extension: { typed_config: { '@type': type('envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig'), ...config } },
});

/** A listener each. */
const listeners: Readonly<Record<string, Traced>> = {
  zipkin: { tracing: zipkin() },
  outbound: { tracing: zipkin(), direction: 'OUTBOUND' },
  inbound: { tracing: zipkin(), direction: 'INBOUND' },
  short: { tracing: zipkin({ trace_id_128bit: false }) },
  shared: { tracing: zipkin({ shared_span_context: true }) },
  both: { tracing: zipkin({ trace_context_option: 'USE_B3_WITH_W3C_PROPAGATION' }) },
  host: { tracing: zipkin({ collector_hostname: 'spans.example' }) },
  service: {
    tracing: zipkin({
      collector_cluster: undefined,
      collector_endpoint: undefined,
      collector_service: {
        http_uri: { uri: 'http://spans.example/api/v2/spans', cluster: 'collector', timeout: '1s' },
        request_headers_to_add: [{ header: { key: 'authorization', value: 'token' } }],
      },
    }),
  },
  spawned: { tracing: { ...zipkin(), spawn_upstream_span: true } },
  'spawned-outbound': { tracing: { ...zipkin(), spawn_upstream_span: true }, direction: 'OUTBOUND' },
  'never-random': { tracing: { ...zipkin(), random_sampling: { value: 0 } } },
  'never-client': { tracing: { ...zipkin(), random_sampling: { value: 0 }, client_sampling: { value: 0 } } },
  never: { tracing: { ...zipkin(), overall_sampling: { value: 0 } } },
  tags: { tracing: { ...zipkin(), custom_tags: customTags, max_path_tag_length: 10 } },
  verbose: { tracing: { ...zipkin(), verbose: true } },
  operation: {
    tracing: {
      ...zipkin(),
      operation: '%REQ(:METHOD)% %REQ(X-TAG)%',
      upstream_operation: 'to %UPSTREAM_CLUSTER%',
      spawn_upstream_span: true,
    },
  },
  'own-decision': { tracing: zipkin(), manager: uuid({ use_request_id_for_trace_sampling: false }) },
  unpacked: { tracing: zipkin(), manager: uuid({ pack_trace_reason: false }) },
  grpc: { tracing: otlpGrpc },
  'grpc-outbound': { tracing: otlpGrpc, direction: 'OUTBOUND' },
  'grpc-spawned': { tracing: { ...otlpGrpc, spawn_upstream_span: true } },
  http: { tracing: otlpHttp },
  'http-tags': { tracing: { ...otlpHttp, custom_tags: customTags, max_path_tag_length: 10 } },
  'http-never': { tracing: { ...otlpHttp, random_sampling: { value: 0 } } },
  nobody: { tracing: {} },
};

const fraction = (numerator: number): Json => ({ numerator, denominator: 'HUNDRED' });

const routes: readonly Json[] = [
  { match: { prefix: '/decorated' }, decorator: { operation: 'decorated' }, route: { cluster: 'a' } },
  { match: { prefix: '/quiet' }, decorator: { operation: 'quiet', propagate: false }, route: { cluster: 'a' } },
  { match: { prefix: '/never' }, tracing: { random_sampling: fraction(0) }, route: { cluster: 'a' } },
  { match: { prefix: '/always' }, tracing: { random_sampling: fraction(100) }, route: { cluster: 'a' } },
  {
    match: { prefix: '/tagged' },
    tracing: { custom_tags: [tag('header', { literal: { value: 'of the route' } }), tag('own', { literal: { value: 'x' } })] },
    route: { cluster: 'a' },
  },
  { match: { prefix: '/retry' }, route: { cluster: 'a', retry_policy: { retry_on: '5xx', num_retries: 1 } } },
  { match: { prefix: '/direct' }, direct_response: { status: 418, body: { inline_string: 'teapot' } } },
  { match: { prefix: '/redirect' }, redirect: { path_redirect: '/x' } },
  { match: { prefix: '/rewritten' }, route: { cluster: 'a', prefix_rewrite: '/else' } },
  { match: { prefix: '/timeout' }, route: { cluster: 'a', timeout: '0.05s' } },
  ...['dead', 'empty', 'h2', 'meta'].map((name) => ({
    match: { prefix: `/${name}` },
    metadata: { filter_metadata: { meta: { name: 'of the route', deep: { list: [1, 'two'] } } } },
    route: { cluster: name },
  })),
  { match: { path: '/a' }, route: { cluster: 'a' } },
];

function bootstrap(site: Site): Json {
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: site.upstream('b') } } };
  const metadata = (name: string): Json => ({ metadata: { filter_metadata: { meta: { name } } } });
  return {
    node: { id: 'node', cluster: 'service', locality: { zone: 'zone' } },
    layered_runtime: {
      layers: [
        {
          name: 'static',
          static_layer: {
            'tracing.zipkin.min_flush_spans': 1,
            'tracing.zipkin.flush_interval_ms': 50,
            'tracing.opentelemetry.min_flush_spans': 1,
            'tracing.opentelemetry.flush_interval_ms': 50,
          },
        },
      ],
    },
    static_resources: {
      listeners: Object.entries(listeners).map(([name, { tracing, direction, manager }]) =>
        listener(
          site,
          name,
          [
            httpConnectionManager(site, [virtualHost(routes)], {
              tracing,
              stat_prefix: name,
              internal_address_config: {
                cidr_ranges: [
                  { address_prefix: '127.0.0.0', prefix_len: 8 },
                  { address_prefix: '10.0.0.0', prefix_len: 8 },
                ],
              },
              ...manager,
            }),
          ],
          direction === undefined ? {} : { traffic_direction: direction },
        ),
      ),
      clusters: [
        ...standardClusters(site),
        cluster('collector', [site.upstream('collector')]),
        cluster('otlp', [site.upstream('otlp')], http2Upstream),
        cluster('meta', [], {
          ...metadata('of the cluster'),
          load_assignment: { cluster_name: 'meta', endpoints: [{ lb_endpoints: [{ endpoint, ...metadata('of the host') }] }] },
        }),
      ],
    },
  };
}

const given =
  /^(?:x-b3-.*|b3|traceparent|tracestate|x-request-id|x-envoy-decorator-operation|x-ot-span-context|x-client-trace-id|x-envoy-.*trace.*)$/;

/** Ids become names in the order of their appearance, so that what points where is compared. */
function withoutIds(value: unknown): unknown {
  const names = new Map<string, string>();
  const text = JSON.stringify(ordered(value))
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'UUID $1')
    .replaceAll(/(?<![0-9a-zA-Z])(?:[0-9a-f]{32}|[0-9a-f]{16})(?![0-9a-zA-Z])/g, (id) => {
      const name = names.get(id) ?? `${id.length === 32 ? 'TRACE' : 'ID'} ${names.size}`;
      names.set(id, name);
      return name;
    });
  return JSON.parse(text);
}

/** Members in the order of their names: Envoy's have none. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, ordered(inner)]),
  );
}

const passed = ({ headers, upstream }: Seen): Json => ({
  upstream,
  headers: headers.filter(([name]) => given.test(name.toLowerCase())).sort(([a], [b]) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1)),
});

/** How many spans Envoy sent for a case: ours are awaited. */
const expected = new Map<string, number>();

async function observe(proxy: ProxyUnderTest, name: string, does: Exchange): Promise<unknown> {
  collector.take();
  collector.takeReports();
  const answer = await proxy.exchange(does);
  const seen = proxy.takeSeen().map(passed);
  const wanted = expected.get(name);
  const until = Date.now() + (wanted === undefined ? 70 : 1500);
  while (Date.now() < until && (wanted === undefined || collector.size < wanted)) await wait(5);
  if (wanted === 0) await wait(40);
  const spans = collector.take().map(masked).sort(byName);
  if (proxy.name === 'envoy') expected.set(name, spans.length);
  const reports = collector.takeReports();
  await proxy.takeLog(1);
  const told = answerHeaders(answer);
  return withoutIds({ seen, spans, told, ...(name.startsWith('report') ? { report: reports[0] } : {}) });
}

const byName = (a: Json, b: Json): number =>
  `${String(a['kind'])}${String(a['name'])}` < `${String(b['kind'])}${String(b['name'])}` ? -1 : 1;

/** What the proxy is called, and numbers of the machine. */
function masked(span: Json): Json {
  return JSON.parse(
    JSON.stringify(span, (key, inner: unknown) => {
      if (key === 'telemetry.sdk.name' || key === 'telemetry.sdk.language' || key === 'telemetry.sdk.version') return 'SDK';
      if (key === 'ipv4' || key === 'timestamp') return 'N';
      if (key === 'port') return inner === 0 ? 0 : 'PORT';
      return inner;
    }),
  );
}

function answerHeaders(answer: unknown): unknown {
  const list: unknown = JSON.parse(JSON.stringify(answer));
  const found: Field[] = [];
  const walk = (node: unknown): void => {
    if (Array.isArray(node)) {
      if (node.length === 2 && typeof node[0] === 'string' && typeof node[1] === 'string' && given.test(node[0].toLowerCase()))
        found.push([node[0], node[1]]);
      else for (const inner of node) walk(inner);
    } else if (typeof node === 'object' && node !== null) for (const inner of Object.values(node)) walk(inner);
  };
  walk(list);
  return found;
}

const traced = (name: string, does: Exchange, replies: NonNullable<DifferentialCase['replies']> = {}): DifferentialCase => ({
  name,
  does: [],
  run: async (proxy) => {
    proxy.reply(replies);
    return await observe(proxy, name, does);
  },
});

const trace = '0af7651916cd43dd8448eb211c80319c';
const span = 'b7ad6b7169203331';
const parent = '00f067aa0ba902b7';
const b3 = (sampled: string, more: readonly Field[] = []): Field[] => [
  ['x-b3-traceid', trace],
  ['x-b3-spanid', span],
  ...(sampled === '' ? [] : [['x-b3-sampled', sampled] as const]),
  ...more,
];
const internal: Field = ['x-forwarded-for', '10.0.0.1'];
const id = (digit: string): Field => ['x-request-id', `12345678-1234-${digit}234-8234-123456789abc`];

const contexts: Readonly<Record<string, readonly Field[]>> = {
  nothing: [],
  'b3 sampled': b3('1'),
  'b3 not sampled': b3('0'),
  'b3 open': b3(''),
  'b3 true': b3('true'),
  'b3 with a parent': b3('1', [['x-b3-parentspanid', parent]]),
  'b3 debug': b3('', [['x-b3-flags', '1']]),
  'b3 of 64 bits': [
    ['x-b3-traceid', span],
    ['x-b3-spanid', parent],
    ['x-b3-sampled', '1'],
  ],
  'b3 in capitals': [
    ['x-b3-traceid', trace.toUpperCase()],
    ['x-b3-spanid', span.toUpperCase()],
    ['x-b3-sampled', '1'],
  ],
  'b3 without a span': [
    ['x-b3-traceid', trace],
    ['x-b3-sampled', '1'],
  ],
  'b3 malformed': [
    ['x-b3-traceid', 'xyz'],
    ['x-b3-spanid', span],
    ['x-b3-sampled', '1'],
  ],
  'b3 zero': [
    ['x-b3-traceid', '0'.repeat(32)],
    ['x-b3-spanid', '0'.repeat(16)],
    ['x-b3-sampled', '1'],
  ],
  'only not sampled': [['x-b3-sampled', '0']],
  'only sampled': [['x-b3-sampled', '1']],
  'single sampled': [['b3', `${trace}-${span}-1`]],
  'single not sampled': [['b3', `${trace}-${span}-0`]],
  'single open': [['b3', `${trace}-${span}`]],
  'single debug': [['b3', `${trace}-${span}-d`]],
  'single with a parent': [['b3', `${trace}-${span}-1-${parent}`]],
  'single only 0': [['b3', '0']],
  'single only 1': [['b3', '1']],
  'single malformed': [['b3', `${trace}-${span}-7`]],
  'w3c sampled': [['traceparent', `00-${trace}-${span}-01`]],
  'w3c not sampled': [['traceparent', `00-${trace}-${span}-00`]],
  'w3c with a state': [
    ['traceparent', `00-${trace}-${span}-01`],
    ['tracestate', 'vendor=value'],
  ],
  'w3c of another version': [['traceparent', `01-${trace}-${span}-01-more`]],
  'w3c malformed': [['traceparent', `00-${trace}-01`]],
  'w3c zero': [['traceparent', `00-${'0'.repeat(32)}-${span}-01`]],
  'w3c in capitals': [['traceparent', `00-${trace.toUpperCase()}-${span}-01`]],
  'b3 and w3c': [...b3('1'), ['traceparent', `00-${trace.replace('0', '1')}-${parent}-00`]],
};

const tracedBy = (to: string, names: readonly string[]): DifferentialCase[] =>
  names.map((name) => traced(`${to}: ${name}`, { to, path: '/a', headers: contexts[name] ?? [] }));

const some = ['nothing', 'b3 sampled', 'b3 not sampled', 'b3 of 64 bits', 'single sampled', 'w3c sampled', 'w3c not sampled', 'b3 and w3c'];
const sampling: Readonly<Record<string, readonly Field[]>> = {
  forced: [internal, ['x-envoy-force-trace', 'yes']],
  'forced from outside': [
    ['x-forwarded-for', '8.8.8.8'],
    ['x-envoy-force-trace', 'yes'],
  ],
  'by the client': [internal, ['x-client-trace-id', 'mine']],
  'by the client from outside': [
    ['x-forwarded-for', '8.8.8.8'],
    ['x-client-trace-id', 'mine'],
  ],
  'id sampled': [internal, id('9')],
  'id forced': [internal, id('a')],
  'id by the client': [internal, id('b')],
  'id not traced': [internal, id('4')],
  'id not a UUID': [internal, ['x-request-id', 'mine']],
};
const sampledBy = (to: string): DifferentialCase[] =>
  Object.entries(sampling).map(([name, headers]) => traced(`${to}: ${name}`, { to, path: '/a', headers }));

const operation: Field = ['x-envoy-decorator-operation', 'told'];
const sites = ['zipkin', 'outbound', 'inbound', 'grpc', 'grpc-outbound'];

const cases: DifferentialCase[] = [
  ...tracedBy('zipkin', Object.keys(contexts)),
  ...tracedBy('http', Object.keys(contexts)),
  ...['outbound', 'short', 'shared', 'both', 'spawned', 'spawned-outbound', 'own-decision', 'grpc', 'grpc-spawned', 'nobody'].flatMap(
    (to) => tracedBy(to, some),
  ),
  ...['never-random', 'never-client', 'never', 'unpacked', 'own-decision', 'http-never', 'nobody'].flatMap(sampledBy),
  ...['zipkin', 'never-random', 'never'].flatMap((to) => ['/never', '/always'].map((path) => traced(`${to}: route ${path}`, { to, path }))),
  ...sites.flatMap((to) => [
    traced(`${to}: decorated`, { to, path: '/decorated' }),
    traced(`${to}: decorated and told`, { to, path: '/decorated', headers: [operation] }, { headers: [operation] }),
    traced(`${to}: quiet`, { to, path: '/quiet' }),
    traced(`${to}: told by the upstream`, { to, path: '/a' }, { headers: [operation] }),
    traced(`${to}: told by the client`, { to, path: '/a', headers: [operation] }),
  ]),
  ...['zipkin', 'spawned', 'spawned-outbound', 'operation', 'http', 'grpc-spawned'].flatMap((to) => [
    traced(`${to}: 404`, { to, path: '/a' }, { status: 404 }),
    traced(`${to}: 500`, { to, path: '/a' }, { status: 500 }),
    traced(`${to}: retry`, { to, path: '/retry' }, [{ status: 503 }, {}]),
    traced(`${to}: nobody listens`, { to, path: '/dead' }),
    traced(`${to}: no host`, { to, path: '/empty' }),
    traced(`${to}: no route`, { to, path: '/none' }),
    traced(`${to}: direct response`, { to, path: '/direct' }),
    traced(`${to}: redirect`, { to, path: '/redirect' }),
    traced(`${to}: rewritten`, { to, path: '/rewritten/path?with=query' }),
    traced(`${to}: timeout`, { to, path: '/timeout' }, { delayMs: 150 }),
    traced(`${to}: reset`, { to, path: '/a' }, { instead: 'reset' }),
    traced(
      `${to}: body`,
      {
        to,
        path: '/a',
        method: 'POST',
        body: 'hello',
        headers: [
          ['user-agent', 'agent'],
          ['x-envoy-downstream-service-cluster', 'caller'],
        ],
      },
      { body: 'some text' },
    ),
    traced(`${to}: HTTP/2`, { kind: 'http2', to, path: '/h2' }),
    traced(
      `${to}: gRPC`,
      {
        kind: 'http2',
        to,
        method: 'POST',
        path: '/h2/Method',
        headers: [
          ['content-type', 'application/grpc'],
          ['te', 'trailers'],
        ],
        body: 'x',
      },
      {
        headers: [['content-type', 'application/grpc']],
        trailers: [
          ['grpc-status', '5'],
          ['grpc-message', 'none such'],
        ],
      },
    ),
  ]),
  ...['tags', 'http-tags'].flatMap((to) => [
    traced(`${to}: custom tags`, { to, path: '/meta/with/a/long/path?and=query', headers: [['x-tag', 'of the header']] }),
    traced(`${to}: custom tags without values`, { to, path: '/a' }),
    traced(`${to}: custom tags of the route`, { to, path: '/tagged', headers: [['x-tag', 'of the header']] }),
  ]),
  ...['spawned', 'grpc-spawned'].flatMap((to) =>
    ['0', '1', '2', '3', '4', '7', '8', '12', '13', '14', '15', '16', '99'].map((status) =>
      traced(
        `${to}: gRPC status ${status}`,
        { kind: 'http2', to, method: 'POST', path: '/h2/Method', headers: [['content-type', 'application/grpc']], body: 'x' },
        { headers: [['content-type', 'application/grpc']], trailers: [['grpc-status', status]] },
      ),
    ),
  ),
  traced('verbose: plain', { to: 'verbose', path: '/a' }),
  traced('operation: plain', { to: 'operation', path: '/a', headers: [['x-tag', 'named']] }),
  traced('operation: decorated', { to: 'operation', path: '/decorated', headers: [['x-tag', 'named']] }),
  traced('report zipkin', { to: 'host', path: '/a' }),
  traced('report to a collector service', { to: 'service', path: '/a' }),
  traced('report OTLP', { to: 'http', path: '/a' }),
];

const counters = ['random_sampling', 'service_forced', 'client_enabled', 'not_traceable', 'health_check'];

export const tracing: DifferentialFamily = {
  name: 'tracing',
  waits: true,
  about: 'tracing: decisions, headers that upstreams see, and spans as Zipkin and OpenTelemetry collectors get them',
  bootstrap,
  peers: { collector: () => collector.start(), otlp: () => otlp.start() },
  cases,
  stats: ['never-random', 'never-client', 'never', 'zipkin', 'http', 'own-decision'].flatMap((name) =>
    counters.map((counter) => `http.${name}.tracing.${counter}`),
  ),
  known: {
    'verbose: plain': {
      why: 'Spans have no annotations of single points in time; `verbose` adds none.',
      differs: {
        'result.spans.0.annotations': [
          [
            ...[
              'last_downstream_rx_byte_received',
              'first_upstream_tx_byte_sent',
              'last_upstream_tx_byte_sent',
              'first_upstream_rx_byte_received',
              'last_upstream_rx_byte_received',
              'first_downstream_tx_byte_sent',
              'last_downstream_tx_byte_sent',
              'ss',
            ].map((value) => ({ timestamp: 'N', value })),
          ],
          [{ timestamp: 'N', value: 'ss' }],
        ],
      },
    },
  },
};
