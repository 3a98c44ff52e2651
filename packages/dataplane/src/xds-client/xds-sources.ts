import { readFileSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { type Clock, errorText, type Logger, type Random, XebecError } from '@xebec/core';
import type { Cluster as ClusterProto } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { Node } from '@xebec/protos/envoy/config/core/v3/base';
import {
  type ApiConfigSource,
  ApiConfigSource_ApiType as ApiType,
  type ConfigSource,
} from '@xebec/protos/envoy/config/core/v3/config_source';
import { DiscoveryResponseSchema } from '@xebec/protos/envoy/service/discovery/v3/discovery';
import type { StatsScope } from '@xebec/telemetry';
import { protoRegistry } from '../config/proto-registry.ts';
import { readYamlOrJson } from '../config/yaml.ts';
import { grpcClientFor } from './grpc-target.ts';
import { resourceName } from './resource-name.ts';
import type { CollectionWatcher, ResourceWatcher } from './subscribe.ts';
import { XdsStream } from './xds-stream.ts';

export interface XdsSourcesOptions {
  readonly node: Node;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly stats: StatsScope;
  /** Where clusters that gRPC services name are looked up. */
  readonly staticClusters: ReadonlyMap<string, ClusterProto>;
  readonly ads: ApiConfigSource | undefined;
}

/** Methods of the services that carry one type, by the last part of the type. */
const services: Record<string, readonly [service: string, method: string]> = {
  Secret: ['envoy.service.secret.v3.SecretDiscoveryService', 'Secrets'],
  Listener: ['envoy.service.listener.v3.ListenerDiscoveryService', 'Listeners'],
  Cluster: ['envoy.service.cluster.v3.ClusterDiscoveryService', 'Clusters'],
  RouteConfiguration: ['envoy.service.route.v3.RouteDiscoveryService', 'Routes'],
  ClusterLoadAssignment: ['envoy.service.endpoint.v3.EndpointDiscoveryService', 'Endpoints'],
};

/** Everywhere configuration comes from: the ADS stream, streams of their own, and watched files. */
export class XdsSources {
  readonly #options: XdsSourcesOptions;
  #ads: XdsStream | undefined;
  readonly #streams = new Set<XdsStream>();
  readonly #stops = new Set<() => void>();
  #connected = false;

  constructor(options: XdsSourcesOptions) {
    this.#options = options;
  }
  get adsConnected(): boolean {
    return this.#connected;
  }
  /** Subscribes to one resource; throws XebecError `E_CONFIG` for a source that cannot be used. */
  subscribe(source: ConfigSource, typeUrl: string, name: string, watcher: ResourceWatcher): () => void {
    const specifier = source.configSourceSpecifier;
    switch (specifier.case) {
      case 'ads':
        return this.#aggregated().watch(typeUrl, name, watcher);
      case 'apiConfigSource': {
        if (isAggregated(specifier.value.apiType)) return this.#aggregated().watch(typeUrl, name, watcher);
        // A stream for each resource, as Envoy does: SDS servers may rely on it.
        const stream = this.#open(specifier.value, typeUrl);
        const stop = stream.watch(typeUrl, name, watcher);
        return () => {
          stop();
          stream.close();
          this.#streams.delete(stream);
        };
      }
      case 'pathConfigSource':
        return this.#watchFile(specifier.value.path, (resources) => {
          const found = resources.find((entry) => entry.name === name);
          return found === undefined ? undefined : watcher.onResource(found.resource, found.version);
        });
      default:
        throw new XebecError(
          'E_CONFIG',
          `config source ${specifier.case ?? '(none)'} for "${name}" is not supported; use ads, api_config_source or path_config_source`,
        );
    }
  }
  /** Subscribes to a whole collection. */
  collect(source: ConfigSource, typeUrl: string, watcher: CollectionWatcher, statPrefix: string): void {
    const specifier = source.configSourceSpecifier;
    if (specifier.case === 'ads' || (specifier.case === 'apiConfigSource' && isAggregated(specifier.value.apiType))) {
      this.#aggregated().watchCollection(typeUrl, watcher, statPrefix);
      return;
    }
    if (specifier.case === 'apiConfigSource') {
      this.#open(specifier.value, typeUrl).watchCollection(typeUrl, watcher, statPrefix);
      return;
    }
    if (specifier.case === 'pathConfigSource') {
      const scope = this.#options.stats.scope(statPrefix);
      this.#watchFile(specifier.value.path, (changed) => {
        const errors = watcher.onChange({ changed, removed: [], complete: true });
        scope.counter(errors.length === 0 ? 'update_success' : 'update_rejected').add(1);
        return errors.length === 0 ? undefined : errors.join('\n');
      });
      return;
    }
    throw new XebecError('E_CONFIG', `${statPrefix}: config source ${specifier.case ?? '(none)'} is not supported`);
  }
  close(): void {
    for (const stop of this.#stops) stop();
    for (const stream of this.#streams) stream.close();
    this.#ads?.close();
  }
  #aggregated(): XdsStream {
    if (this.#ads !== undefined) return this.#ads;
    const { ads } = this.#options;
    if (ads === undefined) throw new XebecError('E_CONFIG', 'a resource comes over ADS but dynamic_resources.ads_config is missing');
    const delta = ads.apiType === ApiType.DELTA_GRPC || ads.apiType === ApiType.AGGREGATED_DELTA_GRPC;
    this.#ads = this.#stream(
      ads,
      `/envoy.service.discovery.v3.AggregatedDiscoveryService/${delta ? 'Delta' : 'Stream'}AggregatedResources`,
      delta,
      (connected) => {
        this.#connected = connected;
        this.#options.stats.gauge('control_plane.connected_state').set(connected ? 1 : 0);
      },
    );
    return this.#ads;
  }
  #open(source: ApiConfigSource, typeUrl: string): XdsStream {
    const delta = source.apiType === ApiType.DELTA_GRPC;
    const service = services[typeUrl.slice(typeUrl.lastIndexOf('.') + 1)];
    if (service === undefined) throw new XebecError('E_CONFIG', `no discovery service carries ${typeUrl}`);
    const stream = this.#stream(source, `/${service[0]}/${delta ? 'Delta' : 'Stream'}${service[1]}`, delta, () => undefined);
    this.#streams.add(stream);
    return stream;
  }
  #stream(source: ApiConfigSource, method: string, delta: boolean, onState: (connected: boolean) => void): XdsStream {
    const service = source.grpcServices[0]?.targetSpecifier;
    if (service?.case !== 'envoyGrpc') throw new XebecError('E_CONFIG', 'config source: only grpc_services with envoy_grpc are supported');
    const cluster = this.#options.staticClusters.get(service.value.clusterName);
    if (cluster === undefined)
      throw new XebecError('E_CONFIG', `config source: static cluster "${service.value.clusterName}" does not exist`);
    const { node, clock, random, logger, stats } = this.#options;
    return new XdsStream({ client: grpcClientFor(cluster), delta, method, node, clock, random, logger, stats, onState });
  }
  /** Reads a file of resources now and whenever it is replaced. */
  #watchFile(
    path: string,
    apply: (resources: { name: string; resource: import('@bufbuild/protobuf/wkt').Any; version: string }[]) => string | undefined,
  ): () => void {
    const { logger } = this.#options;
    let last = '';
    const read = (): void => {
      try {
        const text = readFileSync(path, 'utf8');
        if (text === last) return;
        last = text;
        const json: JsonValue = readYamlOrJson(text, path);
        const response = fromJson(DiscoveryResponseSchema, json, { registry: protoRegistry() });
        const error = apply(
          response.resources.map((resource) => ({ name: resourceName(resource), resource, version: response.versionInfo })),
        );
        if (error !== undefined) logger.warn({ path }, error);
      } catch (error) {
        logger.warn({ path }, `cannot use ${path}: ${errorText(error)}`);
      }
    };
    read();
    // The directory, because files are replaced by renaming over them.
    const watcher = watch(dirname(path), (_, file) => {
      if (file === null || file === basename(path)) read();
    });
    const stop = (): void => watcher.close();
    this.#stops.add(stop);
    return () => {
      stop();
      this.#stops.delete(stop);
    };
  }
}

function isAggregated(type: ApiType): boolean {
  return type === ApiType.AGGREGATED_GRPC || type === ApiType.AGGREGATED_DELTA_GRPC;
}
