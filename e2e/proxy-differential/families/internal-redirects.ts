import { httpBootstrap, type } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Field, Json, Reply } from '../harness/family.ts';

interface RedirectCase {
  readonly name: string;
  readonly policy?: Json;
  readonly route?: Json;
  readonly ask?: Exchange;
  readonly replies: readonly Reply[];
  readonly logs?: number;
}

const predicate = (name: string, config: Json = {}): Json => ({
  name,
  typed_config: { '@type': type(`envoy.extensions.internal_redirect.${name}.v3.${message(name)}`), ...config },
});
const message = (name: string): string =>
  `${name
    .split('_')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('')}Config`;

const to = (location: string, status = 302, more: readonly Field[] = []): Reply => ({
  status,
  headers: [['location', location], ...more],
});
const done: Reply = { body: 'done' };
const here = 'http://app.example/target';

const list: readonly RedirectCase[] = [
  { name: 'followed', replies: [to(here), done], logs: 2 },
  { name: 'another host', replies: [to('http://other.example:81/target?x=1#f'), done], logs: 2 },
  { name: 'with a body that is not read', replies: [{ ...to(here), body: 'gone' }, done], logs: 2 },
  { name: 'without location', replies: [{ status: 302 }] },
  { name: 'empty location', replies: [to('')] },
  { name: 'relative location', replies: [to('/target'), done] },
  { name: 'bad location', replies: [to('http//nonsense'), done] },
  { name: 'location of another scheme', replies: [to('ftp://app.example/target'), done] },
  { name: 'status that is not in the list', replies: [to(here, 307), done] },
  { name: 'statuses of its own', policy: { redirect_response_codes: [301, 307] }, replies: [to(here, 307), done], logs: 2 },
  { name: 'statuses without 302', policy: { redirect_response_codes: [301, 307] }, replies: [to(here, 302), done] },
  { name: 'status that is none of a redirect', policy: { redirect_response_codes: [200] }, replies: [to(here, 200), done] },
  { name: 'two where one is allowed', replies: [to(here), to('http://app.example/followed'), done], logs: 2 },
  {
    name: 'two that are allowed',
    policy: { max_internal_redirects: 2 },
    replies: [to('http://app.example/two%20that%20are%20allowed?second'), to(here), done],
    logs: 3,
  },
  { name: 'none allowed', policy: { max_internal_redirects: 0 }, replies: [to(here), done] },
  { name: 'no route', replies: [to('http://app.example/nowhere'), done] },
  { name: 'no virtual host', replies: [to('http://x.invalid/nowhere'), done] },
  { name: 'to a direct response', replies: [to('http://app.example/direct'), done], logs: 2 },
  { name: 'to a redirect', replies: [to('http://app.example/redirect'), done], logs: 2 },
  { name: 'to a cluster that is not there', replies: [to('http://app.example/lost'), done], logs: 2 },
  { name: 'to a dead cluster', replies: [to('http://app.example/dead'), done], logs: 2 },
  { name: 'HTTPS', replies: [to('https://app.example/target'), done] },
  {
    name: 'HTTPS where it is allowed',
    policy: { allow_cross_scheme_redirect: true },
    replies: [to('https://app.example/target'), done],
    logs: 2,
  },
  {
    name: 'safe cross scheme',
    policy: { allow_cross_scheme_redirect: true, predicates: [predicate('safe_cross_scheme')] },
    replies: [to('https://app.example/target'), done],
    logs: 2,
  },
  {
    name: 'listed route',
    policy: { predicates: [predicate('allow_listed_routes', { allowed_route_names: ['target'] })] },
    replies: [to(here), done],
    logs: 2,
  },
  {
    name: 'route that is not listed',
    policy: { predicates: [predicate('allow_listed_routes', { allowed_route_names: ['other'] })] },
    replies: [to(here), done],
  },
  {
    name: 'previous routes',
    policy: { max_internal_redirects: 5, predicates: [predicate('previous_routes')] },
    replies: [to('http://app.example/previous%20routes?again'), to('http://app.example/previous%20routes?third'), to(here), done],
    logs: 2,
  },
  {
    name: 'headers to copy',
    policy: { response_headers_to_copy: ['x-copied', 'x-gone', 'x-many'] },
    ask: {
      headers: [
        ['x-gone', 'v'],
        ['x-copied', 'old'],
      ],
    },
    replies: [
      to(here, 302, [
        ['x-copied', 'new'],
        ['x-many', '1'],
        ['x-many', '2'],
        ['x-other', 'o'],
      ]),
      done,
    ],
    logs: 2,
  },
  {
    name: 'headers of the route',
    route: {
      request_headers_to_add: [{ header: { key: 'x-route', value: '%REQ(:path)%' } }],
      response_headers_to_add: [{ header: { key: 'x-answer', value: 'first' } }],
    },
    replies: [to(here), done],
    logs: 2,
  },
  { name: 'rewritten path and host', route: { rewrite: true }, replies: [to(here), done], logs: 2 },
  { name: 'body is sent again', ask: { method: 'POST', body: 'hello' }, replies: [to(here), done], logs: 2 },
  { name: 'chunked body is sent again', ask: { method: 'PUT', body: ['one', 'two'] }, replies: [to(here), done], logs: 2 },
  {
    name: 'trailers are sent again',
    ask: { kind: 'http2', method: 'POST', body: 'x', trailers: [['x-end', 'yes']] },
    replies: [to(here), done],
    logs: 2,
  },
  {
    name: '303 makes a GET',
    policy: { redirect_response_codes: [303] },
    ask: { method: 'POST', body: 'hello' },
    replies: [to(here, 303), done],
    logs: 2,
  },
  {
    name: '303 to HEAD',
    policy: { redirect_response_codes: [303] },
    ask: { method: 'HEAD' },
    replies: [to(here, 303), {}],
    logs: 2,
  },
  {
    name: '301 to POST stays',
    policy: { redirect_response_codes: [301] },
    ask: { method: 'POST', body: 'b' },
    replies: [to(here, 301), done],
    logs: 2,
  },
  { name: 'body beyond the buffer', route: { buffer: 4 }, ask: { method: 'POST', body: 'much too long' }, replies: [to(here), done] },
  {
    name: 'answer before the whole request',
    ask: { method: 'POST', body: ['a', 'b'] },
    replies: [{ ...to(here), early: true }, done],
    logs: 1,
  },
  { name: 'over HTTP/2', ask: { kind: 'http2' }, replies: [to(here), done], logs: 2 },
  {
    name: 'gRPC',
    ask: { kind: 'http2', method: 'POST', headers: [['content-type', 'application/grpc']] },
    replies: [to(here), done],
    logs: 2,
  },
  { name: 'to HTTP/2', replies: [to('http://app.example/h2'), done], logs: 2 },
  {
    name: 'retried first',
    route: { retry_policy: { retry_on: '5xx', num_retries: 1, retry_back_off: { base_interval: '0.001s' } } },
    replies: [{ status: 503 }, to(here), done],
    logs: 2,
  },
  {
    name: 'from inside',
    ask: {
      headers: [
        ['x-forwarded-for', '1.2.3.4'],
        ['x-envoy-original-url', 'forged'],
      ],
    },
    replies: [to(here), done],
    logs: 2,
  },
];

const pathOf = (name: string): string => `/${name.replaceAll(' ', '%20')}`;

function routeOf({ name, policy, route }: RedirectCase): Json {
  const { retry_policy: retryPolicy, rewrite, buffer, ...rest } = route ?? {};
  return {
    name,
    match: { path: pathOf(name) },
    route: {
      cluster: 'a',
      internal_redirect_policy: policy ?? {},
      ...(retryPolicy === undefined ? {} : { retry_policy: retryPolicy }),
      ...(rewrite === undefined ? {} : { prefix_rewrite: '/rewritten', host_rewrite_literal: 'rewritten.example' }),
    },
    ...(buffer === undefined ? {} : { per_request_buffer_limit_bytes: buffer }),
    ...rest,
  };
}

const routes: readonly Json[] = [
  ...list.map(routeOf),
  { name: 'target', match: { prefix: '/target' }, route: { cluster: 'b' } },
  { name: 'h2', match: { prefix: '/h2' }, route: { cluster: 'h2' } },
  { name: 'lost', match: { prefix: '/lost' }, route: { cluster: 'not there' } },
  { name: 'dead', match: { prefix: '/dead' }, route: { cluster: 'dead' } },
  { name: 'direct', match: { prefix: '/direct' }, direct_response: { status: 200, body: { inline_string: 'direct' } } },
  { name: 'redirect', match: { prefix: '/redirect' }, redirect: { path_redirect: '/target' } },
];

const cases: readonly DifferentialCase[] = list.map(({ name, ask, replies, logs }) => ({
  name,
  does: { path: pathOf(name), ...ask } as Exchange,
  replies,
  ...(logs === undefined ? {} : { logs }),
}));

export const family: DifferentialFamily = {
  name: 'internal-redirects',
  about: 'Redirects that the proxy follows itself: statuses, how many, predicates, schemes, bodies, headers that are copied',
  bootstrap: httpBootstrap(routes),
  cases,
  stats: [
    'http.main.downstream_rq_total',
    'http.main.downstream_rq_2xx',
    'http.main.downstream_rq_3xx',
    'http.main.downstream_rq_active',
    'http.main.downstream_rq_completed',
    'http.main.downstream_rq_rx_reset',
    'http.main.passthrough_internal_redirect_bad_location',
    'http.main.passthrough_internal_redirect_no_route',
    'http.main.passthrough_internal_redirect_predicate',
    'http.main.passthrough_internal_redirect_too_many_redirects',
    'http.main.passthrough_internal_redirect_unsafe_scheme',
    'cluster.a.upstream_internal_redirect_succeeded_total',
    'cluster.a.upstream_internal_redirect_failed_total',
    'cluster.a.upstream_rq_total',
    'cluster.a.upstream_rq_302',
    'cluster.a.upstream_rq_3xx',
    'cluster.b.upstream_rq_200',
  ],
};
