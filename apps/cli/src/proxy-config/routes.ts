import type { RouteConfiguration as Configuration } from '@xebec/protos/envoy/config/route/v3/route';
import type { Route, RouteMatch } from '@xebec/protos/envoy/config/route/v3/route_components';
import { formatTable } from '../table.ts';
import { configOf } from './istio-config.ts';

function matchText(match: RouteMatch | undefined): string {
  const path = match?.pathSpecifier;
  switch (path?.case) {
    case 'prefix':
      return `${path.value}*`;
    case 'path':
      return path.value;
    case 'safeRegex':
      return `regex ${path.value.regex}`;
    case 'pathSeparatedPrefix':
      return `PathPrefix:${path.value}`;
    default:
      return '/*';
  }
}

function domainsText(domains: readonly string[]): string {
  return domains.length <= 2 ? domains.join(', ') : `${domains.slice(0, 2).join(', ')} + ${domains.length - 2} more...`;
}

function configText(route: Route): string {
  const config = configOf(route.metadata);
  if (config !== '') return config;
  return route.action.case === 'directResponse' && route.action.value.status === 404 ? '404' : '';
}

/** One line per virtual host and route, as `istioctl proxy-config route` prints. */
export function routeTable(configurations: readonly Configuration[]): string {
  const rows = configurations.flatMap((configuration) =>
    configuration.virtualHosts.flatMap((host) =>
      host.routes.map((route) => [configuration.name, host.name, domainsText(host.domains), matchText(route.match), configText(route)]),
    ),
  );
  rows.sort((a, b) => compareNames(a[0] ?? '', b[0] ?? ''));
  return formatTable(['NAME', 'VHOST NAME', 'DOMAINS', 'MATCH', 'VIRTUAL SERVICE'], rows);
}

/** Ports by number, the rest by text. */
function compareNames(a: string, b: string): number {
  const [left, right] = [Number(a), Number(b)];
  if (!Number.isNaN(left) && !Number.isNaN(right)) return left - right;
  return a < b ? -1 : a > b ? 1 : 0;
}
