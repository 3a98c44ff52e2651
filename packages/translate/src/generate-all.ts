import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import { type Cluster, Cluster_DiscoveryType } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { ClusterLoadAssignment } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import type { RouteConfiguration } from '@xebec/protos/envoy/config/route/v3/route';
import { generateClusters } from './cluster/generate-clusters.ts';
import { generateEndpoints } from './endpoint/generate-endpoints.ts';
import type { Generated } from './generated.ts';
import { generateListeners } from './listener/generate-listeners.ts';
import { generateRoutes, routeNames } from './route/generate-routes.ts';

export interface GeneratedResources {
  readonly clusters: readonly Generated<Cluster>[];
  readonly listeners: readonly Generated<Listener>[];
  readonly routes: readonly Generated<RouteConfiguration>[];
  readonly endpoints: readonly Generated<ClusterLoadAssignment>[];
  /** Always empty: secrets are the agent's and the control plane's, and no translation makes them. */
  readonly secrets: readonly [];
}

/** Everything a proxy would get over ADS, each list sorted by name. */
export function generateAll(snapshot: MeshSnapshot, proxy: MeshProxy): GeneratedResources {
  const clusters = generateClusters(snapshot, proxy);
  const listeners = generateListeners(snapshot, proxy);
  return {
    clusters: sorted(clusters),
    listeners: sorted(listeners),
    routes: sorted(generateRoutes(snapshot, proxy, routeNames(listeners))),
    endpoints: sorted(generateEndpoints(snapshot, proxy, edsNames(clusters))),
    secrets: [],
  };
}

/** The clusters whose endpoints come over EDS. */
export function edsNames(clusters: readonly { readonly name: string; readonly message: Cluster }[]): string[] {
  return clusters.filter(({ message }) => isEds(message)).map(({ name }) => name);
}

function isEds(cluster: Cluster): boolean {
  const type = cluster.clusterDiscoveryType;
  return type.case === 'type' && type.value === Cluster_DiscoveryType.EDS;
}

function sorted<T>(resources: readonly Generated<T>[]): Generated<T>[] {
  return [...resources].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
