import { TcpProxySchema } from '@xebec/protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import { BLACK_HOLE } from '../cluster/names.ts';
import { extension } from '../envoy/any.ts';
import type { AccessLogFields } from '../telemetry/access-log.ts';
import type { NetworkFilter } from './connection-manager.ts';

export interface WeightedCluster {
  readonly cluster: string;
  readonly weight: number;
}

/** Sends bytes to one cluster, or shares connections out by weight; without any destination, nowhere. */
export function tcpProxy(
  destinations: readonly WeightedCluster[],
  accessLog: readonly AccessLogFields[],
  options: { statPrefix?: string; hashSourceIp?: boolean } = {},
): NetworkFilter {
  const used = destinations.length > 1 ? destinations.filter((destination) => destination.weight > 0) : destinations;
  const first = used[0]?.cluster ?? BLACK_HOLE;
  return extension('envoy.filters.network.tcp_proxy', TcpProxySchema, {
    statPrefix: options.statPrefix ?? first,
    clusterSpecifier:
      used.length <= 1
        ? { case: 'cluster', value: first }
        : {
            case: 'weightedClusters',
            value: { clusters: used.map(({ cluster, weight }) => ({ name: cluster, weight })) },
          },
    accessLog: [...accessLog],
    ...(options.hashSourceIp === true ? { hashPolicy: [{ policySpecifier: { case: 'sourceIp', value: {} } }] } : {}),
  });
}
