import { TcpProxySchema } from '@xebec/protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import { BLACK_HOLE } from '../cluster/names.ts';
import { extension } from '../envoy/any.ts';
import type { DurationFields } from '../envoy/duration.ts';
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
  options: {
    statPrefix?: string;
    hashSourceIp?: boolean;
    idleTimeout?: DurationFields;
    maxDuration?: DurationFields;
    /** Connections go inside an HTTP CONNECT (or POST) request. */
    tunnel?: { readonly targetHost: string; readonly targetPort: number; readonly protocol?: string | undefined };
  } = {},
): NetworkFilter {
  const used = destinations.length > 1 ? destinations.filter((destination) => destination.weight > 0) : destinations;
  const first = used[0]?.cluster ?? BLACK_HOLE;
  return extension('envoy.filters.network.tcp_proxy', TcpProxySchema, {
    statPrefix: options.statPrefix ?? first,
    clusterSpecifier:
      destinations.length <= 1 || used.length === 0
        ? { case: 'cluster', value: first }
        : {
            case: 'weightedClusters',
            value: { clusters: used.map(({ cluster, weight }) => ({ name: cluster, weight })) },
          },
    accessLog: [...accessLog],
    ...(options.idleTimeout === undefined ? {} : { idleTimeout: options.idleTimeout }),
    ...(options.maxDuration === undefined ? {} : { maxDownstreamConnectionDuration: options.maxDuration }),
    ...(options.tunnel === undefined
      ? {}
      : {
          tunnelingConfig: {
            hostname: `${options.tunnel.targetHost.includes(':') ? `[${options.tunnel.targetHost}]` : options.tunnel.targetHost}:${options.tunnel.targetPort}`,
            usePost: options.tunnel.protocol === 'POST',
          },
        }),
    ...(options.hashSourceIp === true ? { hashPolicy: [{ policySpecifier: { case: 'sourceIp', value: {} } }] } : {}),
  });
}

/** The idle timeout that a proxy's own metadata asks for. */
export function idleOption(side: { readonly idleTimeout?: DurationFields }): { idleTimeout?: DurationFields } {
  return side.idleTimeout === undefined ? {} : { idleTimeout: side.idleTimeout };
}
