import type { JsonObject } from '@bufbuild/protobuf';
import type { VirtualService } from '@xebec/model';
import type {
  RouteActionSchema,
  RouteSchema,
  WeightedCluster_ClusterWeightSchema,
} from '@xebec/protos/envoy/config/route/v3/route_components';
import { CorsPolicySchema } from '@xebec/protos/envoy/extensions/filters/http/cors/v3/cors';
import { HTTPFaultSchema } from '@xebec/protos/envoy/extensions/filters/http/fault/v3/fault';
import type { HttpMatch, HttpRoute, HttpRouteDestination } from '@xebec/schemas';
import { type Fields, pack } from '../envoy/any.ts';
import { duration, ZERO } from '../envoy/duration.ts';
import { configPath, RULE_METADATA } from '../envoy/istio-metadata.ts';
import { corsPolicy } from './cors.ts';
import type { ResolvedVirtualService } from './delegate.ts';
import type { DestinationResolver, ResolvedDestination } from './destination.ts';
import { faultConfig } from './fault.ts';
import { hundredths, millionths } from './fraction.ts';
import { hashPolicies } from './hash-policy.ts';
import { type HeaderFields, headerFields, mergeHeaderFields } from './headers.ts';
import { isCatchAll, operationPath, routeMatch } from './match.ts';
import { directResponse, redirectAction } from './redirect.ts';
import { retryPolicy } from './retry.ts';
import { appliesHere, type MatchSite } from './source-match.ts';

export type Route = Fields<typeof RouteSchema>;
type RouteAction = Fields<typeof RouteActionSchema>;

/** On VirtualServices that were made of Ingresses. */
const ROUTE_SEMANTICS = 'internal.istio.io/route-semantics';

/** A route and whether it takes everything: gateways move such routes behind those of other VirtualServices. */
export interface HttpRouteOutput {
  readonly route: Route;
  readonly catchAll: boolean;
}

export interface HttpRouteSite extends MatchSite {
  /** Port that redirects and span names speak of. */
  readonly listenerPort: number;
  /** Whether requests arrive over TLS here. */
  readonly tls?: boolean;
  /** What the mesh retries where a route does not say. */
  readonly defaultRetries?: HttpRoute['retries'];
  /** A rewritten host is kept in `x-forwarded-host`. */
  readonly forwardedHost?: boolean;
  /** Proxyless gRPC reads another timeout field than Envoy. */
  readonly grpc?: boolean;
  readonly resolve: DestinationResolver;
}

/** The routes of a VirtualService, one for each match, up to the first that takes everything. */
export function httpRoutes(config: ResolvedVirtualService, site: HttpRouteSite): HttpRouteOutput[] {
  const out: HttpRouteOutput[] = [];
  for (const [index, http] of (config.spec.http ?? []).entries()) {
    const matches = http.match === undefined || http.match.length === 0 ? [undefined] : http.match;
    for (const [position, match] of matches.entries()) {
      if (match !== undefined && !appliesHere(match, config.metadata.namespace, site)) continue;
      const catchAll = isCatchAll(match);
      out.push({ route: oneRoute(config, http, match, ruleMetadata(config, index, match && position), site), catchAll });
      if (catchAll) return out;
    }
  }
  return out;
}

/** What names the rule behind a route: of an Ingress its path. A delegate's is named with its object, without the match, which it shares with the root. */
function ruleMetadata(config: ResolvedVirtualService, index: number, match: number | undefined): JsonObject {
  const written = config.origins?.[`spec.http[${index}]`];
  if (written !== undefined) return { config: configPath({ ...written, metadata: written }), rule: written.rule };
  const origin = config.routeOrigins?.[index];
  if (origin !== undefined && configPath(origin.object) !== configPath(config))
    return { config: configPath(origin.object), rule: `spec.http[${origin.index}]` };
  return { rule: `spec.http[${origin?.index ?? index}]${match === undefined ? '' : `.match[${match}]`}` };
}

function oneRoute(config: VirtualService, http: HttpRoute, match: HttpMatch | undefined, rule: JsonObject, site: HttpRouteSite): Route {
  const name = `${http.name ?? ''}${match?.name === undefined || match.name === '' ? '' : `.${match.name}`}`;
  const common = headerFields(http.headers);
  const fault = http.fault === undefined ? undefined : faultConfig(http.fault);
  const action = actionOf(config, http, common, site);
  const wholeSegments = config.metadata.annotations[ROUTE_SEMANTICS] === 'ingress';
  return {
    ...(name === '' ? {} : { name }),
    match: routeMatch(match, wholeSegments),
    metadata: { filterMetadata: { istio: { config: configPath(config) }, [RULE_METADATA]: rule } },
    // Spans do not name a path that holds by whole segments.
    decorator: { operation: `${action.operationHost}${wholeSegments && match?.uri?.prefix !== undefined ? '/*' : operationPath(match)}` },
    typedPerFilterConfig: {
      ...(fault === undefined ? {} : { 'envoy.filters.http.fault': pack(HTTPFaultSchema, fault) }),
      ...(http.corsPolicy === undefined ? {} : { 'envoy.filters.http.cors': pack(CorsPolicySchema, corsPolicy(http.corsPolicy)) }),
    },
    ...(match?.statPrefix === undefined ? {} : { statPrefix: match.statPrefix }),
    action: action.action,
    ...toRouteHeaders(action.headers),
  };
}

interface Action {
  readonly action: NonNullable<Route['action']>;
  readonly headers: HeaderFields;
  /** `host:port` of a single destination, else `name:port` of the VirtualService. */
  readonly operationHost: string;
}

function actionOf(config: VirtualService, http: HttpRoute, common: HeaderFields, site: HttpRouteSite): Action {
  const operationHost = `${config.metadata.name}:${site.listenerPort}`;
  if (http.redirect !== undefined)
    return {
      action: { case: 'redirect', value: redirectAction(http.redirect, site.listenerPort, site.tls === true) },
      headers: common,
      operationHost,
    };
  if (http.directResponse !== undefined)
    return { action: { case: 'directResponse', value: directResponse(http.directResponse) }, headers: common, operationHost };
  // Envoy refuses a whole configuration for one route that leads nowhere, so the route itself says that it fails.
  if (http.route === undefined || http.route.length === 0)
    return { action: { case: 'directResponse', value: { status: 503 } }, headers: common, operationHost };
  return forward(config, http, http.route, common, site, operationHost);
}

function forward(
  config: VirtualService,
  http: HttpRoute,
  destinations: readonly HttpRouteDestination[],
  common: HeaderFields,
  site: HttpRouteSite,
  operationHost: string,
): Action {
  const { namespace } = config.metadata;
  const all = destinations.map((entry) => ({ entry, to: site.resolve(entry.destination, namespace) }));
  const weighty = all.filter(({ entry }) => (entry.weight ?? 0) > 0);
  // Several destinations none of which has a weight share equally: the weights may not all be 0.
  const live = all.length === 1 ? all : weighty.length > 0 ? weighty : all.map(({ entry, to }) => ({ entry: { ...entry, weight: 1 }, to }));
  const [only] = all;
  const single = all.length === 1 && only !== undefined ? only : undefined;
  const headers = single === undefined ? common : mergeHeaderFields(common, headerFields(single.entry.headers));
  const policy = retryPolicy(http.retries ?? site.defaultRetries, single?.to.consistentHash !== undefined);
  const timeout = duration(http.timeout) ?? ZERO;
  const authority = http.rewrite?.authority ?? headers.authority;
  const action: RouteAction = {
    clusterSpecifier: single === undefined ? weighted(live) : { case: 'cluster', value: single.to.cluster },
    timeout,
    ...(site.grpc === true ? { maxStreamDuration: { maxStreamDuration: timeout } } : { maxGrpcTimeout: timeout }),
    ...(policy === undefined ? {} : { retryPolicy: policy }),
    ...rewriteFields(http.rewrite),
    ...(http.rewrite === undefined || site.forwardedHost !== true ? {} : { appendXForwardedHost: true }),
    ...(authority === undefined || authority === '' ? {} : { hostRewriteSpecifier: { case: 'hostRewriteLiteral', value: authority } }),
    requestMirrorPolicies: mirrors(http, namespace, site.resolve),
    hashPolicy: live.flatMap(({ to }) => hashPolicies(to.consistentHash)),
  };
  return {
    action: { case: 'route', value: action },
    headers,
    operationHost: single === undefined ? operationHost : `${single.to.hostname}:${single.to.port}`,
  };
}

interface LiveDestination {
  readonly entry: HttpRouteDestination;
  readonly to: ResolvedDestination;
}

function weighted(destinations: readonly LiveDestination[]): NonNullable<RouteAction['clusterSpecifier']> {
  return {
    case: 'weightedClusters',
    value: {
      clusters: destinations.map(({ entry, to }): Fields<typeof WeightedCluster_ClusterWeightSchema> => {
        const headers = headerFields(entry.headers);
        return {
          name: to.cluster,
          weight: entry.weight ?? 0,
          ...toRouteHeaders(headers),
          ...(headers.authority === undefined ? {} : { hostRewriteSpecifier: { case: 'hostRewriteLiteral', value: headers.authority } }),
        };
      }),
    },
  };
}

function toRouteHeaders(fields: HeaderFields) {
  const { authority: _, ...headers } = fields;
  return headers;
}

function rewriteFields(rewrite: HttpRoute['rewrite']): RouteAction {
  const regex = rewrite?.uriRegexRewrite;
  if (regex !== undefined) return { regexRewrite: { pattern: { regex: regex.match }, substitution: regex.rewrite } };
  return rewrite?.uri === undefined || rewrite.uri === '' ? {} : { prefixRewrite: rewrite.uri };
}

/** Where copies of a request go; the answers are thrown away. */
function mirrors(http: HttpRoute, namespace: string, resolve: DestinationResolver): NonNullable<RouteAction['requestMirrorPolicies']> {
  const list = [
    ...(http.mirror === undefined ? [] : [{ destination: http.mirror, share: mirrored(http.mirrorPercentage, http.mirrorPercent) }]),
    ...(http.mirrors ?? []).map((mirror) => ({ destination: mirror.destination, share: mirrored(mirror.percentage, undefined) })),
  ];
  return list
    .filter(({ share }) => share.numerator > 0)
    .map(({ destination, share }) => ({
      cluster: resolve(destination, namespace).cluster,
      runtimeFraction: { defaultValue: share },
      traceSampled: false,
      disableShadowHostSuffixAppend: true,
    }));
}

/** The share of requests that is copied: all where nothing is said. */
function mirrored(percentage: HttpRoute['mirrorPercentage'], whole: number | undefined) {
  return percentage === undefined ? hundredths(whole ?? 100) : millionths(percentage.value ?? 0);
}
