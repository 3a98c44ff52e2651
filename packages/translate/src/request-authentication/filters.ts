import { type MeshProxy, type MeshSnapshot, requestAuthenticationsOf } from '@xebec/model';
import {
  JwtAuthenticationSchema,
  type JwtProviderSchema,
  type JwtRequirementSchema,
} from '@xebec/protos/envoy/extensions/filters/http/jwt_authn/v3/config';
import type { JwtRule } from '@xebec/schemas';
import { outboundCluster } from '../cluster/names.ts';
import { extension, type Fields } from '../envoy/any.ts';
import { duration, seconds } from '../envoy/duration.ts';
import { type ConfigReference, referenceTo } from '../generated.ts';
import type { HttpFilter } from '../listener/http-filters.ts';
import { keySetSource } from './key-set-source.ts';
import { hasUsableKey } from './usable-keys.ts';

type Provider = Fields<typeof JwtProviderSchema>;
type Requirement = Fields<typeof JwtRequirementSchema>;

export interface JwtFilters {
  readonly http: HttpFilter[];
  readonly references: ConfigReference[];
}

/**
 * A key set that no token's signature can match: what is used where the real one cannot be had. Envoy refuses an empty set,
 * so it holds an RSA public key whose private key was thrown away when it was made.
 */
const NO_KEYS = JSON.stringify({
  keys: [
    {
      kty: 'RSA',
      alg: 'RS256',
      use: 'sig',
      kid: 'none',
      e: 'AQAB',
      n: 'xKt1SqnFuTs900oenHsAjnM8z3nn-v12pMFCx72JO3flTKSZRRbWeuNjX7lw74HhREdddv5u6gvi41ZVbzvp3o8bhBjSKs2nlBK4T9mLDtg4LRvvYUHR6SHw5WkACLKIoK3umq4xxKzzQVCEayXjsLvtAepMFQel-h4s-gvsZVlFFLubnlBj9eo8efqXYbnNijs1DHCZ0VQxlWwFA8jgRFToKfEV0EQmNAgNnKQ0_IG2ol0JqEMCD7ZuxrKZ-cdxN00NeGSOcj4xM4v-Ai8D4oMh96ZAu83BX52ex16fH4f3Es-aUDNXt5shWEdeicXNJXy2oXRvNgW59uvQ7FDlbw',
    },
  ],
});

/**
 * Token validation of a workload. A request without a token passes (policies decide about it), one with a bad token does
 * not. Providers are sorted by issuer, so that their names do not depend on the order of objects.
 */
export function jwtFilters(snapshot: MeshSnapshot, proxy: MeshProxy): JwtFilters {
  const configs = requestAuthenticationsOf(snapshot, proxy);
  const rules = configs
    .flatMap((config) => config.spec.jwtRules ?? [])
    .sort((a, b) => (a.issuer < b.issuer ? -1 : a.issuer > b.issuer ? 1 : 0));
  if (rules.length === 0) return { http: [], references: [] };
  const providers: Record<string, Provider> = {};
  for (const [index, rule] of rules.entries()) providers[`origins-${index}`] = providerOf(snapshot, proxy, rule);
  const http = [
    extension('envoy.filters.http.jwt_authn', JwtAuthenticationSchema, {
      providers,
      rules: [
        {
          match: { pathSpecifier: { case: 'prefix', value: '/' } },
          requirementType: { case: 'requires', value: requirement(Object.keys(providers)) },
        },
      ],
      bypassCorsPreflight: true,
    }),
  ];
  return { http, references: configs.map((config) => referenceTo(config)) };
}

const named = (name: string): Requirement => ({ requiresType: { case: 'providerName', value: name } });
const any = (requirements: Requirement[]): Requirement => ({ requiresType: { case: 'requiresAny', value: { requirements } } });
const ALLOW_MISSING: Requirement = { requiresType: { case: 'allowMissing', value: {} } };

/** One provider accepts its token or none; with several, a valid token of one is enough, and none of them may be bad. */
function requirement(names: readonly string[]): Requirement {
  const [only] = names;
  if (names.length === 1 && only !== undefined) return any([named(only), ALLOW_MISSING]);
  const all: Requirement = {
    requiresType: { case: 'requiresAll', value: { requirements: names.map((name) => any([named(name), ALLOW_MISSING])) } },
  };
  return any([...names.map(named), all]);
}

function providerOf(snapshot: MeshSnapshot, proxy: MeshProxy, rule: JwtRule): Provider {
  const header = rule.outputPayloadToHeader;
  return {
    issuer: rule.issuer,
    audiences: [...(rule.audiences ?? [])],
    fromHeaders: (rule.fromHeaders ?? []).map(({ name, prefix }) => ({ name, valuePrefix: prefix ?? '' })),
    fromParams: [...(rule.fromParams ?? [])],
    fromCookies: [...(rule.fromCookies ?? [])],
    forward: rule.forwardOriginalToken === true,
    ...(header === undefined ? {} : { forwardPayloadHeader: header }),
    claimToHeaders: (rule.outputClaimToHeaders ?? []).map((claim) => ({ headerName: claim.header, claimName: claim.claim })),
    payloadInMetadata: 'payload',
    normalizePayloadInMetadata: {
      spaceDelimitedClaims: [...new Set(['permission', 'scope', ...(rule.spaceDelimitedClaims ?? [])])].sort(),
    },
    // A gateway routes by claims too, and those are known only now.
    clearRouteCache: proxy.type === 'router',
    jwksSourceSpecifier: keysOf(snapshot, rule),
  };
}

/**
 * Inline keys, those that were fetched for the URI, or a fetch by the proxy itself where the mesh is set up so (`jwksFetch`). While there
 * are none, tokens are verified by a key that signs nothing: they are refused, and the listener stands.
 */
function keysOf(snapshot: MeshSnapshot, rule: JwtRule): NonNullable<Provider['jwksSourceSpecifier']> {
  const uri = rule.jwksUri ?? '';
  const remote = snapshot.jwksFetch !== 'pilot' && URL.canParse(uri) ? remoteKeys(snapshot, rule, new URL(uri)) : undefined;
  if (remote !== undefined) return remote;
  if (rule.jwks !== undefined && rule.jwks !== '') return inline(hasUsableKey(rule.jwks) ? rule.jwks : NO_KEYS);
  const source = keySetSource(rule);
  return inline((source === undefined ? undefined : snapshot.jwks(source.name)) ?? NO_KEYS);
}

const inline = (value: string) => ({ case: 'localJwks' as const, value: { specifier: { case: 'inlineString' as const, value } } });

/** From a service that one namespace alone has; other hosts only where nobody but the proxy fetches. */
function remoteKeys(snapshot: MeshSnapshot, rule: JwtRule, url: URL): Provider['jwksSourceSpecifier'] | undefined {
  const known = snapshot.servicesByHostname(url.hostname).length === 1;
  if (!known && snapshot.jwksFetch === 'hybrid') return undefined;
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  return {
    case: 'remoteJwks',
    value: {
      httpUri: {
        uri: rule.jwksUri ?? '',
        httpUpstreamType: { case: 'cluster', value: outboundCluster(port, undefined, url.hostname) },
        timeout: duration(rule.timeout) ?? seconds(5),
      },
      cacheDuration: seconds(300),
    },
  };
}
