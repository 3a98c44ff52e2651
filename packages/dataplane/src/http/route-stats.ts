import type { CompiledRoute, CompiledVirtualHost } from '@xebec/matching';
import type { StatsScope } from '@xebec/telemetry';
import type { RequestHead } from '@xebec/wire';
import { ResponseStats } from '../clusters/response-stats.ts';

const names = ['retry', 'retry_limit_exceeded', 'retry_overflow', 'retry_success', 'timeout', 'total'];
const made = new WeakMap<object, Map<string, ResponseStats>>();

/** Statistics of virtual clusters and of routes with `stat_prefix` (`vhost.<name>.…`): those that a request counts in, or none. */
export function routeStats(root: StatsScope, route: CompiledRoute, virtualCluster: string | undefined): readonly ResponseStats[] {
  const { virtualHost } = route;
  const { statPrefix } = route.proto;
  const found: ResponseStats[] = [];
  if (virtualCluster !== undefined) found.push(statsOf(root, virtualHost, `vcluster.${virtualCluster}`));
  if (statPrefix !== '') found.push(statsOf(root, virtualHost, `route.${statPrefix}`));
  return found;
}

/** The virtual cluster that a request falls into; undefined where the virtual host has none. */
export function virtualClusterOf(route: CompiledRoute, request: RequestHead): string | undefined {
  const { virtualClusters } = route.virtualHost;
  if (virtualClusters.length === 0) return undefined;
  return virtualClusters.find(({ matches }) => matches(request))?.name ?? 'other';
}

function statsOf(root: StatsScope, virtualHost: CompiledVirtualHost, part: string): ResponseStats {
  let parts = made.get(virtualHost);
  if (parts === undefined) {
    parts = new Map();
    made.set(virtualHost, parts);
  }
  let stats = parts.get(part);
  if (stats === undefined) {
    const scope = root.scope(`vhost.${virtualHost.name}`).scope(part);
    for (const name of names) scope.counter(`upstream_rq_${name}`);
    stats = new ResponseStats(scope);
    parts.set(part, stats);
  }
  return stats;
}
