import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import type { Cluster } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { ClusterLoadAssignment } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import type { RouteConfiguration } from '@xebec/protos/envoy/config/route/v3/route';
import { edsNames, generateClusters, generateEndpoints, generateListeners, generateRoutes, routeNames } from '@xebec/translate';

export interface Named<T> {
  readonly name: string;
  readonly message: T;
}

/** From a snapshot to what one proxy needs. Routes and endpoints are made by name, when a proxy asks for them. */
export interface Translator {
  clusters(snapshot: MeshSnapshot, proxy: MeshProxy): readonly Named<Cluster>[];
  listeners(snapshot: MeshSnapshot, proxy: MeshProxy): readonly Named<Listener>[];
  routes(snapshot: MeshSnapshot, proxy: MeshProxy, names: readonly string[]): readonly Named<RouteConfiguration>[];
  /** The clusters whose endpoints come by EDS. */
  endpointNames(clusters: readonly Named<Cluster>[]): readonly string[];
  /** The routes that listeners ask for by RDS. */
  routeNames(listeners: readonly Named<Listener>[]): readonly string[];
  endpoints(snapshot: MeshSnapshot, proxy: MeshProxy, names: readonly string[]): readonly Named<ClusterLoadAssignment>[];
}

function withoutProvenance<T>({ name, message }: Named<T>) {
  return { name, message, provenance: [] };
}

export const translator: Translator = {
  clusters: generateClusters,
  listeners: generateListeners,
  routes: generateRoutes,
  endpoints: generateEndpoints,
  endpointNames: (clusters) => edsNames(clusters.map(withoutProvenance)),
  routeNames: (listeners) => routeNames(listeners.map(withoutProvenance)),
};
