import type { Duration } from '@bufbuild/protobuf/wkt';
import type { CompiledRoute, CompiledRouteTable, MatchContext, RouteTrial } from '@xebec/matching';
import type { MeshSnapshot } from '@xebec/model';
import type { RouteAction } from '@xebec/protos/envoy/config/route/v3/route_components';
import type { RequestHead } from '@xebec/wire';
import type { Journey, Place } from './explanation.ts';
import { originsOfMetadata } from './origins.ts';

/** Virtual host and route of a request, with the routes that were tried before it. */
export function chooseRoute(
  snapshot: MeshSnapshot,
  table: CompiledRouteTable,
  request: RequestHead,
  context: MatchContext,
  journey: Journey,
  place: Place,
): CompiledRoute | undefined {
  const { virtualHost, trials, route } = table.explain(request, context);
  if (virtualHost === undefined) {
    journey.add({
      place,
      topic: 'virtual host',
      decision: `no virtual host of ${table.name} has the domain ${request.authority}`,
      passedOver: table.virtualHosts
        .slice(0, 8)
        .map(({ name, domains }) => ({ what: name, because: `its domains: ${shortened(domains)}`, origins: [] })),
    });
    return undefined;
  }
  journey.add({
    place,
    topic: 'virtual host',
    decision: `${virtualHost.name} of route configuration ${table.name} takes ${request.authority}`,
    details: [`its domains: ${shortened(virtualHost.domains)}`],
  });
  const passedOver = trials
    .filter(({ failed }) => failed !== undefined)
    .map(({ route: tried, index, failed }) => ({
      what: routeName(tried, index),
      because: `the request lacks: ${failed}`,
      origins: originsOfMetadata(snapshot, tried.proto.metadata),
    }));
  journey.add({
    place,
    topic: 'route',
    decision: decisionText(route, trials, request),
    details: route === undefined ? [] : routeDetails(route, request),
    passedOver,
    origins: route === undefined ? [] : originsOfMetadata(snapshot, route.proto.metadata),
  });
  return route;
}

function decisionText(route: CompiledRoute | undefined, trials: readonly RouteTrial[], request: RequestHead): string {
  const last = trials.at(-1);
  if (route === undefined) return `none of its ${trials.length} routes takes ${request.method} ${request.path}`;
  if (last === undefined) return 'the host wants TLS: what comes without it is sent to https';
  return `${routeName(route, last.index)} takes it: ${last.conditions.join(', ')}`;
}

function routeName({ name }: CompiledRoute, index: number): string {
  return name === '' ? `route ${index + 1}` : `route ${index + 1} "${name}"`;
}

function routeDetails(route: CompiledRoute, request: RequestHead): string[] {
  const { action } = route.proto;
  if (action.case !== 'route') return [];
  return [...clusterLines(action.value), ...rewriteLines(route, action.value, request), ...timeLines(action.value)];
}

function clusterLines({ clusterSpecifier }: RouteAction): string[] {
  if (clusterSpecifier.case !== 'weightedClusters') return [];
  const { clusters } = clusterSpecifier.value;
  const total = clusters.reduce((sum, { weight }) => sum + (weight ?? 0), 0);
  return [`weights: ${clusters.map(({ name, weight }) => `${percent((weight ?? 0) / total)} ${name}`).join(', ')}`];
}

function rewriteLines(route: CompiledRoute, action: RouteAction, request: RequestHead): string[] {
  const lines: string[] = [];
  if (action.prefixRewrite !== '' || action.regexRewrite !== undefined) {
    lines.push(`path becomes ${rewritten(route, request).path}`);
  }
  if (action.hostRewriteSpecifier.case === 'hostRewriteLiteral') lines.push(`host becomes ${action.hostRewriteSpecifier.value}`);
  const { requestHeadersToAdd, requestHeadersToRemove, responseHeadersToAdd, responseHeadersToRemove } = route.proto;
  const names = (list: typeof requestHeadersToAdd) => list.map(({ header }) => header?.key ?? '').join(', ');
  if (requestHeadersToAdd.length > 0) lines.push(`request headers set: ${names(requestHeadersToAdd)}`);
  if (requestHeadersToRemove.length > 0) lines.push(`request headers removed: ${requestHeadersToRemove.join(', ')}`);
  if (responseHeadersToAdd.length > 0) lines.push(`response headers set: ${names(responseHeadersToAdd)}`);
  if (responseHeadersToRemove.length > 0) lines.push(`response headers removed: ${responseHeadersToRemove.join(', ')}`);
  for (const { cluster, runtimeFraction } of action.requestMirrorPolicies) {
    const share = runtimeFraction?.defaultValue;
    lines.push(`mirrored to ${cluster}${share === undefined ? '' : `, ${percent(share.numerator / denominators[share.denominator])}`}`);
  }
  return lines;
}

/** Numerators count hundredths, ten-thousandths or millionths (`type.v3.FractionalPercent`). */
const denominators = [100, 10_000, 1_000_000] as const;

/** The request as the route sends it on: path and host as rewritten. */
export function rewritten(route: CompiledRoute, request: RequestHead): RequestHead {
  if (route.action.kind !== 'forward') return request;
  const { rewritePath, hostRewrite } = route.action;
  const host = hostRewrite?.kind === 'computed' ? hostRewrite.host(request) : undefined;
  return { ...request, path: rewritePath?.(request.path) ?? request.path, authority: host ?? request.authority };
}

function timeLines(action: RouteAction): string[] {
  const lines: string[] = [];
  const timeout = milliseconds(action.timeout);
  lines.push(timeout === 0 ? 'no timeout' : `timeout ${timeout ?? 15_000} ms`);
  const retry = action.retryPolicy;
  if (retry !== undefined && (retry.numRetries ?? 1) > 0) {
    const perTry = milliseconds(retry.perTryTimeout);
    lines.push(`up to ${retry.numRetries ?? 1} retries on ${retry.retryOn}${perTry === undefined ? '' : `, ${perTry} ms each`}`);
  } else lines.push('no retries');
  return lines;
}

function milliseconds(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

export function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`;
}

export function shortened(list: readonly string[], most = 6): string {
  return list.length <= most ? list.join(' ') : `${list.slice(0, most).join(' ')} and ${list.length - most} more`;
}
