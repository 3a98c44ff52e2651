import { cluster, httpConnectionManager, listener, standardClusters, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Field, Json, Reply } from '../harness/family.ts';
import { known } from './known/connection-manager.ts';

interface OptionCase {
  readonly name: string;
  readonly manager?: Json;
  readonly route?: Json;
  readonly asks: readonly Exchange[];
  readonly replies?: Reply | readonly Reply[];
}

const h = (...headers: Field[]): Exchange => ({ headers });
const xff: readonly Exchange[] = [
  h(),
  h(['x-forwarded-for', '1.2.3.4']),
  h(['x-forwarded-for', '1.2.3.4, 10.0.0.1']),
  h(['x-forwarded-for', '10.0.0.1']),
  h(['x-forwarded-for', 'nonsense']),
  h(['x-forwarded-for', '1.1.1.1'], ['x-forwarded-for', '2.2.2.2']),
];
const loopbackInternal: Json = {
  internal_address_config: {
    cidr_ranges: [
      { address_prefix: '127.0.0.0', prefix_len: 8 },
      { address_prefix: '10.0.0.0', prefix_len: 8 },
    ],
  },
};
const forged: Exchange = h(
  ['x-envoy-internal', 'true'],
  ['x-envoy-external-address', '5.6.7.8'],
  ['x-envoy-max-retries', '1'],
  ['x-envoy-downstream-service-cluster', 'c'],
  ['x-envoy-downstream-service-node', 'n'],
  ['x-envoy-decorator-operation', 'op'],
  ['x-envoy-original-path', '/p'],
  ['x-envoy-force-trace', '1'],
  ['x-envoy-ip-tags', 't'],
  ['x-envoy-anything', 'x'],
  ['x-envoy-attempt-count', '7'],
  ['x-envoy-expected-rq-timeout-ms', '9'],
  ['x-envoy-is-timeout-retry', 'true'],
);
const answer: Reply = {
  headers: [
    ['server', 'upstream'],
    ['date', 'Thu, 01 Jan 1970 00:00:00 GMT'],
    ['via', '1.1 up'],
    ['X-MiXeD', 'v'],
  ],
  body: 'x',
};
const paths = [
  '/a/../b',
  '/a/./b',
  '/a//b',
  '//a',
  '/a%2fb',
  '/a%2Fb',
  '/a%5cb',
  '/a\\b',
  '/%2e%2e/b',
  '/%2E/b',
  '/a/%2e%2e/b',
  '/..',
  '/a/..',
  '/a/.',
  '/%41',
  '/%7e',
  '/%zz',
  '/%00',
  '/a?x=../y',
  '/a?x=%2f',
  '/a;b/../c',
  '/a/%252f/b',
  '/.',
  '/../../a',
  '/a/b/../../../c',
  '/a///b//',
  '/%2f/a',
  '/x%20y',
  '/é',
].filter((path) => !path.includes('é'));
const ask = (list: readonly string[]): Exchange[] => list.map((path) => ({ path }));
const many = (...exchanges: Exchange[]): readonly Exchange[] => exchanges;

const options: readonly OptionCase[] = [
  { name: 'defaults: forwarded headers', asks: xff },
  { name: 'use_remote_address: forwarded headers', manager: { use_remote_address: true }, asks: xff },
  { name: 'use_remote_address and one trusted hop', manager: { use_remote_address: true, xff_num_trusted_hops: 1 }, asks: xff },
  { name: 'use_remote_address and two trusted hops', manager: { use_remote_address: true, xff_num_trusted_hops: 2 }, asks: xff },
  { name: 'one trusted hop', manager: { xff_num_trusted_hops: 1 }, asks: xff },
  { name: 'skip_xff_append', manager: { use_remote_address: true, skip_xff_append: true }, asks: xff },
  { name: 'internal addresses', manager: loopbackInternal, asks: xff },
  { name: 'internal addresses with use_remote_address', manager: { ...loopbackInternal, use_remote_address: true }, asks: xff },
  { name: 'forged headers', asks: [forged] },
  { name: 'forged headers at the edge', manager: { use_remote_address: true }, asks: [forged] },
  { name: 'forged headers from inside', manager: { ...loopbackInternal, use_remote_address: true }, asks: [forged] },
  {
    name: 'forged headers from inside by x-forwarded-for',
    manager: loopbackInternal,
    asks: [{ headers: [['x-forwarded-for', '10.1.1.1'], ...(forged as { headers: Field[] }).headers] }],
  },
  {
    name: 'x-forwarded-proto',
    asks: [h(['x-forwarded-proto', 'https']), h(['x-forwarded-proto', 'HTTPS']), h(['x-forwarded-proto', 'nonsense'])],
  },
  { name: 'x-forwarded-proto at the edge', manager: { use_remote_address: true }, asks: [h(['x-forwarded-proto', 'https'])] },
  {
    name: 'x-forwarded-proto behind a trusted hop',
    manager: { use_remote_address: true, xff_num_trusted_hops: 1 },
    asks: [h(['x-forwarded-proto', 'https'])],
  },
  {
    name: 'x-forwarded-port',
    manager: { use_remote_address: true, append_x_forwarded_port: true },
    asks: [h(), h(['x-forwarded-port', '99'])],
  },
  {
    name: 'x-forwarded-port behind a trusted hop',
    manager: { use_remote_address: true, append_x_forwarded_port: true, xff_num_trusted_hops: 1 },
    asks: [h(), h(['x-forwarded-port', '99'])],
  },
  { name: 'x-forwarded-host', asks: [h(['x-forwarded-host', 'x'])] },
  { name: 'request id kept', asks: [h(['x-request-id', 'mine'])] },
  { name: 'request id at the edge', manager: { use_remote_address: true }, asks: [h(['x-request-id', 'mine'])] },
  {
    name: 'request id preserved at the edge',
    manager: { use_remote_address: true, preserve_external_request_id: true },
    asks: [h(['x-request-id', 'mine'])],
  },
  { name: 'no request id', manager: { generate_request_id: false }, asks: [h(), h(['x-request-id', 'mine'])] },
  { name: 'request id in the response', manager: { always_set_request_id_in_response: true }, asks: [h(['x-request-id', 'mine']), h()] },
  { name: 'server name', manager: { server_name: 'mine' }, asks: [h()], replies: answer },
  { name: 'server overwritten', manager: { server_header_transformation: 'OVERWRITE' }, asks: [h()], replies: answer },
  {
    name: 'server if absent',
    manager: { server_header_transformation: 'APPEND_IF_ABSENT' },
    asks: [h(), h()],
    replies: [answer, { body: 'x' }],
  },
  {
    name: 'server passed through',
    manager: { server_header_transformation: 'PASS_THROUGH' },
    asks: [h(), h()],
    replies: [answer, { body: 'x' }],
  },
  {
    name: 'server passed through on a local reply',
    manager: { server_header_transformation: 'PASS_THROUGH' },
    route: { cluster: 'empty' },
    asks: [h()],
  },
  {
    name: 'server if absent on a local reply',
    manager: { server_header_transformation: 'APPEND_IF_ABSENT', server_name: 'mine' },
    route: { cluster: 'empty' },
    asks: [h()],
  },
  { name: 'via', manager: { via: '1.1 me' }, asks: [h(), h(['via', '1.0 you'])], replies: answer },
  { name: 'via on a local reply', manager: { via: '1.1 me' }, route: { cluster: 'empty' }, asks: [h()] },
  {
    name: 'scheme overwritten',
    manager: { scheme_header_transformation: { scheme_to_overwrite: 'https' } },
    asks: many(h(), { kind: 'http2', scheme: 'http' }),
  },
  {
    name: 'scheme overwritten, to HTTP/2',
    manager: { scheme_header_transformation: { scheme_to_overwrite: 'https' } },
    route: { cluster: 'h2' },
    asks: many(h(), { kind: 'http2', scheme: 'http' }),
  },
  {
    name: 'scheme to HTTP/2',
    route: { cluster: 'h2' },
    asks: many(
      h(),
      { kind: 'http2', scheme: 'http' },
      { kind: 'http2', scheme: 'https' },
      { kind: 'http2', scheme: 'HTTP' },
      h(['x-forwarded-proto', 'https']),
    ),
  },
  {
    name: 'proper case',
    manager: { http_protocol_options: { header_key_format: { proper_case_words: {} } } },
    asks: [h(['x-a-b', 'c'])],
    replies: answer,
  },
  {
    name: 'preserved case',
    manager: {
      http_protocol_options: {
        header_key_format: {
          stateful_formatter: {
            name: 'preserve_case',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig',
            },
          },
        },
      },
    },
    route: { cluster: 'cased' },
    asks: [h(['X-a-B', 'c'])],
    replies: answer,
  },
  {
    name: 'preserved case downstream only',
    manager: {
      http_protocol_options: {
        header_key_format: {
          stateful_formatter: {
            name: 'preserve_case',
            typed_config: {
              '@type': 'type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig',
            },
          },
        },
      },
    },
    asks: [h(['X-a-B', 'c'])],
    replies: answer,
  },
  {
    name: 'trailers enabled',
    manager: { http_protocol_options: { enable_trailers: true } },
    route: { cluster: 'trailers' },
    asks: [{ method: 'POST', trailers: [['x-end', 'yes']], body: 'x' }],
    replies: { body: 'x', trailers: [['x-tail', 'v']] },
  },
  {
    name: 'trailers enabled downstream only',
    manager: { http_protocol_options: { enable_trailers: true } },
    asks: [{ method: 'POST', trailers: [['x-end', 'yes']], body: 'x' }],
    replies: { body: 'x', trailers: [['x-tail', 'v']] },
  },
  {
    name: 'trailers from HTTP/2',
    manager: { http_protocol_options: { enable_trailers: true } },
    route: { cluster: 'h2' },
    asks: [{ method: 'POST', trailers: [['x-end', 'yes']], body: 'x' }],
    replies: { body: 'x', trailers: [['x-tail', 'v']] },
  },
  { name: 'expect 100-continue', asks: [{ method: 'POST', headers: [['expect', '100-continue']], body: 'x' }] },
  {
    name: 'expect 100-continue, proxied',
    manager: { proxy_100_continue: true },
    asks: [{ method: 'POST', headers: [['expect', '100-continue']], body: 'x' }],
    replies: { informational: [{ status: 100 }], body: 'x' },
  },
  { name: 'one request a connection', manager: { common_http_protocol_options: { max_requests_per_connection: 1 } }, asks: [h()] },
  {
    name: 'two requests a connection',
    manager: { common_http_protocol_options: { max_requests_per_connection: 2 } },
    asks: [
      {
        raw: 'GET /HERE HTTP/1.1\r\nhost: a\r\n\r\nGET /HERE HTTP/1.1\r\nhost: a\r\n\r\nGET /HERE HTTP/1.1\r\nhost: a\r\n\r\n',
        responses: 2,
      },
    ],
  },
  {
    name: 'pipelined requests',
    asks: [{ raw: 'GET /HERE HTTP/1.1\r\nhost: a\r\n\r\nGET /HERE HTTP/1.1\r\nhost: a\r\n\r\n', responses: 2 }],
  },
  {
    name: 'connection: close',
    asks: [h(['connection', 'close']), h(['connection', 'keep-alive']), h(['Connection', 'Close, x-a'], ['x-a', 'b'])],
  },
  {
    name: 'no x-envoy headers',
    manager: {
      http_filters: [
        {
          name: 'r',
          typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router', suppress_envoy_headers: true },
        },
      ],
    },
    asks: [h(), forged],
    replies: [{ body: 'x' }, { status: 503, body: 'x' }],
  },
  {
    name: 'strict header check',
    manager: {
      http_filters: [
        {
          name: 'r',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
            strict_check_headers: ['x-envoy-upstream-rq-timeout-ms', 'x-envoy-max-retries', 'x-envoy-retry-on'],
          },
        },
      ],
    },
    asks: [
      h(['x-envoy-upstream-rq-timeout-ms', '1s']),
      h(['x-envoy-max-retries', '-1']),
      h(['x-envoy-retry-on', '5xx,nonsense']),
      h(['x-envoy-retry-on', '5xx']),
    ],
  },
  {
    name: 'original IP from a header',
    manager: {
      original_ip_detection_extensions: [
        {
          name: 'ip',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig',
            header_name: 'x-ip',
            allow_extension_to_set_address_as_trusted: true,
            reject_with_status: { code: 'Forbidden' },
          },
        },
      ],
    },
    asks: [h(['x-ip', '1.2.3.4']), h(['x-ip', 'x']), h()],
  },
  {
    name: 'original IP from x-forwarded-for',
    manager: {
      original_ip_detection_extensions: [
        {
          name: 'ip',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig',
            xff_num_trusted_hops: 1,
          },
        },
      ],
    },
    asks: xff,
  },
  {
    name: 'early header mutation',
    manager: {
      early_header_mutation_extensions: [
        {
          name: 'm',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation',
            mutations: [{ append: { header: { key: 'x-early', value: '%REQ(:METHOD)%' } } }, { remove: 'x-gone' }],
          },
        },
      ],
    },
    asks: [h(['x-gone', 'v'])],
  },
  ...['no', 'normalize', 'merge', 'both'].map((how) => ({
    name: `paths: ${how}`,
    manager: {
      ...(how === 'normalize' || how === 'both' ? { normalize_path: true } : {}),
      ...(how === 'merge' || how === 'both' ? { merge_slashes: true } : {}),
    },
    asks: ask(paths),
  })),
  ...['KEEP_UNCHANGED', 'REJECT_REQUEST', 'UNESCAPE_AND_REDIRECT', 'UNESCAPE_AND_FORWARD'].map((action) => ({
    name: `escaped slashes: ${action}`,
    manager: { normalize_path: true, path_with_escaped_slashes_action: action },
    asks: ask(['/a%2fb', '/a%2Fb', '/a%5cb', '/a%5Cb?x=%2f', '/a/b', '/a%2f..%2fb', '/%2e%2e%2fa']),
  })),
  {
    name: 'escaped slashes without normalization',
    manager: { path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT' },
    asks: ask(['/a%2fb', '/a%5cb']),
  },
  {
    name: 'methods',
    asks: ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE', 'PROPFIND', 'MKCOL', 'PURGE', 'SEARCH', 'QUERY'].map(
      (method) => ({ method }),
    ),
  },
  { name: 'methods with a body', asks: ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].map((method) => ({ method, body: 'x' })) },
  {
    name: 'methods over HTTP/2',
    asks: ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE', 'FROB'].map((method) => ({
      kind: 'http2' as const,
      method,
    })),
  },
  {
    name: 'statuses',
    asks: [200, 201, 204, 205, 206, 304, 400, 404, 418, 451, 500, 503, 599].map(() => h()),
    replies: [200, 201, 204, 205, 206, 304, 400, 404, 418, 451, 500, 503, 599].map((status) => ({
      status,
      headers: [['x-a', 'b'] as const],
      ...(status === 204 || status === 304 ? {} : { body: `s${status}` }),
    })),
  },
  {
    name: 'statuses to HEAD',
    asks: [200, 204, 304, 404, 500].map(() => ({ method: 'HEAD' })),
    replies: [200, 204, 304, 404, 500].map((status) => ({ status, headers: [['content-length', '10'] as const] })),
  },
  { name: 'HEAD of unknown length', asks: [{ method: 'HEAD' }], replies: { raw: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n' } },
  { name: 'HEAD without length', asks: [{ method: 'HEAD' }], replies: { raw: 'HTTP/1.1 200 OK\r\nx-a: b\r\n\r\n' } },
  { name: 'HEAD over HTTP/2', route: { cluster: 'h2' }, asks: many({ method: 'HEAD' }, { kind: 'http2', method: 'HEAD' }) },
  { name: 'no body', asks: many(h(), { kind: 'http2' }), replies: { raw: 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n' } },
  { name: 'no body over HTTP/2', route: { cluster: 'h2' }, asks: many(h(), { kind: 'http2' }), replies: { status: 200 } },
  {
    name: 'large bodies',
    asks: many({ method: 'POST', body: 'y'.repeat(300_000) }, { kind: 'http2', method: 'POST', body: 'y'.repeat(300_000) }),
    replies: { body: 'z'.repeat(500_000) },
  },
  {
    name: 'several equal headers',
    asks: [
      h(
        ['x-a', '1'],
        ['x-b', '2'],
        ['x-a', '3'],
        ['X-A', '4'],
        ['user-agent', 'u'],
        ['user-agent', 'v'],
        ['content-type', 'a/b'],
        ['content-type', 'c/d'],
        ['cookie', 'a=b'],
        ['cookie', 'c=d'],
        ['accept', 'x'],
        ['accept', 'y'],
      ),
    ],
    replies: {
      headers: [
        ['x-a', '1'],
        ['x-a', '2'],
        ['content-type', 'a/b'],
        ['content-type', 'c/d'],
        ['set-cookie', 'a'],
        ['set-cookie', 'b'],
        ['server', 'x'],
        ['server', 'y'],
      ],
      body: 'x',
    },
  },
  {
    name: 'several equal headers to HTTP/2',
    route: { cluster: 'h2' },
    asks: many(h(['cookie', 'a=b'], ['cookie', 'c=d'], ['X-Upper', 'v']), {
      kind: 'http2',
      headers: [
        ['cookie', 'a=b'],
        ['cookie', 'c=d'],
      ],
    }),
  },
  {
    name: 'cookies from HTTP/2 to HTTP/1',
    asks: [
      {
        kind: 'http2',
        headers: [
          ['cookie', 'a=b'],
          ['cookie', 'c=d'],
        ],
      },
    ],
  },
  {
    name: 'attempt counts',
    asks: [h()],
    route: { retry_policy: { retry_on: '5xx', num_retries: 2, retry_back_off: { base_interval: '0.001s' } } },
    replies: [{ status: 503 }, { body: 'x' }],
  },
];

const path = (i: number): string => `/o${String(i).padStart(3, '0')}`;

export const connectionManager: DifferentialFamily = {
  name: 'connection-manager',
  known,
  about: "options of the HTTP connection manager: addresses, ids, server and via, paths, header case, trailers, HTTP's own cases",
  bootstrap: (site) => {
    const options1 = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
    const http1 = (more: Json): Json => ({
      typed_extension_protocol_options: {
        [options1]: { '@type': `type.googleapis.com/${options1}`, explicit_http_config: { http_protocol_options: more } },
      },
    });
    const preserve = {
      name: 'preserve_case',
      typed_config: { '@type': 'type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig' },
    };
    return {
      static_resources: {
        listeners: options.map(({ manager, route }, i) =>
          listener(site, `o${i}`, [
            httpConnectionManager(
              site,
              [
                virtualHost([{ name: 'r', match: { prefix: '/' }, route: { cluster: 'a', ...route } }], {
                  include_request_attempt_count: true,
                  include_attempt_count_in_response: i % 7 === 0,
                }),
              ],
              manager,
            ),
          ]),
        ),
        clusters: [
          ...standardClusters(site),
          cluster('cased', [site.upstream('a')], http1({ header_key_format: { stateful_formatter: preserve } })),
          cluster('trailers', [site.upstream('a')], http1({ enable_trailers: true })),
        ],
      },
    };
  },
  cases: options.map(
    ({ name, asks, replies }, i): DifferentialCase => ({
      name,
      does: asks.map((one): Exchange => {
        const plain = one as { path?: string; raw?: string };
        const raw = plain.raw?.replaceAll('/HERE', path(i));
        return { timeoutMs: 1000, ...one, to: `o${i}`, path: plain.path ?? path(i), ...(raw === undefined ? {} : { raw }) } as Exchange;
      }),
      ...(replies === undefined ? {} : { replies }),
    }),
  ),
};
