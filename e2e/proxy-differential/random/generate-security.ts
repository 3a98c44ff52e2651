import { createHmac } from 'node:crypto';
import { httpFilter, type } from '../harness/configuration.ts';
import type { Json } from '../harness/family.ts';
import type { Draw } from './draw.ts';
import { headerMatcher } from './generate-matches.ts';
import { metadataNamespace } from './vocabulary.ts';

/** One key for both providers, the same in each run, so that scenes can be kept. */
const secret = Buffer.from('a secret of more than thirty-two bytes for HMAC');
export const keys = JSON.stringify({ keys: [{ kty: 'oct', alg: 'HS256', k: secret.toString('base64url') }] });

function token(claims: Json, alg = 'HS256', key = secret): string {
  const text = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${text({ alg })}.${text(claims)}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

const later = 4_102_444_800;
const claims: Json = { iss: 'one', sub: 'subject', aud: 'app', exp: later, name: 'v', level: 3, deep: { in: 'found' }, list: ['a', 'b'] };

export const tokens: readonly string[] = [
  token(claims),
  token(claims),
  token({ ...claims, iss: 'two' }),
  token({ ...claims, iss: 'three' }),
  token({ ...claims, aud: ['web', 'app'] }),
  token({ ...claims, aud: 'other' }),
  token({ ...claims, exp: 1_000_000_000 }),
  token({ ...claims, nbf: later }),
  token({ sub: 'nobody' }),
  token(claims, 'HS256', Buffer.from('wrong')),
  token(claims, 'none'),
  'a.b.c',
  'garbage',
  '',
];

function provider(draw: Draw, issuer: string): Json {
  return {
    ...draw.maybe(0.8, () => ({ issuer })),
    local_jwks: { inline_string: keys },
    ...draw.maybe(0.5, () => ({ audiences: draw.pick([['app'], ['web'], ['app', 'web']]) })),
    ...draw.maybe(0.4, () => ({ forward: true })),
    ...draw.maybe(0.4, () => ({ forward_payload_header: 'x-payload', ...draw.maybe(0.3, () => ({ pad_forward_payload_header: true })) })),
    ...draw.maybe(0.3, () => ({ from_headers: [{ name: 'x-token', ...draw.maybe(0.5, () => ({ value_prefix: 'T ' })) }] })),
    ...draw.maybe(0.3, () => ({ from_params: ['q'] })),
    ...draw.maybe(0.2, () => ({ from_cookies: ['c'] })),
    ...draw.maybe(0.3, () => ({ payload_in_metadata: 'payload' })),
    ...draw.maybe(0.4, () => ({
      claim_to_headers: [{ header_name: 'x-claim', claim_name: draw.pick(['name', 'level', 'deep.in', 'list', 'none']) }],
    })),
    ...draw.maybe(0.2, () => ({ require_expiration: true })),
    ...draw.maybe(0.1, () => ({ clear_route_cache: true })),
  };
}

function requirement(draw: Draw, depth = 1): Json {
  const leaf: (() => Json)[] = [
    () => ({ provider_name: draw.pick(['p1', 'p2']) }),
    () => ({ provider_and_audiences: { provider_name: draw.pick(['p1', 'p2']), audiences: [draw.pick(['app', 'web', 'none'])] } }),
    () => ({ allow_missing: {} }),
    () => ({ allow_missing_or_failed: {} }),
  ];
  if (depth === 0) return draw.pick(leaf)();
  const several = (): Json => ({ requirements: draw.many(2, 3, () => requirement(draw, depth - 1)) });
  return draw.pick<() => Json>([...leaf, () => ({ requires_any: several() }), () => ({ requires_all: several() })])();
}

/** JWT authentication with two providers and rules by path. */
export function jwt(draw: Draw): Json {
  const rules = draw.many(1, 3, () => ({
    match: {
      ...draw.pick<Json>([{ prefix: '/' }, { prefix: '/a' }, { path: '/a/b' }, { safe_regex: { regex: '/v1.*' } }]),
      ...draw.maybe(0.2, () => ({ headers: [headerMatcher(draw)] })),
    },
    ...draw.pick<() => Json>([
      () => ({ requires: requirement(draw) }),
      () => ({ requires: requirement(draw) }),
      () => ({}),
      () => ({ requirement_name: 'named' }),
    ])(),
  }));
  return httpFilter('jwt_authn', 'jwt_authn.v3.JwtAuthentication', {
    providers: { p1: provider(draw, 'one'), p2: provider(draw, 'two') },
    rules,
    requirement_map: { named: requirement(draw) },
    ...draw.maybe(0.2, () => ({ bypass_cors_preflight: true })),
    ...draw.maybe(0.2, () => ({ strip_failure_response: true })),
  });
}

export const jwtPerRoute = (draw: Draw): Json => ({
  '@type': type('envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig'),
  ...draw.pick<Json>([{ disabled: true }, { requirement_name: 'named' }, { requirement_name: 'named' }]),
});

/** Actions of rate limits, for routes and virtual hosts. */
export function rateLimits(draw: Draw): Json {
  const action = (): Json =>
    draw.pick<() => Json>([
      () => ({
        request_headers: {
          header_name: draw.pick(['x-a', 'x-b']),
          descriptor_key: 'h',
          ...draw.maybe(0.3, () => ({ skip_if_absent: true })),
        },
      }),
      () => ({ generic_key: { descriptor_value: 'g', ...draw.maybe(0.3, () => ({ descriptor_key: 'k' })) } }),
      () => ({ remote_address: {} }),
      () => ({ destination_cluster: {} }),
      () => ({
        header_value_match: { descriptor_value: 'm', headers: [headerMatcher(draw)], ...draw.maybe(0.3, () => ({ expect_match: false })) },
      }),
      () => ({
        query_parameter_value_match: { descriptor_value: 'qm', query_parameters: [{ name: 'q', string_match: { exact: 'v' } }] },
      }),
      () => ({ metadata: { descriptor_key: 'who', metadata_key: { key: metadataNamespace, path: [{ key: 'who' }] }, default_value: 'd' } }),
      () => ({ masked_remote_address: { v4_prefix_mask_len: 8 } }),
    ])();
  return { rate_limits: draw.many(1, 2, () => ({ actions: draw.many(1, 2, action), ...draw.maybe(0.1, () => ({ stage: 1 })) })) };
}

/** Limits of a local rate limit for what those actions make. */
export function localDescriptors(draw: Draw): Json {
  const entry = (): Json =>
    draw.pick<Json>([
      { key: 'h', value: 'v' },
      { key: 'h', value: '1' },
      { key: 'h' },
      { key: 'generic_key', value: 'g' },
      { key: 'k', value: 'g' },
      { key: 'remote_address', value: '127.0.0.1' },
      { key: 'destination_cluster', value: 'a' },
      { key: 'header_match', value: 'm' },
      { key: 'query_match', value: 'qm' },
      { key: 'who', value: 'd' },
      { key: 'masked_remote_address', value: '127.0.0.0/8' },
    ]);
  return {
    descriptors: draw.many(1, 3, () => ({
      entries: draw.many(1, 2, entry),
      token_bucket: { max_tokens: 1 + draw.int(2), tokens_per_fill: 1, fill_interval: '60s' },
    })),
    ...draw.maybe(0.2, () => ({ always_consume_default_token_bucket: false })),
  };
}
