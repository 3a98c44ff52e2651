import { httpConnectionManager, httpFilter, listener, router, standardClusters, type, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Field, Json, Site } from '../harness/family.ts';

const always: Json = { default_value: { numerator: 100, denominator: 'HUNDRED' } };
const never: Json = { default_value: { numerator: 0, denominator: 'HUNDRED' } };
const percent: Json = { numerator: 100, denominator: 'HUNDRED' };
const extension = (filter: string, message: string, config: Json): Json => ({
  [`envoy.filters.http.${filter}`]: { '@type': type(`envoy.extensions.filters.http.${message}`), ...config },
});
const perRoute = (filter: string, message: string, config: Json): Json => ({ typed_per_filter_config: extension(filter, message, config) });
const route = (prefix: string, more: Json = {}, action: Json = {}): Json => ({
  name: prefix,
  match: { prefix },
  route: { cluster: 'a', ...action },
  ...more,
});
const append = (key: string, value: string, action = 'APPEND_IF_EXISTS_OR_ADD'): Json => ({
  append: { header: { key, value }, append_action: action },
});
const query = (key: string, value: string, action: string): Json => ({
  append: { record: { key, value }, action },
});

const bucket = (max: number): Json => ({ max_tokens: max, tokens_per_fill: max, fill_interval: '1000s' });
const localLimit = (prefix: string, config: Json): Json =>
  httpFilter('local_ratelimit', 'local_ratelimit.v3.LocalRateLimit', {
    stat_prefix: prefix,
    filter_enabled: always,
    filter_enforced: always,
    ...config,
  });
const described = {
  descriptors: [
    { entries: [{ key: 'user', value: 'jason' }], token_bucket: bucket(1) },
    { entries: [{ key: 'user', value: '' }], token_bucket: bucket(2) },
  ],
};
const byUser = { rate_limits: [{ actions: [{ request_headers: { header_name: 'x-user', descriptor_key: 'user' } }] }] };

const cors = (config: Json): Json => perRoute('cors', 'cors.v3.CorsPolicy', config);
const fault = (config: Json): Json => perRoute('fault', 'fault.v3.HTTPFault', config);
const rbacRule = (action: string, name: string, permission: Json, principal: Json = { any: true }): Json => ({
  action,
  policies: { [name]: { permissions: [permission], principals: [principal] } },
});
const rbac = (config: Json): Json => perRoute('rbac', 'rbac.v3.RBACPerRoute', config === null ? {} : { rbac: config });
const path = (exact: string): Json => ({ url_path: { path: { exact } } });
const header = (name: string, exact: string): Json => ({ header: { name, string_match: { exact } } });

/** Listener by name: its filters and routes. */
const sites: Readonly<Record<string, { readonly filters: readonly Json[]; readonly routes?: readonly Json[]; readonly host?: Json }>> = {
  limited: {
    filters: [localLimit('limited', { token_bucket: bucket(2), response_headers_to_add: [append('x-limited', 'yes')['append']] })],
  },
  'limited-headers': {
    filters: [
      localLimit('headers', {
        token_bucket: bucket(2),
        enable_x_ratelimit_headers: 'DRAFT_VERSION_03',
        status: { code: 'ServiceUnavailable' },
      }),
    ],
  },
  'limited-shadow': {
    filters: [
      localLimit('shadow', {
        token_bucket: bucket(1),
        filter_enforced: never,
        request_headers_to_add_when_not_enforced: [append('x-over', 'yes')['append']],
      }),
    ],
  },
  'limited-off': { filters: [localLimit('off', { token_bucket: bucket(1), filter_enabled: never })] },
  'limited-users': {
    filters: [localLimit('users', { token_bucket: bucket(100), ...described, enable_x_ratelimit_headers: 'DRAFT_VERSION_03' })],
    routes: [route('/', {}, byUser)],
  },
  'limited-default': {
    filters: [localLimit('default', { token_bucket: bucket(2), ...described, always_consume_default_token_bucket: false })],
    routes: [route('/', {}, byUser)],
  },
  'limited-grpc': { filters: [localLimit('grpc', { token_bucket: bucket(1), rate_limited_as_resource_exhausted: true })] },
  'limited-connection': {
    filters: [localLimit('connection', { token_bucket: bucket(1), local_rate_limit_per_downstream_connection: true })],
  },
  'limited-route': {
    filters: [localLimit('none', {})],
    routes: [
      route(
        '/own',
        perRoute('local_ratelimit', 'local_ratelimit.v3.LocalRateLimit', {
          stat_prefix: 'own',
          token_bucket: bucket(1),
          filter_enabled: always,
          filter_enforced: always,
        }),
      ),
      route('/'),
    ],
  },
  mutation: {
    filters: [
      httpFilter('header_mutation', 'header_mutation.v3.HeaderMutation', {
        mutations: {
          request_mutations: [
            append('x-one', 'filter'),
            { remove: 'x-gone' },
            append('x-set', 'new', 'OVERWRITE_IF_EXISTS_OR_ADD'),
            append('x-absent', 'a', 'ADD_IF_ABSENT'),
            append('x-there', 'not', 'ADD_IF_ABSENT'),
            append('x-missing', 'not', 'OVERWRITE_IF_EXISTS'),
            append('x-protocol', '%PROTOCOL%'),
          ],
          query_parameter_mutations: [
            query('added', '%REQ(x-there)%', 'APPEND_IF_EXISTS_OR_ADD'),
            query('q', 'again', 'APPEND_IF_EXISTS_OR_ADD'),
            query('set', 'new', 'OVERWRITE_IF_EXISTS_OR_ADD'),
            query('absent', 'x', 'ADD_IF_ABSENT'),
            query('q', 'not', 'ADD_IF_ABSENT'),
            query('missing', 'not', 'OVERWRITE_IF_EXISTS'),
            { remove: 'gone' },
          ],
          response_mutations: [append('x-response', 'filter'), { remove: 'content-type' }, append('x-code', '%RESPONSE_CODE%')],
        },
      }),
    ],
    routes: [
      route(
        '/route',
        perRoute('header_mutation', 'header_mutation.v3.HeaderMutationPerRoute', {
          mutations: {
            request_mutations: [append('x-one', 'route'), append('x-level', 'route', 'OVERWRITE_IF_EXISTS_OR_ADD')],
            response_mutations: [append('x-response', 'route')],
          },
        }),
      ),
      { name: 'direct', match: { prefix: '/direct' }, direct_response: { status: 200, body: { inline_string: 'x' } } },
      route('/'),
    ],
    host: perRoute('header_mutation', 'header_mutation.v3.HeaderMutationPerRoute', {
      mutations: {
        request_mutations: [append('x-one', 'host'), append('x-level', 'host', 'OVERWRITE_IF_EXISTS_OR_ADD')],
        response_mutations: [append('x-response', 'host')],
      },
    }),
  },
  cors: {
    filters: [httpFilter('cors', 'cors.v3.Cors')],
    routes: [
      route(
        '/full',
        cors({
          allow_origin_string_match: [{ exact: 'http://good' }, { safe_regex: { regex: 'http://.*\\.good' } }],
          allow_methods: 'GET,PUT',
          allow_headers: 'x-a',
          expose_headers: 'x-b',
          max_age: '60',
          allow_credentials: true,
          allow_private_network_access: true,
        }),
      ),
      route('/star', cors({ allow_origin_string_match: [{ exact: '*' }] })),
      route('/ignore', cors({ allow_origin_string_match: [{ exact: 'http://good' }], forward_not_matching_preflights: false })),
      route('/off', cors({ allow_origin_string_match: [{ exact: 'http://good' }], filter_enabled: never })),
      route('/shadow', cors({ allow_origin_string_match: [{ exact: 'http://good' }], filter_enabled: never, shadow_enabled: always })),
      route('/'),
    ],
  },
  csrf: {
    filters: [httpFilter('csrf', 'csrf.v3.CsrfPolicy', { filter_enabled: always, additional_origins: [{ exact: 'friend.example' }] })],
    routes: [route('/shadow', perRoute('csrf', 'csrf.v3.CsrfPolicy', { filter_enabled: never, shadow_enabled: always })), route('/')],
  },
  fault: {
    filters: [httpFilter('fault', 'fault.v3.HTTPFault')],
    routes: [
      route('/abort', fault({ abort: { http_status: 418, percentage: percent } })),
      route('/grpc', fault({ abort: { grpc_status: 5, percentage: percent } })),
      route('/header', fault({ abort: { header_abort: {}, percentage: percent }, delay: { header_delay: {}, percentage: percent } })),
      route('/never', fault({ abort: { http_status: 418, percentage: { numerator: 0 } } })),
      route(
        '/match',
        fault({ abort: { http_status: 418, percentage: percent }, headers: [{ name: 'x-user', string_match: { exact: 'jason' } }] }),
      ),
      route('/node', fault({ abort: { http_status: 418, percentage: percent }, downstream_nodes: ['node'] })),
      route('/cluster', fault({ abort: { http_status: 418, percentage: percent }, upstream_cluster: 'b' })),
      route('/delay', fault({ delay: { fixed_delay: '0.05s', percentage: percent } })),
      route('/both', fault({ delay: { fixed_delay: '0.05s', percentage: percent }, abort: { http_status: 503, percentage: percent } })),
      route('/slow', fault({ response_rate_limit: { fixed_limit: { limit_kbps: 100 }, percentage: percent } })),
      route('/none-active', fault({ max_active_faults: 0, abort: { http_status: 418, percentage: percent } })),
      route('/'),
    ],
  },
  rbac: {
    filters: [
      httpFilter('rbac', 'rbac.v3.RBAC', {
        rules: rbacRule('ALLOW', 'everything', { any: true }),
        shadow_rules: rbacRule('DENY', 'shadow', path('/shadow')),
        shadow_rules_stat_prefix: 'dry_',
        rules_stat_prefix: 'wet_',
      }),
    ],
    routes: [
      route('/deny', rbac({ rules: rbacRule('DENY', 'no', path('/deny')) })),
      route('/allow', rbac({ rules: rbacRule('ALLOW', 'get only', header(':method', 'GET')) })),
      route('/off', perRoute('rbac', 'rbac.v3.RBACPerRoute', {})),
      route('/log', rbac({ rules: rbacRule('LOG', 'log', { any: true }) })),
      route('/empty', rbac({ rules: { action: 'ALLOW' } })),
      route(
        '/ip',
        rbac({ rules: rbacRule('ALLOW', 'ip', { any: true }, { direct_remote_ip: { address_prefix: '127.0.0.0', prefix_len: 8 } }) }),
      ),
      route(
        '/remote',
        rbac({ rules: rbacRule('ALLOW', 'ip', { any: true }, { remote_ip: { address_prefix: '10.0.0.0', prefix_len: 8 } }) }),
      ),
      route('/not', rbac({ rules: rbacRule('ALLOW', 'not', { not_rule: header('x-user', 'jason') }) })),
      route('/authenticated', rbac({ rules: rbacRule('ALLOW', 'tls', { any: true }, { authenticated: {} }) })),
      route('/stats', rbac({ track_per_rule_stats: true, rules: rbacRule('ALLOW', 'counted', { any: true }) })),
      route('/'),
    ],
  },
  buffer: {
    filters: [httpFilter('buffer', 'buffer.v3.Buffer', { max_request_bytes: 20 })],
    routes: [
      route('/off', perRoute('buffer', 'buffer.v3.BufferPerRoute', { disabled: true })),
      route('/more', perRoute('buffer', 'buffer.v3.BufferPerRoute', { buffer: { max_request_bytes: 40 } })),
      route('/'),
    ],
  },
  health: {
    filters: [
      httpFilter('health_check', 'health_check.v3.HealthCheck', {
        pass_through_mode: false,
        headers: [{ name: ':path', string_match: { exact: '/healthz' } }],
      }),
    ],
  },
  'health-pass': {
    filters: [
      httpFilter('health_check', 'health_check.v3.HealthCheck', {
        pass_through_mode: true,
        cache_time: '60s',
        headers: [{ name: ':path', string_match: { exact: '/healthz' } }],
      }),
    ],
  },
  'health-clusters': {
    filters: [
      httpFilter('health_check', 'health_check.v3.HealthCheck', {
        pass_through_mode: false,
        headers: [{ name: ':path', string_match: { exact: '/healthz' } }],
        cluster_min_healthy_percentages: { a: { value: 50 } },
      }),
    ],
  },
  'health-empty': {
    filters: [
      httpFilter('health_check', 'health_check.v3.HealthCheck', {
        pass_through_mode: false,
        headers: [{ name: ':path', string_match: { exact: '/healthz' } }],
        cluster_min_healthy_percentages: { empty: { value: 50 } },
      }),
    ],
  },
  'health-missing': {
    filters: [
      httpFilter('health_check', 'health_check.v3.HealthCheck', {
        pass_through_mode: false,
        headers: [{ name: ':path', string_match: { exact: '/healthz' } }],
        cluster_min_healthy_percentages: { nobody: { value: 50 } },
      }),
    ],
  },
  metadata: {
    filters: [
      httpFilter('header_to_metadata', 'header_to_metadata.v3.Config', {
        request_rules: [
          {
            header: 'x-version',
            on_header_present: { metadata_namespace: 'm', key: 'version', type: 'STRING' },
            on_header_missing: { metadata_namespace: 'm', key: 'version', value: 'none' },
            remove: true,
          },
          { header: 'x-number', on_header_present: { metadata_namespace: 'm', key: 'number', type: 'NUMBER' } },
          { header: 'x-coded', on_header_present: { metadata_namespace: 'm', key: 'coded', type: 'STRING', encode: 'BASE64' } },
          {
            header: 'x-path',
            on_header_present: {
              metadata_namespace: 'm',
              key: 'rewritten',
              regex_value_rewrite: { pattern: { regex: '^/(\\w+)/.*$' }, substitution: '\\1' },
            },
          },
          { cookie: 'session', on_header_present: { metadata_namespace: 'm', key: 'session' } },
          { header: 'x-fixed', on_header_present: { key: 'fixed', value: 'given' } },
        ],
      }),
      httpFilter('set_metadata', 'set_metadata.v3.Config', {
        metadata: [
          { metadata_namespace: 'm', value: { version: 'over' } },
          { metadata_namespace: 's', value: { list: [1], deep: { a: 1 } } },
          { metadata_namespace: 's', allow_overwrite: true, value: { list: [2], deep: { b: 2 }, list2: ['x'] } },
        ],
      }),
      httpFilter('set_filter_state', 'set_filter_state.v3.Config', {
        on_request_headers: [
          {
            object_key: 'my.key',
            factory_key: 'envoy.string',
            format_string: { text_format_source: { inline_string: '%REQ(x-version)%-%PROTOCOL%' } },
          },
        ],
      }),
    ],
    routes: [
      route('/', {
        request_headers_to_add: [
          'm:version',
          'm:number',
          'm:coded',
          'm:rewritten',
          'm:session',
          'envoy.filters.http.header_to_metadata:fixed',
          's:list',
          's:deep',
          's:list2',
        ].map((key) => ({ header: { key: `x-seen-${key.replaceAll(/[.:]/g, '-')}`, value: `%DYNAMIC_METADATA(${key})%` } })),
      }),
    ],
  },
  web: { filters: [httpFilter('grpc_web', 'grpc_web.v3.GrpcWeb')], routes: [route('/', {}, { cluster: 'h2' })] },
  bridge: { filters: [httpFilter('grpc_http1_bridge', 'grpc_http1_bridge.v3.Config')], routes: [route('/', {}, { cluster: 'h2' })] },
  grpc: {
    filters: [httpFilter('grpc_stats', 'grpc_stats.v3.FilterConfig', { stats_for_all_methods: true })],
    routes: [route('/', {}, { cluster: 'h2' })],
  },
};

const on = (to: string, at: string, headers: readonly Field[] = [], more: object = {}): Exchange => ({ to, path: at, headers, ...more });
const one = (name: string, ...does: Exchange[]): DifferentialCase => ({ name, does });
const origin = (value: string, preflight = false): readonly Field[] => [
  ['origin', value],
  ...(preflight ? ([['access-control-request-method', 'PUT']] as const) : []),
];
const message = (text: string): Buffer => Buffer.concat([Buffer.from([0, 0, 0, 0, text.length]), Buffer.from(text)]);
const grpcReply = {
  body: message('answer'),
  headers: [['content-type', 'application/grpc']],
  trailers: [
    ['grpc-status', '0'],
    ['grpc-message', 'fine'],
  ],
} as const;
const failedReply = {
  body: '',
  headers: [
    ['content-type', 'application/grpc'],
    ['grpc-status', '5'],
    ['grpc-message', 'not there'],
  ],
} as const;
const webPost = (contentType: string, accept: string | undefined, body: Buffer | string, to = 'web'): Exchange =>
  on(to, '/pkg.Service/Method', [['content-type', contentType], ...(accept === undefined ? [] : ([['accept', accept]] as const))], {
    method: 'POST',
    body,
  });

export const smallFilters: DifferentialFamily = {
  name: 'small-filters',
  about:
    'local rate limits, header mutation, CORS, CSRF, faults, RBAC, buffer, health checks, metadata, gRPC-Web, gRPC bridge and gRPC stats',
  bootstrap: (site: Site) => ({
    static_resources: {
      listeners: Object.entries(sites).map(([name, { filters, routes, host }]) =>
        listener(site, name, [
          httpConnectionManager(site, [virtualHost(routes ?? [route('/')], host ?? {})], {
            stat_prefix: name,
            http_filters: [...filters, router()],
          }),
        ]),
      ),
      clusters: standardClusters(site),
    },
  }),
  cases: [
    one('local limit', on('limited', '/'), on('limited', '/'), on('limited', '/')),
    one('local limit headers', on('limited-headers', '/'), on('limited-headers', '/'), on('limited-headers', '/')),
    one('local limit in shadow', on('limited-shadow', '/'), on('limited-shadow', '/')),
    one('local limit off', on('limited-off', '/'), on('limited-off', '/')),
    one('local limit by user', on('limited-users', '/', [['x-user', 'jason']]), on('limited-users', '/', [['x-user', 'jason']])),
    one('local limit by other users', ...['anne', 'anne', 'anne', 'bob'].map((user) => on('limited-users', '/', [['x-user', user]]))),
    one('local limit without a user', on('limited-users', '/')),
    one(
      'local limit that leaves the default bucket',
      ...['jason', 'jason', 'x', 'x', 'x'].map((user) => on('limited-default', '/', [['x-user', user]])),
      on('limited-default', '/'),
      on('limited-default', '/'),
      on('limited-default', '/'),
    ),
    one('local limit of gRPC', on('limited-grpc', '/'), {
      kind: 'http2',
      to: 'limited-grpc',
      path: '/',
      method: 'POST',
      headers: [
        ['content-type', 'application/grpc'],
        ['te', 'trailers'],
      ],
    }),
    one('local limit of each connection', on('limited-connection', '/'), on('limited-connection', '/')),
    one('local limit of a route', on('limited-route', '/own'), on('limited-route', '/own'), on('limited-route', '/')),
    ...['/', '/route', '/direct', '/?q=1&set=old&gone=1&b=x&a', '/?'].map((at) =>
      one(
        `mutation ${at}`,
        on('mutation', at, [
          ['x-gone', 'x'],
          ['x-set', 'old'],
          ['x-there', 'there'],
          ['x-set', 'older'],
        ]),
      ),
    ),
    ...['/full', '/star', '/ignore', '/off', '/shadow', '/'].flatMap((at) =>
      ['http://good', 'http://x.good', 'http://bad', ''].flatMap((from) => [
        one(`CORS ${at} from "${from}"`, on('cors', at, origin(from))),
        one(`CORS preflight ${at} from "${from}"`, on('cors', at, [...origin(from, true), ['content-length', '0']], { method: 'OPTIONS' })),
      ]),
    ),
    one(
      'CORS private network',
      on('cors', '/full', [...origin('http://good', true), ['access-control-request-private-network', 'true'], ['content-length', '0']], {
        method: 'OPTIONS',
      }),
    ),
    ...['http://app.example', 'http://friend.example', 'http://evil.example', 'app.example', 'null', ''].flatMap((from) =>
      ['POST', 'GET', 'DELETE'].map((method) =>
        one(
          `CSRF ${method} from "${from}"`,
          on(
            'csrf',
            '/',
            from === ''
              ? [['content-length', '0']]
              : [
                  ['origin', from],
                  ['content-length', '0'],
                ],
            { method },
          ),
        ),
      ),
    ),
    one(
      'CSRF by referer',
      on(
        'csrf',
        '/',
        [
          ['referer', 'http://app.example/page'],
          ['content-length', '0'],
        ],
        { method: 'POST' },
      ),
    ),
    one(
      'CSRF by a foreign referer',
      on(
        'csrf',
        '/',
        [
          ['referer', 'http://evil.example/page'],
          ['content-length', '0'],
        ],
        { method: 'POST' },
      ),
    ),
    one(
      'CSRF shadow',
      on(
        'csrf',
        '/shadow',
        [
          ['origin', 'http://evil.example'],
          ['content-length', '0'],
        ],
        { method: 'POST' },
      ),
    ),
    ...['/abort', '/grpc', '/header', '/never', '/match', '/node', '/cluster', '/delay', '/both', '/slow', '/none-active', '/'].map((at) =>
      one(`fault ${at}`, on('fault', at)),
    ),
    one('fault matches', on('fault', '/match', [['x-user', 'jason']])),
    one('fault of a node', on('fault', '/node', [['x-envoy-downstream-service-node', 'node']])),
    one('fault by header', on('fault', '/header', [['x-envoy-fault-abort-request', '418']])),
    one(
      'fault by header, percentage 0',
      on('fault', '/header', [
        ['x-envoy-fault-abort-request', '418'],
        ['x-envoy-fault-abort-request-percentage', '0'],
      ]),
    ),
    one('fault by header, gRPC', on('fault', '/header', [['x-envoy-fault-abort-grpc-request', '5']])),
    one('fault by header, bad', on('fault', '/header', [['x-envoy-fault-abort-request', '99']])),
    one('fault delay by header', on('fault', '/header', [['x-envoy-fault-delay-request', '30']])),
    one('fault of gRPC', {
      kind: 'http2',
      to: 'fault',
      path: '/grpc',
      method: 'POST',
      headers: [
        ['content-type', 'application/grpc'],
        ['te', 'trailers'],
      ],
    }),
    { ...one('fault slow', on('fault', '/slow')), replies: { body: 'x'.repeat(12_000) } },
    ...['/deny', '/allow', '/off', '/log', '/empty', '/ip', '/remote', '/not', '/authenticated', '/stats', '/shadow', '/'].map((at) =>
      one(`RBAC ${at}`, on('rbac', at)),
    ),
    one('RBAC other method', on('rbac', '/allow', [['content-length', '0']], { method: 'POST' })),
    one('RBAC not', on('rbac', '/not', [['x-user', 'jason']])),
    one('RBAC forwarded address', on('rbac', '/remote', [['x-forwarded-for', '10.1.1.1']])),
    ...['/', '/off', '/more'].flatMap((at) => [
      one(`buffer ${at} short`, on('buffer', at, [], { method: 'POST', body: 'short' })),
      one(`buffer ${at} chunks`, on('buffer', at, [], { method: 'POST', body: ['one ', 'two'] })),
    ]),
    one('buffer without a body', on('buffer', '/')),
    one('buffer, chunks with trailers', on('buffer', '/', [], { method: 'POST', body: ['a', 'b'], trailers: [['x-end', 'yes']] })),
    ...['health', 'health-clusters', 'health-empty', 'health-missing', 'health-pass'].flatMap((to) => [
      one(`${to}`, on(to, '/healthz'), on(to, '/healthz')),
      one(`${to} other path`, on(to, '/other')),
    ]),
    {
      ...one(
        'health failed by the administrator',
        { kind: 'admin', method: 'POST', path: '/healthcheck/fail' },
        on('health', '/healthz'),
        on('health', '/other'),
        { kind: 'admin', method: 'POST', path: '/healthcheck/ok' },
        on('health', '/healthz'),
      ),
      logs: 3,
    },
    one(
      'metadata',
      on('metadata', '/', [
        ['x-version', 'v1'],
        ['x-number', '4.5'],
        ['x-coded', 'aGVsbG8='],
        ['x-path', '/app/page'],
        ['cookie', 'a=b; session=s1'],
        ['x-fixed', 'x'],
      ]),
    ),
    one('metadata of nothing', on('metadata', '/')),
    one(
      'metadata of odd values',
      on('metadata', '/', [
        ['x-version', ''],
        ['x-number', 'no number'],
        ['x-coded', '!!'],
        ['x-path', 'nothing'],
      ]),
    ),
    ...(
      [
        'application/grpc-web',
        'application/grpc-web+proto',
        'application/grpc-web-text',
        'application/grpc-web-text+proto',
        'application/grpc-web+json',
        'application/grpc',
      ] as const
    ).flatMap((contentType) => [
      {
        ...one(
          `web ${contentType}`,
          webPost(contentType, contentType, contentType.includes('text') ? message('hello').toString('base64') : message('hello')),
        ),
        replies: grpcReply,
      },
      {
        ...one(
          `web ${contentType} fails`,
          webPost(contentType, undefined, contentType.includes('text') ? message('hello').toString('base64') : message('hello')),
        ),
        replies: failedReply,
      },
    ]),
    { ...one('web bad base64', webPost('application/grpc-web-text', undefined, 'ab!c')), replies: grpcReply },
    { ...one('web short base64', webPost('application/grpc-web-text', undefined, 'abc')), replies: grpcReply },
    {
      ...one('web, upstream is no gRPC server', webPost('application/grpc-web', undefined, message('x'))),
      replies: { status: 503, body: 'went wrong', headers: [['content-type', 'text/plain']] },
    },
    {
      ...one('web, upstream is no gRPC server, 200', webPost('application/grpc-web', undefined, message('x'))),
      replies: { status: 200, body: 'plain', headers: [['content-type', 'text/plain']] },
    },
    { ...one('bridge', webPost('application/grpc', undefined, message('hello'), 'bridge')), replies: grpcReply },
    {
      ...one('bridge fails', webPost('application/grpc', undefined, message('hello'), 'bridge')),
      replies: {
        ...grpcReply,
        trailers: [
          ['grpc-status', '5'],
          ['grpc-message', 'no'],
        ],
      },
    },
    { ...one('bridge fails without a body', webPost('application/grpc', undefined, message('hello'), 'bridge')), replies: failedReply },
    { ...one('bridge of something else', webPost('text/plain', undefined, 'x', 'bridge')), replies: { body: 'plain' } },
    { ...one('gRPC', webPost('application/grpc', undefined, message('hello'), 'grpc')), replies: grpcReply },
    { ...one('gRPC fails', webPost('application/grpc', undefined, message('hello'), 'grpc')), replies: failedReply },
  ],
  stats: [
    ...['limited', 'headers', 'shadow', 'off', 'users', 'default', 'grpc', 'connection', 'own'].flatMap((prefix) =>
      ['enabled', 'enforced', 'rate_limited', 'ok'].map((what) => `${prefix}.http_local_rate_limit.${what}`),
    ),
    'http.cors.cors.origin_valid',
    'http.cors.cors.origin_invalid',
    ...['missing_source_origin', 'request_invalid', 'request_valid'].map((what) => `http.csrf.csrf.${what}`),
    ...['aborts_injected', 'delays_injected', 'faults_overflow', 'active_faults', 'response_rl_injected'].map(
      (what) => `http.fault.fault.${what}`,
    ),
    ...[
      'rbac.wet_.allowed',
      'rbac.wet_.denied',
      'rbac.allowed',
      'rbac.denied',
      'rbac.dry_.shadow_allowed',
      'rbac.dry_.shadow_denied',
      'rbac.wet_allowed',
      'rbac.dry_shadow_denied',
      'rbac.policy.counted.allowed',
    ].map((what) => `http.rbac.${what}`),
    ...['success', 'failure', 'total'].flatMap((what) => [
      `cluster.h2.grpc-web.pkg.Service.Method.${what}`,
      `cluster.h2.grpc.pkg.Service.Method.${what}`,
    ]),
    'cluster.h2.grpc.pkg.Service.Method.request_message_count',
    'cluster.h2.grpc.pkg.Service.Method.response_message_count',
    'cluster.h2.grpc.pkg.Service.Method.0',
    'cluster.h2.grpc.pkg.Service.Method.5',
  ],
  known: {},
};
