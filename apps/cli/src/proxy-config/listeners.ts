import type { Address } from '@xebec/protos/envoy/config/core/v3/address';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import type { Filter, FilterChain, FilterChainMatch } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import type { Route } from '@xebec/protos/envoy/config/route/v3/route_components';
import { HttpConnectionManagerSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { TcpProxySchema } from '@xebec/protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import { formatTable } from '../table.ts';
import { unpack } from './dump.ts';

export function addressOf(address: Address | undefined): { host: string; port: string } {
  const socket = address?.address;
  if (socket?.case === 'socketAddress')
    return {
      host: socket.value.address,
      port: socket.value.portSpecifier.case === 'portValue' ? String(socket.value.portSpecifier.value) : '0',
    };
  return { host: socket?.case === 'pipe' ? `unix://${socket.value.path}` : '-', port: '0' };
}

function matchText(match: FilterChainMatch | undefined): string {
  if (match === undefined) return 'ALL';
  const parts = [
    ...(match.serverNames.length > 0 ? [`SNI: ${match.serverNames.join(',')}`] : []),
    ...(match.transportProtocol !== '' ? [`Trans: ${match.transportProtocol}`] : []),
    ...(match.applicationProtocols.length > 0 ? [`App: ${match.applicationProtocols.join(',')}`] : []),
    ...(match.prefixRanges.length > 0
      ? [`Addr: ${match.prefixRanges.map((range) => `${range.addressPrefix}/${range.prefixLen ?? 32}`).join(',')}`]
      : []),
    ...(match.destinationPort !== undefined ? [`Addr: *:${match.destinationPort}`] : []),
  ];
  return parts.length === 0 ? 'ALL' : parts.join('; ');
}

function filterText(filter: Filter): string | undefined {
  if (filter.configType.case !== 'typedConfig') return undefined;
  const [http] = unpack(filter.configType.value, HttpConnectionManagerSchema);
  if (http?.routeSpecifier.case === 'rds') return `Route: ${http.routeSpecifier.value.routeConfigName}`;
  if (http?.routeSpecifier.case === 'routeConfig')
    return `Inline Route: ${inlineRoutes(http.routeSpecifier.value.virtualHosts.flatMap((host) => host.routes))}`;
  const [tcp] = unpack(filter.configType.value, TcpProxySchema);
  if (tcp?.clusterSpecifier.case === 'cluster') return clusterText(tcp.clusterSpecifier.value);
  if (tcp?.clusterSpecifier.case === 'weightedClusters')
    return tcp.clusterSpecifier.value.clusters.map((entry) => `${clusterText(entry.name)} (${entry.weight})`).join(', ');
  return undefined;
}

function inlineRoutes(routes: readonly Route[]): string {
  return routes
    .map(({ match }) =>
      match?.pathSpecifier.case === 'prefix' ? `${String(match.pathSpecifier.value)}*` : String(match?.pathSpecifier.value ?? '/*'),
    )
    .join(', ');
}

function clusterText(name: string): string {
  return name.includes('|') ? `Cluster: ${name}` : name;
}

function chainText(chain: FilterChain): string {
  const texts = chain.filters.flatMap((filter) => filterText(filter) ?? []);
  return texts.at(-1) ?? 'Non-HTTP/Non-TCP';
}

export function listenerTable(listeners: readonly Listener[]): string {
  const rows = listeners.flatMap((listener) => {
    const { host, port } = addressOf(listener.address);
    const chains = [...listener.filterChains, ...(listener.defaultFilterChain === undefined ? [] : [listener.defaultFilterChain])];
    return chains.map((chain) => [
      host,
      port,
      chain === listener.defaultFilterChain ? 'ALL' : matchText(chain.filterChainMatch),
      chainText(chain),
    ]);
  });
  rows.sort((a, b) => Number(a[1]) - Number(b[1]) || ((a[0] ?? '') < (b[0] ?? '') ? -1 : 1));
  return formatTable(['ADDRESSES', 'PORT', 'MATCH', 'DESTINATION'], rows);
}
