import { httpFilter, router, type } from '../harness/configuration.ts';
import type { Json } from '../harness/family.ts';
import type { Draw } from './draw.ts';
import { corsPolicy } from './generate-actions.ts';
import { headerMutation } from './generate-headers.ts';
import { headerMatcher, stringMatcher } from './generate-matches.ts';
import { jwt, jwtPerRoute, localDescriptors } from './generate-security.ts';
import { metadataNamespace } from './vocabulary.ts';

const percent = (draw: Draw): Json => ({ percentage: { numerator: draw.pick([0, 100, 100]) } });

function fault(draw: Draw): Json {
  return {
    ...draw.maybe(0.7, () => ({
      abort: {
        ...draw.pick<Json>([{ http_status: 418 }, { http_status: 503 }, { grpc_status: 5 }, { header_abort: {} }]),
        ...percent(draw),
      },
    })),
    ...draw.maybe(0.3, () => ({ delay: { ...draw.pick<Json>([{ fixed_delay: '0.01s' }, { header_delay: {} }]), ...percent(draw) } })),
    ...draw.maybe(0.4, () => ({ headers: [headerMatcher(draw)] })),
    ...draw.maybe(0.1, () => ({ upstream_cluster: 'a' })),
    ...draw.maybe(0.1, () => ({ disable_downstream_cluster_stats: true })),
  };
}

function permission(draw: Draw, depth = 2): Json {
  const leaf: (() => Json)[] = [
    () => ({ any: true }),
    () => ({ header: headerMatcher(draw) }),
    () => ({ url_path: { path: stringMatcher(draw, ['/a', '/a/b', '/', '/A']) } }),
    () => ({ destination_port: draw.pick([80, 443]) }),
    () => ({ destination_ip: { address_prefix: '127.0.0.0', prefix_len: draw.pick([8, 32]) } }),
    () => ({ requested_server_name: stringMatcher(draw, ['', 'x']) }),
    () => ({ metadata: metadata(draw) }),
  ];
  if (depth === 0) return draw.pick(leaf)();
  return draw.pick<() => Json>([
    ...leaf,
    () => ({ not_rule: permission(draw, depth - 1) }),
    () => ({ and_rules: { rules: draw.many(1, 3, () => permission(draw, depth - 1)) } }),
    () => ({ or_rules: { rules: draw.many(1, 3, () => permission(draw, depth - 1)) } }),
  ])();
}

function metadata(draw: Draw): Json {
  return {
    filter: metadataNamespace,
    path: [{ key: 'who' }],
    value: { string_match: stringMatcher(draw) },
    ...draw.maybe(0.2, () => ({ invert: true })),
  };
}

function principal(draw: Draw, depth = 2): Json {
  const cidr = { address_prefix: draw.pick(['127.0.0.0', '127.0.0.2', '10.0.0.0']), prefix_len: draw.pick([8, 24, 31]) };
  const leaf: (() => Json)[] = [
    () => ({ any: true }),
    () => ({ header: headerMatcher(draw) }),
    () => ({ url_path: { path: stringMatcher(draw, ['/a', '/a/b', '/']) } }),
    () => ({ direct_remote_ip: cidr }),
    () => ({ remote_ip: cidr }),
    () => ({ authenticated: draw.chance(0.5) ? {} : { principal_name: { exact: 'x' } } }),
    () => ({ metadata: metadata(draw) }),
  ];
  if (depth === 0) return draw.pick(leaf)();
  return draw.pick<() => Json>([
    ...leaf,
    () => ({ not_id: principal(draw, depth - 1) }),
    () => ({ and_ids: { ids: draw.many(1, 3, () => principal(draw, depth - 1)) } }),
    () => ({ or_ids: { ids: draw.many(1, 3, () => principal(draw, depth - 1)) } }),
  ])();
}

function rules(draw: Draw): Json {
  const names = ['p', 'first', 'a'].slice(0, 1 + draw.int(3));
  return {
    ...draw.maybe(0.6, () => ({ action: draw.pick(['ALLOW', 'DENY', 'LOG']) })),
    policies: Object.fromEntries(
      names.map((name) => [
        name,
        { permissions: draw.many(1, 2, () => permission(draw)), principals: draw.many(1, 2, () => principal(draw)) },
      ]),
    ),
  };
}

export function rbac(draw: Draw): Json {
  return {
    ...draw.maybe(0.8, () => ({ rules: rules(draw) })),
    ...draw.maybe(0.4, () => ({ shadow_rules: rules(draw), ...draw.maybe(0.5, () => ({ shadow_rules_stat_prefix: 'dry_' })) })),
    ...draw.maybe(0.2, () => ({ rules_stat_prefix: 'real_' })),
    ...draw.maybe(0.2, () => ({ track_per_rule_stats: true })),
  };
}

function mutation(draw: Draw): Json {
  return {
    mutations: {
      ...draw.maybe(0.7, () => ({ request_mutations: draw.many(1, 3, () => headerMutation(draw)) })),
      ...draw.maybe(0.7, () => ({ response_mutations: draw.many(1, 3, () => headerMutation(draw)) })),
      ...draw.maybe(0.2, () => ({
        query_parameter_mutations: draw.many(1, 2, () =>
          draw.chance(0.3)
            ? { remove: draw.pick(['q', 'p']) }
            : {
                append: {
                  record: { key: draw.pick(['q', 'n']), value: draw.pick(['1', 'a b', '%PROTOCOL%']) },
                  action: draw.pick(['APPEND_IF_EXISTS_OR_ADD', 'ADD_IF_ABSENT', 'OVERWRITE_IF_EXISTS_OR_ADD', 'OVERWRITE_IF_EXISTS']),
                },
              },
        ),
      })),
    },
    ...draw.maybe(0.2, () => ({ most_specific_header_mutations_wins: true })),
  };
}

const libraries = {
  gzip: { name: 'gzip', typed_config: { '@type': type('envoy.extensions.compression.gzip.compressor.v3.Gzip') } },
  brotli: { name: 'br', typed_config: { '@type': type('envoy.extensions.compression.brotli.compressor.v3.Brotli') } },
};

function compressor(draw: Draw): Json {
  return {
    compressor_library: draw.pick([libraries.gzip, libraries.brotli]),
    ...draw.maybe(0.7, () => ({
      response_direction_config: {
        common_config: {
          ...draw.maybe(0.7, () => ({ min_content_length: draw.pick([0, 10, 100]) })),
          ...draw.maybe(0.3, () => ({ content_type: ['text/plain', 'application/json'] })),
        },
        ...draw.maybe(0.3, () => ({ disable_on_etag_header: true })),
        ...draw.maybe(0.3, () => ({ remove_accept_encoding_header: true })),
      },
    })),
  };
}

function rateLimit(draw: Draw): Json {
  return {
    stat_prefix: 'local',
    token_bucket: { max_tokens: 1 + draw.int(3), tokens_per_fill: 1, fill_interval: '60s' },
    filter_enabled: { default_value: { numerator: 100 } },
    filter_enforced: { default_value: { numerator: draw.pick([0, 100, 100]) } },
    ...draw.maybe(0.4, () => ({ response_headers_to_add: [{ header: { key: 'x-limited', value: 'yes' } }] })),
    ...draw.maybe(0.2, () => ({ status: { code: draw.pick(['TooManyRequests', 'ServiceUnavailable', 'OK']) } })),
    ...draw.maybe(0.3, () => ({ enable_x_ratelimit_headers: 'DRAFT_VERSION_03' })),
    ...draw.maybe(0.2, () => ({ rate_limited_as_resource_exhausted: true })),
    ...draw.maybe(0.6, () => localDescriptors(draw)),
  };
}

/** What may stand in typed_per_filter_config, by the name of the filter. */
export function perFilter(draw: Draw): Json {
  const entries: Json = {
    ...draw.maybe(0.3, () => ({ 'envoy.filters.http.cors': corsPolicy(draw) })),
    ...draw.maybe(0.2, () => ({
      'envoy.filters.http.fault': { '@type': type('envoy.extensions.filters.http.fault.v3.HTTPFault'), ...fault(draw) },
    })),
    ...draw.maybe(0.2, () => ({
      'envoy.filters.http.rbac': {
        '@type': type('envoy.extensions.filters.http.rbac.v3.RBACPerRoute'),
        ...draw.maybe(0.8, () => ({ rbac: rbac(draw) })),
      },
    })),
    ...draw.maybe(0.25, () => ({
      'envoy.filters.http.header_mutation': {
        '@type': type('envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute'),
        mutations: mutation(draw)['mutations'],
      },
    })),
    ...draw.maybe(0.1, () => ({
      'envoy.filters.http.buffer': {
        '@type': type('envoy.extensions.filters.http.buffer.v3.BufferPerRoute'),
        ...draw.pick<Json>([{ disabled: true }, { buffer: { max_request_bytes: 3 } }]),
      },
    })),
    ...draw.maybe(0.1, () => ({
      'envoy.filters.http.compressor': { '@type': type('envoy.extensions.filters.http.compressor.v3.CompressorPerRoute'), disabled: true },
    })),
    ...draw.maybe(0.08, () => ({ 'envoy.filters.http.fault': { '@type': type('envoy.config.route.v3.FilterConfig'), disabled: true } })),
    ...draw.maybe(0.1, () => ({ 'envoy.filters.http.jwt_authn': jwtPerRoute(draw) })),
    ...draw.maybe(0.08, () => ({
      'envoy.filters.http.local_ratelimit': {
        '@type': type('envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit'),
        ...rateLimit(draw),
      },
    })),
    ...draw.maybe(0.05, () => ({
      'envoy.filters.http.absent': { '@type': type('envoy.config.route.v3.FilterConfig'), is_optional: true, disabled: true },
    })),
  };
  return Object.keys(entries).length === 0 ? {} : { typed_per_filter_config: entries };
}

/** A chain: header_to_metadata where anything may match on it, some filters in any order, and the router. */
export function filterChain(draw: Draw): readonly Json[] {
  const toMetadata = httpFilter('header_to_metadata', 'header_to_metadata.v3.Config', {
    request_rules: [
      { header: 'x-who', on_header_present: { metadata_namespace: metadataNamespace, key: 'who', type: 'STRING' } },
      { header: 'x-n', on_header_present: { metadata_namespace: metadataNamespace, key: 'level', type: 'NUMBER' } },
    ],
  });
  const filters = [
    () => httpFilter('cors', 'cors.v3.Cors'),
    () => httpFilter('fault', 'fault.v3.HTTPFault', draw.chance(0.5) ? {} : fault(draw)),
    () => httpFilter('rbac', 'rbac.v3.RBAC', draw.chance(0.3) ? {} : rbac(draw)),
    () => httpFilter('header_mutation', 'header_mutation.v3.HeaderMutation', mutation(draw)),
    () => httpFilter('compressor', 'compressor.v3.Compressor', compressor(draw)),
    () => httpFilter('buffer', 'buffer.v3.Buffer', { max_request_bytes: draw.pick([1, 4, 1000]) }),
    () => httpFilter('grpc_web', 'grpc_web.v3.GrpcWeb'),
    () => httpFilter('grpc_stats', 'grpc_stats.v3.FilterConfig', { stats_for_all_methods: draw.chance(0.5), emit_filter_state: true }),
    () => httpFilter('local_ratelimit', 'local_ratelimit.v3.LocalRateLimit', rateLimit(draw)),
    () => jwt(draw),
    () =>
      httpFilter('csrf', 'csrf.v3.CsrfPolicy', {
        filter_enabled: { default_value: { numerator: draw.pick([0, 100, 100]) } },
        ...draw.maybe(0.3, () => ({ shadow_enabled: { default_value: { numerator: 100 } } })),
        ...draw.maybe(0.4, () => ({ additional_origins: [stringMatcher(draw, ['other.org', 'app'])] })),
      }),
    () =>
      httpFilter('set_metadata', 'set_metadata.v3.Config', {
        metadata: [
          {
            metadata_namespace: metadataNamespace,
            value: { who: draw.pick(['v', 'set']) },
            ...draw.maybe(0.5, () => ({ allow_overwrite: true })),
          },
        ],
      }),
    () =>
      httpFilter('health_check', 'health_check.v3.HealthCheck', {
        pass_through_mode: false,
        headers: [{ name: ':path', string_match: { exact: draw.pick(['/health', '/a']) } }],
      }),
  ];
  const count = draw.pick([0, 1, 2, 3, 5]);
  const chosen = filters
    .map((make) => ({ make, at: draw.chance(1) ? draw.int(1000) : 0 }))
    .sort((a, b) => a.at - b.at)
    .slice(0, count);
  return [
    ...(draw.chance(0.5) ? [toMetadata] : []),
    ...chosen.map(({ make }) => ({ ...make(), ...draw.maybe(0.05, () => ({ disabled: true })) })),
    router({
      ...draw.maybe(0.1, () => ({ suppress_envoy_headers: true })),
      ...draw.maybe(0.1, () => ({ respect_expected_rq_timeout: true })),
      ...draw.maybe(0.1, () => ({ strict_check_headers: ['x-envoy-upstream-rq-timeout-ms', 'x-envoy-max-retries', 'x-envoy-retry-on'] })),
    }),
  ];
}
