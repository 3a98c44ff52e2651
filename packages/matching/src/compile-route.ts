import { errorText, XebecError } from '@xebec/core';
import type { DataSource } from '@xebec/protos/envoy/config/core/v3/base';
import type { RouteConfiguration } from '@xebec/protos/envoy/config/route/v3/route';
import type { Route, VirtualHost } from '@xebec/protos/envoy/config/route/v3/route_components';
import type { FormatContext, FormatEnvironment } from '@xebec/telemetry';
import { header, type RequestHead, setHeader } from '@xebec/wire';
import type {
  ClusterChoice,
  CompiledAction,
  CompiledRoute,
  CompiledVirtualHost,
  CompileFilterConfig,
  ForwardAction,
} from './compiled-route.ts';
import { compileFilterOverrides, type FilterOverride, type FilterOverrides } from './filter-overrides.ts';
import { compileForward } from './forward-action.ts';
import type { RuntimeFraction } from './fraction.ts';
import { compileHeaderMutation, type HeaderMutation } from './header-mutation.ts';
import { compileRedirect } from './redirect.ts';
import { forwardedProto } from './request-header.ts';
import { type CompiledMatch, compileRouteMatch } from './route-match.ts';

export interface RouteTableOptions {
  /** Compiles per-route filter configurations; without it they stay Anys. */
  readonly compileFilterConfig?: CompileFilterConfig;
  /** For `%ENVIRONMENT(X)%` and `%HOSTNAME%` in header values. */
  readonly environment?: FormatEnvironment;
  /** Reads bodies of direct responses that are files or environment variables. */
  readonly readDataSource?: (source: DataSource) => Buffer;
  /** For `runtime_fraction`; without it the defaults hold. */
  readonly runtime?: RuntimeFraction;
}

/** What one level (route configuration, virtual host, route, weighted cluster) contributes to its requests. */
export interface Level {
  readonly request: HeaderMutation | undefined;
  readonly response: HeaderMutation | undefined;
  readonly filters: FilterOverrides;
}

type LevelSource = Pick<
  Route,
  'requestHeadersToAdd' | 'requestHeadersToRemove' | 'responseHeadersToAdd' | 'responseHeadersToRemove' | 'typedPerFilterConfig'
>;

export function compileLevel(source: LevelSource, options: RouteTableOptions): Level {
  return {
    request: compileHeaderMutation({ add: source.requestHeadersToAdd, remove: source.requestHeadersToRemove }, options.environment),
    response: compileHeaderMutation({ add: source.responseHeadersToAdd, remove: source.responseHeadersToRemove }, options.environment),
    filters: compileFilterOverrides(source.typedPerFilterConfig, options.compileFilterConfig ?? ((_, any) => any)),
  };
}

/** Everything a route inherits. */
export interface RouteParents {
  readonly config: RouteConfiguration;
  readonly virtualHost: VirtualHost;
  readonly compiledVirtualHost: CompiledVirtualHost;
  /** Route configuration's level, then the virtual host's. */
  readonly levels: readonly [Level, Level];
}

export interface RouteWithMatch {
  readonly route: CompiledRoute;
  readonly match: CompiledMatch;
}

const emptyBody = Buffer.alloc(0);

/** Compiles one route; throws XebecError `E_ROUTE` naming the route and what is wrong. */
export function compileRoute(proto: Route, index: number, parents: RouteParents, options: RouteTableOptions): RouteWithMatch {
  try {
    return compile(proto, parents, options);
  } catch (cause) {
    const where = `virtual host "${parents.virtualHost.name}" route ${proto.name === '' ? index : `"${proto.name}"`}`;
    throw new XebecError('E_ROUTE', `${where}: ${errorText(cause)}`, { cause });
  }
}

function compile(proto: Route, parents: RouteParents, options: RouteTableOptions): RouteWithMatch {
  if (proto.match === undefined) throw new XebecError('E_ROUTE', 'match is missing');
  const match = compileRouteMatch(proto.match, options.runtime);
  const action = compileAction(proto, match, parents, options);
  const own = compileLevel(proto, options);
  const weighted =
    proto.action.case === 'route' && proto.action.value.clusterSpecifier.case === 'weightedClusters'
      ? proto.action.value.clusterSpecifier.value.clusters
      : [];
  const clusterLevels = weighted.map((cluster) => compileLevel(cluster, options));
  const clusterHosts = weighted.map((cluster) => cluster.hostRewriteSpecifier.value ?? '');
  const [configLevel, virtualHostLevel] = parents.levels;
  // By default the most specific level is applied first, so the least specific has the last word (RouteConfiguration docs).
  const shared = [own, virtualHostLevel, configLevel];
  const mostSpecificLast = parents.config.mostSpecificHeaderMutationsWins;
  const levelsFor = (choice: ClusterChoice | undefined): readonly Level[] => {
    const cluster = choice === undefined || choice.index < 0 ? undefined : clusterLevels[choice.index];
    return cluster === undefined ? shared : [cluster, ...shared];
  };
  // A weighted cluster's own come first either way.
  const mutations = mostSpecificLast ? shared.toReversed() : shared;
  const mutationOrder = (choice: ClusterChoice | undefined): readonly Level[] => {
    const cluster = choice === undefined || choice.index < 0 ? undefined : clusterLevels[choice.index];
    return cluster === undefined ? mutations : [cluster, ...mutations];
  };
  const overrides = (name: string, choice: ClusterChoice | undefined): FilterOverride[] => {
    const found: FilterOverride[] = [];
    for (const level of levelsFor(choice)) {
      const override = level.filters.get(name);
      if (override !== undefined) found.push(override);
    }
    return found;
  };
  const hasRequestMutation = [...clusterLevels, ...shared].some((level) => level.request !== undefined);
  const hasResponseMutation = [...clusterLevels, ...shared].some((level) => level.response !== undefined);
  const hasOverrides = [...clusterLevels, ...shared].some((level) => level.filters.size > 0);

  const route: CompiledRoute = {
    name: proto.name,
    virtualHost: parents.compiledVirtualHost,
    proto,
    action,
    metadata: proto.metadata?.filterMetadata ?? {},
    decoratorOperation: proto.decorator?.operation ?? '',
    decoratorPropagate: proto.decorator?.propagate ?? true,
    tracing: proto.tracing,
    bufferLimitBytes: bufferLimitOf(proto) ?? bufferLimitOf(parents.virtualHost),
    filterConfig: (name, choice) =>
      hasOverrides ? overrides(name, choice).find((entry) => entry.config !== undefined)?.config : undefined,
    filterConfigs: (name, choice) =>
      hasOverrides
        ? overrides(name, choice)
            .filter((entry) => entry.config !== undefined)
            .map((entry) => entry.config)
            .toReversed()
        : [],
    filterDisabled: (name, choice) => {
      if (!hasOverrides) return undefined;
      const first = overrides(name, choice)[0];
      return first === undefined ? undefined : (first.disabled ?? false);
    },
    finalizeRequest(request, choice, context) {
      if (hasRequestMutation) for (const level of mutationOrder(choice)) level.request?.(request, context);
      if (action.kind === 'forward')
        rewrite(request, action, choice === undefined || choice.index < 0 ? '' : (clusterHosts[choice.index] ?? ''));
    },
    finalizeResponse(response, choice, context: FormatContext) {
      if (hasResponseMutation) for (const level of mutationOrder(choice)) level.response?.(response, context);
    },
  };
  return { route, match };
}

/** The newer field counts where both are there. */
function bufferLimitOf({ requestBodyBufferLimit, perRequestBufferLimitBytes }: Route | VirtualHost): number | undefined {
  return requestBodyBufferLimit === undefined ? perRequestBufferLimitBytes : Number(requestBodyBufferLimit);
}

function rewrite(request: RequestHead, action: ForwardAction, clusterHost: string): void {
  const { hostRewrite } = action;
  // A weighted cluster's host leaves no trace of the old one.
  if (clusterHost !== '') request.authority = clusterHost;
  else if (hostRewrite !== undefined) {
    // The host of `auto` is known when an endpoint has been chosen.
    const host = hostRewrite.kind === 'computed' ? hostRewrite.host(request) : undefined;
    if (host !== undefined) rewriteHost(request, host, action.appendXForwardedHost);
  }
  const path = action.rewritePath?.(request.path);
  if (path === undefined) return;
  setHeader(request.headers, 'x-envoy-original-path', request.path);
  request.path = path;
}

/** Puts another host in place; the old one is kept in `x-envoy-original-host` and, if asked, added to `x-forwarded-host`. */
export function rewriteHost(request: RequestHead, host: string, appendXForwardedHost: boolean): void {
  if (appendXForwardedHost) appendForwardedHost(request);
  setHeader(request.headers, 'x-envoy-original-host', request.authority);
  request.authority = host;
}

function appendForwardedHost(request: RequestHead): void {
  const before = header(request.headers, 'x-forwarded-host');
  setHeader(request.headers, 'x-forwarded-host', before === undefined ? request.authority : `${before},${request.authority}`);
}

function compileAction(proto: Route, match: CompiledMatch, parents: RouteParents, options: RouteTableOptions): CompiledAction {
  const { action } = proto;
  switch (action.case) {
    case 'route': {
      const { requestMirrorPolicies, retryPolicy } = parents.virtualHost;
      return compileForward(action.value, match, {
        retryPolicy,
        runtime: options.runtime,
        mirrors: requestMirrorPolicies.length > 0 ? requestMirrorPolicies : parents.config.requestMirrorPolicies,
      });
    }
    case 'redirect':
      return compileRedirect(action.value, match);
    case 'directResponse': {
      const { body, status } = action.value;
      // 201 and 3xx name the place, which is the request's own.
      const location = status === 201 || (status >= 300 && status < 400) ? requestUri : undefined;
      return { kind: 'direct-response', status, body: body === undefined ? emptyBody : readBody(body, options), location };
    }
    case 'nonForwardingAction':
      return { kind: 'non-forwarding' };
    default:
      throw new XebecError('E_ROUTE', 'action is missing; set route, redirect or direct_response');
  }
}

function requestUri(request: RequestHead): string {
  return `${forwardedProto(request)}://${request.authority}${request.path}`;
}

function readBody(source: DataSource, options: RouteTableOptions): Buffer {
  const { specifier } = source;
  if (specifier.case === 'inlineString') return Buffer.from(specifier.value);
  if (specifier.case === 'inlineBytes') return Buffer.from(specifier.value);
  if (options.readDataSource === undefined) throw new XebecError('E_ROUTE', 'direct response body must be inline here');
  return options.readDataSource(source);
}
