import { fromBinary } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import type { InternalRedirectPolicy } from '@xebec/protos/envoy/config/route/v3/route_components';
import { AllowListedRoutesConfigSchema } from '@xebec/protos/envoy/extensions/internal_redirect/allow_listed_routes/v3/allow_listed_routes_config';
import { headerJoined, type RequestHead, type ResponseHead, removeHeader, setHeader } from '@xebec/wire';

/** What the streams of one request know of those before them. */
export interface RedirectHistory {
  /** Redirects followed so far. */
  count: number;
  /** For `previous_routes`: the routes led to by redirects of each route. */
  readonly led: Map<string, Set<string>>;
}

/** Where a redirect leads, asked of a predicate. */
interface RedirectTarget {
  readonly history: RedirectHistory;
  readonly from: string;
  readonly route: string;
  readonly downstreamTls: boolean;
  readonly targetTls: boolean;
}

type RedirectPredicate = (target: RedirectTarget) => boolean;

export interface RedirectRules {
  readonly max: number;
  readonly crossScheme: boolean;
  readonly copied: readonly string[];
  readonly predicates: readonly RedirectPredicate[];
  /** Statuses to follow. */
  readonly codes: ReadonlySet<number>;
}

/** Why a redirect goes to the client, as the connection manager counts it: `passthrough_internal_redirect_<reason>`. */
export type RedirectRefusal = 'bad_location' | 'unsafe_scheme' | 'too_many_redirects' | 'no_route' | 'predicate';

const followable = new Set([301, 302, 303, 307, 308]);
const compiled = new WeakMap<InternalRedirectPolicy, RedirectRules>();

/** The rules of a policy, compiled once. */
export function redirectRules(policy: InternalRedirectPolicy): RedirectRules {
  let rules = compiled.get(policy);
  if (rules === undefined) {
    rules = compile(policy);
    compiled.set(policy, rules);
  }
  return rules;
}

function compile(policy: InternalRedirectPolicy): RedirectRules {
  const codes = policy.redirectResponseCodes.length === 0 ? [302] : policy.redirectResponseCodes;
  return {
    max: policy.maxInternalRedirects ?? 1,
    crossScheme: policy.allowCrossSchemeRedirect,
    copied: policy.responseHeadersToCopy.map((name) => name.toLowerCase()),
    codes: new Set(codes.filter((code) => followable.has(code))),
    predicates: policy.predicates.map(({ name, typedConfig }) => {
      const type = typedConfig?.typeUrl.slice(typedConfig.typeUrl.lastIndexOf('/') + 1) ?? '';
      switch (type) {
        case 'envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig': {
          const routes = new Set(fromBinary(AllowListedRoutesConfigSchema, typedConfig?.value ?? new Uint8Array()).allowedRouteNames);
          return ({ route }) => routes.has(route);
        }
        case 'envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig':
          return isNewRoute;
        case 'envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig':
          return ({ downstreamTls, targetTls }) => downstreamTls || !targetTls;
        default:
          throw new XebecError('E_ROUTE', `internal redirect predicate "${name}" of type "${type}" is not supported`);
      }
    }),
  };
}

/** A route leads to each other one once in the life of a request. */
function isNewRoute({ history, from, route }: RedirectTarget): boolean {
  const led = history.led.get(from) ?? new Set();
  history.led.set(from, led);
  if (led.has(route)) return false;
  led.add(route);
  return true;
}

const absolute = /^([a-z][a-z\d+.-]*):\/\/([^/?#]+)([^#]*)/i;

/**
 * Makes a request the one that a redirect asks for; the caller finds its route with `routeOf`, undefined if there is none. A request
 * that cannot be redirected stays as it is, with the reason.
 */
export function followRedirect(
  rules: RedirectRules,
  request: RequestHead,
  answer: ResponseHead,
  history: RedirectHistory,
  routeOf: () => string | undefined,
  from: string,
): RedirectRefusal | undefined {
  const [, scheme = '', authority = '', path = ''] = absolute.exec(headerJoined(answer.headers, 'location') ?? '') ?? [];
  if (authority === '') return 'bad_location';
  const downstreamTls = request.scheme !== 'http';
  const targetTls = scheme.toLowerCase() !== 'http';
  if (!rules.crossScheme && downstreamTls !== targetTls) return 'unsafe_scheme';
  if (history.count >= rules.max) return 'too_many_redirects';
  const before = { ...request, headers: [...request.headers] };
  for (const name of rules.copied) {
    removeHeader(request.headers, name);
    for (let i = 0; i < answer.headers.length; i += 2)
      if (answer.headers[i] === name) request.headers.push(name, answer.headers[i + 1] ?? '');
  }
  request.authority = authority;
  request.scheme = scheme.toLowerCase();
  request.path = path.startsWith('/') ? path : `/${path}`;
  const route = routeOf();
  const refusal =
    route === undefined
      ? 'no_route'
      : rules.predicates.every((accepts) => accepts({ history, from, route, downstreamTls, targetTls }))
        ? undefined
        : 'predicate';
  if (refusal !== undefined) {
    request.authority = before.authority;
    request.scheme = before.scheme;
    request.path = before.path;
    request.headers.splice(0, request.headers.length, ...before.headers);
    return refusal;
  }
  setHeader(request.headers, 'x-envoy-original-url', `${before.scheme}://${before.authority}${before.path}`);
  if (answer.status === 303 && request.method !== 'GET' && request.method !== 'HEAD') {
    request.method = 'GET';
    removeHeader(request.headers, 'content-length');
  }
  history.count++;
  return undefined;
}
