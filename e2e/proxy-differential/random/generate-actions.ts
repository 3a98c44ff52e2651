import { type } from '../harness/configuration.ts';
import type { Json } from '../harness/family.ts';
import type { Draw } from './draw.ts';
import { headerChanges } from './generate-headers.ts';
import { stringMatcher } from './generate-matches.ts';
import { rateLimits } from './generate-security.ts';
import { clusterNames } from './vocabulary.ts';

const rewrites = ['/', '/new', '/new/', '/x?y=1', '/n%20w', ''] as const;
const substitutions = [
  ['/a', '/z'],
  ['^/(\\w+)/(\\w+)', '/\\2/\\1'],
  ['b', ''],
  ['^/a(.*)$', '/z\\1'],
  ['/', '//'],
  ['[0-9]+', '<\\0>'],
  ['(x)?a', '\\1\\\\'],
] as const;

function regexRewrite(draw: Draw): Json {
  const [regex, substitution] = draw.pick(substitutions);
  return { regex_rewrite: { pattern: { regex }, substitution } };
}

/** A RedirectAction with any of its fields. */
function redirect(draw: Draw): Json {
  return {
    ...draw.maybe(0.25, () =>
      draw.chance(0.5) ? { https_redirect: true } : { scheme_redirect: draw.pick(['https', 'http', 'ftp', 'HTTPS']) },
    ),
    ...draw.maybe(0.4, () => ({ host_redirect: draw.pick(['other.example', 'other.example:99', '[::2]', 'app.example']) })),
    ...draw.maybe(0.25, () => ({ port_redirect: draw.pick([80, 443, 8443]) })),
    ...draw.pick<() => Json>([
      () => ({}),
      () => ({ path_redirect: draw.pick(['/new', '/new?x=y', '/new#f', 'new']) }),
      () => ({ prefix_rewrite: draw.pick(['/new', '/', '/new/']) }),
      () => regexRewrite(draw),
    ])(),
    ...draw.maybe(0.3, () => ({
      response_code: draw.pick(['MOVED_PERMANENTLY', 'FOUND', 'SEE_OTHER', 'TEMPORARY_REDIRECT', 'PERMANENT_REDIRECT']),
    })),
    ...draw.maybe(0.2, () => ({ strip_query: true })),
  };
}

function directResponse(draw: Draw): Json {
  return {
    status: draw.pick([200, 201, 202, 301, 400, 403, 404, 418, 429, 500, 503, 599]),
    ...draw.maybe(0.6, () => ({ body: { inline_string: draw.pick(['hello', '{"a":1}', 'x'.repeat(200), 'with %PROTOCOL%']) } })),
  };
}

export function retryPolicy(draw: Draw): Json {
  return {
    retry_on: draw.pick([
      '5xx',
      'gateway-error',
      'reset',
      'connect-failure',
      'retriable-4xx',
      'retriable-status-codes',
      'retriable-headers',
      'refused-stream',
      'cancelled,unavailable',
      '5xx,retriable-4xx',
      'reset-before-request',
      'envoy-ratelimited',
      'internal,resource-exhausted',
      '',
    ]),
    num_retries: draw.int(4),
    retry_back_off: { base_interval: '0.001s', max_interval: '0.002s' },
    ...draw.maybe(0.3, () => ({ retriable_status_codes: draw.pick([[404], [200, 418], [503, 429]]) })),
    ...draw.maybe(0.2, () => ({ retriable_headers: [{ name: 'x-up', string_match: { exact: 'retry' } }] })),
    ...draw.maybe(0.2, () => ({ retriable_request_headers: [{ name: 'x-a', present_match: true }] })),
    ...draw.maybe(0.1, () => ({ per_try_timeout: '1s' })),
  };
}

function hashPolicies(draw: Draw): Json {
  const policies = draw
    .many(0, 3, () =>
      draw.pick<() => Json>([
        () => ({
          header: {
            header_name: draw.pick(['x-a', 'x-b', ':path', ':authority']),
            ...draw.maybe(0.3, () => ({ regex_rewrite: { pattern: { regex: '^(.).*$' }, substitution: '\\1' } })),
          },
        }),
        () => ({ query_parameter: { name: draw.pick(['q', 'p', 'Q']) } }),
        () => ({ cookie: { name: 'c', ...draw.maybe(0.3, () => ({ path: '/p' })) } }),
      ])(),
    )
    .map((policy) => ({ ...policy, ...draw.maybe(0.3, () => ({ terminal: true })) }));
  // Without any hash the host is drawn.
  return { hash_policy: [{ connection_properties: { source_ip: true } }, ...policies] };
}

function weighted(draw: Draw): Json {
  const only = draw.pick(clusterNames);
  const clusters = clusterNames.map((name) => ({
    name,
    weight: name === only ? 10 : 0,
    ...headerChanges(draw, 0.2),
    ...draw.maybe(0.1, () => ({ host_rewrite_literal: 'weighted.example' })),
  }));
  if (draw.chance(0.4))
    return { weighted_clusters: { clusters: clusters.map((one, i) => ({ ...one, weight: 5 + i * 10 })), header_name: 'x-n' } };
  return { weighted_clusters: { clusters, ...draw.maybe(0.3, () => ({ runtime_key_prefix: draw.pick(['weights', 'none']) })) } };
}

function target(draw: Draw): Json {
  return draw.pick<() => Json>([
    () => ({ cluster: draw.pick(clusterNames) }),
    () => ({ cluster: draw.pick(clusterNames) }),
    () => ({ cluster: draw.pick(clusterNames) }),
    () => ({
      cluster: draw.pick(['h2', 'dead', 'empty', 'unknown']),
      ...draw.maybe(0.3, () => ({ cluster_not_found_response_code: draw.pick(['NOT_FOUND', 'INTERNAL_SERVER_ERROR']) })),
    }),
    () => ({ cluster_header: 'x-cluster' }),
    () => weighted(draw),
    () => ({ cluster: draw.pick(['ring', 'maglev']), ...hashPolicies(draw) }),
  ])();
}

function pathRewrite(draw: Draw, match: Json): Json {
  if ('path_match_policy' in match) {
    const variables = [...JSON.stringify(match['path_match_policy']).matchAll(/\{(\w+)[=}]/g)].map(([, name]) => `{${name}}`);
    if (draw.chance(0.5)) return {};
    const rewrite = draw.pick([`/n/${variables.join('/')}`, `/${variables.toReversed().join('-')}`, '/fixed', `/r${variables.join('')}.x`]);
    return {
      path_rewrite_policy: {
        name: 'envoy.path.rewrite.uri_template.uri_template_rewriter',
        typed_config: {
          '@type': type('envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig'),
          path_template_rewrite: rewrite,
        },
      },
    };
  }
  return draw.pick<() => Json>([() => ({}), () => ({}), () => ({ prefix_rewrite: draw.pick(rewrites) }), () => regexRewrite(draw)])();
}

function hostRewrite(draw: Draw): Json {
  return {
    ...draw.pick<() => Json>([
      () => ({}),
      () => ({}),
      () => ({ host_rewrite_literal: draw.pick(['inner.example', 'inner.example:99']) }),
      () => ({ host_rewrite_header: draw.pick(['x-a', 'x-none']) }),
      () => ({ host_rewrite_path_regex: { pattern: { regex: '^/(\\w+)/.*$' }, substitution: '\\1.example' } }),
      () => ({ auto_host_rewrite: true }),
    ])(),
    ...draw.maybe(0.3, () => ({ append_x_forwarded_host: true })),
  };
}

/** A RouteAction. */
function forward(draw: Draw, match: Json): Json {
  return {
    ...target(draw),
    ...pathRewrite(draw, match),
    ...draw.maybe(0.3, () => hostRewrite(draw)),
    ...draw.maybe(0.25, () => ({ retry_policy: retryPolicy(draw) })),
    ...draw.maybe(0.1, () => ({ timeout: draw.pick(['0s', '2s', '15s']) })),
    ...draw.maybe(0.08, () => ({
      max_stream_duration: {
        max_stream_duration: '3s',
        ...draw.maybe(0.5, () => ({ grpc_timeout_header_max: draw.pick(['0s', '1s', '5s']) })),
        ...draw.maybe(0.3, () => ({ grpc_timeout_header_offset: '0.5s' })),
      },
    })),
    ...draw.maybe(0.05, () => ({ idle_timeout: '2s' })),
    ...draw.maybe(0.12, () => ({
      request_mirror_policies: draw.many(1, 2, () => ({
        cluster: draw.pick(['b', 'c']),
        ...draw.maybe(0.4, () => ({ runtime_fraction: { default_value: { numerator: draw.pick([0, 100]) } } })),
        ...draw.maybe(0.2, () => ({ disable_shadow_host_suffix_append: true })),
      })),
    })),
    ...draw.maybe(0.12, () => ({
      internal_redirect_policy: {
        ...draw.maybe(0.5, () => ({ max_internal_redirects: draw.int(3) })),
        ...draw.maybe(0.4, () => ({ redirect_response_codes: [302, 303, 307] })),
        ...draw.maybe(0.3, () => ({ allow_cross_scheme_redirect: true })),
        ...draw.maybe(0.3, () => ({ response_headers_to_copy: ['x-up'] })),
      },
    })),
    ...draw.maybe(0.15, () => rateLimits(draw)),
    ...draw.maybe(0.08, () => ({ include_vh_rate_limits: true })),
    ...draw.maybe(0.06, () => ({
      upgrade_configs: [{ upgrade_type: 'websocket', ...draw.maybe(0.4, () => ({ enabled: draw.chance(0.5) })) }],
    })),
  };
}

/** What a route does, and its own fields. */
export function routeAction(draw: Draw, match: Json): Json {
  return draw.pick<() => Json>([
    () => ({ route: forward(draw, match) }),
    () => ({ route: forward(draw, match) }),
    () => ({ route: forward(draw, match) }),
    () => ({ redirect: redirect(draw) }),
    () => ({ direct_response: directResponse(draw) }),
    () => (draw.chance(0.1) ? { non_forwarding_action: {} } : { route: forward(draw, match) }),
  ])();
}

/** A CORS policy, for routes and virtual hosts. */
export function corsPolicy(draw: Draw): Json {
  return {
    '@type': type('envoy.extensions.filters.http.cors.v3.CorsPolicy'),
    allow_origin_string_match: draw.many(1, 2, () =>
      draw.chance(0.5)
        ? { exact: draw.pick(['*', 'http://app.example', 'null']) }
        : stringMatcher(draw, ['http://app.example', 'http://', '.example']),
    ),
    ...draw.maybe(0.5, () => ({ allow_methods: 'GET,POST' })),
    ...draw.maybe(0.4, () => ({ allow_headers: draw.pick(['x-a', '*']) })),
    ...draw.maybe(0.4, () => ({ expose_headers: 'x-up' })),
    ...draw.maybe(0.4, () => ({ max_age: '60' })),
    ...draw.maybe(0.4, () => ({ allow_credentials: draw.chance(0.7) })),
    ...draw.maybe(0.3, () => ({ forward_not_matching_preflights: draw.chance(0.5) })),
    ...draw.maybe(0.3, () => ({ filter_enabled: { default_value: { numerator: draw.pick([0, 100]) } } })),
    ...draw.maybe(0.2, () => ({ allow_private_network_access: true })),
  };
}
