import { type } from '../harness/configuration.ts';
import type { Json } from '../harness/family.ts';
import type { Draw } from './draw.ts';
import { metadataNamespace } from './vocabulary.ts';

function names(draw: Draw): Json {
  return {
    patterns: draw.many(1, 2, () =>
      draw.pick<Json>([
        { exact: 'x-user' },
        { exact: 'X-User', ignore_case: true },
        { prefix: 'x-' },
        { exact: 'x-append' },
        { exact: 'x-why' },
        { exact: 'content-type' },
        { exact: 'set-cookie' },
        { suffix: 'seen' },
        { exact: 'x-a' },
        { exact: 'cookie' },
        { exact: 'authorization' },
        { safe_regex: { regex: 'x-[ab]' } },
      ]),
    ),
  };
}

const body = (draw: Draw): Json => ({
  max_request_bytes: draw.pick([1, 6, 1000]),
  ...draw.maybe(0.5, () => ({ allow_partial_message: true })),
});

/** An ExtAuthz that asks upstream `d` over HTTP. */
export function extAuthz(draw: Draw): Json {
  const absent = draw.chance(0.05);
  return {
    http_service: {
      server_uri: { uri: 'http://authz.example:80/ignored', cluster: absent ? 'unknown' : 'd', timeout: '1s' },
      ...draw.maybe(0.5, () => ({ path_prefix: draw.pick(['/check', '/check/', '/']) })),
      authorization_request: {
        ...draw.maybe(0.4, () => ({ allowed_headers: names(draw) })),
        ...draw.maybe(0.4, () => ({ headers_to_add: [{ key: draw.pick(['x-mesh', 'x-a', 'X-Upper']), value: draw.pick(['yes', '']) }] })),
      },
      authorization_response: {
        ...draw.maybe(0.6, () => ({ allowed_upstream_headers: names(draw) })),
        ...draw.maybe(0.4, () => ({ allowed_upstream_headers_to_append: names(draw) })),
        ...draw.maybe(0.5, () => ({ allowed_client_headers: names(draw) })),
        ...draw.maybe(0.4, () => ({ allowed_client_headers_on_success: names(draw) })),
        ...draw.maybe(0.3, () => ({ dynamic_metadata_from_headers: names(draw) })),
      },
    },
    ...draw.maybe(0.3, () => ({ failure_mode_allow: true, ...draw.maybe(0.5, () => ({ failure_mode_allow_header_add: true })) })),
    ...draw.maybe(0.3, () => ({ with_request_body: body(draw) })),
    ...draw.maybe(0.2, () => ({ clear_route_cache: true })),
    ...draw.maybe(0.3, () => ({ status_on_error: { code: draw.pick(['ServiceUnavailable', 'Unauthorized', 'InternalServerError']) } })),
    ...draw.maybe(0.2, () => ({ stat_prefix: 'own' })),
    ...draw.maybe(0.2, () => ({ disallowed_headers: names(draw) })),
    ...draw.maybe(0.1, () => ({ filter_enabled: { default_value: { numerator: draw.pick([0, 100]) }, runtime_key: 'authz.none' } })),
    ...draw.maybe(0.1, () => ({ deny_at_disable: { default_value: true, runtime_key: 'authz.deny' } })),
    ...draw.maybe(0.15, () => ({
      filter_enabled_metadata: { filter: metadataNamespace, path: [{ key: 'who' }], value: { present_match: true } },
    })),
    ...draw.maybe(0.1, () => ({ charge_cluster_response_stats: false })),
  };
}

export const extAuthzPerRoute = (draw: Draw): Json => ({
  '@type': type('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute'),
  ...draw.pick<() => Json>([
    () => ({ disabled: true }),
    () => ({ check_settings: { disable_request_body_buffering: true } }),
    () => ({ check_settings: { with_request_body: body(draw) } }),
    () => ({ check_settings: { context_extensions: { a: 'b' } } }),
  ])(),
});
