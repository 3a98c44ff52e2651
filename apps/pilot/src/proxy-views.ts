import { type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { type MeshProxy, type MeshSnapshot, serviceKey } from '@xebec/model';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import { type Listener, ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import {
  CLUSTER_TYPE,
  ENDPOINT_TYPE,
  type EncodedResource,
  LISTENER_TYPE,
  type ProxyView,
  type ResourceCache,
  type ResourceMap,
  ROUTE_TYPE,
} from '@xebec/xds';
import type { Named, Translator } from './translator.ts';

const NOTHING: ResourceMap = new Map<string, EncodedResource>();

/** Resources with known names that are generated when somebody asks for them. */
class LazyResources implements ResourceMap {
  readonly #made = new Map<string, EncodedResource | undefined>();
  readonly #names: ReadonlySet<string>;
  readonly #make: (name: string) => EncodedResource | undefined;

  constructor(names: ReadonlySet<string>, make: (name: string) => EncodedResource | undefined) {
    this.#names = names;
    this.#make = make;
  }
  get(name: string): EncodedResource | undefined {
    if (!this.#names.has(name)) return undefined;
    if (!this.#made.has(name)) this.#made.set(name, this.#make(name));
    return this.#made.get(name);
  }
  has(name: string): boolean {
    return this.#names.has(name);
  }
  *[Symbol.iterator](): Iterator<readonly [string, EncodedResource]> {
    for (const name of this.#names) {
      const resource = this.get(name);
      if (resource !== undefined) yield [name, resource];
    }
  }
}

/** The view of one proxy with what it was made from, so that the next view can reuse what did not change. */
export interface BuiltView extends ProxyView {
  readonly clusters: ResourceMap;
  readonly listeners: ResourceMap;
  readonly routes: ResourceMap;
  readonly endpoints: ResourceMap;
  /** Names of the clusters whose endpoints come by EDS. */
  readonly edsNames: ReadonlySet<string>;
}

/** Turns a snapshot into what one proxy should have; the same content becomes the same bytes for all. */
export class ProxyViews {
  readonly #cache: ResourceCache;
  readonly #translator: Translator;
  readonly #namesOfListener = new WeakMap<EncodedResource, readonly string[]>();

  constructor(cache: ResourceCache, translator: Translator) {
    this.#cache = cache;
    this.#translator = translator;
  }
  build(snapshot: MeshSnapshot, proxy: MeshProxy): BuiltView {
    const generated = this.#translator.clusters(snapshot, proxy);
    const clusters = this.#encodeAll(CLUSTER_TYPE, ClusterSchema, generated);
    const edsNames = new Set(this.#translator.endpointNames(generated));
    const generatedListeners = this.#translator.listeners(snapshot, proxy);
    const listeners = this.#encodeAll(LISTENER_TYPE, ListenerSchema, generatedListeners);
    const routes = new LazyResources(this.#routeNames(generatedListeners, listeners), (name) => this.#route(snapshot, proxy, name));
    const endpoints = new LazyResources(edsNames, (name) => this.#assignment(snapshot, proxy, name));
    return toView({ version: snapshot.version, clusters, listeners, routes, endpoints, edsNames });
  }
  /** The same view with the endpoints of some services made anew: nothing else is generated. */
  withEndpoints(before: BuiltView, snapshot: MeshSnapshot, proxy: MeshProxy, services: ReadonlySet<string>): BuiltView {
    const hostnames = new Set(snapshot.services.filter((service) => services.has(serviceKey(service))).map((service) => service.hostname));
    const endpoints = new LazyResources(before.edsNames, (name) =>
      hostnames.has(name.slice(name.lastIndexOf('|') + 1)) ? this.#assignment(snapshot, proxy, name) : before.endpoints.get(name),
    );
    return toView({ ...before, version: snapshot.version, endpoints });
  }
  /** What stands for a name that the view does not have, so that the proxy does not wait for it; undefined for other types. */
  placeholder(snapshot: MeshSnapshot, proxy: MeshProxy, typeUrl: string, name: string): EncodedResource | undefined {
    if (typeUrl === ENDPOINT_TYPE) return this.#assignment(snapshot, proxy, name);
    return typeUrl === ROUTE_TYPE ? this.#route(snapshot, proxy, name) : undefined;
  }

  #assignment(snapshot: MeshSnapshot, proxy: MeshProxy, name: string): EncodedResource | undefined {
    return this.#encodeOne(ENDPOINT_TYPE, ClusterLoadAssignmentSchema, this.#translator.endpoints(snapshot, proxy, [name]), name);
  }
  #route(snapshot: MeshSnapshot, proxy: MeshProxy, name: string): EncodedResource | undefined {
    return this.#encodeOne(ROUTE_TYPE, RouteConfigurationSchema, this.#translator.routes(snapshot, proxy, [name]), name);
  }
  /** The routes that listeners name. Finding them means decoding filters, so it is done once per listener content. */
  #routeNames(generated: readonly Named<Listener>[], listeners: ResourceMap): ReadonlySet<string> {
    const all = new Set<string>();
    for (const listener of generated) {
      const resource = listeners.get(listener.name);
      if (resource === undefined) continue;
      let names = this.#namesOfListener.get(resource);
      if (names === undefined) {
        names = this.#translator.routeNames([listener]);
        this.#namesOfListener.set(resource, names);
      }
      for (const name of names) all.add(name);
    }
    return all;
  }
  #encodeAll<D extends DescMessage>(typeUrl: string, schema: D, generated: readonly Named<MessageShape<D>>[]): ResourceMap {
    return new Map(generated.map(({ name, message }) => [name, this.#cache.intern(typeUrl, name, toBinary(schema, message))]));
  }
  #encodeOne<D extends DescMessage>(
    typeUrl: string,
    schema: D,
    generated: readonly Named<MessageShape<D>>[],
    name: string,
  ): EncodedResource | undefined {
    const one = generated.find((candidate) => candidate.name === name);
    return one === undefined ? undefined : this.#cache.intern(typeUrl, name, toBinary(schema, one.message));
  }
}

function toView(parts: Omit<BuiltView, 'resources'>): BuiltView {
  return {
    ...parts,
    resources(typeUrl) {
      switch (typeUrl) {
        case CLUSTER_TYPE:
          return parts.clusters;
        case ENDPOINT_TYPE:
          return parts.endpoints;
        case LISTENER_TYPE:
          return parts.listeners;
        case ROUTE_TYPE:
          return parts.routes;
        default:
          return NOTHING;
      }
    },
  };
}
