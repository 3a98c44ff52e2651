import { fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { type Clock, errorText, type Logger, type Random, XebecError } from '@xebec/core';
import type {
  FilterContext,
  FilterUpstream,
  HttpFilterDefinition,
  NetworkFilterDefinition,
  NetworkFilterFactory,
  NodeInfo,
  ProcessState,
} from '@xebec/filters';
import { compileHeaderLookup, compileMetadataMatcher, compileRouteTable, type RuntimeFraction } from '@xebec/matching';
import type { Filter } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { type RouteConfiguration, RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
} from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { TcpProxySchema } from '@xebec/protos/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy';
import type { FormatEnvironment, StatsScope } from '@xebec/telemetry';
import type { ClusterManager } from '../clusters/cluster-manager.ts';
import { typeNameOf, unpack } from '../config/unpack.ts';
import { createHcmStats } from '../http/hcm-stats.ts';
import { HttpConnection } from '../http/http-connection.ts';
import { compileHttpFilters, compileHttpSettings } from '../http/http-settings.ts';
import { compileLocalReply } from '../http/local-reply-rewrite.ts';
import type { AccessLogs } from '../runtime/access-logs.ts';
import type { TapHub } from '../tap/tap-hub.ts';
import { readDataSource } from '../tls/secret-store.ts';
import { compileHttpTracing } from '../tracing/http-tracing.ts';
import type { ZipkinReporters } from '../tracing/zipkin-reporters.ts';
import type { ExtensionStore } from '../xds-client/extension-store.ts';
import type { RouteStore } from './route-store.ts';
import { openScopedRoutes } from './scoped-routes.ts';
import { compileTcpProxy } from './tcp-proxy.ts';
import type { NetworkChain, TerminalFactory } from './terminal.ts';

/** What compiling a filter chain needs from the process. */
export interface NetworkEnvironment {
  readonly clusters: ClusterManager;
  readonly routes: RouteStore;
  readonly stats: StatsScope;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly node: NodeInfo;
  /** The proxy's own; empty where the bootstrap does not say. */
  readonly zone: string;
  /** Fractions of the runtime, for what has a `runtime_key`. */
  readonly runtime: RuntimeFraction;
  readonly runtimeFlag: (key: string) => boolean | undefined;
  readonly accessLogs: AccessLogs;
  /** Where somebody may look at what has ended. */
  readonly tap: TapHub;
  readonly formatEnvironment: FormatEnvironment;
  readonly upstream: FilterUpstream;
  readonly reporters: ZipkinReporters;
  /** Filter configurations that are discovered. */
  readonly extensions: ExtensionStore;
  /** What filters of several threads count together. */
  readonly process?: ProcessState | undefined;
  readonly httpFilters: readonly HttpFilterDefinition[];
  readonly networkFilters: readonly NetworkFilterDefinition[];
  /** Unwraps TypedStruct into the message it stands for. */
  readonly unwrap: (any: Any) => Any;
}

export interface ChainPlace {
  readonly where: string;
  readonly direction: FilterContext['direction'];
  readonly bufferLimitBytes: number;
  /** The listener's name in statistics. */
  readonly statName: string;
}

/** Compiles the network filters of one chain; throws XebecError `E_CONFIG` naming the filter. */
export function compileNetworkChain(filters: readonly Filter[], place: ChainPlace, environment: NetworkEnvironment): NetworkChain {
  const factories: NetworkFilterFactory[] = [];
  let terminal: (TerminalFactory & Partial<Pick<NetworkChain, 'close' | 'whenReady'>>) | undefined;
  for (const filter of filters) {
    const where = `${place.where}: filter "${filter.name}"`;
    if (filter.configType.case === 'configDiscovery') throw new XebecError('E_CONFIG', `${where}: config_discovery is not supported`);
    if (terminal !== undefined) throw new XebecError('E_CONFIG', `${where}: comes after a terminal filter`);
    const any = filter.configType.value === undefined ? undefined : environment.unwrap(filter.configType.value);
    const typeName = any === undefined ? '' : typeNameOf(any);
    if (typeName === HttpConnectionManagerSchema.typeName) {
      terminal = compileHttpManager(unpack(any, HttpConnectionManagerSchema, where), place, environment);
      continue;
    }
    if (typeName === TcpProxySchema.typeName) {
      const proto = unpack(any, TcpProxySchema, where);
      const { clusters, clock, random, tap } = environment;
      const accessLogs = environment.accessLogs.compile(proto.accessLog);
      terminal = compileTcpProxy(
        proto,
        { clusters, clock, random, accessLogs, tap },
        environment.stats,
        environment.formatEnvironment,
        where,
      );
      continue;
    }
    const definition = environment.networkFilters.find(
      (candidate) => candidate.typeNames.includes(typeName) || (typeName === '' && candidate.name === filter.name),
    );
    if (definition === undefined) {
      throw new XebecError('E_CONFIG', `${where}: didn't find a registered implementation with type URL ${any?.typeUrl ?? '""'}`);
    }
    factories.push(definition.compile(any?.value ?? new Uint8Array(), typeName, filterContext('', place, environment)));
  }
  const close = terminal?.close;
  return {
    filters: factories,
    terminal,
    close: () => {
      close?.();
      for (const factory of factories) factory.close?.();
    },
    whenReady: terminal?.whenReady ?? ((done) => done()),
  };
}

function filterContext(statPrefix: string, place: ChainPlace, environment: NetworkEnvironment): FilterContext {
  const { stats, clock, random, logger, node, upstream, runtime, runtimeFlag, process } = environment;
  const { direction, where } = place;
  return {
    stats,
    statPrefix,
    filterName: '',
    clock,
    random,
    logger,
    node,
    direction,
    upstream,
    runtime,
    runtimeFlag,
    place: where,
    process,
  };
}

function compileHttpManager(
  proto: HttpConnectionManager,
  place: ChainPlace,
  environment: NetworkEnvironment,
): TerminalFactory & Pick<NetworkChain, 'close' | 'whenReady'> {
  const { clusters, clock, random, httpFilters } = environment;
  const find = (typeName: string, name: string): HttpFilterDefinition | undefined =>
    httpFilters.find((candidate) => candidate.typeNames.includes(typeName) || (typeName === '' && candidate.name === name));
  const compiled = compileHttpFilters(
    proto,
    find,
    filterContext(proto.statPrefix, place, environment),
    environment.unwrap,
    (name, source, context) => environment.extensions.open(name, source, (typeName) => find(typeName, ''), context),
  );
  const specifier = proto.routeSpecifier;
  const where = `${place.where}: http_connection_manager`;
  const handle =
    specifier.case === 'routeConfig'
      ? environment.routes.inline(specifier.value)
      : specifier.case === 'rds'
        ? environment.routes.subscribe(specifier.value.routeConfigName, specifier.value.configSource, where, `http.${proto.statPrefix}`)
        : specifier.case === 'scopedRoutes'
          ? openScopedRoutes(specifier.value, environment.routes, `${where}: scoped_routes`, `http.${proto.statPrefix}`)
          : undefined;
  if (handle === undefined) throw new XebecError('E_CONFIG', `${where}: set route_config, rds or scoped_routes`);
  const stats = createHcmStats(environment.stats, proto.statPrefix, environment.stats.scope(`listener.${place.statName}`));
  const traced = compileHttpTracing(proto, place.direction, stats.scope, environment, where);
  const settings = compileHttpSettings(
    proto,
    {
      routes: handle.source,
      filters: compiled.filters,
      upgradeFilters: compiled.upgradeFilters,
      suppressEnvoyHeaders: compiled.suppressEnvoyHeaders,
      accessLogs: environment.accessLogs.compile(proto.accessLog),
      tap: environment.tap,
      tracing: traced?.tracing,
      stats,
      bufferLimitBytes: place.bufferLimitBytes,
      rewriteLocalReply: compileLocalReply(proto.localReplyConfig, {
        environment: environment.formatEnvironment,
        matchers: { header: compileHeaderLookup, metadata: compileMetadataMatcher, random: () => random.next() },
        readDataSource,
      }),
      zonePart: (zone) => (environment.zone === '' ? undefined : `zone.${environment.zone}.${zone}`),
    },
    environment.node,
  );
  const parts = { settings, clusters, clock, random };
  return {
    create: ({ socket, connection, info }) => new HttpConnection(socket, connection, parts, info),
    close: () => {
      handle.release();
      for (const dynamic of compiled.discovered) dynamic.close();
      traced?.close();
      for (const { factory } of [compiled.filters, ...compiled.upgradeFilters.values()].flat()) factory.close?.();
    },
    whenReady: (done) => {
      let waiting = 1 + compiled.discovered.length;
      const one = (): void => {
        if (--waiting === 0) done();
      };
      handle.whenReady(one);
      for (const dynamic of compiled.discovered) dynamic.whenReady(one);
    },
  };
}

/** Compiles route tables with this process's filters for per-route configuration. */
export function routeCompiler(environment: Pick<NetworkEnvironment, 'httpFilters' | 'formatEnvironment' | 'unwrap' | 'runtime'>) {
  const { httpFilters, formatEnvironment, unwrap, runtime } = environment;
  return (config: RouteConfiguration) => {
    let ordinal = 0;
    return compileRouteTable(config, {
      environment: formatEnvironment,
      runtime,
      readDataSource: (source) => readDataSource(source) ?? Buffer.alloc(0),
      compileFilterConfig: (filterName, wrapped) => {
        const any = unwrap(wrapped);
        const typeName = typeNameOf(any);
        const definition =
          httpFilters.find((candidate) => candidate.typeNames.includes(typeName)) ??
          httpFilters.find((candidate) => candidate.name === filterName);
        if (definition?.compilePerRoute === undefined) return any;
        return definition.compilePerRoute(any.value, typeName, `${config.name}#${ordinal++}`);
      },
    });
  };
}

export function decodeRoutes(bytes: Uint8Array): RouteConfiguration {
  try {
    return fromBinary(RouteConfigurationSchema, bytes);
  } catch (cause) {
    throw new XebecError('E_CONFIG', `malformed route configuration: ${errorText(cause)}`, { cause });
  }
}
