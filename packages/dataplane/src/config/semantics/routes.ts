import { durationMs } from '@bufbuild/protobuf/wkt';
import type { HeaderValueOption } from '@xebec/protos/envoy/config/core/v3/base';
import type { RouteConfiguration } from '@xebec/protos/envoy/config/route/v3/route';
import type { RetryPolicy, Route, RouteAction, VirtualHost } from '@xebec/protos/envoy/config/route/v3/route_components';
import { typeNameOf } from '../unpack.ts';
import { notExecuted, refuse, requireTypedConfig } from './refuse.ts';

export interface RouteChecks {
  /** Whether a cluster exists now; undefined where Envoy does not ask (RDS). */
  readonly clusterExists: ((name: string) => boolean) | undefined;
}

interface HeaderChanges {
  readonly requestHeadersToAdd: readonly HeaderValueOption[];
  readonly requestHeadersToRemove: readonly string[];
  readonly responseHeadersToAdd: readonly HeaderValueOption[];
  readonly responseHeadersToRemove: readonly string[];
}

/** What Envoy refuses of a route configuration beyond `validate.rules`. Throws XebecError `E_CONFIG`. */
export function checkRoutes(config: RouteConfiguration, checks: RouteChecks): void {
  checkHeaders(config);
  if (config.vhds !== undefined) refuse('vhds: discovery of virtual hosts is not supported; put them into the route configuration');
  if (config.routeSpecifiers.length > 0) notExecuted('route_configuration.route_specifiers');
  const maxBody = config.maxDirectResponseBodySizeBytes ?? 4096;
  const clusterExists = (config.validateClusters ?? true) ? checks.clusterExists : undefined;
  for (const host of config.virtualHosts) {
    checkHost(host);
    if (host.routeSpecifiers.length > 0) notExecuted('virtual_host.route_specifiers');
    for (const route of host.routes) checkRoute(route, maxBody, clusterExists);
  }
}

const isFixed = (name: string) => name.startsWith(':') || name.toLowerCase() === 'host';

function checkHeaders(changes: HeaderChanges): void {
  for (const { header } of [...changes.requestHeadersToAdd, ...changes.responseHeadersToAdd])
    if (isFixed(header?.key ?? '')) refuse(':-prefixed or host headers may not be modified');
  for (const name of [...changes.requestHeadersToRemove, ...changes.responseHeadersToRemove])
    if (isFixed(name)) refuse(':-prefixed or host headers may not be removed');
}

function checkHost(host: VirtualHost): void {
  checkHeaders(host);
  if (host.virtualClusters.some(({ headers }) => headers.length === 0)) refuse("virtual clusters must define 'headers'");
  for (const [name, any] of Object.entries(host.typedPerFilterConfig))
    if (typeNameOf(any) === 'google.protobuf.Struct')
      refuse(`Didn't find a registered implementation for '${name}' with type URL: 'google.protobuf.Struct'`);
  if (host.retryPolicy !== undefined) checkRetry(host.retryPolicy);
}

function checkRoute(route: Route, maxBody: number, clusterExists: ((name: string) => boolean) | undefined): void {
  checkHeaders(route);
  if (route.routeSpecifiers.length > 0) notExecuted('route.route_specifiers');
  if (route.action.case === 'redirect' && route.action.value.pathRewriteSpecifier.case === 'pathRewrite')
    notExecuted('redirect.path_rewrite');
  if (route.action.case === 'directResponse' && route.action.value.bodyFormat !== undefined) notExecuted('direct_response.body_format');
  if (route.action.case === 'route') checkAction(route.action.value, clusterExists);
  if (
    route.action.case === 'redirect' &&
    route.action.value.pathRewriteSpecifier.case === 'prefixRewrite' &&
    route.match?.pathSpecifier.case === 'pathMatchPolicy'
  )
    refuse('Cannot use redirect.prefix_rewrite with path_match_policy');
  if (route.action.case === 'route' && route.match?.pathSpecifier.case === 'pathMatchPolicy' && route.action.value.prefixRewrite !== '')
    refuse('Cannot use prefix_rewrite with matcher extension');
  const body = route.action.case === 'directResponse' ? route.action.value.body?.specifier : undefined;
  const length = body?.case === 'inlineString' ? Buffer.byteLength(body.value) : body?.case === 'inlineBytes' ? body.value.length : 0;
  if (length > maxBody) refuse(`response body size is ${length} bytes; maximum is ${maxBody}`);
}

function checkAction(action: RouteAction, clusterExists: ((name: string) => boolean) | undefined): void {
  const exists = (name: string, what: string): void => {
    if (clusterExists?.(name) === false) refuse(`route: unknown ${what}cluster '${name}'`);
  };
  const { clusterSpecifier } = action;
  if (clusterSpecifier.case === 'cluster') exists(clusterSpecifier.value, '');
  for (const limit of [action.timeout, action.idleTimeout, action.maxGrpcTimeout, action.grpcTimeoutOffset])
    if (limit !== undefined && durationMs(limit) < 0) refuse('Invalid duration: Expected positive duration');
  if (clusterSpecifier.case === 'weightedClusters') {
    const sum = clusterSpecifier.value.clusters.reduce((total, { weight }) => total + (weight ?? 0), 0);
    if (sum > 0xffff_ffff) refuse('The sum of weights of all weighted clusters of route exceeds 4294967295');
    for (const cluster of clusterSpecifier.value.clusters) {
      checkHeaders(cluster);
      if (cluster.name === '' && cluster.clusterHeader === '') refuse('At least one of name or cluster_header need to be specified');
      if (cluster.name !== '' && cluster.clusterHeader !== '') refuse('Only one of name or cluster_header can be specified');
      if (cluster.name !== '') exists(cluster.name, 'weighted ');
    }
  }
  const rewrites = [action.prefixRewrite !== '', action.regexRewrite !== undefined, action.pathRewritePolicy !== undefined];
  if (rewrites.filter(Boolean).length > 1) refuse('Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy');
  if (action.pathRewrite !== '') notExecuted('route.path_rewrite', 'prefix_rewrite, regex_rewrite or path_rewrite_policy');
  if (action.hostRewriteSpecifier.case === 'hostRewrite') notExecuted('route.host_rewrite', 'host_rewrite_literal or host_rewrite_header');
  for (const { cluster, clusterHeader, requestHeadersMutations, hostRewriteLiteral } of action.requestMirrorPolicies) {
    if (requestHeadersMutations.length > 0 || hostRewriteLiteral !== '')
      notExecuted('request_headers_mutations and host_rewrite_literal of a mirror policy');
    if ((cluster === '') === (clusterHeader === ''))
      refuse('Exactly one of cluster or cluster_header in request mirror policy need to be specified');
    if (cluster !== '') exists(cluster, 'shadow ');
  }
  const upgrades = new Set<string>();
  for (const { upgradeType, connectConfig } of action.upgradeConfigs) {
    if (connectConfig !== undefined && !/^connect(?:-udp)?$/i.test(upgradeType))
      refuse(`Non-CONNECT upgrade type ${upgradeType} has ConnectConfig`);
    if (upgrades.has(upgradeType.toLowerCase())) refuse(`Duplicate upgrade ${upgradeType}`);
    upgrades.add(upgradeType.toLowerCase());
  }
  if (action.retryPolicy !== undefined) checkRetry(action.retryPolicy);
}

function checkRetry(policy: RetryPolicy): void {
  const backOff = policy.retryBackOff;
  if (
    backOff?.baseInterval !== undefined &&
    backOff.maxInterval !== undefined &&
    durationMs(backOff.maxInterval) < durationMs(backOff.baseInterval)
  )
    refuse('retry_policy.max_interval must greater than or equal to the base_interval');
  for (const predicate of policy.retryHostPredicate) requireTypedConfig(predicate, predicate.configType.value);
}
