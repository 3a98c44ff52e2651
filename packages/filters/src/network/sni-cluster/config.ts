import { SniClusterSchema } from '@xebec/protos/envoy/extensions/filters/network/sni_cluster/v3/sni_cluster';
import { decodeConfig } from '../../decode.ts';
import { type NetworkFilterDefinition, tcpProxyClusterKey } from '../../network-filter.ts';

/** The SNI names the cluster (AUTO_PASSTHROUGH gateways). */
export const sniClusterDefinition: NetworkFilterDefinition = {
  name: 'envoy.filters.network.sni_cluster',
  typeNames: [SniClusterSchema.typeName],
  compile(bytes) {
    decodeConfig(SniClusterSchema, bytes);
    return {
      create: ({ connection, info }) => ({
        onNewConnection() {
          if (connection.requestedServerName !== '') info.filterState.set(tcpProxyClusterKey, connection.requestedServerName);
          return 'continue';
        },
      }),
    };
  },
};
