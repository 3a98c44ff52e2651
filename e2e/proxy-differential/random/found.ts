import { httpFilter, router, type, virtualHost } from '../harness/configuration.ts';
import type { Json } from '../harness/family.ts';
import { pathTemplate } from './generate-matches.ts';
import type { Ask, Scene } from './scene.ts';

/** What the generator found and what has been mended since: each must stay as Envoy does it. */
export interface FoundScene extends Scene {
  readonly name: string;
}

const to = (cluster: string, more: Json = {}): Json => ({ match: { prefix: '/' }, route: { cluster, ...more } });
const scene = (name: string, manager: Json, route: Json, asks: readonly Ask['does'][], routes: Json = {}): FoundScene => ({
  name,
  manager,
  routes: { virtual_hosts: [virtualHost([route])], ...routes },
  asks: asks.map((does) => ({ does })),
});
const filters = (...list: readonly Json[]): Json => ({ http_filters: [...list, router()] });
const mutation = (mutations: Json): Json => httpFilter('header_mutation', 'header_mutation.v3.HeaderMutation', { mutations });
const byHeader: Json = {
  original_ip_detection_extensions: [
    {
      name: 'envoy.http.original_ip_detection.custom_header',
      typed_config: {
        '@type': type('envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig'),
        header_name: 'x-client',
        reject_with_status: { code: 'Forbidden' },
      },
    },
  ],
};

export const found: readonly FoundScene[] = [
  scene('a plus in a logged query parameter', {}, to('a'), [{ path: '/?q=a+b' }, { path: '/?q=a%20b' }]),
  scene('targets with ports that are none', {}, to('a'), [
    { path: 'http://app.example:/a' },
    { path: 'http://app.example:x/a' },
    { path: 'http://app.example:99999/a' },
    { path: 'http://app.example:0/a' },
  ]),
  scene('an empty request id', {}, to('a'), [{ headers: [['x-request-id', '']] }]),
  scene(
    'a fragment whose status is mapped',
    {
      merge_slashes: true,
      local_reply_config: {
        mappers: [
          {
            filter: { status_code_filter: { comparison: { op: 'GE', value: { default_value: 200, runtime_key: 'none' } } } },
            status_code: 418,
          },
        ],
      },
    },
    to('a'),
    [{ path: '/a#f' }, { path: '//a#f' }],
  ),
  scene('paths of requests that are refused for their address', { ...byHeader, merge_slashes: true, normalize_path: true }, to('a'), [
    { path: '/a//b/../c' },
    { path: '/a//b', headers: [['x-client', '10.0.0.1']] },
  ]),
  scene('x-forwarded-for beside another way to find addresses', byHeader, to('a'), [
    {
      headers: [
        ['x-client', '10.0.0.1'],
        ['x-forwarded-for', '10.0.0.2'],
      ],
    },
  ]),
  scene(
    'changes of queries',
    filters(
      mutation({
        query_parameter_mutations: [{ append: { record: { key: 'q', value: '%PROTOCOL%' }, action: 'OVERWRITE_IF_EXISTS_OR_ADD' } }],
      }),
    ),
    to('a'),
    [{ path: '/?&q=v' }, { path: '/?q=v&&p=1' }, { path: '/?p=1&' }, { path: '/' }],
  ),
  scene(
    'rewrites without headers about them',
    { http_filters: [router({ suppress_envoy_headers: true })] },
    to('a', { prefix_rewrite: '/new' }),
    [{ path: '/a' }, { path: '/a', headers: [['x-envoy-original-path', '/before']] }],
  ),
  scene(
    'filters and requests that are refused before them',
    filters(mutation({ response_mutations: [{ append: { header: { key: 'x-flags', value: '%RESPONSE_FLAGS%' } } }] })),
    to('a'),
    [{ path: '/#f' }, { path: '/' }],
  ),
  scene(
    'gRPC calls whose type is changed on the way',
    {},
    {
      ...to('empty'),
      request_headers_to_add: [{ header: { key: 'content-type', value: 'text/x' }, append_action: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
    },
    [{ headers: [['content-type', 'application/grpc']] }, { headers: [['content-type', 'application/grpc-web']] }],
  ),
  scene('gRPC calls and redirects to normal paths', { path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT' }, to('a'), [
    { kind: 'http2', path: '/a%2Fb', headers: [['content-type', 'application/grpc']] },
    { kind: 'http2', path: '/a%2Fb' },
  ]),
  scene(
    'hashes of headers that the route changes',
    {},
    {
      ...to('maglev', { hash_policy: [{ header: { header_name: 'x-a' } }, { connection_properties: { source_ip: true } }] }),
      request_headers_to_remove: ['x-a'],
    },
    ['1', '2', '3', '4'].map((value) => ({ headers: [['x-a', value]] })),
  ),
  scene(
    'bodies that pass the limit with their last part',
    filters(httpFilter('buffer', 'buffer.v3.Buffer', { max_request_bytes: 4 })),
    to('a'),
    [
      { kind: 'http2', method: 'POST', body: ['par', 'ts'] },
      { method: 'POST', body: ['par', 'ts'] },
      { method: 'POST', body: 'par' },
    ],
  ),
  scene(
    'redirects that replace the prefix of a template',
    {},
    { match: { path_match_policy: pathTemplate('/a/{x}') }, redirect: { prefix_rewrite: '/b' } },
    [{ path: '/a/x' }],
  ),
  scene('proxy-status of answers from here', { proxy_status_config: { literal_proxy_name: 'edge' } }, to('dead'), [{ path: '/' }]),
  scene('proxy-status without a healthy host', { proxy_status_config: { set_recommended_response_code: true } }, to('empty'), [
    { path: '/', headers: [['content-type', 'application/grpc']] },
    { path: '/' },
  ]),
  scene('proxy-status without a cluster', { proxy_status_config: { remove_response_flags: true } }, to('unknown'), [{ path: '/' }]),
  scene(
    'proxy-status of no route',
    { proxy_status_config: { set_recommended_response_code: true, remove_details: true } },
    { match: { prefix: '/a' }, route: { cluster: 'a' } },
    [{ path: '/' }, { path: '/a' }],
  ),
  scene(
    'proxy-status of faults',
    {
      ...filters(
        httpFilter('fault', 'fault.v3.HTTPFault', {
          abort: { http_status: 555, percentage: { numerator: 100 } },
          headers: [{ name: 'x-a' }],
          delay: { fixed_delay: '0.001s', percentage: { numerator: 100 } },
        }),
      ),
      proxy_status_config: { set_recommended_response_code: true },
    },
    to('a'),
    [{ headers: [['x-a', '1']] }, {}],
  ),
  scene('who the proxy is, with and without an agent', { add_user_agent: true }, to('a'), [{ headers: [['user-agent', 'x']] }, {}]),
  scene('headers that only internal requests have', {}, to('a'), [{ headers: [['x-b', '1']] }], { internal_only_headers: ['x-b'] }),
  scene('ports that requests were sent to', { append_x_forwarded_port: true }, to('a'), [
    {},
    { headers: [['x-forwarded-port', '1']] },
    {
      headers: [
        ['x-forwarded-proto', 'https'],
        ['x-b', '2'],
      ],
    },
  ]),
  scene(
    'what is no request and the filters of its answer',
    filters(
      mutation({
        response_mutations: [
          { append: { header: { key: 'x-flags', value: '%RESPONSE_FLAGS%' } } },
          { append: { header: { key: 'content-type', value: 'more' } } },
        ],
      }),
      httpFilter('compressor', 'compressor.v3.Compressor', {
        compressor_library: { name: 'gzip', typed_config: { '@type': type('envoy.extensions.compression.gzip.compressor.v3.Gzip') } },
      }),
    ),
    to('a'),
    [{ headers: [['transfer-encoding', 'identity']] }, { version: '1.0' }],
  ),
  scene('paths of slashes alone', { merge_slashes: true }, to('a'), [{ path: '//' }, { path: '///' }, { path: '//?q' }, { path: '//a//' }]),
  scene(
    'schemes that are put in place of the request\u2019s',
    { scheme_header_transformation: { scheme_to_overwrite: 'https' } },
    to('a'),
    [{ headers: [['x-forwarded-proto', 'http']] }, {}],
  ),
  scene('redirects to paths without a slash', {}, { match: { prefix: '/' }, redirect: { path_redirect: 'new' } }, [{ path: '/a?q' }]),
  scene('redirects to prefixes without a slash', {}, { match: { prefix: '/' }, redirect: { prefix_rewrite: 'new' } }, [{ path: '/a?q' }]),
  scene(
    'direct responses and what their routes add to the request',
    { local_reply_config: { body_format: { text_format_source: { inline_string: '%REQ(x-a)% %LOCAL_REPLY_BODY%' } } } },
    {
      match: { prefix: '/' },
      direct_response: { status: 418, body: { inline_string: 'tea' } },
      request_headers_to_add: [{ header: { key: 'x-a', value: 'added' } }],
      response_headers_to_add: [{ header: { key: 'x-up', value: '%REQ(x-a)%' } }],
    },
    [{}, { headers: [['x-a', 'own']] }],
  ),
  scene('refused requests on connections that stay', { stream_error_on_invalid_http_message: true }, to('a'), [
    { path: '/a#f' },
    { path: '/a' },
  ]),
  scene(
    'fragments after queries',
    {},
    { ...to('a'), name: 'named', response_headers_to_add: [{ header: { key: 'x-up', value: 'route' } }] },
    [{ path: '/a?q=v#f' }, { path: '/a#f' }, { path: '/a#f?q' }, { path: '/?#' }],
  ),
  scene('expectations of requests that are refused', { normalize_path: true }, to('a'), [
    { kind: 'http2', path: '/a%00', headers: [['expect', '100-continue']] },
  ]),
  scene(
    'answers before the compressor has seen a request',
    {
      ...filters(
        httpFilter('compressor', 'compressor.v3.Compressor', {
          compressor_library: { name: 'gzip', typed_config: { '@type': type('envoy.extensions.compression.gzip.compressor.v3.Gzip') } },
          response_direction_config: { common_config: { min_content_length: 1 } },
        }),
      ),
    },
    to('a'),
    [{ version: '1.0' }, { headers: [['transfer-encoding', 'identity']] }, {}],
  ),
  scene(
    'virtual hosts that require TLS',
    {},
    to('a'),
    [{ host: 'app.example:80' }, { host: 'app.example', path: '/a?b' }, { kind: 'http2', authority: 'app.example:80', path: '/a' }],
    { virtual_hosts: [{ name: 'all', domains: ['*'], require_tls: 'ALL', routes: [to('a')] }] },
  ),
  scene('schemes of redirects', {}, { match: { prefix: '/' }, redirect: { path_redirect: '/new' } }, [
    { kind: 'http2', path: '/', scheme: 'https' },
    { kind: 'http2', path: '/', scheme: 'http', headers: [['x-forwarded-proto', 'https']] },
    { path: '/', headers: [['x-forwarded-proto', 'https']] },
    { path: '/', headers: [['x-forwarded-proto', 'ftp']] },
  ]),
];
