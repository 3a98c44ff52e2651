import { type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { query, sameList } from '@xebec/incremental';
import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import {
  edsNames,
  type Generated,
  generateEndpoints,
  generateRoutes,
  ownClusters,
  ownListeners,
  routeNames,
  sharedClusters,
  sharedListeners,
} from '@xebec/translate';
import {
  CLUSTER_TYPE,
  ENDPOINT_TYPE,
  type EncodedResource,
  type LayeredResources,
  LISTENER_TYPE,
  layered,
  NO_RESOURCES,
  type ResourceCache,
  ResourceLayer,
  ROUTE_TYPE,
} from '@xebec/xds';
import { encodeListener } from './encode-listener.ts';

type Layer = (snapshot: MeshSnapshot, proxy: MeshProxy) => ResourceLayer;

/** What a proxy gets of one type: a layer shared by proxies that are alike, and one of its own. */
export type Layers = (snapshot: MeshSnapshot, proxy: MeshProxy) => LayeredResources;

/** The queries at the top: from a snapshot and a proxy to encoded resources. */
export interface ViewLayers {
  readonly clusters: Layers;
  readonly listeners: Layers;
  readonly routes: Layers;
  readonly endpoints: Layers;
  /** The route configuration, or load assignment, of one name, whether or not the view has it. */
  route(snapshot: MeshSnapshot, proxy: MeshProxy, name: string): EncodedResource | undefined;
  assignment(snapshot: MeshSnapshot, proxy: MeshProxy, name: string): EncodedResource | undefined;
}

export function createViewLayers(cache: ResourceCache): ViewLayers {
  const encoder = <D extends DescMessage>(kind: string, typeUrl: string, schema: D) =>
    query(`encoded ${kind}`, (_: MeshSnapshot, { name, message }: Generated<MessageShape<D>>) =>
      cache.intern(typeUrl, name, toBinary(schema, message)),
    );
  const layer = (name: string, resources: (snapshot: MeshSnapshot, proxy: MeshProxy) => readonly EncodedResource[]): Layer =>
    query(`layer of ${name}`, (snapshot: MeshSnapshot, proxy: MeshProxy) => layerOf(resources(snapshot, proxy)), {
      same: (a, b) => a.equals(b),
    });
  const cluster = encoder('cluster', CLUSTER_TYPE, ClusterSchema);
  const listener = query('encoded listener', (_: MeshSnapshot, { name, message }: Generated<Listener>) =>
    cache.intern(LISTENER_TYPE, name, encodeListener(message)),
  );
  const routeConfiguration = encoder('route configuration', ROUTE_TYPE, RouteConfigurationSchema);
  const loadAssignment = encoder('load assignment', ENDPOINT_TYPE, ClusterLoadAssignmentSchema);
  const route = (snapshot: MeshSnapshot, proxy: MeshProxy, name: string) =>
    generateRoutes(snapshot, proxy, [name]).map((one) => routeConfiguration(snapshot, one))[0];
  const assignment = (snapshot: MeshSnapshot, proxy: MeshProxy, name: string) =>
    generateEndpoints(snapshot, proxy, [name]).map((one) => loadAssignment(snapshot, one))[0];
  return {
    route,
    assignment,
    clusters: layers(
      layer('shared clusters', (snapshot, proxy) => sharedClusters(snapshot, proxy).map((one) => cluster(snapshot, one))),
      layer('own clusters', (snapshot, proxy) => ownClusters(snapshot, proxy).map((one) => cluster(snapshot, one))),
    ),
    listeners: layers(
      layer('shared listeners', (snapshot, proxy) => sharedListeners(snapshot, proxy).map((one) => listener(snapshot, one))),
      layer('own listeners', (snapshot, proxy) => ownListeners(snapshot, proxy).map((one) => listener(snapshot, one))),
    ),
    routes: layers(
      layer('shared routes', (snapshot, proxy) =>
        namesOfRoutes(snapshot, sharedListeners(snapshot, proxy)).flatMap((name) => route(snapshot, proxy, name) ?? []),
      ),
      layer('own routes', (snapshot, proxy) =>
        routeNames(ownListeners(snapshot, proxy)).flatMap((name) => route(snapshot, proxy, name) ?? []),
      ),
    ),
    endpoints: layers(
      layer('shared endpoints', (snapshot, proxy) =>
        edsNames(sharedClusters(snapshot, proxy)).flatMap((name) => assignment(snapshot, proxy, name) ?? []),
      ),
      layer('own endpoints', (snapshot, proxy) =>
        edsNames(ownClusters(snapshot, proxy)).flatMap((name) => assignment(snapshot, proxy, name) ?? []),
      ),
    ),
  };
}

function namesOfRoutes(snapshot: MeshSnapshot, listeners: readonly Generated<Listener>[]): readonly string[] {
  return [...new Set(listeners.flatMap((one) => namesOfListener(snapshot, one)))];
}

/** Finding the names means decoding filters, so it is done once a listener. */
const namesOfListener = query('route names', (_: MeshSnapshot, listener: Generated<Listener>) => routeNames([listener]), {
  same: sameList,
});

function layerOf(resources: readonly EncodedResource[]): ResourceLayer {
  return resources.length === 0 ? NO_RESOURCES : new ResourceLayer(resources);
}

function layers(shared: Layer, own: Layer): Layers {
  return (snapshot, proxy) => layered(shared(snapshot, proxy), own(snapshot, proxy));
}
