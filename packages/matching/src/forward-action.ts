import type { Duration } from '@bufbuild/protobuf/wkt';
import { XebecError } from '@xebec/core';
import { type Metadata, RoutingPriority } from '@xebec/protos/envoy/config/core/v3/base';
import {
  RouteAction_ClusterNotFoundResponseCode as NotFoundCode,
  type RetryPolicy,
  type RouteAction,
  type RouteAction_RequestMirrorPolicy,
  type WeightedCluster,
} from '@xebec/protos/envoy/config/route/v3/route_components';
import type { RequestHead } from '@xebec/wire';
import type { ClusterChoice, ForwardAction, GrpcTimeoutRule, HostRewrite, MirrorPolicy } from './compiled-route.ts';
import { durationMs, optionalDurationMs } from './duration.ts';
import { currentFraction, type RuntimeFraction } from './fraction.ts';
import { compileHashPolicy } from './hash-policy.ts';
import { compilePathRewrite } from './path-rewrite.ts';
import { compileRegex } from './regex.ts';
import { pathOnly, requestHeader, requestHeaderValues } from './request-header.ts';
import type { CompiledMatch } from './route-match.ts';

/** Envoy's time limit for a response when a route sets none. */
export const defaultRouteTimeoutMs = 15_000;

/** What the levels above a route give it when it says nothing itself. */
export interface InheritedAction {
  readonly retryPolicy: RetryPolicy | undefined;
  readonly mirrors: readonly RouteAction_RequestMirrorPolicy[];
  readonly runtime?: RuntimeFraction | undefined;
}

const notFoundStatuses: Record<NotFoundCode, number> = {
  [NotFoundCode.SERVICE_UNAVAILABLE]: 503,
  [NotFoundCode.NOT_FOUND]: 404,
  [NotFoundCode.INTERNAL_SERVER_ERROR]: 500,
};

/** Compiles `envoy.config.route.v3.RouteAction`. */
export function compileForward(action: RouteAction, match: CompiledMatch, inherited: InheritedAction): ForwardAction {
  const duration = action.maxStreamDuration;
  const mirrors = action.requestMirrorPolicies.length > 0 ? action.requestMirrorPolicies : inherited.mirrors;
  return {
    kind: 'forward',
    ...compileChoice(action),
    clusterNotFoundStatus: notFoundStatuses[action.clusterNotFoundResponseCode],
    // A limit on the stream's duration stands in for the older time limits.
    timeoutMs: duration !== undefined ? 0 : action.timeout === undefined ? defaultRouteTimeoutMs : durationMs(action.timeout),
    idleTimeoutMs: optionalDurationMs(action.idleTimeout),
    maxStreamDurationMs: optionalDurationMs(duration?.maxStreamDuration),
    grpcTimeout: duration === undefined ? grpcTimeoutRule(action.maxGrpcTimeout, action.grpcTimeoutOffset) : undefined,
    grpcStreamDuration: grpcTimeoutRule(duration?.grpcTimeoutHeaderMax, duration?.grpcTimeoutHeaderOffset),
    retryPolicy: action.retryPolicy ?? inherited.retryPolicy,
    hedgePolicy: action.hedgePolicy,
    mirrors: mirrors.map((policy) => compileMirror(policy, inherited.runtime)),
    rewritePath: compilePathRewrite(action, match),
    hostRewrite: compileHostRewrite(action.hostRewriteSpecifier),
    appendXForwardedHost: action.appendXForwardedHost,
    hashPolicies: action.hashPolicy.map(compileHashPolicy),
    priority: action.priority === RoutingPriority.HIGH ? 'high' : 'default',
    metadataMatch: action.metadataMatch,
    upgrades: new Map(action.upgradeConfigs.map((upgrade) => [upgrade.upgradeType.toLowerCase(), upgrade.enabled ?? true])),
    connect: action.upgradeConfigs.find(({ upgradeType }) => upgradeType.toUpperCase() === 'CONNECT')?.connectConfig,
    internalRedirect: action.internalRedirectPolicy,
    rateLimits: action.rateLimits,
    includeVirtualHostRateLimits: action.includeVhRateLimits ?? false,
  };
}

function grpcTimeoutRule(max: Duration | undefined, offset: Duration | undefined): GrpcTimeoutRule | undefined {
  return max === undefined ? undefined : { maxMs: durationMs(max), offsetMs: optionalDurationMs(offset) ?? 0 };
}

function compileChoice(action: RouteAction): Pick<ForwardAction, 'chooseCluster' | 'clusterNames'> {
  const specifier = action.clusterSpecifier;
  switch (specifier.case) {
    case 'cluster': {
      const choice: ClusterChoice = { name: specifier.value, index: -1, metadataMatch: action.metadataMatch };
      return { chooseCluster: () => choice, clusterNames: [specifier.value] };
    }
    case 'clusterHeader': {
      const name = specifier.value.toLowerCase();
      return {
        chooseCluster: (request) => ({ name: firstValue(request, name), index: -1, metadataMatch: action.metadataMatch }),
        clusterNames: [],
      };
    }
    case 'weightedClusters':
      return compileWeighted(specifier.value, action);
    case 'clusterSpecifierPlugin':
    case 'inlineClusterSpecifierPlugin':
      throw new XebecError('E_ROUTE', 'cluster specifier plugins are not supported; use cluster, cluster_header or weighted_clusters');
    default:
      throw new XebecError('E_ROUTE', 'route action names no cluster');
  }
}

function compileWeighted(weighted: WeightedCluster, action: RouteAction): Pick<ForwardAction, 'chooseCluster' | 'clusterNames'> {
  let total = 0;
  const entries = weighted.clusters.map((cluster, index) => {
    total += cluster.weight ?? 0;
    const metadataMatch = mergedMetadata(action.metadataMatch, cluster.metadataMatch);
    return { upTo: total, header: cluster.clusterHeader.toLowerCase(), choice: { name: cluster.name, index, metadataMatch } };
  });
  const last = entries.at(-1);
  if (last === undefined || total === 0) throw new XebecError('E_ROUTE', 'weighted clusters have a total weight of 0');
  const randomHeader = weighted.randomValueSpecifier.case === 'headerName' ? weighted.randomValueSpecifier.value.toLowerCase() : undefined;
  const point = (request: RequestHead, random: number): number => {
    const text = randomHeader === undefined ? undefined : requestHeader(request, randomHeader);
    if (text !== undefined && /^\d{1,20}$/.test(text)) return Number(BigInt(text) % BigInt(total));
    return Math.floor(random * total);
  };
  return {
    chooseCluster(request, random) {
      const at = point(request, random);
      const entry = entries.find((candidate) => at < candidate.upTo) ?? last;
      return entry.header === '' ? entry.choice : { ...entry.choice, name: firstValue(request, entry.header) };
    },
    clusterNames: weighted.clusters.map((cluster) => cluster.name).filter((name) => name !== ''),
  };
}

/** The weighted cluster's values over the route's, namespace by namespace. */
function mergedMetadata(route: Metadata | undefined, cluster: Metadata | undefined): Metadata | undefined {
  if (route === undefined || cluster === undefined) return cluster ?? route;
  const filterMetadata = { ...route.filterMetadata };
  for (const [name, values] of Object.entries(cluster.filterMetadata)) filterMetadata[name] = { ...filterMetadata[name], ...values };
  return { ...route, filterMetadata };
}

/** Of a header that is there several times Envoy takes the first here. */
function firstValue(request: RequestHead, name: string): string {
  const values = requestHeaderValues(request, name);
  return (typeof values === 'string' ? values : values?.[0]) ?? '';
}

function compileMirror(policy: RouteAction_RequestMirrorPolicy, runtime: RuntimeFraction | undefined): MirrorPolicy {
  const share = currentFraction(policy.runtimeFraction, runtime);
  const header = policy.clusterHeader.toLowerCase();
  return {
    cluster: policy.cluster === '' ? (request) => firstValue(request, header) || undefined : () => policy.cluster,
    get fraction() {
      return share();
    },
    traceSampled: policy.traceSampled ?? true,
    appendShadowSuffix: !policy.disableShadowHostSuffixAppend,
  };
}

function compileHostRewrite(specifier: RouteAction['hostRewriteSpecifier']): HostRewrite | undefined {
  switch (specifier.case) {
    case 'hostRewriteLiteral':
      return specifier.value === '' ? undefined : { kind: 'computed', host: () => specifier.value };
    case 'autoHostRewrite':
      return specifier.value.value ? { kind: 'auto' } : undefined;
    case 'hostRewriteHeader': {
      const name = specifier.value.toLowerCase();
      return { kind: 'computed', host: (request) => firstValue(request, name) || undefined };
    }
    case 'hostRewritePathRegex': {
      const regex = compileRegex(specifier.value.pattern?.regex ?? '');
      return { kind: 'computed', host: (request) => regex.replace(pathOnly(request.path), specifier.value.substitution) };
    }
    default:
      return undefined;
  }
}
