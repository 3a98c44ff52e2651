import { XebecError } from '@xebec/core';
import { compileRouteMatch, compileStringMatcher, optionalDurationMs, pathOnly } from '@xebec/matching';
import {
  type JwtAuthentication,
  JwtAuthenticationSchema,
  type JwtProvider,
  type JwtRequirement,
  PerRouteConfigSchema,
} from '@xebec/protos/envoy/extensions/filters/http/jwt_authn/v3/config';
import { decodeConfig } from '../../decode.ts';
import type { FilterContext, HttpFilterCallbacks, HttpFilterDefinition } from '../../http-filter.ts';
import { createJwtFilter, METADATA as name } from './filter.ts';
import { parseKeySet } from './key-set.ts';
import { DEFAULT_LOCATIONS, type TokenLocation } from './locations.ts';
import { type KeySource, normalizeAudience, type Provider } from './provider.ts';
import { RemoteKeys } from './remote-keys.ts';
import type { Requirement, WrongRequirement } from './requirement.ts';

const DEFAULT_SKEW_SECONDS = 60;
const DEFAULT_CACHE_MS = 600_000;
const DEFAULT_TIMEOUT_MS = 5_000;

/** A route's own requirement: none at all, or one of the filter's by name. */
type PerRoute = { readonly requirementName: string | undefined };

export const jwtAuthnDefinition: HttpFilterDefinition = {
  name,
  typeNames: [JwtAuthenticationSchema.typeName, PerRouteConfigSchema.typeName],
  compile(bytes, _, context) {
    const proto = decodeConfig(JwtAuthenticationSchema, bytes);
    if (proto.filterStateRules !== undefined) throw invalid('filter_state_rules is not supported; use rules');
    const prefix = proto.statPrefix === '' ? 'jwt_authn' : `jwt_authn.${proto.statPrefix.replace(/\.$/, '')}`;
    const scope = context.stats.scope(`http.${context.statPrefix}`);
    const counter = (what: string) => scope.counter(`${prefix}.${what}`);
    const fetches = { succeeded: counter('jwks_fetch_success'), failed: counter('jwks_fetch_failed') };
    const providers = new Map(
      Object.entries(proto.providers).map(([key, provider]) => [
        key,
        compileProvider(key, provider, keysOf(key, provider, context, fetches)),
      ]),
    );
    const named = new Map(Object.entries(proto.requirementMap).map(([key, value]) => [key, compileRequirement(value, providers)]));
    const rules = compileRules(proto, providers, named);
    const config = {
      context,
      providers: [...providers.values()],
      bypassCorsPreflight: proto.bypassCorsPreflight,
      stripFailureResponse: proto.stripFailureResponse,
      stats: {
        allowed: counter('allowed'),
        denied: counter('denied'),
        bypassed: counter('cors_preflight_bypassed'),
        cacheMiss: counter('jwt_cache_miss'),
      },
      requirementOf(callbacks: HttpFilterCallbacks): Requirement | WrongRequirement | undefined {
        const perRoute = callbacks.perRouteConfig(context.filterName) as PerRoute | undefined; // what compilePerRoute below returned
        if (perRoute === undefined) return rules(callbacks);
        const { requirementName } = perRoute;
        if (requirementName === undefined) return undefined;
        return named.get(requirementName) ?? { kind: 'wrong', name: requirementName, known: [...named.keys()] };
      },
    };
    return {
      create: (callbacks) => createJwtFilter(config, callbacks),
      close() {
        for (const { keys } of providers.values()) keys.close?.();
      },
    };
  },
  compilePerRoute(bytes): PerRoute {
    const { requirementSpecifier } = decodeConfig(PerRouteConfigSchema, bytes);
    return { requirementName: requirementSpecifier.case === 'requirementName' ? requirementSpecifier.value : undefined };
  },
};

const invalid = (text: string) => new XebecError('E_FILTER_CONFIG', `${name}: ${text}`);

function compileProvider(key: string, proto: JwtProvider, keys: KeySource): Provider {
  const locations: TokenLocation[] = [
    ...proto.fromHeaders.map((from) => ({ kind: 'header' as const, name: from.name.toLowerCase(), prefix: from.valuePrefix })),
    ...proto.fromParams.map((param) => ({ kind: 'parameter' as const, name: param })),
    ...proto.fromCookies.map((cookie) => ({ kind: 'cookie' as const, name: cookie })),
  ];
  const lifetimeMs = optionalDurationMs(proto.maxLifetime);
  return {
    name: key,
    issuer: proto.issuer,
    audiences: new Set(proto.audiences.map(normalizeAudience)),
    allowsSubject: proto.subjects === undefined ? () => true : compileStringMatcher(proto.subjects),
    requireExpiration: proto.requireExpiration,
    maxLifetime: lifetimeMs === undefined ? undefined : Math.floor(lifetimeMs / 1000),
    clockSkewSeconds: proto.clockSkewSeconds === 0 ? DEFAULT_SKEW_SECONDS : proto.clockSkewSeconds,
    locations: locations.length === 0 ? DEFAULT_LOCATIONS : locations,
    forward: proto.forward,
    payloadHeader: proto.forwardPayloadHeader.toLowerCase(),
    padPayloadHeader: proto.padForwardPayloadHeader,
    claimHeaders: proto.claimToHeaders.map(({ headerName, claimName, claimPath }) => ({
      header: headerName.toLowerCase(),
      // A path is for names with dots in them.
      claim: claimPath.length > 0 ? claimPath.map(({ key: part }) => part) : claimName.split('.'),
    })),
    payloadMetadata: proto.payloadInMetadata,
    headerMetadata: proto.headerInMetadata,
    failureMetadata: proto.failedStatusInMetadata,
    spaceDelimitedClaims: new Set(proto.normalizePayloadInMetadata?.spaceDelimitedClaims),
    clearRouteCache: proto.clearRouteCache,
    keys,
  };
}

function keysOf(
  key: string,
  { jwksSourceSpecifier: source }: JwtProvider,
  context: FilterContext,
  counters: ConstructorParameters<typeof RemoteKeys>[2],
): KeySource {
  if (source.case === 'localJwks') {
    const { specifier } = source.value;
    if (specifier.case !== 'inlineString' && specifier.case !== 'inlineBytes')
      throw invalid(`providers.${key}.local_jwks must be inline_string or inline_bytes`);
    const keys = parseKeySet(specifier.case === 'inlineString' ? specifier.value : Buffer.from(specifier.value).toString());
    if (typeof keys === 'string') throw invalid(`providers.${key}.local_jwks: ${keys}`);
    return { current: () => keys, fetch: (done) => done(keys) };
  }
  if (source.case !== 'remoteJwks') throw invalid(`providers.${key}: set local_jwks or remote_jwks`);
  const { httpUri, cacheDuration, asyncFetch, retryPolicy } = source.value;
  const cluster = httpUri?.httpUpstreamType.value ?? '';
  if (httpUri === undefined || cluster === '') throw invalid(`providers.${key}.remote_jwks.http_uri needs uri and cluster`);
  if (!URL.canParse(httpUri.uri)) throw invalid(`providers.${key}.remote_jwks.http_uri.uri "${httpUri.uri}" is not a URL`);
  const options = {
    cluster,
    url: new URL(httpUri.uri),
    timeoutMs: optionalDurationMs(httpUri.timeout) ?? DEFAULT_TIMEOUT_MS,
    cacheMs: optionalDurationMs(cacheDuration) ?? DEFAULT_CACHE_MS,
    retries: {
      count: retryPolicy === undefined ? 0 : (retryPolicy.numRetries ?? 1),
      baseMs: optionalDurationMs(retryPolicy?.retryBackOff?.baseInterval) ?? 1000,
      maxMs: optionalDurationMs(retryPolicy?.retryBackOff?.maxInterval) ?? 10_000,
    },
    ahead: asyncFetch === undefined ? undefined : { afterFailureMs: optionalDurationMs(asyncFetch.failedRefetchDuration) ?? 1000 },
  };
  return new RemoteKeys(options, context, counters);
}

type Providers = ReadonlyMap<string, Provider>;

function compileRules(proto: JwtAuthentication, providers: Providers, named: ReadonlyMap<string, Requirement>) {
  const rules = proto.rules.map(({ match, requirementType }, index) => {
    if (match === undefined) throw invalid(`rules[${index}].match is missing`);
    const { predicates } = compileRouteMatch(match);
    const type = requirementType;
    const requirement =
      type.case === 'requires'
        ? compileRequirement(type.value, providers)
        : type.case === 'requirementName'
          ? named.get(type.value)
          : undefined;
    if (type.case === 'requirementName' && requirement === undefined)
      throw invalid(`rules[${index}].requirement_name "${type.value}" is not in requirement_map`);
    return { predicates, requirement };
  });
  return ({ request, info }: HttpFilterCallbacks): Requirement | undefined => {
    const path = pathOnly(request.path);
    return rules.find(({ predicates }) => predicates.every((predicate) => predicate.holds(request, path, { info, random: 0 })))
      ?.requirement;
  };
}

function compileRequirement(proto: JwtRequirement, providers: Providers): Requirement {
  const type = proto.requiresType;
  const find = (key: string): Provider => {
    const provider = providers.get(key);
    if (provider === undefined) throw invalid(`a requirement names provider "${key}", which is not in providers`);
    return provider;
  };
  const all = [...providers.values()];
  switch (type.case) {
    case 'providerName':
      return demand([find(type.value)], find(type.value));
    case 'providerAndAudiences': {
      const provider = find(type.value.providerName);
      return demand([provider], provider, { audiences: new Set(type.value.audiences.map(normalizeAudience)) });
    }
    case 'requiresAny':
    case 'requiresAll': {
      const { requirements } = type.value;
      const nested = requirements.filter(({ requiresType: { case: kind } }) => kind !== 'allowMissing' && kind !== 'allowMissingOrFailed');
      const children = nested.map((requirement) => compileRequirement(requirement, providers));
      if (type.case === 'requiresAll' || nested.length === requirements.length)
        return {
          kind: type.case === 'requiresAny' ? 'any' : 'all',
          children: requirements.map((requirement) => compileRequirement(requirement, providers)),
        };
      // The permission to have none looks only where its siblings' providers look, and comes last.
      const own = [...new Set(nested.flatMap((requirement) => directProviders(requirement, find)))];
      const allowFailed = requirements.some((requirement) => requirement.requiresType.case === 'allowMissingOrFailed');
      children.push(demand(own.length === 0 ? all : own, undefined, { allowMissing: !allowFailed, allowFailed }));
      return { kind: 'any', children };
    }
    case 'allowMissing':
      return demand(all, undefined, { allowMissing: true });
    case 'allowMissingOrFailed':
      return demand(all, undefined, { allowFailed: true });
    default:
      throw invalid('a requirement says nothing');
  }
}

function directProviders(requirement: JwtRequirement, find: (key: string) => Provider): Provider[] {
  const type = requirement.requiresType;
  if (type.case === 'providerName') return [find(type.value)];
  return type.case === 'providerAndAudiences' ? [find(type.value.providerName)] : [];
}

function demand(
  providers: readonly Provider[],
  provider: Provider | undefined,
  changes: { audiences?: ReadonlySet<string>; allowMissing?: boolean; allowFailed?: boolean } = {},
): Requirement {
  return {
    kind: 'demand',
    demand: {
      providers,
      provider,
      audiences: changes.audiences,
      allowMissing: changes.allowMissing ?? false,
      allowFailed: changes.allowFailed ?? false,
    },
  };
}
