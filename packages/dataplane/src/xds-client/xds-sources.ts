import { readFileSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { type Clock, errorText, type Logger, type Random, XebecError } from '@xebec/core';
import { optionalDurationMs } from '@xebec/matching';
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
import { unknownField } from '../config/unknown-field.ts';
import { readJson, readYamlOrJson } from '../config/yaml.ts';
import { acceptResource, type ResourceChecks } from './accept-resource.ts';
import { grpcClientFor } from './grpc-target.ts';
import { resourceName } from './resource-name.ts';
import type { CollectionWatcher, ResourceWatcher } from './subscribe.ts';
import { SubscriptionStats } from './subscription-stats.ts';
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
  /** Whether a cluster is there now; for routes that stand in listeners. */
  readonly clusterExists?: (name: string) => boolean;
}

/** Methods of the services that carry one type, by the last part of the type. */
const services: Record<string, readonly [service: string, method: string]> = {
  Secret: ['envoy.service.secret.v3.SecretDiscoveryService', 'Secrets'],
  Listener: ['envoy.service.listener.v3.ListenerDiscoveryService', 'Listeners'],
  Cluster: ['envoy.service.cluster.v3.ClusterDiscoveryService', 'Clusters'],
  RouteConfiguration: ['envoy.service.route.v3.RouteDiscoveryService', 'Routes'],
  TypedExtensionConfig: ['envoy.service.extension.v3.ExtensionConfigDiscoveryService', 'ExtensionConfigs'],
  Runtime: ['envoy.service.runtime.v3.RuntimeDiscoveryService', 'Runtime'],
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
    if (name.startsWith('xdstp:')) throw new XebecError('E_CONFIG', `"${name}": xdstp:// names are not supported`);
    let arrived = false;
    const timed: ResourceWatcher = {
      ...(watcher.statPrefix === undefined ? {} : { statPrefix: watcher.statPrefix }),
      onResource: (resource, version) => {
        arrived = true;
        return watcher.onResource(resource, version);
      },
      onRemoved: () => {
        arrived = true;
        watcher.onRemoved();
      },
    };
    const cancel = this.#afterFetchTimeout(source, () => {
      if (arrived || watcher.onTimeout === undefined) return;
      if (watcher.statPrefix !== undefined) this.#options.stats.scope(watcher.statPrefix).counter('init_fetch_timeout').add(1);
      watcher.onTimeout();
    });
    const stop = this.#subscribe(source, typeUrl, name, timed);
    return () => {
      cancel();
      stop();
    };
  }
  /** Runs `then` when `initial_fetch_timeout` (15 s, 0 is never) is over. */
  #afterFetchTimeout(source: ConfigSource, then: () => void): () => void {
    const timeoutMs = optionalDurationMs(source.initialFetchTimeout) ?? 15_000;
    return timeoutMs === 0 ? () => undefined : this.#options.clock.setTimeout(then, timeoutMs);
  }
  #subscribe(source: ConfigSource, typeUrl: string, name: string, watcher: ResourceWatcher): () => void {
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
        return this.#watchNamed(specifier.value.path, specifier.value.watchedDirectory?.path, typeUrl, name, watcher);
      case 'path':
        return this.#watchNamed(specifier.value, undefined, typeUrl, name, watcher);
      default:
        throw new XebecError(
          'E_CONFIG',
          `config source ${specifier.case ?? '(none)'} for "${name}" is not supported; use ads, api_config_source or path_config_source`,
        );
    }
  }
  /** Subscribes to a whole collection. */
  collect(source: ConfigSource, typeUrl: string, collection: CollectionWatcher, statPrefix: string): void {
    let arrived = false;
    const watcher: CollectionWatcher = {
      onChange: (change) => {
        arrived = true;
        return collection.onChange(change);
      },
    };
    this.#stops.add(
      this.#afterFetchTimeout(source, () => {
        if (arrived) return;
        this.#options.stats.scope(statPrefix).counter('init_fetch_timeout').add(1);
        collection.onTimeout?.();
      }),
    );
    const specifier = source.configSourceSpecifier;
    if (specifier.case === 'ads' || (specifier.case === 'apiConfigSource' && isAggregated(specifier.value.apiType))) {
      this.#aggregated().watchCollection(typeUrl, watcher, statPrefix);
      return;
    }
    if (specifier.case === 'apiConfigSource') {
      this.#open(specifier.value, typeUrl).watchCollection(typeUrl, watcher, statPrefix);
      return;
    }
    if (specifier.case === 'pathConfigSource' || specifier.case === 'path') {
      const path = specifier.case === 'path' ? specifier.value : specifier.value.path;
      const directory = specifier.case === 'path' ? undefined : specifier.value.watchedDirectory?.path;
      const stats = new SubscriptionStats(this.#options.stats, statPrefix, this.#options.clock);
      stats.attempted();
      this.#watchFile(path, directory, typeUrl, stats, (changed, refused) =>
        watcher.onChange({ changed, removed: [], complete: true, refused }),
      );
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
        this.#options.stats.counter('control_plane.rate_limit_enforced').add(0);
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
    return new XdsStream({
      client: grpcClientFor(cluster),
      delta,
      method,
      node,
      clock,
      random,
      logger,
      stats,
      onState,
      checks: this.#checks,
      nodeOnFirstMessageOnly: source.setNodeOnFirstMessageOnly,
      onPending: (requests) => stats.gauge('control_plane.pending_requests').set(requests),
    });
  }
  get #checks(): ResourceChecks {
    return { clusterExists: this.#options.clusterExists ?? (() => true) };
  }
  #watchNamed(path: string, directory: string | undefined, typeUrl: string, name: string, watcher: ResourceWatcher): () => void {
    const { stats, clock } = this.#options;
    const counted = watcher.statPrefix === undefined ? undefined : new SubscriptionStats(stats, watcher.statPrefix, clock);
    counted?.attempted();
    return this.#watchFile(path, directory, typeUrl, counted, (resources) => {
      const found = resources.find((entry) => entry.name === name);
      const error = found === undefined ? undefined : watcher.onResource(found.resource, found.version);
      return error === undefined ? [] : [error];
    });
  }
  /** Reads a file of resources now and whenever it is replaced, or its directory's entry is moved over. */
  #watchFile(
    path: string,
    directory: string | undefined,
    typeUrl: string,
    stats: SubscriptionStats | undefined,
    apply: (resources: readonly FileResource[], refused: readonly string[]) => readonly string[],
  ): () => void {
    const { logger, clock } = this.#options;
    let last = '';
    const read = (): void => {
      const startedAtMs = clock.monotonic();
      try {
        const text = readFileSync(path, 'utf8');
        if (text === last) return;
        last = text;
        const json: JsonValue = path.endsWith('.json') ? readJson(text, path) : readYamlOrJson(text, path);
        const unknown = unknownField(json, DiscoveryResponseSchema, '');
        if (unknown !== undefined) throw new XebecError('E_CONFIG', unknown);
        const response = fromJson(DiscoveryResponseSchema, json, { registry: protoRegistry() });
        const fine: FileResource[] = [];
        const refused: string[] = [];
        const errors: string[] = [];
        for (const any of response.resources) {
          const name = resourceName(any);
          const accepted = acceptResource(typeUrl, any, this.#checks);
          if (accepted.kind === 'fatal') throw new XebecError('E_CONFIG', accepted.reason);
          if (accepted.kind === 'fine') fine.push({ name, resource: accepted.resource, version: response.versionInfo });
          else {
            refused.push(name);
            errors.push(`${name}: ${accepted.reason}`);
          }
        }
        errors.push(...apply(fine, refused));
        if (errors.length === 0) stats?.succeeded(response.versionInfo, startedAtMs);
        else {
          stats?.rejected();
          logger.warn({ path }, errors.join('\n'));
        }
      } catch (error) {
        stats?.failed();
        logger.warn({ path }, `cannot use ${path}: ${errorText(error)}`);
      }
    };
    read();
    // The directory, because files are replaced by renaming over them; with `watched_directory` any entry of it may be the one.
    const watcher = watch(directory ?? dirname(path), (_, file) => {
      if (directory !== undefined || file === null || file === basename(path)) read();
    });
    const stop = (): void => watcher.close();
    this.#stops.add(stop);
    return () => {
      stop();
      this.#stops.delete(stop);
    };
  }
}

interface FileResource {
  readonly name: string;
  readonly resource: Any;
  readonly version: string;
}

function isAggregated(type: ApiType): boolean {
  return type === ApiType.AGGREGATED_GRPC || type === ApiType.AGGREGATED_DELTA_GRPC;
}
