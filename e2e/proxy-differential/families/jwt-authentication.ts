import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import {
  cluster,
  httpConnectionManager,
  httpFilter,
  listener,
  router,
  standardClusters,
  type,
  virtualHost,
} from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Field, Http1Exchange, Json, Site } from '../harness/family.ts';
import { HttpPeer } from '../peers/http-peer.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');
const secret = Buffer.from('a secret of more than thirty-two bytes for HMAC');

const publicJwk = (key: KeyObject, more: Json = {}): Json => ({ ...key.export({ format: 'jwk' }), ...more });
const keySet = (...keys: Json[]): string => JSON.stringify({ keys });
const rsaSet = keySet(publicJwk(rsa.publicKey, { kid: 'one', alg: 'RS256' }), publicJwk(other.publicKey, { kid: 'two', alg: 'RS256' }));

const text = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const sealed = (header: unknown, payload: unknown, make: (data: string) => Buffer): string => {
  const signed = `${text(header)}.${text(payload)}`;
  return `${signed}.${make(signed).toString('base64url')}`;
};
const byRsa = (payload: unknown, header: Json = {}, key: KeyObject = rsa.privateKey): string =>
  sealed({ alg: 'RS256', kid: 'one', ...header }, payload, (data) => sign('sha256', Buffer.from(data), key));
const byEc = (payload: unknown, header: Json = {}): string =>
  sealed({ alg: 'ES256', ...header }, payload, (data) =>
    sign('sha256', Buffer.from(data), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' }),
  );
const byEd = (payload: unknown): string => sealed({ alg: 'EdDSA' }, payload, (data) => sign(null, Buffer.from(data), ed.privateKey));
const bySecret = (payload: unknown): string =>
  sealed({ alg: 'HS256' }, payload, (data) => createHmac('sha256', secret).update(data).digest());

const later = 4_102_444_800;
const earlier = 1_000_000_000;
const claims: Json = {
  iss: 'issuer-one',
  sub: 'subject',
  aud: ['app', 'https://web.example/'],
  exp: later,
  name: 'Jason',
  admin: true,
  level: 3,
  ratio: 1.5,
  groups: ['a', 'b'],
  deep: { in: { here: 'found' } },
  scope: 'read write',
};
const good = byRsa(claims);

const jwks = new HttpPeer((request, response) => {
  if (request.url?.includes('missing') === true) response.statusCode = 404;
  response.end(request.url?.includes('garbage') === true ? 'garbage' : rsaSet);
});

const local = (set: string): Json => ({ local_jwks: { inline_string: set } });
const remote = (path: string, more: Json = {}): Json => ({
  remote_jwks: { http_uri: { uri: `http://jwks.example${path}`, cluster: 'jwks', timeout: '1s' }, cache_duration: '300s', ...more },
});

const providers: Json = {
  one: {
    issuer: 'issuer-one',
    audiences: ['app'],
    ...local(rsaSet),
    forward: true,
    payload_in_metadata: 'payload',
    header_in_metadata: 'header',
  },
  two: { issuer: 'issuer-two', ...local(keySet(publicJwk(ec.publicKey))) },
  ed: { issuer: 'issuer-ed', ...local(keySet(publicJwk(ed.publicKey))) },
  secret: { issuer: 'issuer-secret', ...local(keySet({ kty: 'oct', k: secret.toString('base64url'), alg: 'HS256' })) },
  any: { ...local(rsaSet) },
  places: {
    issuer: 'issuer-one',
    ...local(rsaSet),
    from_headers: [{ name: 'x-jwt' }, { name: 'x-prefixed', value_prefix: 'Token ' }],
    from_params: ['token'],
    from_cookies: ['jwt'],
  },
  forwards: {
    issuer: 'issuer-one',
    ...local(rsaSet),
    forward_payload_header: 'x-payload',
    claim_to_headers: [
      { header_name: 'x-name', claim_name: 'name' },
      { header_name: 'x-admin', claim_name: 'admin' },
      { header_name: 'x-level', claim_name: 'level' },
      { header_name: 'x-ratio', claim_name: 'ratio' },
      { header_name: 'x-groups', claim_name: 'groups' },
      { header_name: 'x-deep', claim_name: 'deep.in.here' },
      { header_name: 'x-object', claim_name: 'deep' },
      { header_name: 'x-none', claim_name: 'nothing' },
    ],
  },
  padded: { issuer: 'issuer-one', ...local(rsaSet), forward_payload_header: 'x-payload', pad_forward_payload_header: true, forward: true },
  strict: {
    issuer: 'issuer-one',
    ...local(rsaSet),
    require_expiration: true,
    max_lifetime: '3600s',
    clock_skew_seconds: 600,
    subjects: { prefix: 'sub' },
  },
  remote: { issuer: 'issuer-one', ...remote('/keys') },
  async: { issuer: 'issuer-one', ...remote('/async', { async_fetch: {} }) },
  missing: { issuer: 'issuer-one', ...remote('/missing') },
  garbage: { issuer: 'issuer-one', ...remote('/garbage') },
  dead: { issuer: 'issuer-one', remote_jwks: { http_uri: { uri: 'http://jwks.example/', cluster: 'dead', timeout: '1s' } } },
  clearing: {
    issuer: 'issuer-one',
    ...local(rsaSet),
    claim_to_headers: [{ header_name: 'x-name', claim_name: 'name' }],
    clear_route_cache: true,
  },
  status: { issuer: 'issuer-one', ...local(rsaSet), failed_status_in_metadata: 'failed' },
};

const name = (provider: string): Json => ({ provider_name: provider });
const requirements: Readonly<Record<string, Json>> = {
  one: name('one'),
  two: name('two'),
  ed: name('ed'),
  secret: name('secret'),
  any: name('any'),
  places: name('places'),
  forwards: name('forwards'),
  padded: name('padded'),
  strict: name('strict'),
  remote: name('remote'),
  async: name('async'),
  missing: name('missing'),
  garbage: name('garbage'),
  dead: name('dead'),
  clearing: name('clearing'),
  audiences: { provider_and_audiences: { provider_name: 'one', audiences: ['special'] } },
  either: { requires_any: { requirements: [name('one'), name('two')] } },
  both: { requires_all: { requirements: [name('one'), name('places')] } },
  optional: { requires_any: { requirements: [name('one'), { allow_missing: {} }] } },
  lenient: { requires_any: { requirements: [name('one'), { allow_missing_or_failed: {} }] } },
  'missing-only': { allow_missing: {} },
  'failed-only': { allow_missing_or_failed: {} },
  istio: {
    requires_any: {
      requirements: [
        name('one'),
        name('two'),
        {
          requires_all: {
            requirements: [
              { requires_any: { requirements: [name('one'), { allow_missing: {} }] } },
              { requires_any: { requirements: [name('two'), { allow_missing: {} }] } },
            ],
          },
        },
      ],
    },
  },
  status: { requires_any: { requirements: [name('status'), { allow_missing_or_failed: {} }] } },
};

const perRoute = (config: Json): Json => ({
  typed_per_filter_config: {
    'envoy.filters.http.jwt_authn': { '@type': type('envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig'), ...config },
  },
});

const filter = (more: Json = {}): Json =>
  httpFilter('jwt_authn', 'jwt_authn.v3.JwtAuthentication', {
    providers,
    requirement_map: { named: name('one') },
    rules: [
      ...Object.entries(requirements).map(([key, requires]) => ({ match: { path: `/${key}` }, requires })),
      { match: { prefix: '/named' }, requirement_name: 'named' },
      { match: { prefix: '/post', headers: [{ name: ':method', string_match: { exact: 'POST' } }] }, requires: name('one') },
    ],
    bypass_cors_preflight: true,
    ...more,
  });

const metadataLog: Json = {
  request_headers_to_add: [
    { header: { key: 'x-metadata-sub', value: '%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:payload:sub)%' } },
    { header: { key: 'x-metadata-kid', value: '%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:header:kid)%' } },
    { header: { key: 'x-metadata-failed', value: '%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:failed:code)%' } },
  ],
};

const with_ = (token: string): readonly Field[] => [['authorization', `Bearer ${token}`]];
const does = (label: string, path: string, headers: readonly Field[] = [], more: Http1Exchange = {}): DifferentialCase => ({
  name: label,
  does: { path, headers, ...more },
});

const bad: Readonly<Record<string, string>> = {
  'not a token': 'garbage',
  'two parts': 'a.b',
  'four parts': `${good}.x`,
  'bad header': `!!.${text(claims)}.x`,
  'header is no JSON': `${text('{')}.${text(claims)}.eA`,
  'no algorithm': sealed({ kid: 'one' }, claims, () => Buffer.from('x')),
  'algorithm is a number': sealed({ alg: 5 }, claims, () => Buffer.from('x')),
  'algorithm none': sealed({ alg: 'none' }, claims, () => Buffer.from('x')),
  'key id is a number': sealed({ alg: 'RS256', kid: 5 }, claims, () => Buffer.from('x')),
  'bad payload': `${text({ alg: 'RS256' })}.!!.eA`,
  'payload is no JSON': sealed({ alg: 'RS256' }, '{', () => Buffer.from('x')),
  'issuer is a number': byRsa({ ...claims, iss: 5 }),
  'expiration is a text': byRsa({ ...claims, exp: 'x' }),
  'expiration is negative': byRsa({ ...claims, exp: -1 }),
  'audience is a number': byRsa({ ...claims, aud: 5 }),
  'bad signature text': `${text({ alg: 'RS256' })}.${text(claims)}.!!`,
  'wrong signature': `${good.slice(0, -6)}AAAAAA`,
  'another key': byRsa(claims, {}, other.privateKey),
  'unknown key id': byRsa(claims, { kid: 'nobody' }),
  'no key id': sealed({ alg: 'RS256' }, claims, (data) => sign('sha256', Buffer.from(data), rsa.privateKey)),
  'second key': byRsa(claims, { kid: 'two' }, other.privateKey),
  'algorithm of another kind': bySecret({ ...claims }),
  expired: byRsa({ ...claims, exp: earlier }),
  'not yet valid': byRsa({ ...claims, nbf: later - 10 }),
  'without expiration': byRsa({ ...claims, exp: undefined }),
  'other issuer': byRsa({ ...claims, iss: 'someone' }),
  'no issuer': byRsa({ ...claims, iss: undefined }),
  'other audience': byRsa({ ...claims, aud: 'other' }),
  'no audience': byRsa({ ...claims, aud: undefined }),
  'audience as text': byRsa({ ...claims, aud: 'app' }),
  'audience as address': byRsa({ ...claims, aud: 'https://app/' }),
  'expired and other audience': byRsa({ ...claims, exp: earlier, aud: 'other' }),
  empty: '',
};

const now = Math.floor(Date.now() / 1000);

export const jwtAuthentication: DifferentialFamily = {
  name: 'jwt-authentication',
  about:
    'envoy.filters.http.jwt_authn: every refusal with its body, status and details; requirements, locations, forwarding, key sets from a server',
  peers: { jwks: async () => jwks.start() },
  bootstrap: (site: Site) => ({
    static_resources: {
      listeners: Object.entries({
        http: filter(),
        stripped: filter({ strip_failure_response: true, bypass_cors_preflight: false, stat_prefix: 'mine.' }),
      }).map(([to, own]) =>
        listener(site, to, [
          httpConnectionManager(
            site,
            [
              virtualHost(
                [
                  {
                    name: 'named',
                    match: { prefix: '/changed', headers: [{ name: 'x-name', present_match: true }] },
                    route: { cluster: 'b' },
                  },
                  {
                    name: 'cleared',
                    match: { prefix: '/clearing', headers: [{ name: 'x-name', present_match: true }] },
                    route: { cluster: 'b' },
                  },
                  { name: 'off', match: { prefix: '/route/off' }, route: { cluster: 'a' }, ...perRoute({ disabled: true }) },
                  { name: 'on', match: { prefix: '/route/on' }, route: { cluster: 'a' }, ...perRoute({ requirement_name: 'named' }) },
                  {
                    name: 'wrong',
                    match: { prefix: '/route/wrong' },
                    route: { cluster: 'a' },
                    ...perRoute({ requirement_name: 'nobody' }),
                  },
                  { name: 'a', match: { prefix: '/' }, route: { cluster: 'a' } },
                ],
                metadataLog,
              ),
            ],
            { stat_prefix: to, http_filters: [own, router()] },
          ),
        ]),
      ),
      clusters: [...standardClusters(site), cluster('jwks', [site.upstream('jwks')])],
    },
  }),
  cases: [
    does('good', '/one', with_(good)),
    does('none', '/one'),
    does('none with a query', '/one?a=b&c=d'),
    does('none with a quote', '/one?a="b"'),
    does('none for another host', '/one', [], { host: 'other.example' }),
    does('lower-case bearer', '/one', [['authorization', `bearer ${good}`]]),
    does('two spaces', '/one', [['authorization', `Bearer  ${good}`]]),
    does('basic', '/one', [['authorization', 'Basic eA==']]),
    does('as a parameter', `/one?access_token=${good}`),
    does('two tokens', `/one?access_token=${good}`, with_('garbage')),
    ...Object.entries(bad).flatMap(([label, token]) => [
      does(label, '/one', with_(token)),
      does(`lenient: ${label}`, '/lenient', with_(token)),
      does(`status: ${label}`, '/status', with_(token)),
    ]),
    ...Object.entries(bad)
      .slice(17)
      .map(([label, token]) => does(`optional: ${label}`, '/optional', with_(token))),
    ...Object.entries({
      one: good,
      two: byEc({ iss: 'issuer-two' }),
      ed: byEd({ iss: 'issuer-ed' }),
      secret: bySecret({ iss: 'issuer-secret' }),
    }).flatMap(([key, token]) => [
      does(`${key} with its token`, `/${key}`, with_(token)),
      does(`either with ${key}`, '/either', with_(token)),
      does(`istio with ${key}`, '/istio', with_(token)),
      does(`any issuer with ${key}`, '/any', with_(token)),
      // Of several providers of one issuer, Envoy takes any.
      ...(key === 'one' ? [] : ['missing-only', 'failed-only'].map((only) => does(`${only} with ${key}`, `/${only}`, with_(token)))),
    ]),
    does('short ed signature', '/ed', with_(sealed({ alg: 'EdDSA' }, { iss: 'issuer-ed' }, () => Buffer.from('short')))),
    ...['either', 'both', 'optional', 'lenient', 'istio', 'missing-only', 'failed-only', 'any', 'audiences', 'status'].map((key) =>
      does(`${key} with none`, `/${key}`),
    ),
    ...['both', 'audiences', 'status'].map((key) => does(`${key} with a token`, `/${key}`, with_(good))),
    ...['expired', 'wrong signature', 'not a token'].flatMap((label) =>
      ['either', 'istio', 'status', 'both'].map((key) => does(`${key}, ${label}`, `/${key}`, with_(bad[label] ?? ''))),
    ),
    does('both with both', '/both', [...with_(good), ['x-jwt', good]]),
    does('audience of the requirement', '/audiences', with_(byRsa({ ...claims, aud: 'special' }))),
    does('from a header', '/places', [['x-jwt', good]]),
    does('from a header with a prefix', '/places', [['x-prefixed', `Token ${good}`]]),
    does('from a header without its prefix', '/places', [['x-prefixed', good]]),
    does('from a parameter', `/places?a=b&token=${good}&c=d`),
    does('from a cookie', '/places', [['cookie', `a=b; jwt=${good}; c=d`]]),
    does('not from authorization', '/places', with_(good)),
    does('claims become headers', '/forwards', [...with_(good), ['x-name', 'forged'], ['x-none', 'forged'], ['x-payload', 'forged']]),
    does('claims that are not there', '/forwards', with_(byRsa({ iss: 'issuer-one' }))),
    does('padded payload', '/padded', with_(good)),
    ...Object.entries({
      good: { iat: now, exp: now + 600 },
      'too long': { iat: now, exp: now + 7200 },
      'no expiration': { exp: undefined },
      'other subject': { sub: 'x', exp: now + 600 },
      'no subject': { sub: undefined, exp: now + 600 },
      'within the skew': { exp: now - 100 },
      'past the skew': { exp: now - 10_000 },
    }).map(([label, more]) => does(`strict: ${label}`, '/strict', with_(byRsa({ ...claims, ...more })))),
    ...['remote', 'remote', 'async', 'missing', 'garbage', 'dead'].map((key, i) =>
      does(`keys from a server: ${key} ${i}`, `/${key}`, with_(good)),
    ),
    does('keys from a server, wrong signature', '/remote', with_(bad['wrong signature'] ?? '')),
    does('clears the route', '/clearing', with_(good)),
    does('by name', '/named/x', with_(good)),
    does('by name, none', '/named/x'),
    does('not by its method', '/post'),
    does('by its method', '/post', [['content-length', '0']], { method: 'POST' }),
    does('no rule', '/nothing'),
    does('no rule, forged headers', '/nothing', [
      ['x-payload', 'forged'],
      ['x-name', 'forged'],
    ]),
    does(
      'preflight',
      '/one',
      [
        ['origin', 'http://a'],
        ['access-control-request-method', 'GET'],
        ['content-length', '0'],
      ],
      { method: 'OPTIONS' },
    ),
    does('preflight without a method', '/one', [['origin', 'http://a']], { method: 'OPTIONS' }),
    does(
      'preflight is not passed',
      '/one',
      [
        ['origin', 'http://a'],
        ['access-control-request-method', 'GET'],
      ],
      { method: 'OPTIONS', to: 'stripped' },
    ),
    does('stripped', '/one', with_('garbage'), { to: 'stripped' }),
    does('stripped, none', '/one', [], { to: 'stripped' }),
    ...['off', 'on', 'wrong'].flatMap((key) => [
      does(`route ${key}`, `/route/${key}`),
      does(`route ${key} with a token`, `/route/${key}`, with_(good)),
    ]),
    {
      name: 'gRPC',
      does: {
        kind: 'http2',
        path: '/one',
        method: 'POST',
        headers: [
          ['content-type', 'application/grpc'],
          ['te', 'trailers'],
        ],
      },
    },
    {
      name: 'what the key server was asked',
      does: [],
      run: () => Promise.resolve([...new Set(jwks.take().map((asked) => JSON.stringify(asked)))].sort()),
    },
  ],
  stats: ['allowed', 'denied', 'cors_preflight_bypassed', 'jwks_fetch_success', 'jwks_fetch_failed'].flatMap((what) => [
    `http.http.jwt_authn.${what}`,
    `http.stripped.jwt_authn.mine.${what}`,
  ]),
  known: {
    'none with a quote': {
      why: 'a quote in the address is escaped in the challenge, which it would end otherwise',
      differs: {
        'answers.0.answers.0.headers.www-authenticate': [
          'Bearer realm="http://app.example/one?a="b""',
          'Bearer realm="http://app.example/one?a=%22b%22"',
        ],
      },
    },
  },
};
