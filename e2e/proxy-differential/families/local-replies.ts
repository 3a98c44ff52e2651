import {
  accessLog,
  httpConnectionManager,
  httpFilter,
  listener,
  router,
  standardClusters,
  type,
  virtualHost,
} from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Json } from '../harness/family.ts';

const status = (op: string, value: number): Json => ({
  status_code_filter: { comparison: { op, value: { default_value: value, runtime_key: 'none' } } },
});
const add = (key: string, value: string, action?: string): Json => ({
  header: { key, value },
  ...(action === undefined ? {} : { append_action: action }),
});

/** Each a listener with this `local_reply_config`. */
const configurations: Readonly<Record<string, Json>> = {
  status: { mappers: [{ filter: status('EQ', 503), status_code: 418 }] },
  body: { mappers: [{ filter: status('GE', 400), body: { inline_string: 'mapped body' } }] },
  headers: {
    mappers: [
      {
        filter: status('GE', 300),
        headers_to_add: [
          add('x-added', 'a %RESPONSE_CODE% %RESPONSE_FLAGS%'),
          add('location', 'http://changed/', 'OVERWRITE_IF_EXISTS'),
          add('content-type', 'text/css', 'OVERWRITE_IF_EXISTS_OR_ADD'),
        ],
      },
    ],
  },
  text: {
    body_format: { text_format_source: { inline_string: '%LOCAL_REPLY_BODY%|%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%REQ(:path)%\n' } },
  },
  json: {
    body_format: {
      json_format: { message: '%LOCAL_REPLY_BODY%', status: '%RESPONSE_CODE%', path: '%REQ(:path)%', flags: '%RESPONSE_FLAGS%' },
    },
  },
  type: {
    body_format: { text_format_source: { inline_string: '<p>%LOCAL_REPLY_BODY%</p>' }, content_type: 'text/html; charset=UTF-8' },
  },
  all: {
    mappers: [
      {
        filter: { header_filter: { header: { name: 'x-map', string_match: { exact: '1' } } } },
        status_code: 499,
        body: { inline_string: 'one' },
        headers_to_add: [add('x-one', '%RESPONSE_CODE%')],
      },
      {
        filter: { response_flag_filter: { flags: ['NR'] } },
        status_code: 410,
        body_format_override: { json_format: { code: '%RESPONSE_CODE%', was: '%LOCAL_REPLY_BODY%', resp: '%RESP(:status)%' } },
      },
      {
        filter: { and_filter: { filters: [status('GE', 500), status('LE', 599)] } },
        body_format_override: { text_format_source: { inline_string: '5xx %LOCAL_REPLY_BODY%' }, content_type: 'text/x-five' },
      },
      { filter: status('GE', 0), body: { inline_string: 'the rest' } },
    ],
    body_format: { text_format_source: { inline_string: 'outer %LOCAL_REPLY_BODY%' } },
  },
  empty: { mappers: [{ filter: status('GE', 400), body: { inline_string: '' } }] },
};

const grpc: Exchange = { kind: 'http2', method: 'POST', headers: [['content-type', 'application/grpc']] };
const asks: Readonly<Record<string, Exchange>> = {
  'no route': { path: '/none' },
  'dead upstream': { path: '/dead' },
  'no cluster': { path: '/lost' },
  'direct response': { path: '/direct' },
  'direct response 200': { path: '/ok' },
  redirect: { path: '/redirect' },
  'fault abort': { path: '/fault' },
  'HEAD to a dead upstream': { method: 'HEAD', path: '/dead' },
  'gRPC to a dead upstream': { ...grpc, path: '/dead' },
  'gRPC without a route': { ...grpc, path: '/none' },
  'HTTP/2 without a route': { kind: 'http2', path: '/none' },
  'by header': { path: '/none', headers: [['x-map', '1']] },
  'bad request': { raw: 'GET / HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n' },
  'bad path': { raw: 'GET nothing HTTP/1.1\r\nhost: a\r\n\r\n' },
  'no host': { raw: 'GET / HTTP/1.1\r\n\r\n' },
  'from upstream': { path: '/up' },
};

const routes: readonly Json[] = [
  { name: 'dead', match: { prefix: '/dead' }, route: { cluster: 'dead' } },
  { name: 'lost', match: { prefix: '/lost' }, route: { cluster: 'not there' } },
  { name: 'direct', match: { prefix: '/direct' }, direct_response: { status: 503, body: { inline_string: 'direct' } } },
  { name: 'ok', match: { prefix: '/ok' }, direct_response: { status: 200, body: { inline_string: 'fine' } } },
  {
    name: 'redirect',
    match: { prefix: '/redirect' },
    redirect: { path_redirect: '/elsewhere' },
    response_headers_to_add: [add('x-route', 'r')],
  },
  {
    name: 'fault',
    match: { prefix: '/fault' },
    route: { cluster: 'a' },
    typed_per_filter_config: {
      'envoy.filters.http.fault': {
        '@type': type('envoy.extensions.filters.http.fault.v3.HTTPFault'),
        abort: { http_status: 503, percentage: { numerator: 100 } },
      },
    },
  },
  { name: 'up', match: { prefix: '/up' }, route: { cluster: 'a' } },
];

const cases: readonly DifferentialCase[] = Object.keys(configurations).flatMap((name) =>
  Object.entries(asks)
    .filter(([ask]) => name !== 'empty' || ask.includes('route') || ask.includes('gRPC'))
    .map(
      ([ask, exchange]): DifferentialCase => ({
        name: `${name}: ${ask}`,
        does: { ...exchange, to: name } as Exchange,
        replies: { status: 503, body: 'from upstream' },
      }),
    ),
);

export const family: DifferentialFamily = {
  name: 'local-replies',
  about:
    'Answers that come from the proxy under local_reply_config: filters of mappers, status, body, formats, headers, content types, gRPC',
  bootstrap: (site) => ({
    static_resources: {
      listeners: Object.entries(configurations).map(([name, config]) =>
        listener(site, name, [
          httpConnectionManager(site, [virtualHost(routes)], {
            local_reply_config: config,
            http_filters: [httpFilter('fault', 'fault.v3.HTTPFault'), router()],
            access_log: [accessLog(site, { answer: '%RESP(content-type)%', reply: '%LOCAL_REPLY_BODY%' })],
          }),
        ]),
      ),
      clusters: standardClusters(site),
    },
  }),
  cases,
  stats: [
    'http.main.downstream_rq_2xx',
    'http.main.downstream_rq_3xx',
    'http.main.downstream_rq_4xx',
    'http.main.downstream_rq_5xx',
    'cluster.dead.upstream_rq_503',
    'cluster.dead.upstream_rq_5xx',
    'cluster.dead.upstream_rq_4xx',
  ],
};
