import { httpFilter, router, type, virtualHost } from '../harness/configuration.ts';
import type { Field, Json, Reply } from '../harness/family.ts';
import { Draw } from './draw.ts';
import { extAuthz, extAuthzPerRoute } from './generate-authorizer.ts';
import { headerMatcher, pathTemplate, stringMatcher } from './generate-matches.ts';
import { jwt, jwtPerRoute, tokens } from './generate-security.ts';
import type { Ask, Scene } from './scene.ts';
import { headerNames, headerValues, metadataNamespace } from './vocabulary.ts';

const paths = ['/', '/a', '/a/b', '/a/b/c', '/v1', '/v1/12', '/A', '/a%2Fb', '/a.b', '/ab'] as const;
const askedPaths = [...paths, '/a/', '//a', '/a/../b', '/a/b?q=v', '/v1?q=%76', '/a;p=1', '/a/b#f', '/a%20b', '/%61'] as const;
const JWT = 'envoy.filters.http.jwt_authn';

const cidr = (draw: Draw): Json => ({
  address_prefix: draw.pick(['127.0.0.0', '127.0.0.1', '10.0.0.0', '0.0.0.0', '::1', '::']),
  prefix_len: draw.pick([0, 8, 24, 31, 32]),
});

/** A MetadataMatcher about what header_to_metadata or a token left. */
function metadata(draw: Draw): Json {
  const of = draw.pick<() => Json>([
    () => ({ filter: metadataNamespace, path: [{ key: draw.pick(['who', 'level', 'none']) }] }),
    () => ({ filter: JWT, path: [{ key: 'payload' }, { key: draw.pick(['iss', 'sub', 'name', 'level', 'list', 'none', 'aud']) }] }),
    () => ({ filter: JWT, path: [{ key: 'payload' }, { key: 'deep' }, { key: draw.pick(['in', 'none']) }] }),
  ])();
  const one = (): Json =>
    draw.pick<() => Json>([
      () => ({ string_match: stringMatcher(draw, ['v', 'a', 'one', 'found', 'app']) }),
      () => ({ string_match: stringMatcher(draw, ['v', 'a', 'one', 'found', 'app']) }),
      () => ({ present_match: draw.chance(0.7) }),
      () => ({ double_match: draw.chance(0.5) ? { exact: 3 } : { range: { start: 0, end: 6 } } }),
      () => ({ null_match: {} }),
      () => ({ bool_match: true }),
    ])();
  const value = draw.pick<() => Json>([
    one,
    one,
    () => ({ list_match: { one_of: one() } }),
    () => ({ or_match: { value_matchers: [one(), one()] } }),
  ])();
  return { ...of, value, ...draw.maybe(0.3, () => ({ invert: true })) };
}

const sourced = (draw: Draw): Json => ({
  metadata_matcher: metadata(draw),
  ...draw.maybe(0.5, () => ({ metadata_source: draw.pick(['DYNAMIC', 'ROUTE']) })),
});

function permission(draw: Draw, depth: number): Json {
  const leaf: (() => Json)[] = [
    () => ({ any: true }),
    () => ({ header: headerMatcher(draw) }),
    () => ({ header: headerMatcher(draw) }),
    () => ({ url_path: { path: stringMatcher(draw, paths) } }),
    () => ({ url_path: { path: stringMatcher(draw, paths) } }),
    () => ({ uri_template: pathTemplate(draw.pick(['/a/{x}', '/*/b', '/a/**', '/{x}/{rest=**}', '/v1/*'])) }),
    () => ({ destination_port: draw.pick([80, 443, 10000]) }),
    () => ({
      destination_port_range: draw.pick<Json>([
        { start: 1, end: 65536 },
        { start: 1, end: 80 },
      ]),
    }),
    () => ({ destination_ip: cidr(draw) }),
    () => ({ requested_server_name: stringMatcher(draw, ['', 'x']) }),
    () => ({ metadata: metadata(draw) }),
    () => ({ sourced_metadata: sourced(draw) }),
  ];
  if (depth === 0 || draw.chance(0.5)) return draw.pick(leaf)();
  return draw.pick<() => Json>([
    () => ({ not_rule: permission(draw, depth - 1) }),
    () => ({ and_rules: { rules: draw.many(1, 3, () => permission(draw, depth - 1)) } }),
    () => ({ or_rules: { rules: draw.many(1, 3, () => permission(draw, depth - 1)) } }),
  ])();
}

function principal(draw: Draw, depth: number): Json {
  const leaf: (() => Json)[] = [
    () => ({ any: true }),
    () => ({ header: headerMatcher(draw) }),
    () => ({ url_path: { path: stringMatcher(draw, paths) } }),
    () => ({ direct_remote_ip: cidr(draw) }),
    () => ({ remote_ip: cidr(draw) }),
    () => ({ source_ip: cidr(draw) }),
    () => ({ authenticated: draw.chance(0.5) ? {} : { principal_name: stringMatcher(draw, ['', 'x', 'spiffe://a/ns/b']) } }),
    () => ({ metadata: metadata(draw) }),
    () => ({ sourced_metadata: sourced(draw) }),
    () => ({
      filter_state: {
        key: draw.pick(['random.state', 'random.none']),
        ...draw.pick<() => Json>([
          () => ({ string_match: stringMatcher(draw, ['v', 'value', 'state']) }),
          () => ({ string_match: stringMatcher(draw, ['v', 'value', 'state']) }),
        ])(),
      },
    }),
  ];
  if (depth === 0 || draw.chance(0.5)) return draw.pick(leaf)();
  return draw.pick<() => Json>([
    () => ({ not_id: principal(draw, depth - 1) }),
    () => ({ and_ids: { ids: draw.many(1, 3, () => principal(draw, depth - 1)) } }),
    () => ({ or_ids: { ids: draw.many(1, 3, () => principal(draw, depth - 1)) } }),
  ])();
}

function rules(draw: Draw): Json {
  const names = ['p', 'first', 'a', 'ns[a]-policy[b]-rule[0]'].slice(0, draw.int(5));
  return {
    ...draw.maybe(0.7, () => ({ action: draw.pick(['ALLOW', 'DENY', 'DENY', 'LOG']) })),
    policies: Object.fromEntries(
      names.map((name) => [
        name,
        { permissions: draw.many(1, 2, () => permission(draw, 2)), principals: draw.many(1, 2, () => principal(draw, 2)) },
      ]),
    ),
  };
}

function rbac(draw: Draw): Json {
  return {
    ...draw.maybe(0.8, () => ({ rules: rules(draw) })),
    ...draw.maybe(0.5, () => ({ shadow_rules: rules(draw), ...draw.maybe(0.5, () => ({ shadow_rules_stat_prefix: 'dry_' })) })),
    ...draw.maybe(0.2, () => ({ rules_stat_prefix: 'real_' })),
    ...draw.maybe(0.2, () => ({ track_per_rule_stats: true })),
  };
}

const rbacPerRoute = (draw: Draw): Json => ({
  '@type': type('envoy.extensions.filters.http.rbac.v3.RBACPerRoute'),
  ...draw.maybe(0.7, () => ({ rbac: rbac(draw) })),
});

function filters(draw: Draw): readonly Json[] {
  const toMetadata = httpFilter('header_to_metadata', 'header_to_metadata.v3.Config', {
    request_rules: [
      { header: 'x-who', on_header_present: { metadata_namespace: metadataNamespace, key: 'who', type: 'STRING' } },
      { header: 'x-n', on_header_present: { metadata_namespace: metadataNamespace, key: 'level', type: 'NUMBER' } },
    ],
  });
  const setState = httpFilter('set_filter_state', 'set_filter_state.v3.Config', {
    on_request_headers: [
      {
        object_key: 'random.state',
        factory_key: 'envoy.string',
        format_string: { text_format_source: { inline_string: draw.pick(['%REQ(x-a)%', 'state', '%REQ(x-who)%']) } },
        ...draw.maybe(0.3, () => ({ skip_if_empty: true })),
      },
    ],
  });
  const some: (() => Json)[] = [
    () => jwt(draw),
    () => httpFilter('ext_authz', 'ext_authz.v3.ExtAuthz', extAuthz(draw)),
    () => httpFilter('rbac', 'rbac.v3.RBAC', rbac(draw)),
  ];
  const chosen = draw.pick([[0], [1], [2], [2], [0, 2], [0, 2], [1, 2], [0, 1, 2], [2, 0], [2, 1]]);
  return [toMetadata, setState, ...chosen.map((index) => (some[index] ?? router)()), router()];
}

function route(draw: Draw): Json {
  const overrides: Json = {
    ...draw.maybe(0.25, () => ({ 'envoy.filters.http.rbac': rbacPerRoute(draw) })),
    ...draw.maybe(0.2, () => ({ [JWT]: jwtPerRoute(draw) })),
    ...draw.maybe(0.25, () => ({ 'envoy.filters.http.ext_authz': extAuthzPerRoute(draw) })),
  };
  return {
    match: draw.pick<Json>([{ prefix: '/' }, { prefix: '/a' }, { path: '/v1' }, { prefix: '/', headers: [{ name: 'x-claim' }] }]),
    ...(draw.chance(0.85)
      ? { route: { cluster: draw.pick(['a', 'b']) } }
      : { direct_response: { status: 418, body: { inline_string: 'direct' } } }),
    ...draw.maybe(0.3, () => ({ metadata: { filter_metadata: { [metadataNamespace]: { who: draw.pick(['v', 'a']), level: 3 } } } })),
    ...draw.maybe(0.1, () => ({ response_headers_to_add: [{ header: { key: 'x-details', value: '%RESPONSE_CODE_DETAILS%' } }] })),
    ...(Object.keys(overrides).length === 0 ? {} : { typed_per_filter_config: overrides }),
  };
}

function headers(draw: Draw): Field[] {
  const fields: Field[] = draw.many(0, 3, () => [draw.pick(headerNames), draw.pick(headerValues)]);
  const add = (probability: number, ...some: readonly Field[]): void => {
    if (draw.chance(probability)) fields.push(draw.pick(some));
  };
  add(0.3, ['x-who', 'v'], ['x-who', 'a'], ['x-who', '']);
  add(0.2, ['x-n', '3'], ['x-n', '17'], ['x-n', 'x'], ['x-n', '1.5']);
  add(0.15, ['x-forwarded-for', '10.0.0.1'], ['x-forwarded-for', '1.2.3.4, 10.0.0.1'], ['x-forwarded-for', 'garbage']);
  add(0.1, ['content-type', 'application/grpc'], ['content-type', 'application/json']);
  add(0.1, ['cookie', 'd=1'], ['cookie', 'c=1; d="2"'], ['x-claim', 'forged'], ['x-payload', 'forged'], ['x-user', 'forged']);
  add(0.1, ['origin', 'http://app.example']);
  for (let left = draw.pick([0, 1, 1, 1, 2]); left > 0; left--) {
    const one = draw.pick(tokens);
    fields.push(
      draw.pick<Field>([
        ['authorization', `Bearer ${one}`],
        ['authorization', `Bearer ${one}`],
        ['authorization', `bearer ${one}`],
        ['authorization', one],
        ['x-token', one],
        ['x-token', `T ${one}`],
        ['cookie', `c=${one}`],
        ['cookie', `b=1; c=${one}; d=2`],
      ]),
    );
  }
  return fields;
}

/** What the authorizer answers. */
function verdict(draw: Draw): Reply {
  const fields: Field[] = [
    ['x-user', 'jason'],
    ['x-append', 'more'],
    ['x-why', 'because'],
    ['x-seen', '1'],
    ['content-type', draw.pick(['text/plain', 'text/custom'])],
  ];
  if (draw.chance(0.3)) fields.push(['x-user', 'anne']);
  if (draw.chance(0.3)) fields.push(['set-cookie', 'a=b'], ['set-cookie', 'c=d']);
  if (draw.chance(0.3)) fields.push(['x-envoy-auth-headers-to-remove', draw.pick(['x-a, x-b', 'x-a', 'host', ''])]);
  if (draw.chance(0.2)) fields.push(['www-authenticate', 'Basic realm="x"'], ['location', 'http://login.example/']);
  const instead = draw.chance(0.1) ? draw.pick(['close', 'reset'] as const) : undefined;
  return {
    status: draw.pick([200, 200, 200, 200, 401, 403, 404, 429, 500, 503, 302]),
    headers: fields,
    body: draw.pick(['', 'no', 'a longer reason']),
    ...(instead === undefined ? {} : { instead }),
  };
}

function ask(draw: Draw): Ask {
  const token = draw.chance(0.15) ? `${draw.pick(['?q=', '?p=1&q='])}${draw.pick(tokens)}` : '';
  const does = {
    method: draw.pick(['GET', 'GET', 'GET', 'POST', 'PUT', 'HEAD', 'OPTIONS']),
    path: `${draw.pick(askedPaths)}${token}`,
    headers: headers(draw),
    ...draw.maybe(0.3, () => ({ body: draw.pick(['x', 'a body', 'a body that is longer']) })),
  };
  const host = draw.pick(['app.example', 'app.example', 'App.example:80', 'a\\b', 'x"y']);
  const exchange: Ask['does'] = draw.chance(0.35) ? { ...does, kind: 'http2', authority: host } : { ...does, host };
  return { does: exchange, answers: { d: verdict(draw) } };
}

/** A scene about who may call what: tokens, rules and an authorizer (upstream `d`), requests near their edges. */
export function generatePolicyScene(seed: number, asks = 12): Scene {
  const draw = new Draw(seed * 7919 + 29);
  return {
    manager: {
      http_filters: filters(draw),
      ...draw.maybe(0.3, () => ({ normalize_path: true, merge_slashes: true })),
      ...draw.maybe(0.3, () => ({ use_remote_address: true })),
      ...draw.maybe(0.2, () => ({ xff_num_trusted_hops: 1 })),
      ...draw.maybe(0.2, () => ({
        local_reply_config: { body_format: { text_format_source: { inline_string: '%RESPONSE_CODE_DETAILS%: %LOCAL_REPLY_BODY%' } } },
      })),
    },
    routes: { virtual_hosts: [virtualHost(draw.many(1, 3, () => route(draw)))] },
    asks: draw.many(asks, asks, () => ask(draw)),
  };
}
