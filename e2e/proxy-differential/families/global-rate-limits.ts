import {
  RateLimitResponse_Code as Code,
  RateLimitService,
  RateLimitResponse_RateLimit_Unit as Unit,
} from '@xebec/protos/envoy/service/ratelimit/v3/rls';
import {
  cluster,
  http2Upstream,
  httpConnectionManager,
  httpFilter,
  listener,
  router,
  standardClusters,
  type,
  virtualHost,
} from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Json, Site } from '../harness/family.ts';
import { GrpcPeer } from '../peers/grpc-peer.ts';

/** What it says depends on the values that it is asked about. */
const service = new GrpcPeer(RateLimitService.method.shouldRateLimit, ({ descriptors }) => {
  const values = descriptors.flatMap(({ entries }) => entries.map(({ value }) => value));
  if (values.includes('fail')) return { error: 14 };
  if (values.includes('hang')) return 'hang';
  const limit = { requestsPerUnit: 10, unit: Unit.MINUTE, name: 'ten' };
  const statuses = [
    { code: Code.OK, currentLimit: limit, limitRemaining: 7, durationUntilReset: { seconds: 30n, nanos: 0 } },
    {
      code: Code.OK,
      currentLimit: { requestsPerUnit: 5, unit: Unit.DAY },
      limitRemaining: 2,
      durationUntilReset: { seconds: 4000n, nanos: 0 },
    },
    { code: Code.OK },
  ];
  const responseHeadersToAdd = [{ key: 'x-service-says', value: 'hello' }];
  const requestHeadersToAdd = [{ key: 'x-service-adds', value: 'there' }];
  if (values.includes('over'))
    return {
      overallCode: Code.OVER_LIMIT,
      statuses,
      responseHeadersToAdd,
      requestHeadersToAdd,
      rawBody: Buffer.from(values.includes('body') ? 'slow down' : ''),
    };
  if (values.includes('unknown')) return { overallCode: Code.UNKNOWN };
  return { overallCode: Code.OK, statuses, responseHeadersToAdd, requestHeadersToAdd, dynamicMetadata: { seen: 'yes' } };
});

const genericKey = (value: string, key?: string): Json => ({
  generic_key: { descriptor_value: value, ...(key === undefined ? {} : { descriptor_key: key }) },
});
const limited = (prefix: string, rateLimits: readonly Json[], route: Json = {}, more: Json = {}): Json => ({
  name: prefix,
  match: { prefix },
  route: { cluster: 'a', rate_limits: rateLimits, ...route },
  ...more,
});
const perRoute = (config: Json): Json => ({
  typed_per_filter_config: {
    'envoy.filters.http.ratelimit': { '@type': type('envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute'), ...config },
  },
});
const header = (name: string, key: string, more: Json = {}): Json => ({
  request_headers: { header_name: name, descriptor_key: key, ...more },
});

const routes: Json[] = [
  limited('/none', [], { include_vh_rate_limits: false }, perRoute({ vh_rate_limits: 'IGNORE' })),
  limited('/generic', [{ actions: [genericKey('one'), genericKey('two', 'named')] }]),
  limited('/two', [{ actions: [genericKey('one')] }, { actions: [genericKey('two')] }]),
  limited('/source', [{ actions: [{ source_cluster: {} }, { destination_cluster: {} }] }]),
  limited('/address', [{ actions: [{ remote_address: {} }] }]),
  limited('/masked', [{ actions: [{ masked_remote_address: { v4_prefix_mask_len: 16 } }] }]),
  limited('/masked-default', [{ actions: [{ masked_remote_address: {} }] }]),
  limited('/header', [{ actions: [header('x-user', 'user')] }]),
  limited('/path', [{ actions: [header(':path', 'path'), header(':method', 'method')] }]),
  limited('/skip', [{ actions: [header('x-user', 'user', { skip_if_absent: true }), genericKey('always')] }]),
  limited('/only-skip', [{ actions: [header('x-user', 'user', { skip_if_absent: true })] }]),
  limited('/query', [{ actions: [{ query_parameters: { query_parameter_name: 'who', descriptor_key: 'who' } }] }]),
  limited('/match', [
    { actions: [{ header_value_match: { descriptor_value: 'is', headers: [{ name: 'x-user', string_match: { exact: 'jason' } }] } }] },
  ]),
  limited('/unmatch', [
    {
      actions: [
        {
          header_value_match: {
            descriptor_key: 'k',
            descriptor_value: 'not',
            expect_match: false,
            headers: [{ name: 'x-user', string_match: { exact: 'jason' } }],
          },
        },
      ],
    },
  ]),
  limited('/parameter', [
    {
      actions: [
        {
          query_parameter_value_match: { descriptor_value: 'p', query_parameters: [{ name: 'q', string_match: { prefix: 'a' } }] },
        },
      ],
    },
  ]),
  limited('/dynamic', [
    { actions: [{ metadata: { descriptor_key: 'm', metadata_key: { key: 'test', path: [{ key: 'name' }] }, default_value: 'none' } }] },
  ]),
  limited('/nested', [
    { actions: [{ metadata: { descriptor_key: 'm', metadata_key: { key: 'test', path: [{ key: 'deep' }, { key: 'in' }] } } }] },
  ]),
  limited('/number', [{ actions: [{ metadata: { descriptor_key: 'm', metadata_key: { key: 'test', path: [{ key: 'number' }] } } }] }]),
  limited('/missing', [
    {
      actions: [
        { metadata: { descriptor_key: 'm', metadata_key: { key: 'test', path: [{ key: 'nothing' }] }, skip_if_absent: true } },
        genericKey('x'),
      ],
    },
  ]),
  limited(
    '/entry',
    [{ actions: [{ metadata: { descriptor_key: 'm', source: 'ROUTE_ENTRY', metadata_key: { key: 'test', path: [{ key: 'route' }] } } }] }],
    {},
    { metadata: { filter_metadata: { test: { route: 'mine' } } } },
  ),
  limited('/override', [
    { actions: [genericKey('limit')], limit: { dynamic_metadata: { metadata_key: { key: 'test', path: [{ key: 'limit' }] } } } },
  ]),
  limited('/bad-override', [
    { actions: [genericKey('limit')], limit: { dynamic_metadata: { metadata_key: { key: 'test', path: [{ key: 'name' }] } } } },
  ]),
  limited('/hits', [{ actions: [genericKey('hits')], hits_addend: { number: 5 } }]),
  limited('/hits-format', [{ actions: [genericKey('hits')], hits_addend: { format: '%REQ(x-hits)%' } }]),
  limited('/stage', [
    { stage: 1, actions: [genericKey('one')] },
    { stage: 0, actions: [genericKey('zero')] },
  ]),
  limited('/format', [{ actions: [{ generic_key: { descriptor_key: 'f', descriptor_value: '%REQ(x-user)%' } }] }]),
  limited('/over', [{ actions: [genericKey('over')] }]),
  limited('/body', [{ actions: [genericKey('over'), genericKey('body')] }]),
  limited('/unknown', [{ actions: [genericKey('unknown')] }]),
  limited('/fail', [{ actions: [genericKey('fail')] }]),
  limited('/hang', [{ actions: [genericKey('hang')] }]),
  limited('/include', [{ actions: [genericKey('route')] }], { include_vh_rate_limits: true }),
  limited('/not-included', [{ actions: [genericKey('route')] }], { include_vh_rate_limits: false }),
  limited('/option-include', [{ actions: [genericKey('route')] }], {}, perRoute({ vh_rate_limits: 'INCLUDE' })),
  limited('/option-ignore', [], {}, perRoute({ vh_rate_limits: 'IGNORE' })),
  limited('/option-override', [], {}, perRoute({ vh_rate_limits: 'OVERRIDE' })),
  limited(
    '/own',
    [{ actions: [genericKey('route')] }],
    {},
    perRoute({ domain: 'other', rate_limits: [{ actions: [genericKey('per-route')] }] }),
  ),
  limited('/grpc', [{ actions: [genericKey('over'), genericKey('body')] }]),
  { name: '/direct', match: { prefix: '/direct' }, direct_response: { status: 200, body: { inline_string: 'x' } } },
  limited('/', []),
];

const filter = (config: Json): Json =>
  httpFilter('ratelimit', 'ratelimit.v3.RateLimit', {
    domain: 'test',
    timeout: '0.3s',
    rate_limit_service: {
      transport_api_version: 'V3',
      grpc_service: { envoy_grpc: { cluster_name: 'rls' }, initial_metadata: [{ key: 'x-initial', value: 'yes' }] },
    },
    ...config,
  });
const metadata = httpFilter('set_metadata', 'set_metadata.v3.Config', {
  metadata: [
    {
      metadata_namespace: 'test',
      value: { name: 'dynamic', number: 4, deep: { in: 'below' }, limit: { requests_per_unit: 42, unit: 'HOUR' } },
    },
  ],
});

const managers: Readonly<Record<string, Json>> = {
  http: {},
  draft: { enable_x_ratelimit_headers: 'DRAFT_VERSION_03', rate_limited_status: { code: 'ServiceUnavailable' }, stat_prefix: 'mine' },
  quiet: {
    disable_x_envoy_ratelimited_header: true,
    response_headers_to_add: [{ header: { key: 'x-limited', value: '%RESPONSE_CODE%' } }],
  },
  deny: { failure_mode_deny: true, status_on_error: { code: 'BadGateway' } },
  closed: { failure_mode_deny: true },
  exhausted: { rate_limited_as_resource_exhausted: true },
  internal: { request_type: 'internal' },
  external: { request_type: 'external' },
  staged: { stage: 1 },
};

/** Exchanges, and what the service was asked meanwhile. */
const asks = (name: string, does: Exchange): DifferentialCase => ({
  name,
  does: [],
  run: async (proxy) => {
    service.take();
    const answer = await proxy.exchange(does);
    return { answer, asked: service.take(), seen: proxy.takeSeen(), log: await proxy.takeLog(1) };
  },
});
const get = (path: string, more: Exchange = {}): Exchange => ({ path, ...more }) as Exchange;

export const globalRateLimits: DifferentialFamily = {
  name: 'global-rate-limits',
  about: 'envoy.filters.http.ratelimit against a real gRPC Rate Limit Service: what it is asked, and what its answers do',
  peers: { rls: async () => service.start() },
  bootstrap: (site: Site) => ({
    static_resources: {
      listeners: Object.entries(managers).map(([name, config]) =>
        listener(site, name, [
          httpConnectionManager(
            site,
            [
              virtualHost(routes, {
                rate_limits: [{ actions: [genericKey('virtual-host')] }, { stage: 1, actions: [genericKey('late')] }],
              }),
            ],
            { stat_prefix: name, http_filters: [metadata, filter(config), router()] },
          ),
        ]),
      ),
      clusters: [...standardClusters(site), cluster('rls', [site.upstream('rls')], http2Upstream)],
    },
  }),
  args: ['--service-cluster', 'my-cluster', '--service-node', 'my-node'],
  cases: [
    ...routes.map(({ name }) => asks(`route ${String(name)}`, get(`${String(name)}?who=me&q=abc`))),
    asks('header', get('/header', { headers: [['x-user', 'jason']] })),
    asks(
      'header twice',
      get('/header', {
        headers: [
          ['x-user', 'jason'],
          ['x-user', 'anne'],
        ],
      }),
    ),
    asks('skipped header', get('/skip', { headers: [['x-user', 'jason']] })),
    asks('format', get('/format', { headers: [['x-user', 'jason']] })),
    asks('match', get('/match', { headers: [['x-user', 'jason']] })),
    asks('expected not to match', get('/unmatch', { headers: [['x-user', 'jason']] })),
    asks('hits by format', get('/hits-format', { headers: [['x-hits', '3']] })),
    asks('encoded query', get('/query?who=a%20b')),
    asks('no query', get('/query')),
    asks('no parameter match', get('/parameter?q=b')),
    asks('forwarded address', get('/address', { headers: [['x-forwarded-for', '10.1.2.3']] })),
    asks('masked address', get('/masked', { headers: [['x-forwarded-for', '10.1.2.3']] })),
    asks('masked IPv6 address', get('/masked-default', { headers: [['x-forwarded-for', '2001:db8::1']] })),
    asks('POST that is over', get('/over', { method: 'POST', body: 'body' })),
    asks('gRPC that is over', {
      kind: 'http2',
      path: '/grpc',
      method: 'POST',
      headers: [
        ['content-type', 'application/grpc'],
        ['te', 'trailers'],
      ],
    }),
    asks('gRPC resource exhausted', {
      kind: 'http2',
      to: 'exhausted',
      path: '/grpc',
      method: 'POST',
      headers: [
        ['content-type', 'application/grpc'],
        ['te', 'trailers'],
      ],
    }),
    ...['/over', '/body', '/generic', '/unknown'].map((path) => asks(`draft headers ${path}`, get(path, { to: 'draft' }))),
    ...['/over', '/generic'].map((path) => asks(`own headers ${path}`, get(path, { to: 'quiet' }))),
    ...['/fail', '/hang', '/over'].map((path) => asks(`failures deny ${path}`, get(path, { to: 'deny' }))),
    asks('failures deny with 500', get('/fail', { to: 'closed' })),
    asks('internal only', get('/over', { to: 'internal' })),
    asks('external only', get('/over', { to: 'external' })),
    asks('second stage', get('/stage', { to: 'staged' })),
    asks('second stage of the virtual host', get('/', { to: 'staged' })),
  ],
  stats: [
    'cluster.a.ratelimit.ok',
    'cluster.a.ratelimit.error',
    'cluster.a.ratelimit.over_limit',
    'cluster.a.ratelimit.failure_mode_allowed',
    'cluster.a.ratelimit.mine.ok',
    'cluster.a.ratelimit.mine.over_limit',
    'http.http.downstream_rq_4xx',
  ],
};
