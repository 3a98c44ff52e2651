import { inboundInstances, type MeshProxy, type MeshSnapshot, sidecarScope } from '@xebec/model';
import type { Cluster } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { MetadataExchangeSchema } from '@xebec/protos/istio/filters/metadata_exchange';
import { typedExtension } from '../envoy/any.ts';
import { duration } from '../envoy/duration.ts';
import { patchClusters } from '../envoy-filter/clusters.ts';
import { METADATA_EXCHANGE } from '../extensions.ts';
import type { Generated } from '../generated.ts';
import { grpcClusters } from '../grpc/clusters.ts';
import { inboundClusters } from './inbound.ts';
import { outboundClusters } from './outbound.ts';
import { blackHoleCluster, inboundPassthroughCluster, passthroughCluster } from './special.ts';

/** All clusters of a proxy: what it can call, what it serves, and the fixed ones. */
export function generateClusters(snapshot: MeshSnapshot, proxy: MeshProxy): Generated<Cluster>[] {
  return patchClusters(snapshot, proxy, unpatched(snapshot, proxy));
}

function unpatched(snapshot: MeshSnapshot, proxy: MeshProxy): Generated<Cluster>[] {
  const connectTimeout = duration(snapshot.mesh.connectTimeout ?? '10s');
  const outbound = outboundClusters(snapshot, proxy, sidecarScope(snapshot, proxy));
  const fixed = (message: Cluster): Generated<Cluster> => ({ name: message.name, message, provenance: [] });
  if (proxy.flavour === 'grpc') return grpcClusters(outbound);
  if (proxy.type === 'router') return [...outbound, fixed(blackHoleCluster(connectTimeout))];
  const exchange = proxy.extensions.has(METADATA_EXCHANGE)
    ? [typedExtension(METADATA_EXCHANGE, MetadataExchangeSchema, { protocol: 'istio-peer-exchange', enableDiscovery: true })]
    : [];
  return [
    ...outbound,
    ...inboundClusters(inboundInstances(snapshot, proxy), proxy, connectTimeout),
    fixed(blackHoleCluster(connectTimeout)),
    fixed(passthroughCluster(connectTimeout, exchange)),
    fixed(inboundPassthroughCluster(connectTimeout)),
  ];
}
