import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { type CompiledRouteTable, compileRouteTable } from '@xebec/matching';
import { type MeshProxy, type MeshSnapshot, placedProxy } from '@xebec/model';
import type { Cluster } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { ClusterLoadAssignment } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import type { Listener } from '@xebec/protos/envoy/config/listener/v3/listener';
import type { FilterChain } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import type { RouteConfiguration } from '@xebec/protos/envoy/config/route/v3/route';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
} from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { type Generated, generateAll } from '@xebec/translate';

/** What one proxy gets, by name. */
export class ProxyResources {
  readonly #listeners: ReadonlyMap<string, Generated<Listener>>;
  readonly #routes: ReadonlyMap<string, Generated<RouteConfiguration>>;
  readonly #clusters: ReadonlyMap<string, Generated<Cluster>>;
  readonly #endpoints: ReadonlyMap<string, Generated<ClusterLoadAssignment>>;

  constructor(snapshot: MeshSnapshot, proxy: MeshProxy) {
    const all = generateAll(snapshot, placedProxy(snapshot, proxy));
    this.#listeners = byName(all.listeners);
    this.#routes = byName(all.routes);
    this.#clusters = byName(all.clusters);
    this.#endpoints = byName(all.endpoints);
  }
  listeners(): readonly Generated<Listener>[] {
    return [...this.#listeners.values()];
  }
  listener(name: string): Generated<Listener> | undefined {
    return this.#listeners.get(name);
  }
  cluster(name: string): Generated<Cluster> | undefined {
    return this.#clusters.get(name);
  }
  /** Endpoints by EDS, or those that stand in the cluster itself. */
  assignment(cluster: Cluster): ClusterLoadAssignment | undefined {
    const byEds = cluster.edsClusterConfig?.serviceName;
    return this.#endpoints.get(byEds === undefined || byEds === '' ? cluster.name : byEds)?.message ?? cluster.loadAssignment;
  }
  /** The routes of a connection manager, its own or those that it asks for by name. */
  routes(
    manager: HttpConnectionManager,
  ): { readonly table: CompiledRouteTable; readonly generated: Generated<RouteConfiguration> } | undefined {
    const { routeSpecifier } = manager;
    if (routeSpecifier.case === 'routeConfig') {
      const message = routeSpecifier.value;
      return { table: compileRouteTable(message), generated: { name: message.name, message, provenance: [] } };
    }
    const name = routeSpecifier.case === 'rds' ? routeSpecifier.value.routeConfigName : '';
    const generated = this.#routes.get(name);
    return generated === undefined ? undefined : { table: compileRouteTable(generated.message), generated };
  }
}

function byName<T>(resources: readonly Generated<T>[]): Map<string, Generated<T>> {
  return new Map(resources.map((resource) => [resource.name, resource]));
}

/** The HTTP connection manager of a chain, where it has one. */
export function connectionManagerOf(chain: FilterChain): HttpConnectionManager | undefined {
  for (const { configType } of chain.filters) {
    const manager = configType.case === 'typedConfig' ? anyUnpack(configType.value, HttpConnectionManagerSchema) : undefined;
    if (manager !== undefined) return manager;
  }
  return undefined;
}
