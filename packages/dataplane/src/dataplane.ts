import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Clock, Logger, Random } from '@xebec/core';
import { invariant, XebecError } from '@xebec/core';
import {
  type ExchangeParts,
  exchangeParts,
  type HttpFilterDefinition,
  httpFilterDefinitions,
  type NetworkFilterDefinition,
  type NodeInfo,
  networkFilterDefinitions,
  peerFromMetadata,
} from '@xebec/filters';
import type { Bootstrap } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import type { AdminServer } from './admin/admin-server.ts';
import { ClusterManager } from './clusters/cluster-manager.ts';
import { type ResolveName, systemResolve } from './clusters/dns-resolver.ts';
import type { ActiveHealth } from './clusters/host-health.ts';
import type { DataplaneState } from './dataplane-state.ts';
import { ClusterCaller } from './http/cluster-caller.ts';
import { ownAddress } from './http/http-settings.ts';
import { ListenerManager } from './listeners/listener-manager.ts';
import type { SocketOpener } from './listeners/listening-socket.ts';
import { batchClock } from './net/batch-clock.ts';
import { endpointAddress } from './net/endpoint-address.ts';
import { openSocketInspector, type SocketInspector } from './net/original-destination.ts';
import { decodeRoutes, type NetworkEnvironment, routeCompiler } from './network/network-filters.ts';
import { RouteStore } from './network/route-store.ts';
import { AccessLogs } from './runtime/access-logs.ts';
import { ConnectionLimits } from './runtime/connection-limits.ts';
import { type DrainOptions, envoyDrain } from './runtime/drain-sequence.ts';
import { levelOf } from './runtime/log-level.ts';
import { nodeIdentity } from './runtime/node-identity.ts';
import { RemoteAccessLogs } from './runtime/remote-access-logs.ts';
import { globalConnectionLimit } from './runtime/resource-limits.ts';
import { RuntimeValues } from './runtime/runtime-values.ts';
import { createServerStats } from './runtime/server-stats.ts';
import { evictIdleStats } from './runtime/stats-eviction.ts';
import { TapHub } from './tap/tap-hub.ts';
import { TapViewers } from './tap/tap-viewers.ts';
import { SecretStore } from './tls/secret-store.ts';
import { ZipkinReporters } from './tracing/zipkin-reporters.ts';
import { mergeHostReports } from './workers/merge-host-reports.ts';
import { type ConfigSources, type DataplaneThread, singleThread } from './workers/thread.ts';
import { ExtensionStore } from './xds-client/extension-store.ts';

export interface DataplaneOptions {
  readonly bootstrap: Bootstrap;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly version: string;
  /** Overrides of `node.id` and `node.cluster`. */
  readonly serviceNode?: string;
  readonly serviceCluster?: string;
  /** How old connections end; gradually over 600 s as in Envoy. */
  readonly drain?: Partial<DrainOptions>;
  /** Threads that carry traffic: 1 carries it in this thread, more are workers beside it. 1. */
  readonly concurrency?: number;
  /** How sockets of listeners are opened; `holdSockets` keeps some ready. */
  readonly openSocket?: SocketOpener;
  /** How often access logs are written out; 1,000 ms. */
  readonly fileFlushIntervalMs?: number;
  /** An access log of this size is written at once; 64 KiB. */
  readonly fileFlushMinBytes?: number;
  /** `--restart-epoch`, for stats. */
  readonly restartEpoch?: number;
  /** Given to the data plane of a worker only. */
  readonly thread?: DataplaneThread;
  readonly httpFilters?: readonly HttpFilterDefinition[];
  readonly networkFilters?: readonly NetworkFilterDefinition[];
  readonly resolve?: ResolveName;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Flags as `/server_info` shows them. */
  readonly commandLine?: Readonly<Record<string, string | number | boolean>>;
  /** Somebody asked by `/quitquitquit`. */
  readonly onQuit?: () => void;
}

export interface Dataplane {
  readonly state: DataplaneState;
  /** `host:port` of the admin server, undefined without one. */
  readonly adminAddress: { readonly address: string; readonly port: number } | undefined;
  /** Resolves when listeners of the bootstrap are bound and the first xDS configuration is in force; rejects when its sources cannot be asked. */
  readonly ready: Promise<void>;
  /** Connections end with their responses from now on, as the drain strategy says; new ones are still taken. */
  drain(): void;
  /** Closes the listening sockets; connections go on. */
  stopListening(): void;
  /** Ends a worker as a crash would: a fault for tests. */
  terminateWorker(index: number): Promise<void>;
  close(): Promise<void>;
}

const clusterTypeUrl = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const listenerTypeUrl = 'type.googleapis.com/envoy.config.listener.v3.Listener';

// What only a main thread or a process with an admin server needs is loaded there: each worker would pay for it again.
async function workerPool(options: DataplaneOptions): Promise<DataplaneThread> {
  const { WorkerPool } = await import('./workers/worker-pool.ts');
  return new WorkerPool(options);
}

/** Starts a data plane from a bootstrap, with workers if it shall have several threads. Rejects with XebecError when the bootstrap is wrong or a port is taken. */
export async function startDataplane(options: DataplaneOptions): Promise<Dataplane> {
  const { bootstrap, random, logger } = options;
  const clock = batchClock(options.clock);
  const httpFilters = options.httpFilters ?? httpFilterDefinitions;
  const networkFilters = options.networkFilters ?? networkFilterDefinitions;
  const node = nodeIdentity(bootstrap.node, options.version, httpFilters, networkFilters);
  if (options.serviceNode !== undefined) node.id = options.serviceNode;
  if (options.serviceCluster !== undefined) node.cluster = options.serviceCluster;
  const nodeInfo: NodeInfo = { id: node.id, cluster: node.cluster, metadata: node.metadata ?? {} };
  const inspector = socketInspector(logger);
  const thread = options.thread ?? ((options.concurrency ?? 1) > 1 ? await workerPool(options) : singleThread(options.openSocket));
  const { stats } = thread;
  const initialization = clock.monotonic();
  const resources = bootstrap.staticResources;
  const dynamic = bootstrap.dynamicResources;
  const staticClusters = new Map((resources?.clusters ?? []).map((cluster) => [cluster.name, cluster]));
  const xdsClient = thread.role === 'worker' ? undefined : await import('./xds-client/xds-sources.ts');
  const sources = thread.sources(() => {
    invariant(xdsClient !== undefined, 'a worker has no sources of its own');
    const { XdsSources } = xdsClient;
    const clusterExists = (name: string): boolean => clusters.get(name) !== undefined;
    const own = new XdsSources({ node, clock, random, logger, stats, staticClusters, ads: dynamic?.adsConfig, clusterExists });
    return { subscribe: own.subscribe.bind(own), collect: own.collect.bind(own), close: () => own.close() };
  });
  const { subscribe } = sources;
  const runtime = new RuntimeValues(bootstrap, stats);
  const secrets = new SecretStore(subscribe, () => clock.now());
  const accessLogs = new AccessLogs({
    random,
    environment: { env: options.env ?? {}, hostname: hostname(), now: () => clock.now(), uuid: randomUUID },
    flushIntervalMs: options.fileFlushIntervalMs ?? 1000,
    flushBytes: options.fileFlushMinBytes ?? 65_536,
    stats,
    runtime: (key) => runtime.number(key),
    remote: new RemoteAccessLogs({
      stats,
      clock,
      logger,
      node,
      environment: { env: options.env ?? {}, hostname: hostname() },
      upstream: () => upstream,
    }),
  });
  const formatEnvironment = { env: options.env ?? {}, hostname: hostname() };
  const unwrap: NetworkEnvironment['unwrap'] = (any) => any;
  const routes = new RouteStore(
    subscribe,
    routeCompiler({ httpFilters, formatEnvironment, unwrap, runtime: (key) => runtime.fraction(key) }),
    decodeRoutes,
    () => clock.now(),
  );
  const knownEjections = new Map<string, readonly string[]>();
  const knownHealth = new Map<string, ReadonlyMap<string, ActiveHealth>>();
  const ownCluster = bootstrap.clusterManager?.localClusterName ?? '';
  let exchange: ExchangeParts | undefined;
  const clusters: ClusterManager = new ClusterManager({
    secrets,
    subscribe,
    stats,
    clock,
    random,
    logger,
    resolve: options.resolve ?? systemResolve,
    inspector,
    // Only who uses it has its counters.
    exchange: () => (exchange ??= exchangeParts(nodeInfo, stats)),
    bindConfig: bootstrap.clusterManager?.upstreamBindConfig,
    own:
      ownCluster === ''
        ? undefined
        : {
            locality: `${node.locality?.region ?? ''}/${node.locality?.zone ?? ''}/${node.locality?.subZone ?? ''}`,
            clusterName: ownCluster,
            hosts: () => clusters.get(ownCluster)?.hosts,
          },
    checksElsewhere: thread.role === 'worker',
    knownHealth: (cluster, host) => knownHealth.get(cluster)?.get(host),
    reportOutliers: thread.role === 'worker' ? (cluster, report) => thread.report({ kind: 'outliers', cluster, report }) : undefined,
    reportPassiveFailure: (cluster, host) => thread.report({ kind: 'passive-failure', cluster, host }),
    knownEjected: (cluster, host) => knownEjections.get(cluster)?.includes(host) === true,
    publishEjections: thread.role === 'main' ? (cluster, hosts) => thread.command({ kind: 'ejections', cluster, hosts }) : undefined,
    publishHealth: thread.role === 'main' ? (cluster, hosts) => thread.command({ kind: 'health', cluster, hosts }) : undefined,
    counters: thread.role === 'single' ? undefined : thread.counters,
  });
  const upstream = new ClusterCaller(() => clusters, clock);
  const reporters = new ZipkinReporters({
    version: options.version,
    upstream,
    stats,
    clock,
    logger,
    node: nodeInfo,
    ownAddress: ownAddress(),
    runtime: (key) => runtime.number(key),
  });
  const limits = new ConnectionLimits({
    counters: thread.counters,
    runtime: (key) => runtime.number(key),
    globalMax: globalConnectionLimit(bootstrap),
  });
  createServerStats(stats, thread.count, options.restartEpoch ?? 0, bootstrap.overloadManager !== undefined);
  const stopEvictions = evictIdleStats(bootstrap, stats, clock);
  const extensions = new ExtensionStore({ subscribe, stats, clock });
  const tap = new TapHub(
    clock,
    { workload: peerFromMetadata(nodeInfo.metadata), isGateway: nodeInfo.id.startsWith('router~') },
    thread.role === 'worker' ? (report) => thread.report({ kind: 'tap', report }) : (report) => taps.receive(report),
    thread.role === 'worker' ? undefined : (id) => taps.takes(id),
  );
  const taps = new TapViewers(clock, (active) => {
    tap.set(active);
    thread.command({ kind: 'taps', taps: active });
  });
  const listeners = new ListenerManager({
    network: {
      extensions,
      clusters,
      routes,
      stats,
      clock,
      random,
      logger,
      node: nodeInfo,
      zone: node.locality?.zone ?? '',
      runtime: (key) => runtime.fraction(key),
      runtimeFlag: (key) => runtime.flag(key),
      accessLogs,
      tap,
      formatEnvironment,
      upstream,
      reporters,
      httpFilters,
      networkFilters,
      unwrap,
      process: thread.process,
    },
    secrets,
    clock,
    inspector,
    drain: { ...envoyDrain, ...options.drain },
    sockets: thread.sockets,
    limits,
    thread,
  });
  let admin: AdminServer | undefined;
  let healthy = true;
  const state: DataplaneState = {
    bootstrap,
    node,
    version: options.version,
    startedAtMs: clock.now(),
    clock,
    stats,
    clusters,
    listeners,
    routes,
    secrets,
    extensions,
    logger,
    commandLine: options.commandLine ?? {},
    concurrency: thread.count,
    lifecycle: 'PRE_INITIALIZING',
    get healthy() {
      return healthy;
    },
    set healthy(value) {
      healthy = value;
      upstream.serverHealthy = () => value;
      listeners.setUnhealthy(!value);
      thread.command({ kind: 'unhealthy', unhealthy: !value });
    },
    get activeConnections() {
      return limits.active;
    },
    drain(request) {
      listeners.drain(request);
      thread.command({ kind: 'drain', request });
    },
    resetCounters() {
      stats.resetCounters();
      thread.command({ kind: 'reset-counters' });
    },
    runtime,
    modifyRuntime(changes) {
      if (!runtime.modify(changes)) return false;
      thread.command({ kind: 'runtime', changes: runtime.changes });
      return true;
    },
    logLevelChanged() {
      thread.command({ kind: 'log-level', level: levelOf(logger) });
    },
    reopenLogs() {
      accessLogs.reopen();
      thread.command({ kind: 'reopen-logs' });
    },
    obey(command) {
      switch (command.kind) {
        case 'drain':
          state.drain(command.request);
          return;
        case 'stop-listening':
          listeners.stopListening(command.inboundOnly);
          return;
        case 'unhealthy':
          state.healthy = !command.unhealthy;
          return;
        case 'reset-counters':
          state.resetCounters();
          return;
        case 'runtime':
          runtime.modify(command.changes);
          return;
        case 'reopen-logs':
          state.reopenLogs();
          return;
        case 'ejections':
          knownEjections.set(command.cluster, command.hosts);
          for (const entry of clusters.entries) {
            for (const cluster of [entry.active, entry.warming])
              if (cluster?.config.name === command.cluster) cluster.applyEjections(command.hosts);
          }
          return;
        case 'health':
          knownHealth.set(command.cluster, command.hosts);
          for (const entry of clusters.entries) {
            for (const cluster of [entry.active, entry.warming])
              if (cluster?.config.name === command.cluster) cluster.applyHealth(command.hosts);
          }
          return;
        case 'taps':
          tap.set(command.taps);
          return;
        default:
          return;
      }
    },
    refreshHosts: async () => mergeHostReports(clusters, await thread.hostReports()),
    taps,
    quit: () => options.onQuit?.(),
  };
  let stopRuntime: (() => void) | undefined;
  const close = async (): Promise<void> => {
    stopRuntime?.();
    stopEvictions();
    taps.close();
    sources.close();
    listeners.close();
    clusters.close();
    secrets.close();
    accessLogs.close();
    await Promise.all([admin?.close(), thread.close()]);
  };
  thread.onState((command) => state.obey(command));
  try {
    for (const secret of resources?.secrets ?? []) secrets.addStatic(secret);
    for (const cluster of resources?.clusters ?? []) clusters.addStatic(cluster);
    if (bootstrap.admin?.address !== undefined) {
      const address = endpointAddress(bootstrap.admin.address, 'admin.address');
      if (address.kind === 'pipe') throw new XebecError('E_BOOTSTRAP', 'admin.address: a pipe is not supported; use socket_address');
      const { startAdmin } = await import('./admin/admin-server.ts');
      admin = await startAdmin(address, state);
    }
    // Compiled here before workers see them: what is wrong is said once.
    const bound = (resources?.listeners ?? []).map((listener) => listeners.addStatic(listener));
    // They reject one by one, and the first is enough.
    for (const one of bound) one.catch(() => undefined);
    thread.start(
      (statPrefix) => (statPrefix === 'cluster_manager.cds' ? clusters.inForce : listeners.inForce),
      (report) => {
        if (report.kind === 'tap') {
          taps.receive(report.report);
          return;
        }
        const cluster = clusters.get(report.cluster);
        if (report.kind === 'outliers') cluster?.applyOutlierReport(report.report);
        else cluster?.failPassively(report.host);
      },
    );
    await Promise.all(bound);
  } catch (error) {
    await close();
    throw error;
  }
  const ready = new Promise<void>((resolve) => {
    const live = (): void => {
      state.lifecycle = 'LIVE';
      stats.gauge('server.live').set(1);
      stats.histogram('server.initialization_time_ms').record(clock.monotonic() - initialization);
      stats.gauge('listener_manager.workers_started').set(1);
      resolve();
    };
    const startClusters = (): void => {
      const source = dynamic?.cdsConfig;
      if (source === undefined) {
        clusters.whenSettled(startListeners);
        return;
      }
      let first = true;
      sources.collect(
        source,
        clusterTypeUrl,
        {
          onChange(change) {
            const errors = clusters.onChange(change);
            if (first) {
              first = false;
              clusters.whenSettled(startListeners);
            }
            return errors;
          },
          onTimeout() {
            if (first) clusters.whenSettled(startListeners);
            first = false;
          },
        },
        'cluster_manager.cds',
      );
    };
    // Clusters come first, so that a listener never routes to what is not there yet.
    const startListeners = (): void => {
      const source = dynamic?.ldsConfig;
      if (source === undefined) {
        live();
        return;
      }
      let first = true;
      const watcher: Parameters<ConfigSources['collect']>[2] = {
        onChange(change) {
          const errors = listeners.onChange(change);
          if (first) {
            first = false;
            listeners.whenSettled(live);
          }
          return errors;
        },
        onTimeout() {
          if (first) listeners.whenSettled(live);
          first = false;
        },
      };
      sources.collect(source, listenerTypeUrl, watcher, 'listener_manager.lds');
    };
    state.lifecycle = 'INITIALIZING';
    stopRuntime = runtime.discover(bootstrap, subscribe, startClusters);
  });
  // Whoever waits for it hears of it; a bootstrap that is only validated is not waited for.
  ready.catch(() => undefined);
  return {
    state,
    adminAddress: admin?.address,
    ready,
    drain: () => state.drain({ inboundOnly: false, graceful: true, skipExit: true }),
    stopListening() {
      listeners.stopListening(false);
      thread.command({ kind: 'stop-listening', inboundOnly: false });
    },
    terminateWorker: async (index) => await thread.terminate?.(index),
    close,
  };
}

let sharedInspector: SocketInspector | string | undefined;

function socketInspector(logger: Logger): SocketInspector | undefined {
  sharedInspector ??= openSocketInspector();
  if (typeof sharedInspector !== 'string') return sharedInspector;
  logger.warn({}, sharedInspector);
  return undefined;
}
