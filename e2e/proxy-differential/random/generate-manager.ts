import { type } from '../harness/configuration.ts';
import type { Json } from '../harness/family.ts';
import type { Draw } from './draw.ts';
import { filterChain } from './generate-filters.ts';
import { headerMutation, headerOption } from './generate-headers.ts';
import { headerMatcher } from './generate-matches.ts';

const comparison = (draw: Draw, values: readonly number[]): Json => ({
  op: draw.pick(['EQ', 'GE', 'LE']),
  value: { default_value: draw.pick(values), runtime_key: 'no.such.key' },
});

function logFilter(draw: Draw, depth = 1): Json {
  const leaf: (() => Json)[] = [
    () => ({ status_code_filter: { comparison: comparison(draw, [200, 403, 404, 500, 503]) } }),
    () => ({ header_filter: { header: headerMatcher(draw) } }),
    () => ({ response_flag_filter: draw.chance(0.3) ? {} : { flags: draw.pick([['NR'], ['FI', 'RL'], ['UF', 'UH', 'NC']]) } }),
    () => ({ not_health_check_filter: {} }),
    () => ({ grpc_status_filter: { statuses: ['OK', 'NOT_FOUND'], ...draw.maybe(0.3, () => ({ exclude: true })) } }),
  ];
  if (depth === 0) return draw.pick(leaf)();
  return draw.pick<() => Json>([
    ...leaf,
    () => ({ and_filter: { filters: draw.many(2, 3, () => logFilter(draw, depth - 1)) } }),
    () => ({ or_filter: { filters: draw.many(2, 3, () => logFilter(draw, depth - 1)) } }),
  ])();
}

function bodyFormat(draw: Draw): Json {
  return {
    ...(draw.chance(0.6)
      ? {
          text_format_source: {
            inline_string: draw.pick([
              '%LOCAL_REPLY_BODY%!',
              '%RESPONSE_CODE% %RESPONSE_CODE_DETAILS%',
              '[%REQ(:path)%]',
              '%RESPONSE_FLAGS%|%RESP(content-type)%',
            ]),
          },
        }
      : { json_format: { code: '%RESPONSE_CODE%', text: '%LOCAL_REPLY_BODY%', who: '%REQ(x-a)%', both: 'c=%RESPONSE_CODE%' } }),
    ...draw.maybe(0.3, () => ({ content_type: 'text/html; charset=UTF-8' })),
  };
}

function localReplies(draw: Draw): Json {
  return {
    ...draw.maybe(0.8, () => ({
      mappers: draw.many(1, 2, () => ({
        filter: logFilter(draw),
        ...draw.maybe(0.5, () => ({ status_code: draw.pick([200, 418, 504]) })),
        ...draw.maybe(0.5, () => ({ body: { inline_string: 'mapped' } })),
        ...draw.maybe(0.4, () => ({ headers_to_add: draw.many(1, 2, () => headerOption(draw)) })),
        ...draw.maybe(0.3, () => ({ body_format_override: bodyFormat(draw) })),
      })),
    })),
    ...draw.maybe(0.5, () => ({ body_format: bodyFormat(draw) })),
  };
}

/** Fields of an HttpConnectionManager but for its routes. */
export function manager(draw: Draw): Json {
  return {
    http_filters: filterChain(draw),
    ...draw.maybe(0.4, () => ({ normalize_path: true })),
    ...draw.maybe(0.3, () => ({ merge_slashes: true })),
    ...draw.maybe(0.3, () => ({
      path_with_escaped_slashes_action: draw.pick(['KEEP_UNCHANGED', 'REJECT_REQUEST', 'UNESCAPE_AND_REDIRECT', 'UNESCAPE_AND_FORWARD']),
    })),
    ...draw.maybe(0.2, () => ({
      use_remote_address: true,
      ...draw.maybe(0.5, () => ({ internal_address_config: { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] } })),
    })),
    ...draw.maybe(0.2, () => ({ xff_num_trusted_hops: 1 + draw.int(2) })),
    ...draw.maybe(0.1, () => ({ skip_xff_append: true })),
    ...draw.maybe(0.15, () => ({ server_header_transformation: draw.pick(['APPEND_IF_ABSENT', 'PASS_THROUGH', 'OVERWRITE']) })),
    ...draw.maybe(0.1, () => ({ server_name: 'named' })),
    ...draw.maybe(0.1, () => ({ via: 'gate' })),
    ...draw.maybe(0.15, () => (draw.chance(0.5) ? { strip_any_host_port: true } : { strip_matching_host_port: true })),
    ...draw.maybe(0.15, () => ({ strip_trailing_host_dot: true })),
    ...draw.maybe(0.1, () => ({ preserve_external_request_id: true })),
    ...draw.maybe(0.1, () => ({ always_set_request_id_in_response: true })),
    ...draw.maybe(0.1, () => ({ generate_request_id: false })),
    ...draw.maybe(0.1, () => ({ append_x_forwarded_port: true })),
    ...draw.maybe(0.1, () => ({ add_user_agent: true })),
    ...draw.maybe(0.1, () => ({ stream_error_on_invalid_http_message: true })),
    ...draw.maybe(0.2, () => ({
      http_protocol_options: {
        ...draw.maybe(0.6, () => ({ accept_http_10: true, ...draw.maybe(0.5, () => ({ default_host_for_http_10: 'app.example' })) })),
        ...draw.maybe(0.4, () => ({ allow_absolute_url: draw.chance(0.5) })),
        ...draw.maybe(0.4, () => ({ enable_trailers: true })),
        ...draw.maybe(0.2, () => ({ header_key_format: { proper_case_words: {} } })),
        ...draw.maybe(0.2, () => ({ send_fully_qualified_url: true })),
      },
    })),
    ...draw.maybe(0.15, () => ({
      common_http_protocol_options: {
        ...draw.maybe(0.5, () => ({ headers_with_underscores_action: draw.pick(['ALLOW', 'REJECT_REQUEST', 'DROP_HEADER']) })),
        ...draw.maybe(0.3, () => ({ max_headers_count: 8 })),
        ...draw.maybe(0.2, () => ({ max_requests_per_connection: 1 })),
      },
    })),
    ...draw.maybe(0.1, () => ({ max_request_headers_kb: 1 })),
    ...draw.maybe(0.35, () => ({ local_reply_config: localReplies(draw) })),
    ...draw.maybe(0.1, () => ({ upgrade_configs: [{ upgrade_type: draw.pick(['websocket', 'CONNECT']) }] })),
    ...draw.maybe(0.08, () => ({ scheme_header_transformation: { scheme_to_overwrite: 'https' } })),
    ...draw.maybe(0.08, () => ({
      proxy_status_config: {
        ...draw.maybe(0.5, () => ({ literal_proxy_name: 'edge' })),
        ...draw.maybe(0.5, () => ({ set_recommended_response_code: true })),
      },
    })),
    ...draw.maybe(0.08, () => ({
      early_header_mutation_extensions: [
        {
          name: 'envoy.http.early_header_mutation.header_mutation',
          typed_config: {
            '@type': type('envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation'),
            mutations: draw.many(1, 2, () => headerMutation(draw)),
          },
        },
      ],
    })),
    ...draw.maybe(0.08, () => ({
      original_ip_detection_extensions: [
        {
          name: 'envoy.http.original_ip_detection.custom_header',
          typed_config: {
            '@type': type('envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig'),
            header_name: 'x-a',
            ...draw.maybe(0.4, () => ({ allow_extension_to_set_address_as_trusted: true })),
            ...draw.maybe(0.4, () => ({ reject_with_status: { code: 'Forbidden' } })),
          },
        },
      ],
      use_remote_address: false,
      xff_num_trusted_hops: 0,
    })),
  };
}
