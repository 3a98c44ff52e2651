import { create, fromBinary } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import type { RouteConfiguration } from '@xebec/protos/envoy/config/route/v3/route';
import {
  type Route,
  RouteListSchema,
  RouteSchema,
  VirtualHost_TlsRequirementType as TlsRequirement,
  type VirtualHost,
} from '@xebec/protos/envoy/config/route/v3/route_components';
import type { RequestHead } from '@xebec/wire';
import { compileLevel, compileRoute, type Level, type RouteTableOptions, type RouteWithMatch } from './compile-route.ts';
import type { CompiledRoute, CompiledVirtualHost } from './compiled-route.ts';
import { compileHeaderMatcher } from './header-matcher.ts';
import { compileMatcherTree, type MatcherTree } from './matcher-tree/matcher-tree.ts';
import { tlsLocation } from './redirect.ts';
import { forwardedProto, pathOnly, requestHeaderValues } from './request-header.ts';
import type { MatchContext } from './route-match.ts';
import { VirtualHostIndex } from './virtual-host-index.ts';

/** One route that was tried, for `explain`. */
export interface RouteTrial {
  readonly route: CompiledRoute;
  /** Position in its virtual host, from 0. */
  readonly index: number;
  /** The first condition that did not hold; undefined when all did. */
  readonly failed: string | undefined;
  /** All of its conditions, in the order in which they are tried. */
  readonly conditions: readonly string[];
}

export interface RouteExplanation {
  readonly virtualHost: CompiledVirtualHost | undefined;
  /** In order, up to and including the match; empty where the virtual host redirects to https before its routes. */
  readonly trials: readonly RouteTrial[];
  readonly route: CompiledRoute | undefined;
}

/** A RouteConfiguration, compiled once: lookups allocate nothing but a lower-cased host. */
export interface CompiledRouteTable {
  readonly name: string;
  readonly virtualHosts: readonly CompiledVirtualHost[];
  /** Clusters that the routes name, for `validate_clusters` and warming. */
  readonly clusterNames: ReadonlySet<string>;
  readonly internalOnlyHeaders: readonly string[];
  findVirtualHost(authority: string): CompiledVirtualHost | undefined;
  /** The route of a request, or undefined (404, flag NR). */
  route(request: RequestHead, context: MatchContext): CompiledRoute | undefined;
  /** The same decision with its reasons. */
  explain(request: RequestHead, context: MatchContext): RouteExplanation;
}

interface Entry {
  readonly virtualHost: CompiledVirtualHost;
  readonly routes: readonly RouteWithMatch[];
  /** Chooses among routes instead of their order, where the virtual host has a `matcher`. */
  readonly tree: MatcherTree<readonly RouteWithMatch[]> | undefined;
  /** The redirect to https that stands before the routes when the virtual host requires TLS. */
  readonly tlsRedirect: CompiledRoute | undefined;
}

const httpsRedirect = create(RouteSchema, {
  match: { pathSpecifier: { case: 'prefix', value: '' } },
  action: { case: 'redirect', value: { schemeRewriteSpecifier: { case: 'httpsRedirect', value: true } } },
});

/** Compiles a RouteConfiguration; throws XebecError `E_ROUTE` naming virtual host and route. */
export function compileRouteTable(config: RouteConfiguration, options: RouteTableOptions = {}): CompiledRouteTable {
  const index = new VirtualHostIndex<Entry>(config.ignorePortInHostMatching);
  const configLevel = compileLevel(config, options);
  const entries = config.virtualHosts.map((virtualHost) => {
    const entry = compileVirtualHost(virtualHost, config, configLevel, options);
    for (const domain of virtualHost.domains) {
      if (!index.add(domain, entry)) {
        throw new XebecError(
          'E_ROUTE',
          `route configuration "${config.name}": domain "${domain}" of virtual host "${virtualHost.name}" is there twice`,
        );
      }
    }
    return entry;
  });
  const clusterNames = new Set<string>();
  for (const { routes } of entries) {
    for (const { route } of routes)
      if (route.action.kind === 'forward') for (const name of route.action.clusterNames) clusterNames.add(name);
  }
  const vhostHeader = config.vhostHeader.toLowerCase();
  const hostEntry = (request: RequestHead): Entry | undefined => {
    if (vhostHeader === '') return index.find(request.authority);
    const named = requestHeaderValues(request, vhostHeader);
    const host = typeof named === 'string' ? named : named?.[0];
    return host === undefined ? undefined : index.find(host);
  };
  const pathOf = (request: RequestHead): string => {
    const path = pathOnly(request.path);
    const semicolon = config.ignorePathParametersInPathMatching ? path.indexOf(';') : -1;
    return semicolon === -1 ? path : path.slice(0, semicolon);
  };
  return {
    name: config.name,
    virtualHosts: entries.map((entry) => entry.virtualHost),
    clusterNames,
    internalOnlyHeaders: config.internalOnlyHeaders.map((name) => name.toLowerCase()),
    findVirtualHost: (authority) => index.find(authority)?.virtualHost,
    route(request, context) {
      const entry = hostEntry(request);
      if (entry === undefined) return undefined;
      if (entry.tlsRedirect !== undefined && forwardedProto(request) !== 'https') return entry.tlsRedirect;
      const path = pathOf(request);
      next: for (const { route, match } of candidates(entry, request, context)) {
        for (const predicate of match.predicates) if (!predicate.holds(request, path, context)) continue next;
        return route;
      }
      return undefined;
    },
    explain(request, context) {
      const entry = hostEntry(request);
      if (entry === undefined) return { virtualHost: undefined, trials: [], route: undefined };
      if (entry.tlsRedirect !== undefined && forwardedProto(request) !== 'https')
        return { virtualHost: entry.virtualHost, trials: [], route: entry.tlsRedirect };
      const path = pathOf(request);
      const trials: RouteTrial[] = [];
      for (const [position, { route, match }] of candidates(entry, request, context).entries()) {
        const failed = match.predicates.find((predicate) => !predicate.holds(request, path, context))?.description;
        trials.push({ route, index: position, failed, conditions: match.predicates.map(({ description }) => description) });
        if (failed === undefined) return { virtualHost: entry.virtualHost, trials, route };
      }
      return { virtualHost: entry.virtualHost, trials, route: undefined };
    },
  };
}

const noRoutes: readonly RouteWithMatch[] = [];

function candidates(entry: Entry, request: RequestHead, { info }: MatchContext): readonly RouteWithMatch[] {
  return entry.tree === undefined ? entry.routes : (entry.tree({ request, info }) ?? noRoutes);
}

function compileVirtualHost(proto: VirtualHost, config: RouteConfiguration, configLevel: Level, options: RouteTableOptions): Entry {
  if (proto.matcher !== undefined && proto.routes.length > 0)
    throw new XebecError('E_ROUTE', `virtual host "${proto.name}": cannot set both matcher and routes on virtual host`);
  const routes: RouteWithMatch[] = [];
  const compiled: CompiledRoute[] = [];
  const virtualHost: CompiledVirtualHost = {
    name: proto.name,
    domains: proto.domains,
    metadata: proto.metadata?.filterMetadata ?? {},
    includeRequestAttemptCount: proto.includeRequestAttemptCount,
    includeAttemptCountInResponse: proto.includeAttemptCountInResponse,
    includeIsTimeoutRetryHeader: proto.includeIsTimeoutRetryHeader,
    rateLimits: proto.rateLimits,
    virtualClusters: proto.virtualClusters.map(({ name, headers }) => {
      const predicates = headers.map(compileHeaderMatcher);
      return { name, matches: (request) => predicates.every((holds) => holds(request)) };
    }),
    routes: compiled,
  };
  const parents = {
    config,
    virtualHost: proto,
    compiledVirtualHost: virtualHost,
    levels: [configLevel, compileLevel(proto, options)] as const,
  };
  const add = (route: Route): RouteWithMatch => {
    const entry = compileRoute(route, routes.length, parents, options);
    routes.push(entry);
    compiled.push(entry.route);
    return entry;
  };
  for (const route of proto.routes) add(route);
  const tree =
    proto.matcher === undefined
      ? undefined
      : compileMatcherTree(proto.matcher, 'route', ({ name, typedConfig }): readonly RouteWithMatch[] => {
          if (typedConfig?.typeUrl.endsWith(`/${RouteSchema.typeName}`)) return [add(fromBinary(RouteSchema, typedConfig.value))];
          if (typedConfig?.typeUrl.endsWith(`/${RouteListSchema.typeName}`))
            return fromBinary(RouteListSchema, typedConfig.value).routes.map(add);
          throw new XebecError('E_ROUTE', `virtual host "${proto.name}": matcher action "${name}" is no route`);
        });
  const tls = proto.requireTls;
  const requiresTls = tls === TlsRequirement.ALL || tls === TlsRequirement.EXTERNAL_ONLY;
  if (!requiresTls) return { virtualHost, routes, tree, tlsRedirect: undefined };
  const { route } = compileRoute(httpsRedirect, -1, parents, options);
  const tlsRedirect = route.action.kind === 'redirect' ? { ...route, action: { ...route.action, location: tlsLocation } } : route;
  return { virtualHost, routes, tree, tlsRedirect };
}
