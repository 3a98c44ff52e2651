import { httpFilterDefinitions, networkFilterDefinitions } from './registry.ts';

/** `executed`: runs. `ignored`: accepted, and traffic passes it by. `refused`: a configuration with it is rejected. */
export type FilterSupport = 'executed' | 'ignored' | 'refused';

/** Filters of the data plane itself. */
const dataPlaneTypes = [
  'envoy.extensions.filters.http.router.v3.Router',
  'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
];

/**
 * What may be left out without letting through what it should stop: observers, optimisations, and protocol sniffers. All other
 * types that are not executed are refused, because a filter that silently does not run is a hole or a wrong answer.
 */
const ignoredTypes = [
  'envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency',
  'envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit',
  'envoy.extensions.filters.http.ip_tagging.v3.IPTagging',
  'envoy.extensions.filters.http.on_demand.v3.OnDemand',
  'envoy.extensions.filters.http.original_src.v3.OriginalSrc',
  'envoy.extensions.filters.http.tap.v3.Tap',
];

const table: ReadonlyMap<string, FilterSupport> = new Map<string, FilterSupport>([
  ...ignoredTypes.map((type) => [type, 'ignored'] as const),
  ...dataPlaneTypes.map((type) => [type, 'executed'] as const),
  ...[...httpFilterDefinitions, ...networkFilterDefinitions].flatMap(({ typeNames }) =>
    typeNames.map((type) => [type, 'executed'] as const),
  ),
]);

/** What Xebec does with a filter's configuration type (without `type.googleapis.com/`). */
export function filterSupport(typeName: string): FilterSupport {
  return table.get(typeName) ?? 'refused';
}

/** Every type that is executed or ignored; all others are refused. */
export function knownFilterTypes(): readonly string[] {
  return [...table.keys()].sort();
}
