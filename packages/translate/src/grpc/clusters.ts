import { clone } from '@bufbuild/protobuf';
import { type Cluster, Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { Generated } from '../generated.ts';

/**
 * Clusters as proxyless gRPC takes them: EDS only, round robin unless the user asked for ring hash, and plain text, since
 * a gRPC client has no sockets to choose from by endpoint.
 */
export function grpcClusters(clusters: readonly Generated<Cluster>[]): Generated<Cluster>[] {
  return clusters
    .filter(({ message }) => {
      const type = message.clusterDiscoveryType;
      return type.case === 'type' && type.value === Cluster_DiscoveryType.EDS;
    })
    .map((generated) => {
      const message = clone(ClusterSchema, generated.message);
      message.transportSocketMatches = [];
      message.filters = [];
      if (message.lbPolicy !== Cluster_LbPolicy.RING_HASH) message.lbPolicy = Cluster_LbPolicy.ROUND_ROBIN;
      return { ...generated, message };
    });
}
