import type { Json } from '../harness/family.ts';
import type { Draw } from './draw.ts';
import { retryPolicy, routeAction } from './generate-actions.ts';
import { perFilter } from './generate-filters.ts';
import { headerChanges } from './generate-headers.ts';
import { headerMatcher, routeMatch } from './generate-matches.ts';
import { rateLimits } from './generate-security.ts';
import { configuredDomains, metadataNamespace } from './vocabulary.ts';

function route(draw: Draw, name: string): Json {
  const match = routeMatch(draw);
  return {
    name,
    match,
    ...routeAction(draw, match),
    ...headerChanges(draw, 0.2),
    ...draw.maybe(0.3, () => perFilter(draw)),
    ...draw.maybe(0.1, () => ({ metadata: { filter_metadata: { [metadataNamespace]: { who: 'route' } } } })),
    ...draw.maybe(0.05, () => ({ stat_prefix: 'own' })),
    ...draw.maybe(0.05, () => ({ per_request_buffer_limit_bytes: 10 })),
  };
}

function virtualHost(draw: Draw, name: string, domains: readonly string[]): Json {
  return {
    name,
    domains,
    routes: draw.many(1, 6, (i) => route(draw, `${name}-${i}`)),
    ...headerChanges(draw, 0.15),
    ...draw.maybe(0.2, () => perFilter(draw)),
    ...draw.maybe(0.08, () => ({ require_tls: draw.pick(['EXTERNAL_ONLY', 'ALL']) })),
    ...draw.maybe(0.15, () => ({ include_request_attempt_count: true })),
    ...draw.maybe(0.15, () => ({ include_attempt_count_in_response: true })),
    ...draw.maybe(0.15, () => ({ retry_policy: retryPolicy(draw) })),
    ...draw.maybe(0.15, () => ({ virtual_clusters: draw.many(1, 2, (i) => ({ name: `vc${i}`, headers: [headerMatcher(draw)] })) })),
    ...draw.maybe(0.08, () => ({ request_mirror_policies: [{ cluster: 'd' }] })),
    ...draw.maybe(0.05, () => ({ include_is_timeout_retry_header: true })),
    ...draw.maybe(0.1, () => rateLimits(draw)),
  };
}

/** A RouteConfiguration: hosts with distinct domains, one of them often for all. */
export function routes(draw: Draw): Json {
  const pool = configuredDomains.filter(
    (_domain, i) => !configuredDomains.slice(0, i).some((one) => one.toLowerCase() === configuredDomains[i]?.toLowerCase()),
  );
  const hosts = draw.many(0, 2, (i) => {
    const domains = draw.many(1, 2, () => pool.splice(draw.int(pool.length), 1)).flat();
    return virtualHost(draw, `h${i}`, domains);
  });
  const last = draw.chance(0.85) || hosts.length === 0 ? [virtualHost(draw, 'rest', ['*'])] : [];
  return {
    virtual_hosts: [...hosts, ...last],
    ...headerChanges(draw, 0.15),
    ...draw.maybe(0.1, () => ({ most_specific_header_mutations_wins: true })),
    ...draw.maybe(0.1, () => ({ ignore_port_in_host_matching: true })),
    ...draw.maybe(0.1, () => ({ ignore_path_parameters_in_path_matching: true })),
    ...draw.maybe(0.1, () => ({ internal_only_headers: ['x-b'] })),
    ...draw.maybe(0.05, () => ({ max_direct_response_body_size_bytes: 300 })),
    ...draw.maybe(0.05, () => perFilter(draw)),
  };
}
