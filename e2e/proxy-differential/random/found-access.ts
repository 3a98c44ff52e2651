import { httpFilter, router, type, virtualHost } from '../harness/configuration.ts';
import type { Json, Reply } from '../harness/family.ts';
import type { FoundScene } from './found.ts';
import { keys, tokens } from './generate-security.ts';
import type { Ask } from './scene.ts';

// Found among scenes about access.

const everywhere: Json = { match: { prefix: '/' }, route: { cluster: 'a' } };
const scene = (
  name: string,
  filters: readonly Json[],
  route: Json,
  asks: readonly Ask['does'][],
  answer: Reply = { status: 200 },
): FoundScene => ({
  name,
  manager: { http_filters: [...filters, router()] },
  routes: { virtual_hosts: [virtualHost([route])] },
  asks: asks.map((does) => ({ does, answers: { d: answer } })),
});
const rbac = (config: Json): Json => httpFilter('rbac', 'rbac.v3.RBAC', config);
const any = [{ any: true }];
const denyAll = { action: 'DENY', policies: { p: { permissions: any, principals: any } } };
const authorizer = (request: Json, response: Json = {}): Json =>
  httpFilter('ext_authz', 'ext_authz.v3.ExtAuthz', {
    http_service: {
      server_uri: { uri: 'http://authz.example:80', cluster: 'd', timeout: '1s' },
      authorization_request: request,
      authorization_response: response,
    },
  });
const local = { local_jwks: { inline_string: keys } };
const good = tokens[0] ?? '';

export const foundAccess: readonly FoundScene[] = [
  scene(
    'tokens of an issuer in places where others look',
    [
      httpFilter('jwt_authn', 'jwt_authn.v3.JwtAuthentication', {
        providers: {
          p1: { issuer: 'one', audiences: ['web'], from_headers: [{ name: 'x-token' }], ...local },
          p2: { forward_payload_header: 'x-payload', ...local },
        },
        rules: [{ match: { prefix: '/' }, requires: { allow_missing_or_failed: {} } }],
      }),
    ],
    everywhere,
    [{ headers: [['authorization', `Bearer ${good}`]] }, { headers: [['x-token', good]] }],
  ),
  scene(
    'authorizers are not asked about requests without a route',
    [authorizer({})],
    { ...everywhere, match: { prefix: '/a' } },
    [{ path: '/b' }, { path: '/a' }],
    { status: 403 },
  ),
  scene(
    'headers for authorizers',
    [
      authorizer({
        allowed_headers: { patterns: [{ exact: 'x-a' }] },
        headers_to_add: [
          { key: 'X-Empty', value: '' },
          { key: 'x-a', value: 'own' },
          { key: 'x-method', value: '%REQ(:METHOD)%' },
        ],
      }),
    ],
    everywhere,
    [{ headers: [['x-a', 'asked']] }],
  ),
  scene(
    'what authorizers say of headers stays between them and the proxy',
    [authorizer({}, { dynamic_metadata_from_headers: { patterns: [{ exact: 'x-user' }] } })],
    everywhere,
    [{}],
    {
      status: 403,
      headers: [
        ['x-user', 'jason'],
        ['x-user', 'anne'],
        ['x-envoy-auth-headers-to-remove', 'x-a'],
      ],
      body: 'no',
    },
  ),
  scene(
    'rules of routes are noted under the prefixes of the filter',
    [rbac({ rules_stat_prefix: 'real_', shadow_rules_stat_prefix: 'dry_' })],
    {
      ...everywhere,
      typed_per_filter_config: {
        'envoy.filters.http.rbac': {
          '@type': type('envoy.extensions.filters.http.rbac.v3.RBACPerRoute'),
          rbac: { rules: denyAll, shadow_rules: denyAll },
        },
      },
    },
    [{}, { kind: 'http2', method: 'HEAD', headers: [['content-type', 'application/grpc']] }],
  ),
  scene(
    'metadata of no route matches nothing, even inverted',
    [
      rbac({
        shadow_rules: {
          policies: {
            p: {
              permissions: [
                {
                  sourced_metadata: {
                    metadata_matcher: { filter: 'none', path: [{ key: 'a' }], value: { string_match: { exact: 'b' } }, invert: true },
                    metadata_source: 'ROUTE',
                  },
                },
              ],
              principals: any,
            },
          },
        },
      }),
    ],
    { ...everywhere, match: { prefix: '/a' } },
    [{ path: '/a' }, { path: '/b' }],
  ),
  scene(
    'rules of routes are noted under prefixes of their own',
    [rbac({})],
    {
      ...everywhere,
      typed_per_filter_config: {
        'envoy.filters.http.rbac': {
          '@type': type('envoy.extensions.filters.http.rbac.v3.RBACPerRoute'),
          rbac: { rules: denyAll, shadow_rules: denyAll, rules_stat_prefix: 'real_', shadow_rules_stat_prefix: 'dry_' },
        },
      },
    },
    [{}],
  ),
  scene(
    'metadata that must not be present',
    [
      rbac({
        rules: {
          policies: {
            p: { permissions: [{ metadata: { filter: 'none', path: [{ key: 'a' }], value: { present_match: false } } }], principals: any },
          },
        },
      }),
    ],
    everywhere,
    [{}],
  ),
  scene(
    'empty cookies where tokens are looked for',
    [
      httpFilter('jwt_authn', 'jwt_authn.v3.JwtAuthentication', {
        providers: { p: { issuer: 'one', from_cookies: ['c'], ...local } },
        rules: [{ match: { prefix: '/' }, requires: { provider_name: 'p' } }],
      }),
    ],
    everywhere,
    [{ headers: [['cookie', 'c=']] }, { headers: [['cookie', 'b=1; c=; d=2']] }, { headers: [['cookie', 'c']] }],
  ),
];
