import { HeaderValueOption_HeaderAppendAction as Action } from '@xebec/protos/envoy/config/core/v3/base';
import { Authorization, type CheckResponseSchema } from '@xebec/protos/envoy/service/auth/v3/external_auth';
import { StatusCode } from '@xebec/protos/envoy/type/v3/http_status';
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
import type { DifferentialCase, DifferentialFamily, Exchange, Field, Json, Site } from '../harness/family.ts';
import { type GrpcAnswer, GrpcPeer } from '../peers/grpc-peer.ts';
import { HttpPeer } from '../peers/http-peer.ts';

/** What the HTTP authorizer does stands in the request's path. */
const httpAuthorizer = new HttpPeer((request, response) => {
  const path = request.url ?? '';
  response.sendDate = false;
  if (path.includes('hang')) return;
  if (path.includes('reset')) {
    request.socket.destroy();
    return;
  }
  const status = Number(/status-(\d+)/.exec(path)?.[1] ?? 200);
  const headers: string[] = [
    'x-user',
    'jason',
    'x-user',
    'anne',
    'x-append',
    'added',
    'x-why',
    'because',
    'x-seen',
    '1',
    'x-secret',
    's',
    'content-type',
    'text/custom',
  ];
  if (path.includes('location')) headers.push('location', 'http://login.example/');
  if (path.includes('challenge')) headers.push('www-authenticate', 'Basic realm="x"', 'proxy-authenticate', 'y', 'set-cookie', 'a=b');
  if (path.includes('remove')) headers.push('x-envoy-auth-headers-to-remove', 'x-unwanted, x-other');
  if (path.includes('protected')) headers.push('host', 'evil.example');
  response.writeHead(status, headers);
  response.end(path.includes('empty') ? '' : `body of ${status}`);
});

const header = (key: string, value: string, appendAction: Action = Action.APPEND_IF_EXISTS_OR_ADD) => ({
  header: { key, value },
  appendAction,
});
const old = (key: string, value: string, append: boolean) => ({ header: { key, value }, append });

const grpcAuthorizer = new GrpcPeer(Authorization.method.check, ({ attributes }): GrpcAnswer<typeof CheckResponseSchema> => {
  const path = attributes?.request?.http?.path ?? '';
  if (path.includes('hang')) return 'hang';
  if (path.includes('error')) return { error: 14 };
  if (path.includes('nothing')) return {};
  const denied = path.includes('deny');
  if (denied && path.includes('bare')) return { status: { code: 7 } };
  if (denied)
    return {
      status: { code: path.includes('sixteen') ? 16 : 7 },
      dynamicMetadata: { denied: 'yes' },
      httpResponse: {
        case: 'deniedResponse',
        value: {
          ...(path.includes('status') ? { status: { code: StatusCode.PaymentRequired } } : {}),
          body: path.includes('empty') ? '' : 'denied by the service',
          headers: [
            header('x-why', 'because'),
            header('x-why', 'again'),
            header('content-type', 'text/custom', Action.OVERWRITE_IF_EXISTS_OR_ADD),
          ],
        },
      },
    };
  return {
    dynamicMetadata: { allowed: 'yes' },
    httpResponse: {
      case: 'okResponse',
      value: {
        headers: path.includes('headers')
          ? [
              header('x-plain', 'one'),
              header('x-plain', 'two'),
              header('x-there', 'appended'),
              header('x-there-too', 'overwritten', Action.OVERWRITE_IF_EXISTS_OR_ADD),
              header('x-absent', 'added', Action.ADD_IF_ABSENT),
              header('x-there', 'not', Action.ADD_IF_ABSENT),
              header('x-missing', 'not', Action.OVERWRITE_IF_EXISTS),
              old('x-old', 'set', false),
              old('x-there', 'old append', true),
              header('X-Upper', 'Case'),
            ]
          : path.includes('pseudo')
            ? [
                header(':path', '/changed', Action.OVERWRITE_IF_EXISTS_OR_ADD),
                header(':method', 'PUT', Action.OVERWRITE_IF_EXISTS_OR_ADD),
                header('host', 'new.example', Action.OVERWRITE_IF_EXISTS_OR_ADD),
              ]
            : [],
        headersToRemove: path.includes('remove') ? ['x-unwanted', 'X-Other', 'host', ':method'] : [],
        responseHeadersToAdd: path.includes('response')
          ? [
              header('x-response', 'one'),
              header('x-response', 'two'),
              header('content-type', 'text/changed', Action.OVERWRITE_IF_EXISTS_OR_ADD),
              header('x-new', 'n', Action.ADD_IF_ABSENT),
            ]
          : [],
        queryParametersToSet: path.includes('query')
          ? [
              { key: 'added', value: 'a-b' },
              { key: 'q', value: 'new' },
            ]
          : [],
        queryParametersToRemove: path.includes('query') ? ['gone'] : [],
      },
    },
  };
});

const list = (...names: string[]): Json => ({ patterns: names.map((exact) => ({ exact })) });
const httpService = (config: Json = {}, uri: Json = {}): Json => ({
  http_service: {
    server_uri: { uri: 'http://authz.example:80', cluster: 'authz', timeout: '0.5s', ...uri },
    path_prefix: '/check',
    ...config,
  },
});
const rules: Json = {
  authorization_request: { headers_to_add: [{ key: 'x-mesh', value: 'yes' }] },
  authorization_response: {
    allowed_upstream_headers: list('x-user'),
    allowed_upstream_headers_to_append: list('x-append'),
    allowed_client_headers: list('x-why'),
    allowed_client_headers_on_success: list('x-seen'),
  },
};
const grpcService = (config: Json = {}): Json => ({
  grpc_service: {
    envoy_grpc: { cluster_name: 'grpc-authz' },
    timeout: '0.5s',
    initial_metadata: [{ key: 'x-initial', value: 'yes' }],
    ...config,
  },
});

const managers: Readonly<Record<string, Json>> = {
  http: { ...httpService(rules), allowed_headers: list('x-ask', 'x-both') },
  bare: httpService(),
  regex: { ...httpService(), allowed_headers: { patterns: [{ prefix: 'x-' }] }, disallowed_headers: list('x-unwanted') },
  body: { ...httpService(rules), with_request_body: { max_request_bytes: 10, allow_partial_message: true } },
  whole: { ...httpService(rules), with_request_body: { max_request_bytes: 10 } },
  open: { ...httpService(rules), failure_mode_allow: true, failure_mode_allow_header_add: true },
  status: { ...httpService(rules), status_on_error: { code: 'BadGateway' } },
  clear: { ...httpService(rules), clear_route_cache: true },
  dead: httpService({}, { cluster: 'dead' }),
  prefixed: { ...httpService(rules), stat_prefix: 'mine' },
  off: { ...httpService(rules), filter_enabled: { default_value: { numerator: 0 } } },
  'off-deny': {
    ...httpService(rules),
    filter_enabled: { default_value: { numerator: 0 } },
    deny_at_disable: { default_value: true, runtime_key: 'r' },
  },
  'when-marked': {
    ...httpService(rules),
    filter_enabled_metadata: { filter: 'test', path: [{ key: 'mark' }], value: { string_match: { exact: 'yes' } } },
  },
  grpc: { ...grpcService(), transport_api_version: 'V3' },
  'grpc-body': { ...grpcService(), with_request_body: { max_request_bytes: 10, allow_partial_message: true } },
  'grpc-bytes': { ...grpcService(), with_request_body: { max_request_bytes: 10, allow_partial_message: true, pack_as_bytes: true } },
  'grpc-open': { ...grpcService(), failure_mode_allow: true },
  'grpc-all': {
    ...grpcService(),
    allowed_headers: list('x-ask'),
    metadata_context_namespaces: ['test'],
    include_peer_certificate: true,
    include_tls_session: true,
    clear_route_cache: true,
  },
  'grpc-disallowed': { ...grpcService(), disallowed_headers: list('x-unwanted') },
  'grpc-mutations': { ...grpcService(), validate_mutations: true },
};

const perRoute = (config: Json): Json => ({
  typed_per_filter_config: {
    'envoy.filters.http.ext_authz': { '@type': type('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute'), ...config },
  },
});
const routes: Json[] = [
  { name: 'changed', match: { prefix: '/', headers: [{ name: 'x-user', present_match: true }] }, route: { cluster: 'b' } },
  { name: 'path', match: { prefix: '/changed' }, route: { cluster: 'b' } },
  { name: 'disabled', match: { prefix: '/disabled' }, route: { cluster: 'a' }, ...perRoute({ disabled: true }) },
  {
    name: 'context',
    match: { prefix: '/context' },
    route: { cluster: 'a' },
    ...perRoute({ check_settings: { context_extensions: { one: '1', two: '2' } } }),
  },
  {
    name: 'nobody',
    match: { prefix: '/nobody' },
    route: { cluster: 'a' },
    ...perRoute({ check_settings: { disable_request_body_buffering: true } }),
  },
  {
    name: 'longer',
    match: { prefix: '/longer' },
    route: { cluster: 'a' },
    ...perRoute({ check_settings: { with_request_body: { max_request_bytes: 100, allow_partial_message: true } } }),
  },
  { name: 'direct', match: { prefix: '/direct' }, direct_response: { status: 200, body: { inline_string: 'direct' } } },
  { name: 'a', match: { prefix: '/' }, route: { cluster: 'a' } },
];

const sent: readonly Field[] = [
  ['x-ask', 'ask'],
  ['x-both', 'one'],
  ['x-both', 'two'],
  ['x-there', 'before'],
  ['x-there-too', 'before'],
  ['x-append', 'before'],
  ['x-unwanted', 'u'],
  ['x-other', 'o'],
  ['authorization', 'Basic eA=='],
  ['cookie', 'c=d'],
  ['user-agent', 'test'],
  ['accept', '*/*'],
];

const get = (to: string, path: string, more: object = {}): Exchange => ({ to, path, headers: sent, ...more });
const post = (to: string, path: string, body: string | readonly string[]): Exchange => get(to, path, { method: 'POST', body });

/** What the authorizers were asked is compared too. Ports of connections and times differ. */
const asks = (
  does: Exchange,
  name = `${String(does.kind === 'admin' || does.kind === 'pause' ? '' : (does.to ?? ''))} ${'path' in does ? does.path : ''} ${'body' in does && does.body !== undefined ? 'with a body' : ''}`,
): DifferentialCase => ({
  name: name.trim(),
  does: [],
  run: async (proxy) => {
    httpAuthorizer.take();
    grpcAuthorizer.take();
    const answer = await proxy.exchange(does);
    const asked = JSON.parse(
      JSON.stringify({ http: httpAuthorizer.take(), grpc: grpcAuthorizer.take() })
        .replaceAll(/"time":"[^"]*"/g, '"time":"T"')
        .replaceAll(/"portValue":\d+/g, '"portValue":0')
        .replaceAll(/"id":"\d+"/g, '"id":"N"'),
    );
    return { answer, asked, seen: proxy.takeSeen(), log: await proxy.takeLog(1) };
  },
});

const grpcCall = (to: string, path: string): Exchange => ({
  kind: 'http2',
  to,
  path,
  method: 'POST',
  headers: [
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ],
});

const metadata = httpFilter('header_to_metadata', 'header_to_metadata.v3.Config', {
  request_rules: [{ header: 'x-mark', on_header_present: { metadata_namespace: 'test', key: 'mark', type: 'STRING' } }],
});

export const externalAuthorization: DifferentialFamily = {
  name: 'external-authorization',
  about: 'envoy.filters.http.ext_authz against a real HTTP and a real gRPC authorizer: what they are asked, and what their answers do',
  peers: { authz: async () => httpAuthorizer.start(), 'grpc-authz': async () => grpcAuthorizer.start() },
  bootstrap: (site: Site) => ({
    static_resources: {
      listeners: Object.entries(managers).map(([name, config]) =>
        listener(site, name, [
          httpConnectionManager(site, [virtualHost(routes)], {
            stat_prefix: name,
            http_filters: [metadata, httpFilter('ext_authz', 'ext_authz.v3.ExtAuthz', config), router()],
          }),
        ]),
      ),
      clusters: [
        ...standardClusters(site),
        cluster('authz', [site.upstream('authz')]),
        cluster('grpc-authz', [site.upstream('grpc-authz')], http2Upstream),
      ],
    },
  }),
  cases: [
    ...[
      '/ok?q=1',
      '/status-403',
      '/status-401-challenge',
      '/status-302-location',
      '/status-500',
      '/status-503-empty',
      '/status-204',
      '/status-201',
      '/status-404-empty',
      '/remove',
      '/protected',
      '/hang',
      '/reset',
      '/disabled',
      '/context',
      '/direct',
    ].map((path) => asks(get('http', path))),
    asks(post('http', '/ok', 'not sent')),
    asks(grpcCall('http', '/status-403'), 'http denies gRPC'),
    ...['/ok', '/status-403-challenge', '/status-200-location'].map((path) => asks(get('bare', path))),
    asks(get('regex', '/ok')),
    asks(post('body', '/ok', 'short')),
    asks(post('body', '/exact', 'ten bytes!')),
    asks(post('body', '/long', 'a body that is longer than ten')),
    asks(post('body', '/chunks', ['chunk', ' and ', 'chunk', ' and on'])),
    asks(post('body', '/nobody', 'short')),
    asks(post('body', '/longer', 'a body that is longer than ten')),
    asks(post('body', '/status-403', 'a body that is longer than ten')),
    asks(get('body', '/ok')),
    asks(post('whole', '/ok', 'short')),
    asks(post('whole', '/long', 'a body that is longer than ten')),
    ...['/ok', '/hang', '/reset', '/status-500', '/status-403'].map((path) => asks(get('open', path))),
    ...['/hang', '/reset', '/status-500', '/status-403'].map((path) => asks(get('status', path))),
    asks(get('clear', '/ok')),
    asks(get('dead', '/ok')),
    asks(get('prefixed', '/ok')),
    asks(get('off', '/status-403')),
    asks(get('off-deny', '/ok')),
    asks(get('off-deny', '/disabled')),
    asks(get('when-marked', '/status-403')),
    asks(get('when-marked', '/status-403-marked', { headers: [...sent, ['x-mark', 'yes']] })),
    ...[
      '/ok?q=1',
      '/nothing',
      '/deny',
      '/deny-bare',
      '/deny-status',
      '/deny-empty',
      '/deny-sixteen',
      '/headers',
      '/pseudo',
      '/remove',
      '/response',
      '/query?q=old&gone=1&gone=2&kept=a%20b',
      '/query',
      '/error',
      '/hang',
      '/disabled',
      '/context',
    ].map((path) => asks(get('grpc', path))),
    asks(grpcCall('grpc', '/deny'), 'gRPC denies gRPC'),
    asks({ ...grpcCall('grpc', '/ok'), headers: sent } as Exchange, 'asked by HTTP/2'),
    asks(post('grpc', '/ok', 'not sent')),
    ...['short', 'a body that is longer than ten'].flatMap((body) => [
      asks(post('grpc-body', `/${body.length}`, body)),
      asks(post('grpc-bytes', `/${body.length}`, body)),
    ]),
    asks(get('grpc-body', '/ok')),
    ...['/error', '/hang', '/deny'].map((path) => asks(get('grpc-open', path))),
    ...['/ok', '/pseudo'].map((path) => asks(get('grpc-all', path, { headers: [...sent, ['x-mark', 'yes']] }))),
    asks(get('grpc-disallowed', '/ok')),
    asks(get('grpc-mutations', '/headers')),
  ],
  stats: [
    ...['ok', 'denied', 'error', 'disabled', 'failure_mode_allowed', 'timeout', 'invalid'].flatMap((what) =>
      ['http', 'open', 'status', 'off', 'off-deny', 'grpc', 'grpc-open', 'body'].map((prefix) => `http.${prefix}.ext_authz.${what}`),
    ),
    'http.prefixed.ext_authz.mine.ok',
    'cluster.a.ext_authz.ok',
    'cluster.a.ext_authz.denied',
    'cluster.a.ext_authz.error',
    'cluster.a.ext_authz.failure_mode_allowed',
  ],
  known: {
    stats: {
      why: 'where an answer changes the route, Envoy counts some of them for the first route and some for the second',
      differs: { 'cluster.a.ext_authz.ok': ['38', '37'] },
    },
  },
};
