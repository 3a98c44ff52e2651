import { query, sameList } from '@xebec/incremental';
import { inboundInstances, type MeshProxy, type MeshSnapshot, sidecarScope } from '@xebec/model';
import type { Cluster } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { duration } from '../envoy/duration.ts';
import { addClusters, patchClusters } from '../envoy-filter/clusters.ts';
import { passthroughClusters } from '../gateway/auto-passthrough.ts';
import type { Generated } from '../generated.ts';
import { grpcClusters } from '../grpc/clusters.ts';
import { proxyHeadersConfig } from '../listener/proxy-config.ts';
import { familyAddresses } from '../listener/wildcards.ts';
import { upstreamExchangeFilters } from '../peer-exchange.ts';
import { inboundClusters } from './inbound.ts';
import { outboundClusters } from './outbound.ts';
import { blackHoleCluster, inboundPassthroughCluster, passthroughCluster } from './special.ts';

/** All clusters of a proxy: what it can call, what it serves, and the fixed ones. */
export function generateClusters(snapshot: MeshSnapshot, proxy: MeshProxy): Generated<Cluster>[] {
  return [...sharedClusters(snapshot, proxy), ...ownClusters(snapshot, proxy)];
}

/** What a proxy can call: the same for most proxies of a namespace. */
export const sharedClusters = query(
  'shared clusters',
  (snapshot: MeshSnapshot, proxy: MeshProxy): readonly Generated<Cluster>[] => {
    const outbound = outboundClusters(snapshot, proxy, sidecarScope(snapshot, proxy));
    return patchClusters(snapshot, proxy, proxy.flavour === 'grpc' ? grpcClusters(outbound) : outbound);
  },
  { same: sameList },
);

/** What a proxy serves, the fixed clusters, and those that patches add. */
export const ownClusters = query(
  'own clusters',
  (snapshot: MeshSnapshot, proxy: MeshProxy): readonly Generated<Cluster>[] => {
    const own = patchClusters(snapshot, proxy, unpatched(snapshot, proxy));
    return [...own, ...addClusters(snapshot, proxy, () => [...sharedClusters(snapshot, proxy), ...own])];
  },
  { same: sameList },
);

function unpatched(snapshot: MeshSnapshot, proxy: MeshProxy): Generated<Cluster>[] {
  if (proxy.flavour === 'grpc') return [];
  if (proxy.type === 'router') {
    const scope = sidecarScope(snapshot, proxy);
    const external = (hostname: string) => scope.service(hostname)?.meshExternal === true;
    return [
      ...fixedClusters(snapshot, proxy),
      ...passthroughClusters(snapshot, proxy, external, () => outboundClusters(snapshot, proxy, scope)),
    ];
  }
  return [...inboundClusters(snapshot, inboundInstances(snapshot, proxy), proxy), ...fixedClusters(snapshot, proxy)];
}

/** What every proxy has, whatever it calls and serves. */
const fixedClusters = query('fixed clusters', (snapshot: MeshSnapshot, proxy: MeshProxy): readonly Generated<Cluster>[] => {
  const connectTimeout = duration(snapshot.mesh.connectTimeout ?? '10s');
  const fixed = (message: Cluster): Generated<Cluster> => ({ name: message.name, message, provenance: [] });
  if (proxy.type === 'router') return [fixed(blackHoleCluster(connectTimeout))];
  const preservesCase = proxyHeadersConfig(snapshot, proxy)?.preserveHttp1HeaderCase === true;
  return [
    fixed(blackHoleCluster(connectTimeout)),
    fixed(passthroughCluster(connectTimeout, upstreamExchangeFilters(proxy), snapshot.mesh, preservesCase)),
    fixed(inboundPassthroughCluster(connectTimeout, familyAddresses(proxy), snapshot.mesh, preservesCase)),
  ];
});
